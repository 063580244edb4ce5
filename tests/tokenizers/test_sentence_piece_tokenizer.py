"""SentencePiece against its own package, and everything around it."""

import base64
import functools
import io
import itertools
import json
import pathlib
import random
import subprocess
import sys
import unicodedata

import keras
import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from keras_nlp_lite.ops import portable_ops
from keras_nlp_lite.tokenizers import (
    ByteTokenizer,
    SentencePieceTokenizer,
    UnicodeCodepointTokenizer,
)
from tests.tokenizers.odd_texts import ODD_TEXTS, check_spans

STEMS = ["the", "tea", "low", "new", "kind", "said", "walk", "jump", "talk", "cat"]
WORDS = [stem + end for stem in STEMS for end in ("", "er", "est", "ing", "ed", "s,")]
TEXTS = ["the lowest tea", "", "  a   zebra, said\n", "new 中"]
MODELS = ["t5", "llama", "suffix"]


@functools.cache
def model(kind):
    """A model as T5 has one, as Llama, or with the space behind words."""
    settings = {
        "t5": {
            "vocab_size": 60,
            "pad_id": 0,
            "eos_id": 1,
            "unk_id": 2,
            "bos_id": -1,
            "control_symbols": ["<mask>"],
            "user_defined_symbols": ["<x>"],
        },
        "llama": {
            "vocab_size": 330,
            "model_type": "bpe",
            "byte_fallback": True,
            "normalization_rule_name": "identity",
            "remove_extra_whitespaces": False,
        },
        "suffix": {
            "vocab_size": 60,
            "treat_whitespace_as_suffix": True,
            "normalization_rule_name": "nmt_nfkc_cf",
        },
    }[kind]
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=9)) for _ in range(300)]
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=file, minloglevel=2, **settings
    )
    return file.getvalue()


def make(kind="t5", **settings):
    return SentencePieceTokenizer(model(kind), **settings)


def package(kind, **settings):
    return sentencepiece.SentencePieceProcessor(model_proto=model(kind), **settings)


def random_texts(count):
    rng = random.Random(1)
    parts = [
        *WORDS,
        " ",
        "  ",
        "\n",
        "zebra",
        "ﬁ",
        "É",
        "e\u0301",
        "中",
        "😀",
        "①",
        "<x>",
    ]
    return ["".join(rng.choices(parts, k=rng.randint(0, 12))) for _ in range(count)]


# Strings to tokens and back


@pytest.mark.parametrize("kind", MODELS)
def test_ids_and_pieces_are_those_of_the_package(kind):
    texts = random_texts(300)
    theirs = package(kind)
    assert make(kind)(texts).to_list() == theirs.encode(texts)
    pieces = make(kind, dtype="string")(texts).to_list()
    assert [[x.decode() for x in row] for row in pieces] == theirs.encode(
        texts, out_type=str
    )
    ids = theirs.encode(texts)
    back = make(kind).detokenize(tf.ragged.constant(ids)).numpy().tolist()
    wanted = theirs.decode(ids)
    if kind == "llama":  # TensorFlow's is older: it leaves out every space in front
        wanted = [text.lstrip(" ") for text in wanted]
    assert [text.decode() for text in back] == wanted


@pytest.mark.parametrize("kind", ["llama", "suffix"])
@pytest.mark.parametrize("dtype", ["int64", "string"])
def test_rows_begin_and_end_with_the_tokens_for_that(kind, dtype):
    theirs = package(kind)
    first, last = theirs.bos_id(), theirs.eos_id()
    if dtype == "string":
        first, last = b"<s>", b"</s>"
    bare = make(kind, dtype=dtype)(TEXTS).to_list()
    for bos in (False, True):
        for eos in (False, True):
            tokenizer = make(kind, dtype=dtype, add_bos=bos, add_eos=eos)
            wanted = [[first] * bos + row + [last] * eos for row in bare]
            assert tokenizer(TEXTS).to_list() == wanted
            if dtype != "string":
                text = tokenizer.detokenize(tokenizer(TEXTS)).numpy().tolist()
                assert text == make(kind).detokenize(bare).numpy().tolist()


