"""Where word pieces stand, and that the fast way and the exact one are one."""

import random

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.tokenizers import WordPieceTokenizer
from keras_nlp_lite.tokenizers.bert_characters import bert_characters
from keras_nlp_lite.tokenizers.word_splitting import (
    split_words,
    split_words_with_offsets,
)

LETTERS = "abcdeßé\u03c3ςi中日ᄒ\u1161\u11ab.,!'\u3002"
VOCABULARY = [
    "[UNK]", "[MASK]", "<s>", *LETTERS, *("##" + c for c in LETTERS),
    "ab", "##cd", "##\u0301", "##\u0307", "abcde", "##eé",
]  # fmt: skip
ODD = [
    "\0", "\ufffd", "\u00ad", "\u200b", "\x85", "\t", "\n", "\u3000", "\u2028", "\u180e",
    "\u0301", "\u0323\u0301", "é", "e\u0301", "É", "İ", "Σ", "ς", "ﬁ", "½", "≠", "\u1e69",
    "한", "국", "中", "日", "\U00020000", "\U0002b820", "\u061d", "\u2e43", "\uffff", "\u05d0",
    "\u202e", "👩\u200d👧", "\ufe0f", "\U0001f600", "\ue000", "\U000e0041", "[MASK]", "<s>",
    "a" * 101, "é" * 51, "[", "]",
]  # fmt: skip
SETTINGS = [
    {"lowercase": True, "strip_accents": True},
    {},
    {"lowercase": True},
    {"strip_accents": True, "split_on_cjk": False},
    {
        "lowercase": True,
        "strip_accents": True,
        "special_tokens": ["[MASK]", "<s>"],
        "special_tokens_in_strings": True,
    },
]


def make(**settings):
    return WordPieceTokenizer(VOCABULARY, **settings)


def random_texts(count=400, broken=True):
    rng = random.Random(0)
    texts = []
    for _ in range(count):
        parts = rng.choices([*"abcdeABCDE   .,!'", *ODD], k=rng.randint(0, 15))
        text = "".join(parts).encode()
        if broken and text and rng.random() < 0.3:
            at = rng.randrange(len(text))
            text = text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :]
        texts.append(text)
    return [*texts, b"", b" \n\t", *([b"\x80", "é".encode()[:1]] if broken else [])]


def placed(tokenizer, texts):
    """For each text a list of (token, start, end, word)."""
    results = (*tokenizer.tokenize_with_offsets(texts), tokenizer.word_ids(texts))
    return [list(zip(*row)) for row in zip(*(x.to_list() for x in results))]


@pytest.mark.parametrize("settings", SETTINGS)
def test_tokens_with_places_are_the_tokens(settings):
    texts = tf.constant(random_texts())
    for dtype in ("int32", "string"):
        tokenizer = make(dtype=dtype, **settings)
        tokens, starts, ends = tokenizer.tokenize_with_offsets(texts)
        assert tokens.dtype == dtype and starts.dtype == ends.dtype == tf.int64
        assert tokens.to_list() == tokenizer(texts).to_list()
        assert max(map(len, tokens.to_list())) > 10


@pytest.mark.parametrize("settings", SETTINGS)
def test_spans_ascend_within_the_text_and_leave_out_only_what_bert_does(settings):
    texts = random_texts()
    cleaned = bert_characters(
        settings.get("lowercase", False), settings.get("strip_accents", False)
    )
    gaps = []
    for text, pieces in zip(texts, placed(make(**settings), texts)):
        last = (0, 0)
        for _, start, end, _ in pieces:
            assert 0 <= start < end <= len(text)
            # Pieces of one character have the same span, that of the character.
            assert start >= last[1] or (start, end) == last, text
            gaps.append(text[last[1] : max(start, last[1])])
            last = (start, end)
        gaps.append(text[last[1] :])
    assert any(gaps)
    assert set(cleaned(tf.constant(gaps)).numpy()) <= {b" " * n for n in range(30)}


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_text_in_a_span_is_the_piece_once_normalized(settings):
    texts = random_texts()
    normalize = bert_characters(
        settings.get("lowercase", False), settings.get("strip_accents", False)
    )
    pieces, inside = [], []
    for text, row in zip(texts, placed(make(dtype="string", **settings), texts)):
        pieces += [token for token, *_ in row]
        inside += [text[start:end] for _, start, end, _ in row]
    normal = tf.strings.strip(normalize(tf.constant(inside))).numpy()
    equal = 0
    for piece, raw, text in zip(pieces, inside, normal):
        if piece == b"[UNK]" or raw == piece:
            continue
        piece = piece.removeprefix(b"##")
        one_character = len(raw.decode()) == 1
        assert piece == text or (one_character and piece in text), raw
        equal += piece == text
    assert equal > 300


@pytest.mark.parametrize("settings", SETTINGS[:4])
def test_word_numbers_are_those_of_the_words(settings):
    texts = random_texts()
    words = split_words(
        tf.constant(texts),
        settings.get("split_on_cjk", True),
        settings.get("lowercase", False),
        settings.get("strip_accents", False),
    ).to_list()
    for row, pieces in zip(words, placed(make(dtype="string", **settings), texts)):
        spelled = [b""] * len(row)
        for token, _, _, word in pieces:
            spelled[word] += token.removeprefix(b"##")
        assert [w for w, s in zip(row, spelled) if s not in (w, b"[UNK]")] == []
        assert [word for *_, word in pieces] == sorted(word for *_, word in pieces)


