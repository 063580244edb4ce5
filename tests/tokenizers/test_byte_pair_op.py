"""The compiled byte pairs against the formula, and against the Rust library."""

import json
import pathlib
import random
import runpy

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nlp_lite
from keras_nlp_lite.ops import library, library_path, portable_ops
from keras_nlp_lite.tokenizers import (
    BytePairTokenizer,
    ModernBertTokenizer,
    RobertaTokenizer,
)
from keras_nlp_lite.tokenizers.byte_pair_alphabet import ALPHABET
from tests.marks import where_ops_are_compiled
from tests.new_process import served

pytestmark = where_ops_are_compiled

PACKAGE = pathlib.Path(keras_nlp_lite.__file__).parent
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
# What a text may be made of: words, what the regular expression looks at, other scripts.
PIECES = [
    *("the", " attention", " of", "Byte", "s", "'s", "'ll", "'re", "'", "''t", " '"),
    *(" ", "  ", "\n", "\t", "\r\n", "\xa0", "\u2003", "\u3000", "\x85", "\0", "\x7f"),
    *("1", "12", "½", "²", "٣", "Ⅷ", "!", "?!", "...", "…", "—", "€", "$5"),
    *("é", "e\u0301", "ﬁ", "İ", "ß", "Σ", "я", "שלום", "مرحبا", "中文", "ひら", "한"),
    *(
        "👩\u200d👩\u200d👧",
        "🏳️\u200d🌈",
        "\u200b",
        "\ufeff",
        "\u202e",
        "\ufffd",
        "\U0010ffff",
    ),
    *("<mask>", "<s>", "</s", " <mask>", "\x1e", "\x1f", "ᲊ", "\U00016d40", "aaaaaaaa"),
]