def test_ids_come_back_as_text():
    tokenizer = make(add_eos=True)
    ids = tokenizer(["the tea", "", "a kind"])
    wanted = [b"the tea", b"", b"a kind"]
    assert tokenizer.detokenize(ids).numpy().tolist() == wanted
    assert tokenizer.detokenize(ids.to_tensor()).numpy().tolist() == wanted  # padded
    assert tokenizer.detokenize(ids.to_list()).numpy().tolist() == wanted
    assert tokenizer.detokenize(ids[0]).numpy() == b"the tea"
    assert tokenizer.detokenize(ids[0].numpy().tolist()).numpy() == b"the tea"
    again = tokenizer.detokenize(tokenizer([["the tea", ""], ["a kind", ""]]))
    assert again.to_list() == [[b"the tea", b""], [b"a kind", b""]]


@pytest.mark.parametrize("id", [-1, 60])
def test_an_id_outside_the_model_is_an_error_and_no_crash(id):
    with pytest.raises(tf.errors.OutOfRangeError):
        make().detokenize([0, id])


# Special tokens in the text


@pytest.mark.parametrize("dtype", ["int32", "string"])
def test_special_tokens_in_the_text_become_one_token(dtype):
    texts = ["the</s>tea <mask>  low</s></s> ", "<mask>", "</s >", "", "\x1f<mask>\x1f"]
    tokenizer = make(
        special_tokens=["</s>", "<mask>"], special_tokens_in_strings=True, dtype=dtype
    )
    ids = {"</s>": 1, "<mask>": make().token_to_id("<mask>")}
    for text, row in zip(texts, tokenizer(texts).to_list()):
        found = [text.count(token) for token in ids]
        wanted = [b"</s>", b"<mask>"] if dtype == "string" else list(ids.values())
        assert [row.count(token) for token in wanted] == found, text
    plain = make(special_tokens=["</s>"], dtype=dtype)  # not looked for
    assert plain(texts).to_list() == make(dtype=dtype)(texts).to_list()


@pytest.mark.parametrize("kind", ["t5", "llama"])
def test_only_white_space_puts_a_space_behind_a_special_token(kind):
    tokenizer = make(
        kind, special_tokens=["</s>"], special_tokens_in_strings=True, dtype="string"
    )
    spaced, joined = tokenizer(["the</s> tea", "the</s>tea"]).to_list()
    (tea,) = make(kind, dtype="string")(["tea"]).to_list()
    assert spaced == ["▁the".encode(), b"</s>", *tea]
    assert b"".join(joined).decode() == "▁the</s>tea"
    # What a text begins with has a space in front, a special token has not.
    assert tokenizer("</s>").numpy().tolist() == [b"</s>"]
    assert tokenizer("</s> tea").numpy().tolist() == [b"</s>", *tea]


def test_a_special_token_must_be_a_piece():
    with pytest.raises(ValueError, match="must be pieces of the model.*'<none>'"):
        make(special_tokens=["</s>", "<none>"], special_tokens_in_strings=True)
    with pytest.raises(ValueError, match="Received: one that puts it behind"):
        make("suffix", special_tokens=["</s>"], special_tokens_in_strings=True)
    make(special_tokens=["<none>"])


# Places


def settings_of_places():
    for kind in MODELS:
        yield kind, {}
        yield kind, {"add_eos": True, "add_bos": kind != "t5"}
        if kind != "suffix":
            special = ["</s>", "<unk>"]
            yield kind, {"special_tokens": special, "special_tokens_in_strings": True}


@pytest.mark.parametrize("dtype", ["int32", "string"])
@pytest.mark.parametrize("kind, settings", list(settings_of_places()))
def test_spans_ascend_inside_the_text_and_leave_out_white_space(kind, settings, dtype):
    texts = [*ODD_TEXTS, *(x.encode() for x in random_texts(50))]
    texts += [b"the </s> tea</s>", b"<unk></s>  \xff</s>low"]
    tokenizer = make(kind, dtype=dtype, **settings)
    tokens, starts, ends = tokenizer.tokenize_with_offsets(texts)
    assert tokens.to_list() == tokenizer(texts).to_list()
    assert starts.dtype == ends.dtype == tf.int64
    for text, *spans in zip(texts, starts.to_list(), ends.to_list()):
        for gap in check_spans(text, *spans):
            # SentencePiece drops these as it drops white space: invisible and control
            # characters.
            rest = gap.decode().split()
            rest = "".join(rest).translate(dict.fromkeys(range(32)))
            assert all(unicodedata.category(c) in ("Cf", "Cc") for c in rest), gap


