"""The compiled SentencePiece against tensorflow-text's op: the same, for any model and text."""

# ruff: noqa: RUF001 - letters of many scripts are meant
import functools
import io
import itertools
import random

import keras
import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from sentencepiece import sentencepiece_model_pb2

from keras_nlp_lite.ops import library, library_path, portable_ops
from keras_nlp_lite.tokenizers import SentencePieceTokenizer
from keras_nlp_lite.tokenizers.sentence_piece_op import SentencePieceOp
from tests.marks import where_ops_are_compiled
from tests.new_process import served
from tests.tokenizers.corpus import made_up_texts

pytestmark = where_ops_are_compiled

STEMS = ["the", "tea", "low", "new", "kind", "said", "walk", "jump", "talk", "café"]
WORDS = [stem + end for stem in STEMS for end in ("", "er", "est", "ing", "ed", "s,")]
SYMBOLS = ["<x>", "<x>>", "low ", "▁new", "é", "\t\t", "th"]
SETTINGS = {
    "unigram": {},
    "unigram, bytes": {
        "byte_fallback": True,
        "normalization_rule_name": "nfkc",
        "vocab_size": 400,
    },
    "unigram, folded": {"normalization_rule_name": "nmt_nfkc_cf"},
    "unigram, as it is": {
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
    },
    "unigram, symbols": {
        "user_defined_symbols": SYMBOLS,
        "control_symbols": ["<mask>"],
        "normalization_rule_name": "nfkc_cf",
    },
    "unigram, across words": {"split_by_whitespace": False, "vocab_size": 300},
    "unigram, space behind": {"treat_whitespace_as_suffix": True},
    "byte pairs": {"model_type": "bpe"},
    "byte pairs, bytes": {
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "vocab_size": 400,
    },
    "byte pairs, symbols": {
        "model_type": "bpe",
        "user_defined_symbols": SYMBOLS,
        "normalization_rule_name": "nmt_nfkc_cf",
        "add_dummy_prefix": False,
    },
    "byte pairs, across words": {"model_type": "bpe", "split_by_whitespace": False},
}
# What a text may be made of: words, spaces of all kinds, what Unicode composes, takes apart
# or drops, other scripts.
PIECES = [
    *WORDS,
    *SYMBOLS,
    *(
        "<mask>",
        "<unk>",
        "</s>",
        "<0x41>",
        "▁",
        "▁▁",
        "▁low",
        "low▁",
        "lower",
        "aaaaaaaa",
    ),
    *(
        " ",
        " ",
        " ",
        "  ",
        "   ",
        "\n",
        "\t",
        "\r\n",
        "\xa0",
        "\u2003",
        "\u3000",
        "\x85",
    ),
    *("\0", "\x01", "\x1f", "\x7f", "\u200b", "\ufeff", "\u202e", "\xad", "\u2028"),
    *(
        "1",
        "12",
        "½",
        "²",
        "٣",
        "Ⅷ",
        "①",
        "!",
        "?!",
        "...",
        "…",
        "—",
        "€",
        "$5",
        "`",
        "~",
    ),
    *(
        "é",
        "e\u0301",
        "E\u0301",
        "n\u0303",
        "a\u0300\u0301",
        "ﬁ",
        "İ",
        "ß",
        "Σ",
        "Ǆ",
        "ﷺ",
    ),
    *(
        "я",
        "שלום",
        "مرحبا",
        "中文",
        "ひら",
        "カ\u3099",
        "ｶﾞ",
        "한",
        "ᄒ\u1161\u11ab",
        "क्ष",
    ),
    *(
        "👩\u200d👩\u200d👧",
        "🏳️\u200d🌈",
        "\ufffd",
        "\U0010ffff",
        "\u0301",
        "ＡＢＣ",
        "ａ",
    ),
]


@functools.cache
def model(kind):
    settings = {"vocab_size": 160, **SETTINGS[kind]}
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=9)) for _ in range(300)] + made_up_texts(100)
    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=file,
        minloglevel=2,
        hard_vocab_limit=False,
        **settings,
    )
    return file.getvalue()