@pytest.fixture(scope="module")
def trained():
    """(vocabulary, merges) learned from the sources of this package, and the special
    tokens first."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = [path.read_text() for path in sorted(PACKAGE.rglob("*.py"))[:80]]
    learner.train_from_iterator([*texts, *PIECES], trainer)
    model = json.loads(learner.to_str())["model"]
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    return model["vocab"], merges


def random_texts(count, seed, most=12):
    """list of str, without lone surrogates."""
    rng = random.Random(seed)

    def piece():
        if rng.random() < 0.8:
            return rng.choice(PIECES)
        while 0xD800 <= (code_point := int(rng.random() ** 4 * 0x110000)) < 0xE000:
            pass
        return chr(code_point)

    return ["".join(piece() for _ in range(rng.randrange(most))) for _ in range(count)]


def random_bytes(count, seed):
    """list of bytes, mostly no UTF-8: broken characters, and characters between."""
    rng = random.Random(seed)
    pieces = [p.encode() for p in PIECES]
    pieces += [p[:-1] for p in pieces] + [p[1:] for p in pieces]
    pieces += [bytes([b]) for b in range(256)] + [b"\xed\xa0\x80", b"\xc0\x80", b"\xf5"]
    return [b"".join(rng.choices(pieces, k=rng.randrange(9))) for _ in range(count)]


def everything(tokenizer, texts):
    """What a tokenizer says of texts."""
    tokens, starts, ends = tokenizer.tokenize_with_offsets(texts)
    return [
        x.to_list()
        for x in (tokenizer(texts), tokens, starts, ends, tokenizer.word_ids(texts))
    ]


# The same ids


def test_whole_tokens_of_white_space_stay_whole_either_way(trained):
    vocabulary, merges = trained
    spaces = ["  ", "\n\n", " x", "\u3000<"]
    vocabulary = {**vocabulary, **{t: 5000 + i for i, t in enumerate(spaces)}}
    tokenizer = RobertaTokenizer(
        vocabulary,
        merges,
        unsplittable_tokens=spaces,
        special_tokens_in_strings=True,
    )
    texts = ["a  b", "   <mask>", "\n \n\n<mask>", " x x<mask>", "\u3000<mask>", "    "]
    got = everything(tokenizer, texts)
    with portable_ops():
        assert everything(tokenizer, texts) == got
    ids = tokenizer(texts).to_list()
    mask = tokenizer.mask_token_id
    assert ids[1] == [5000, mask] and ids[2][-2:] == [5001, mask]
    assert ids[4][0] == 5003 and ids[5] == [5000, 5000]


@pytest.mark.parametrize("prefix_space", [False, True])
@pytest.mark.parametrize("family", [BytePairTokenizer, RobertaTokenizer])
def test_the_op_does_what_the_formula_does(trained, family, prefix_space):
    tokenizer = family(
        *trained,
        add_prefix_space=prefix_space,
        special_tokens=SPECIAL,
        special_tokens_in_strings=True,
    )
    texts = [*random_texts(400, seed=1), *random_bytes(400, seed=2), "", "<mask>"]
    got = everything(tokenizer, texts)
    with portable_ops():
        wanted = everything(tokenizer, texts)
    assert got == wanted


def test_ids_are_those_of_the_rust_library_on_100_000_strings(trained):
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

    vocabulary, merges = trained
    pairs = [tuple(merge.split(" ")) for merge in merges]
    theirs = Tokenizer(models.BPE(vocabulary, pairs))
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    for token in SPECIAL:
        theirs.add_special_tokens([AddedToken(token, lstrip=token == "<mask>")])
    ours = RobertaTokenizer(vocabulary, merges, special_tokens_in_strings=True)
    texts = random_texts(100_000, seed=3)
    wanted = [encoding.ids for encoding in theirs.encode_batch_fast(texts)]
    got = ours(texts)
    lengths = np.array([len(row) for row in wanted])
    np.testing.assert_array_equal(got.row_lengths(), lengths)
    np.testing.assert_array_equal(got.flat_values, [id for row in wanted for id in row])


def test_text_comes_back_byte_for_byte(trained):
    tokenizer = BytePairTokenizer(*trained)
    texts = [t.encode() for t in random_texts(10_000, seed=4)]
    texts += random_bytes(10_000, seed=5)
    assert tokenizer.detokenize(tokenizer(texts)).numpy().tolist() == texts
    with portable_ops():
        some = texts[::100]
        assert tokenizer.detokenize(tokenizer(some)).numpy().tolist() == some


def test_bytes_without_a_token_and_ids_without_one_are_told():
    tokenizer = BytePairTokenizer({"a": 3, "b": 9, "ab": 70}, ["a b"])
    for context in (portable_ops(), tf.device("CPU:0")):
        with context:
            assert tokenizer("abc ba").numpy().tolist() == [70, -1, -1, 9, 3]
            assert tokenizer.detokenize([[70, 5, -1, 3]]).numpy().tolist() == [b"aba"]
            letters = BytePairTokenizer({"a": 3}, [], dtype="string")
            assert letters("a b").numpy().tolist() == [b"a", "Ġ".encode(), b"b"]


def test_long_words_merge_as_short_ones_do():
    # Each merge doubles, so that all of them can be checked by arithmetic.
    sizes = [2**i for i in range(12)]
    vocabulary = {"a" * size: i for i, size in enumerate(sizes)}
    merges = [f"{'a' * size} {'a' * size}" for size in sizes[:-1]]
    tokenizer = BytePairTokenizer(vocabulary, merges)
    for length in (29, 30, 31, 2047, 1_000_000):
        ids = tokenizer("a" * length).numpy()
        rest, largest = length % 2048, length // 2048
        wanted = [11] * largest + [i for i in range(10, -1, -1) if rest >> i & 1]
        assert ids.tolist() == wanted


def test_words_are_remembered_for_one_vocabulary_alone():
    # Calls of one shape share what they remember. More words than it holds, and then
    # the same words of a vocabulary with the ids turned round.
    words = [f"w{i}" for i in range(40_000)]
    here = {character: i for i, character in enumerate(ALPHABET)}
    there = {character: 255 - i for i, character in enumerate(ALPHABET)}
    one, other = BytePairTokenizer(here, []), BytePairTokenizer(there, [])
    for _ in range(2):
        ids = one(words)
        assert ids.flat_values.numpy().tolist() == list("".join(words).encode())
        turned = other(words)
        np.testing.assert_array_equal(turned.flat_values, 255 - ids.flat_values)


# Offsets


@pytest.mark.parametrize("prefix_space", [False, True])
def test_tokens_tile_the_text(trained, prefix_space):
    tokenizer = RobertaTokenizer(
        *trained, add_prefix_space=prefix_space, special_tokens_in_strings=True
    )
    texts = [t.encode() for t in random_texts(400, seed=6)]
    tokens, starts, ends = tokenizer.tokenize_with_offsets(texts)
    words = tokenizer.word_ids(texts).to_list()
    text_of = {i: tokenizer.detokenize([i]).numpy() for i in range(len(trained[0]))}
    rows = zip(texts, tokens.to_list(), starts.to_list(), ends.to_list(), words)
    for text, ids, begins, finishes, word in rows:
        assert [0, *finishes][: len(ids)] == begins
        assert (finishes or [0])[-1] == len(text)
        for id, start, end in zip(ids, begins, finishes):
            piece, wanted = text[start:end], text_of[id]
            # A mask has the space before it, and a first word may lack one.
            assert wanted in (piece, b" " + piece) or piece.endswith(b"<mask>")
        assert word == sorted(word) and set(word) == set(range(len(set(word))))


def test_offsets_are_those_of_the_text_before_it_was_normalized(trained):
    vocabulary, merges = trained
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {**vocabulary, **{t: 5000 + i for i, t in enumerate(special)}}
    tokenizer = ModernBertTokenizer(vocabulary, merges)
    text = "e\u0301a e\u0301".encode()  # six bytes become two tokens' worth of four
    tokens, starts, ends = tokenizer.tokenize_with_offsets(text)
    np.testing.assert_array_equal(tokens, tokenizer("\u00e9a \u00e9"))
    assert starts[0] == 0 and ends[-1] == len(text)
    assert (starts[1:] >= ends[:-1]).numpy().all()
    (at,) = [s for s, e in zip(starts, ends) if text[s:e].startswith(b"a")]
    assert at == 3


# Where it runs


def test_shapes_are_those_of_the_input(trained):
    tokenizer = BytePairTokenizer(*trained, sequence_length=5)
    text = [["of the", "a"], ["", "it's"]]
    ids, starts, ends = tokenizer.tokenize_with_offsets(text)
    assert ids.shape == starts.shape == ends.shape == (2, 2, 5)
    np.testing.assert_array_equal(ids[0, 0], tokenizer("of the"))
    np.testing.assert_array_equal(tokenizer.detokenize(tf.constant(ids)).shape, (2, 2))
    ragged = BytePairTokenizer(*trained).tokenize_with_offsets("of the")
    assert all(x.shape.rank == 1 for x in ragged)


def test_graphs_and_pipelines_give_the_same(trained):
    tokenizer = BytePairTokenizer(*trained, sequence_length=7)
    texts = tf.constant(random_texts(300, seed=7))
    wanted = tokenizer(texts)
    np.testing.assert_array_equal(tf.function(tokenizer)(texts), wanted)
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(7)
    batches = batches.map(tokenizer, num_parallel_calls=4, deterministic=True)
    got = np.concatenate(list(batches.as_numpy_iterator()))
    np.testing.assert_array_equal(got, wanted)


def test_an_export_with_the_op_serves_where_only_the_op_is_loaded(trained, tmp_path):
    tokenizer = BytePairTokenizer(*trained, sequence_length=9)
    text = keras.Input((), dtype="string")
    model = keras.Model(text, tokenizer(text))
    texts = random_texts(20, seed=8)
    model.export(tmp_path / "export", verbose=False)
    answers = served(tmp_path / "export", texts, library=library_path())
    assert answers == tokenizer(texts).numpy().tolist()


def test_a_damaged_model_is_refused(trained):
    with pytest.raises(tf.errors.InvalidArgumentError, match="no model of byte pairs"):
        library.load().knl_byte_pair_encode(
            model=tf.zeros([100], tf.uint8),
            text=["a"],
            prefix_space=False,
            num_places=0,
        )


def test_the_table_of_characters_is_what_its_program_makes():
    folder = PACKAGE.parent / "custom_ops" / "kernels"
    if not folder.is_dir():
        pytest.skip("the sources of the kernels are not here")
    program = runpy.run_path(str(folder / "make_character_classes.py"))
    assert program["header"]() == program["HEADER"].read_text()