@pytest.mark.parametrize("kind", MODELS)
def test_a_piece_stands_where_its_text_stands(kind):
    texts = random_texts(200)
    tokens, starts, ends = make(kind, dtype="string").tokenize_with_offsets(texts)
    for text, *rows in zip(texts, tokens.to_list(), starts.to_list(), ends.to_list()):
        for piece, start, end in zip(*rows):
            source = text.encode()[start:end].decode()
            piece = piece.decode()
            if piece.startswith("<0x") or not (source and source.isascii()):
                continue  # parts of one character: empty, but for the last
            wanted = " ".join(source.split()) if kind != "llama" else source.strip(" ")
            assert piece.strip("▁").replace("▁", " ") == wanted


def test_places_of_special_tokens_are_exact():
    text = b"  the</s> tea<unk>low"
    tokenizer = make(
        add_eos=True, special_tokens=["</s>", "<unk>"], special_tokens_in_strings=True
    )
    ids, starts, ends = (x.numpy() for x in tokenizer.tokenize_with_offsets(text))
    sources = [text[a:b] for a, b in zip(starts, ends)]
    assert [x for x, id in zip(sources, ids) if id == 1] == [b"</s>", b""]
    assert [x for x, id in zip(sources, ids) if id == 2] == [b"<unk>"]
    assert b"".join(sources).replace(b" ", b"") == text.replace(b" ", b"")


def test_words_begin_at_a_space():
    def words(text, kind, **settings):
        return make(kind, **settings).word_ids([text]).to_list()[0]

    for kind in MODELS:
        texts = ["the lowest tea was zebra", "", "  new   newer ", "中 文"]
        tokens = make(kind, dtype="string")(texts).to_list()
        rows = make(kind).word_ids(texts).to_list()
        assert rows == make(kind, dtype="string").word_ids(texts).to_list()
        for text, pieces, row in zip(texts, tokens, rows):
            joined = ["" for _ in range(len(set(row)))]
            for piece, word in zip(pieces, row):
                joined[word] += piece.decode()
            found = [word.strip("▁") for word in joined]
            if kind != "llama":
                assert found == text.split()
    assert words("", "suffix", add_bos=True, add_eos=True) == [-1, -1]
    row = words("tea", "llama", add_bos=True, add_eos=True)
    assert row == [-1] + [0] * (len(row) - 2) + [-1]
    special = {"special_tokens": ["</s>"], "special_tokens_in_strings": True}
    pieces = make(dtype="string", **special)("the</s>tea</s> tea").numpy().tolist()
    row = words("the</s>tea</s> tea", "t5", **special)
    ends = [row[place] for place, piece in enumerate(pieces) if piece == b"</s>"]
    assert (row[0], *ends, row[-1]) == (0, 1, 3, 4)


# Shapes


def test_a_length_cuts_long_rows_and_pads_short_ones():
    ragged = make(add_eos=True)(TEXTS).to_list()
    dense = make(add_eos=True, sequence_length=3)(TEXTS)
    assert dense.dtype == tf.int32
    assert dense.numpy().tolist() == [(row + [0] * 3)[:3] for row in ragged]
    strings = make(sequence_length=2, dtype="string")(["", "tea"])
    assert strings[0].numpy().tolist() == [b"", b""]
    tokenizer = make(sequence_length=3)
    for x in tokenizer.tokenize_with_offsets(TEXTS):
        assert x.shape == [4, 3]
        assert x[1].numpy().tolist() == [0, 0, 0]  # the empty text
    words = tokenizer.word_ids(TEXTS)
    assert words.shape == [4, 3]
    assert words[1].numpy().tolist() == [-1, -1, -1]


def test_a_subclass_may_pad_with_another_id():
    class Padded(SentencePieceTokenizer):
        pad_token_id = 7

    dense = Padded(model("t5"), sequence_length=2)
    assert dense("").numpy().tolist() == [7, 7]
    assert dense.word_ids("").numpy().tolist() == [-1, -1]
    strings = Padded(model("t5"), sequence_length=2, dtype="string")
    assert strings("").numpy().tolist() == [b"", b""]