def changed(kind, change):
    """A model as `change` makes it, a function of the parsed one."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model(kind))
    change(proto)
    return proto.SerializeToString()


def random_texts(count, seed, most=12):
    """list of bytes: three quarters of them UTF-8, a quarter broken."""
    rng = random.Random(seed)

    def piece():
        if rng.random() < 0.8:
            return rng.choice(PIECES)
        while 0xD800 <= (code_point := int(rng.random() ** 4 * 0x110000)) < 0xE000:
            pass
        return chr(code_point)

    broken = [p.encode() for p in PIECES]
    broken += [p[:-1] for p in broken] + [p[1:] for p in broken]
    broken += [bytes([b]) for b in range(256)] + [b"\xed\xa0\x80", b"\xc0\x80", b"\xf5"]
    texts = ["".join(piece() for _ in range(rng.randrange(most))) for _ in range(count)]
    texts = [text.encode() for text in texts]
    for i in range(0, count, 4):
        texts[i] = b"".join(rng.choices(broken, k=rng.randrange(most)))
    return texts


def check_equal(proto, texts, **settings):
    """Checks that ids, pieces and places are the same, compiled and not."""
    for dtype in ("int32", "string"):
        tokenizer = SentencePieceTokenizer(proto, dtype=dtype, **settings)
        assert tokenizer._model._compiled is not None
        got = [tokenizer(texts), *tokenizer.tokenize_with_offsets(texts)]
        with portable_ops():
            wanted = [tokenizer(texts), *tokenizer.tokenize_with_offsets(texts)]
        for ours, theirs in zip(got, wanted):
            same = np.array_equal(
                ours.row_splits, theirs.row_splits
            ) and np.array_equal(ours.flat_values, theirs.flat_values)
            if not same:
                rows = zip(texts, ours.to_list(), theirs.to_list())
                different = [row for row in rows if row[1] != row[2]]
                raise AssertionError(f"{dtype}, {len(different)}: {different[0]}")


# The same tokens


@pytest.mark.parametrize("kind", SETTINGS)
def test_tokens_and_places_are_those_of_tensorflow_text(kind):
    check_equal(model(kind), random_texts(2_000, seed=3))


def unused(proto):
    for piece in itertools.islice(proto.pieces, 9, None, 3):
        if len(piece.piece) > 1 and piece.type == piece.NORMAL:
            piece.type = piece.UNUSED


def equal_scores(proto):
    for piece in proto.pieces:
        piece.score = -2.0


def nearly_equal_scores(proto):
    for i, piece in enumerate(proto.pieces):
        piece.score = -len(piece.piece) - i % 7 / 1000


def scores_above_zero(proto):
    for piece in proto.pieces:
        piece.score += 9.0


def spaces_as_they_are(proto):
    proto.normalizer_spec.escape_whitespaces = False


def a_space_for_nothing(proto):
    proto.normalizer_spec.add_dummy_prefix = False


@pytest.mark.parametrize(
    "kind, change",
    [
        ("unigram", unused),
        ("unigram", equal_scores),
        ("unigram, symbols", scores_above_zero),
        ("unigram", spaces_as_they_are),
        ("unigram, space behind", a_space_for_nothing),
        ("byte pairs", equal_scores),
    ],
)
def test_tokens_of_unusual_models_are_those_of_tensorflow_text(kind, change):
    check_equal(changed(kind, change), random_texts(600, seed=4))


@pytest.mark.parametrize("kind", ["unigram", "unigram, across words", "byte pairs"])
def test_sums_of_long_texts_round_as_those_of_tensorflow_text(kind):
    # A sum of half a million rounds to 1/32: words are not cut as they are alone.
    proto = changed(kind, nearly_equal_scores)
    words = random.Random(5).choices(WORDS, k=3_000)
    texts = [" ".join(words * times).encode() for times in (1, 40)]
    check_equal(proto, texts)
    if kind == "unigram":
        long = SentencePieceTokenizer(proto)(texts[-1:]).values.numpy()
        alone = SentencePieceTokenizer(proto)(texts[0]).numpy()
        assert np.any(long[-len(alone) :] != alone)


@pytest.mark.parametrize("settings", [{}, {"sequence_length": 5}])
def test_special_tokens_are_those_of_tensorflow_text(settings):
    kind = "unigram, symbols"
    special = ["<mask>", "</s>", "<unk>"]
    tokenizer = SentencePieceTokenizer(
        model(kind),
        add_bos=True,
        add_eos=True,
        special_tokens=special,
        special_tokens_in_strings=True,
        **settings,
    )
    texts = random_texts(2_000, seed=6)
    got = tokenizer(texts), tokenizer.word_ids(texts)
    with portable_ops():
        wanted = tokenizer(texts), tokenizer.word_ids(texts)
    for ours, theirs in zip(got, wanted):
        if not settings:
            ours, theirs = ours.flat_values, theirs.flat_values
        np.testing.assert_array_equal(ours, theirs)


def test_rows_that_are_cut_are_the_beginnings_of_the_others():
    texts = random_texts(1_000, seed=7, most=40)
    for kind in ("unigram", "unigram, across words", "byte pairs, bytes"):
        whole = SentencePieceTokenizer(model(kind))(texts)
        for length in (1, 7, 60):
            cut = SentencePieceTokenizer(model(kind), sequence_length=length)(texts)
            np.testing.assert_array_equal(cut, whole.to_tensor(shape=[None, length]))


def test_models_that_are_not_compiled_stay_with_tensorflow_text():
    texts = random_texts(200, seed=8)
    char = changed(
        "unigram", lambda proto: setattr(proto.trainer_spec, "model_type", 4)
    )
    for proto in (char, changed("byte pairs", unused)):
        tokenizer = SentencePieceTokenizer(proto)
        assert tokenizer._model._compiled is None
        got = tokenizer(texts).to_list()
        with portable_ops():
            assert tokenizer(texts).to_list() == got


def test_words_are_remembered_for_one_model_alone():
    # Calls of one shape share what they remember. More words than it holds, and then the
    # same words of a model with other ids.
    words = ["".join(word) for word in itertools.product("abeklns", repeat=5)]
    kinds = "unigram", "unigram, folded", "byte pairs"
    tokenizers = [SentencePieceTokenizer(model(kind)) for kind in kinds]
    with portable_ops():
        wanted = [tokenizer(words).flat_values.numpy() for tokenizer in tokenizers]
    for _ in range(2):
        for tokenizer, ids in zip(tokenizers, wanted):
            np.testing.assert_array_equal(tokenizer(words).flat_values, ids)


# Where it runs


def test_graphs_and_pipelines_give_the_same():
    tokenizer = SentencePieceTokenizer(model("unigram"), sequence_length=7)
    texts = tf.constant(random_texts(300, seed=9))
    wanted = tokenizer(texts)
    np.testing.assert_array_equal(tf.function(tokenizer)(texts), wanted)
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(7)
    batches = batches.map(tokenizer, num_parallel_calls=4, deterministic=True)
    got = np.concatenate(list(batches.as_numpy_iterator()))
    np.testing.assert_array_equal(got, wanted)


def test_an_export_with_the_op_serves_where_the_op_is_loaded(tmp_path):
    tokenizer = SentencePieceTokenizer(model("unigram"), sequence_length=9)
    text = keras.Input((), dtype="string")
    keras.Model(text, tokenizer(text)).export(tmp_path / "export", verbose=False)
    answers = served(
        tmp_path / "export",
        PIECES,
        library=library_path(),
        modules=["tensorflow_text"],
    )
    assert answers == tokenizer(PIECES).numpy().tolist()


def test_a_damaged_model_is_refused():
    encode = functools.partial(
        library.load().knl_sentence_piece_encode, T=tf.int32, most=0, num_places=0
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="no model of Sentence"):
        encode(model=tf.zeros([100], tf.uint8), text=["a"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="not all of one"):
        SentencePieceOp(model("unigram")[:999], tf.int32)