def test_a_special_token_is_one_word_wherever_it_stands():
    tokenizer = make(
        special_tokens=["[MASK]", "<s>"],
        special_tokens_in_strings=True,
        dtype="string",
    )
    (row,) = placed(tokenizer, ["[MASK]ab<s><s> é."])
    assert row == [
        (b"[MASK]", 0, 6, 0),
        (b"ab", 6, 8, 1),
        (b"<s>", 8, 11, 2),
        (b"<s>", 11, 14, 3),
        ("é".encode(), 15, 17, 4),
        (b".", 17, 18, 5),
    ]


def test_nothing_is_lost_behind_a_nul_or_a_byte_that_is_no_utf8():
    plain = make()("ab ab").numpy().tolist()
    tokenizer = make(special_tokens=["<s>"], special_tokens_in_strings=True)
    special = tokenizer.token_to_id("<s>")
    for text in (
        b"ab \0ab<s>",
        b"a\0b ab<s>",
        b"a\xff\x00b ab\xe2<s>",
        b"ab ab\x1f<s>",
    ):
        assert tokenizer(tf.constant(text)).numpy().tolist() == [*plain, special], text
        starts = tokenizer.tokenize_with_offsets(tf.constant(text))[1].numpy()
        assert starts[-1] == text.index(b"<s>")


def test_places_have_the_shape_of_the_tokens():
    nested = [["ab ab!", "a"], ["", "é, ab cd"]]
    for inputs in ("ab ab!", nested, tf.ragged.constant([nested[0], []])):
        for length in (None, 3):
            tokenizer = make(sequence_length=length)
            tokens = tokenizer(inputs)
            for x in (
                *tokenizer.tokenize_with_offsets(inputs),
                tokenizer.word_ids(inputs),
            ):
                assert x.shape.as_list() == tokens.shape.as_list()
                if isinstance(tokens, tf.RaggedTensor):
                    assert list(map(len, x.to_list())) == list(
                        map(len, tokens.to_list())
                    )
    tokenizer = make(sequence_length=4)
    assert tokenizer.tokenize_with_offsets("ab!")[2].numpy().tolist() == [2, 3, 0, 0]
    assert tokenizer.word_ids(["a b", "a, b c d"]).numpy().tolist() == [
        [0, 1, -1, -1],
        [0, 1, 2, 3],
    ]


def test_words_that_are_split_already_are_counted_in_their_row():
    tokenizer = make(split=False, dtype="string")
    words = [["abcd", "", "e"], ["é", "x y"]]
    tokens, starts, ends = tokenizer.tokenize_with_offsets(words)
    assert tokens.to_list() == [[b"ab", b"##cd", b"e"], ["é".encode(), b"[UNK]"]]
    assert starts.to_list() == [[0, 2, 0], [0, 0]]
    assert ends.to_list() == [[2, 4, 1], [2, 3]]
    assert tokenizer.word_ids(words).to_list() == [[0, 0, 2], [0, 1]]
    assert tokenizer.word_ids(words[0]).numpy().tolist() == [0, 0, 2]


def test_a_megabyte_is_tokenized_as_its_parts_are():
    texts = [t.decode() + " " for t in random_texts(300, broken=False)]
    tokenizer = make(lowercase=True, strip_accents=True)
    times = 10**6 // len("".join(texts).encode()) + 1
    row = [id for ids in tokenizer(texts).to_list() for id in ids]
    assert tokenizer("".join(texts * times)).numpy().tolist() == row * times
    long = "ab" * 500_000  # one word
    tokens, starts, ends = tokenizer.tokenize_with_offsets([long])
    assert tokens.to_list() == [[0]]
    assert (starts.to_list(), ends.to_list()) == ([[0]], [[10**6]])


@pytest.mark.parametrize("settings", SETTINGS[3:])
def test_graphs_and_datasets_give_what_eager_calls_do(settings):
    texts = random_texts(60)
    tokenizer = make(sequence_length=9, **settings)

    def all_of(x):
        return (*tokenizer.tokenize_with_offsets(x), tokenizer.word_ids(x))

    wanted = [x.numpy() for x in (tokenizer(texts), *all_of(texts))]
    signature = [tf.TensorSpec([None], tf.string)]
    graph = tf.function(lambda x: (tokenizer(x), *all_of(x)), signature)
    for found, want in zip(graph(tf.constant(texts)), wanted):
        np.testing.assert_array_equal(found, want)
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(len(texts))
    for found, want in zip(next(iter(batches.map(graph))), wanted):
        np.testing.assert_array_equal(found, want)
    one_by_one = list(tf.data.Dataset.from_tensor_slices(texts).map(tokenizer))
    np.testing.assert_array_equal(one_by_one, wanted[0])


def test_a_vocabulary_may_have_characters_that_the_op_would_split_at():
    tokenizer = WordPieceTokenizer(["[UNK]", "a", "##\u2e43", "##b"])
    assert tokenizer("a\u2e43b a\u2e43").numpy().tolist() == [1, 2, 3, 1, 2]
    assert make()("a\u2e43b a").numpy().tolist() == [0, VOCABULARY.index("a")]


def test_words_of_raw_text_keep_their_letters_and_their_places():
    texts = ["It's É\u0301té.", "", "a\u200bb 中\0"]
    words, starts, ends = split_words_with_offsets(tf.constant(texts))
    assert words.to_list() == split_words(tf.constant(texts)).to_list()
    inside = [
        [text.encode()[start:end].decode() for start, end in zip(*spans)]
        for text, spans in zip(texts, zip(starts.to_list(), ends.to_list()))
    ]
    assert inside == [["It", "'", "s", "É\u0301té", "."], [], ["a\u200bb", "中"]]