def test_any_kind_of_string_input_does():
    tokenizer = make(add_eos=True)
    nested = tf.ragged.constant([TEXTS[:3], TEXTS[3:]])
    square = np.array(TEXTS, object).reshape(2, 2)
    for method in (
        tokenizer,
        tokenizer.word_ids,
        lambda x: tokenizer.tokenize_with_offsets(x)[1],
    ):
        wanted = method(TEXTS).to_list()
        for same in (np.array(TEXTS), np.array(TEXTS, object), tf.constant(TEXTS)):
            assert method(same).to_list() == wanted
        assert method(TEXTS[0]).numpy().tolist() == wanted[0]
        assert method(square).to_list() == [wanted[:2], wanted[2:]]
        assert method(nested).to_list() == [wanted[:3], wanted[3:]]
        assert method([]).to_list() == []
    assert make(sequence_length=4)(nested).shape == [2, 3, 4]
    with pytest.raises(ValueError, match="must be strings. Received: .* int32"):
        tokenizer([1, 2])


def test_a_graph_and_a_dataset_give_what_eager_calls_give():
    tokenizer = make(special_tokens=["</s>"], special_tokens_in_strings=True)
    texts = [*ODD_TEXTS, b"the </s> tea</s>low"]
    data = tf.data.Dataset.from_tensor_slices(texts).batch(4)

    def everything(text):
        places = tokenizer.tokenize_with_offsets(text)
        return tokenizer(text), *places, tokenizer.word_ids(text)

    wanted = [x.to_list() for x in everything(texts)]
    graph = tf.function(everything, [tf.TensorSpec([None], tf.string)], autograph=False)
    assert [x.to_list() for x in graph(tf.constant(texts))] == wanted
    batches = [[x.to_list() for x in batch] for batch in data.map(graph)]
    assert [list(itertools.chain(*x)) for x in zip(*batches)] == wanted


def test_a_megabyte_is_a_row_like_any_other():
    text = "the lowest tea, it said. " * 40_000
    tokenizer = make()
    ids, _, ends = tokenizer.tokenize_with_offsets([text])
    short = tokenizer(text[:25]).numpy().tolist()
    assert ids.values.numpy().tolist() == short * 40_000
    assert ends.values[-1] == len(text) - 1
    assert tokenizer.word_ids([text]).values[-1] == 5 * 40_000 - 1


# Model


def test_a_model_comes_as_bytes_base64_or_file(tmp_path):
    proto = model("t5")
    (tmp_path / "model.spm").write_bytes(proto)
    wanted = make()(TEXTS).to_list()
    for same in (
        proto,
        base64.b64encode(proto).decode(),
        str(tmp_path / "model.spm"),
        tmp_path / "model.spm",
    ):
        tokenizer = SentencePieceTokenizer(same)
        assert tokenizer.proto == proto
        assert tokenizer(TEXTS).to_list() == wanted


def test_pieces_and_ids_name_each_other():
    tokenizer, theirs = make(), package("t5")
    pieces = [theirs.id_to_piece(id) for id in range(theirs.get_piece_size())]
    assert tokenizer.get_vocabulary() == pieces
    assert tokenizer.vocabulary_size() == len(pieces)
    for id, piece in enumerate(pieces):
        assert tokenizer.token_to_id(piece) == id
        assert tokenizer.id_to_token(id) == piece
    assert tokenizer.token_to_id("no such piece") == theirs.unk_id()
    with pytest.raises(ValueError, match=r"range \[0, 59\]. Received: id=60"):
        tokenizer.id_to_token(60)


def test_a_new_model_replaces_the_old():
    tokenizer = make()
    tokenizer.set_proto(model("llama"))
    assert tokenizer(TEXTS).to_list() == make("llama")(TEXTS).to_list()


def test_what_is_no_model_is_refused(tmp_path):
    for junk in (b"", b"junk", model("t5")[:99]):
        with pytest.raises(ValueError, match=f"Received: {len(junk)} bytes"):
            SentencePieceTokenizer(junk)
    with pytest.raises(ValueError, match="does not exist"):
        SentencePieceTokenizer(tmp_path / "nowhere.spm")
    with pytest.raises(ValueError, match="of type int"):
        SentencePieceTokenizer(7)
    with pytest.raises(ValueError, match="add_bos=True, .* a model that lacks one"):
        make("t5", add_bos=True)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="dtype='float32'"):
        make(dtype="float32")
    with pytest.raises(ValueError, match="dtype='uint8', and 330 pieces"):
        make("llama", dtype="uint8")
    with pytest.raises(ValueError, match="sequence_length=0"):
        make(sequence_length=0)
    with pytest.raises(ValueError, match="special_tokens=''"):
        make(special_tokens="")


def test_without_a_model_an_error_says_to_set_one():
    tokenizer = SentencePieceTokenizer()
    assert tokenizer.proto is None
    for use in (lambda: tokenizer("a"), tokenizer.get_vocabulary):
        with pytest.raises(ValueError, match="set_proto"):
            use()


# Saving


def test_the_config_leaves_the_model_to_the_assets(tmp_path):
    tokenizer = make(
        sequence_length=5,
        add_eos=True,
        special_tokens=["</s>"],
        special_tokens_in_strings=True,
        dtype="int64",
    )
    config = tokenizer.get_config()
    copy = SentencePieceTokenizer.from_config(config)
    assert copy.get_config() == config
    assert config["proto"] is None
    tokenizer.save_assets(tmp_path)
    copy.load_assets(tmp_path)
    assert copy.proto == tokenizer.proto
    texts = ["the </s>tea", ""]
    assert copy(texts).numpy().tolist() == tokenizer(texts).numpy().tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["vocabulary.spm"]


def test_a_config_cannot_name_a_file_to_read(tmp_path):
    path = tmp_path / "secret.spm"
    path.write_bytes(model("t5"))
    config = {**make().get_config(), "proto": str(path)}
    with pytest.raises(ValueError, match=r"secret\.spm"):
        SentencePieceTokenizer.from_config(config)
    config["proto"] = base64.b64encode(model("t5")).decode()  # no file, and so allowed
    assert SentencePieceTokenizer.from_config(config).proto == model("t5")


def test_a_saved_model_takes_the_same_strings(tmp_path):
    text = keras.Input((), dtype="string")
    ids = make(
        sequence_length=9, special_tokens=["</s>"], special_tokens_in_strings=True
    )(text)
    model = keras.Model(text, ids)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs = tf.constant(["the</s> tea", *ODD_TEXTS])
    assert loaded(inputs).numpy().tolist() == model(inputs).numpy().tolist()


_SERVE = """
import json, sys
import tensorflow as tf
import tensorflow_text

served = tf.saved_model.load(sys.argv[1])
texts = [bytes.fromhex(text) for text in json.loads(sys.argv[2])]
outputs = served.tokenize(tf.constant(texts))
assert "keras_nlp_lite" not in sys.modules
print(json.dumps({name: x.numpy().tolist() for name, x in outputs.items()}))
"""


def test_an_export_needs_tensorflow_and_its_text_ops_alone(tmp_path):
    module = tf.Module()
    module.tokenizers = {
        "sentence_piece": make(
            sequence_length=7, special_tokens=["</s>"], special_tokens_in_strings=True
        ),
        "byte": ByteTokenizer(sequence_length=7),
        "code_point": UnicodeCodepointTokenizer(sequence_length=7),
    }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def tokenize(text):
        outputs = {}
        for name, tokenizer in module.tokenizers.items():
            results = *tokenizer.tokenize_with_offsets(text), tokenizer.word_ids(text)
            outputs[name] = tf.stack([tf.cast(x, tf.int64) for x in results])
        return outputs

    module.tokenize = tokenize
    with portable_ops():  # the compiled op would have to be loaded, too
        tf.saved_model.save(module, str(tmp_path))
    texts = [b"the</s> tea", *ODD_TEXTS]
    arguments = [str(tmp_path), json.dumps([text.hex() for text in texts])]
    answer = subprocess.run(
        [sys.executable, "-c", _SERVE, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=pathlib.Path(tmp_path),
    ).stdout
    wanted = {x: y.numpy().tolist() for x, y in tokenize(tf.constant(texts)).items()}
    assert json.loads(answer) == wanted
