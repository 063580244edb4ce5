"""Bytes against Python's own, and their places against one character at a time."""

import itertools
import random
import unicodedata

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.tokenizers import ByteTokenizer
from keras_nlp_lite.tokenizers.normalizing import FORMS, normalize, split_chunks
from tests.tokenizers.odd_texts import ODD_TEXTS, check_spans

TEXTS = ["Tea é", "", "ß\x00x", " \n"]
# Each is folded by itself: none combines with what stands before it.
APART = ["a", "B", " ", "É", "ﬁ", "①", "ß", "中", "½", "😀", "Ǆ", "\u3000", "ﷺ"]


def fold(text):
    """Case folding, of texts without invisible characters."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", text)


def random_texts(characters, count, longest):
    rng = random.Random(0)
    return [
        "".join(rng.choices(characters, k=rng.randint(0, longest)))
        for _ in range(count)
    ]


# Strings to bytes and back


def test_text_becomes_its_bytes():
    ids = ByteTokenizer(lowercase=False)(ODD_TEXTS).to_list()
    assert ids == [list(text) for text in ODD_TEXTS]


@pytest.mark.parametrize("form", FORMS)
def test_text_is_folded_and_then_normalized(form):
    texts = random_texts([*APART, "e\u0301", "가", "\u0323a"], 100, 9)
    ids = ByteTokenizer(normalization_form=form)(texts).to_list()
    for text, row in zip(texts, ids):
        wanted = unicodedata.normalize(form, fold(text)) if form else fold(text)
        assert bytes(row) == wanted.encode(), text


def test_bytes_become_their_text():
    tokenizer = ByteTokenizer(lowercase=False)
    texts = [text for text in TEXTS if "\x00" not in text]
    back = tokenizer.detokenize(tokenizer(texts)).numpy().tolist()
    assert back == [text.encode() for text in texts]
    assert tokenizer.detokenize(list(b"ox\0\0")).numpy() == b"ox"  # 0 is the padding
    assert tokenizer.detokenize(np.array([[111, 120]] * 2)).numpy().tolist() == [
        b"ox",
        b"ox",
    ]


def test_bytes_that_are_no_text_are_replaced_left_out_or_refused():
    ids = [111, 255, 120]
    replace = ByteTokenizer(replacement_char=ord("?"))
    assert replace.detokenize(ids).numpy() == b"o?x"
    assert ByteTokenizer(errors="ignore").detokenize(ids).numpy() == b"ox"
    with pytest.raises(tf.errors.InvalidArgumentError):
        ByteTokenizer(errors="strict").detokenize(ids)


@pytest.mark.parametrize("id", [-1, 256])
def test_an_id_that_is_no_byte_is_refused(id):
    with pytest.raises(tf.errors.InvalidArgumentError):
        ByteTokenizer().detokenize([id])


def test_tokens_and_ids_name_each_other():
    tokenizer = ByteTokenizer()
    assert tokenizer.vocabulary_size() == 256
    for token, id in tokenizer.get_vocabulary().items():
        assert (tokenizer.token_to_id(token), tokenizer.id_to_token(id)) == (id, token)
    with pytest.raises(ValueError, match=r"range \[0, 255\]. Received: id=256"):
        tokenizer.id_to_token(256)
    with pytest.raises(ValueError, match="first 256 .* token='中'"):
        tokenizer.token_to_id("中")


# Shapes


def test_a_length_cuts_long_rows_and_pads_short_ones():
    ragged = ByteTokenizer()(TEXTS).to_list()
    dense = ByteTokenizer(sequence_length=4)(TEXTS)
    assert dense.dtype == tf.int32
    assert dense.numpy().tolist() == [(row + [0] * 4)[:4] for row in ragged]
    for places in ByteTokenizer(sequence_length=4).tokenize_with_offsets(TEXTS):
        assert places.shape == [4, 4]


def test_any_kind_of_string_input_does():
    tokenizer = ByteTokenizer()
    wanted = tokenizer(TEXTS).to_list()
    for same in (np.array(TEXTS, object), tf.constant(TEXTS), tuple(TEXTS)):
        assert tokenizer(same).to_list() == wanted
    assert tokenizer(TEXTS[0]).numpy().tolist() == wanted[0]
    square = np.array(TEXTS, object).reshape(2, 2).tolist()
    nested = tf.ragged.constant([TEXTS[:3], TEXTS[3:]])
    for method in (tokenizer, tokenizer.word_ids):
        rows = method(TEXTS).to_list()
        assert method(square).to_list() == [rows[:2], rows[2:]]
        assert method(nested).to_list() == [rows[:3], rows[3:]]
    assert tokenizer([]).to_list() == []
    assert tokenizer(tf.zeros([0, 3], tf.string)).to_list() == []


def test_a_graph_and_a_dataset_give_what_eager_calls_give():
    tokenizer = ByteTokenizer(normalization_form="NFD")
    data = tf.data.Dataset.from_tensor_slices(ODD_TEXTS).batch(7)

    def everything(text):
        places = tokenizer.tokenize_with_offsets(text)
        return tokenizer(text), *places, tokenizer.word_ids(text)

    wanted = [x.to_list() for x in everything(ODD_TEXTS)]
    graph = tf.function(everything, [tf.TensorSpec([None], tf.string)], autograph=False)
    assert [x.to_list() for x in graph(tf.constant(ODD_TEXTS))] == wanted
    batches = [[x.to_list() for x in batch] for batch in data.map(graph)]
    assert [list(itertools.chain(*x)) for x in zip(*batches)] == wanted


# Places


def test_places_are_those_of_one_character_at_a_time():
    texts = random_texts(APART, 200, 12)
    tokens, starts, ends = ByteTokenizer().tokenize_with_offsets(texts)
    for text, *row in zip(texts, tokens.to_list(), starts.to_list(), ends.to_list()):
        wanted, begin = [], 0
        for character in text:
            here, new = len(character.encode()), fold(character).encode()
            for place, byte in enumerate(new):
                one = begin + min(place, here)
                next = begin + min(place + 1, here)
                last = place == len(new) - 1
                wanted.append((byte, one, begin + here if last else next))
            begin += here
        assert list(zip(*row)) == wanted, text


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_spans_ascend_inside_the_text_and_leave_out_what_is_invisible(lowercase, form):
    tokenizer = ByteTokenizer(lowercase=lowercase, normalization_form=form)
    tokens, starts, ends = tokenizer.tokenize_with_offsets(ODD_TEXTS)
    assert tokens.to_list() == tokenizer(ODD_TEXTS).to_list()
    assert starts.dtype == ends.dtype == tf.int64
    for text, *spans in zip(ODD_TEXTS, starts.to_list(), ends.to_list()):
        for gap in check_spans(text, *spans):
            assert lowercase and fold(gap.decode()).strip("\u00ad\u200e\u200f") == ""


def test_without_normalization_a_byte_stands_where_it_stood():
    tokenizer = ByteTokenizer(lowercase=False)
    _, starts, ends = tokenizer.tokenize_with_offsets(ODD_TEXTS)
    assert starts.to_list() == [list(range(len(text))) for text in ODD_TEXTS]
    assert (ends - starts).to_list() == [[1] * len(text) for text in ODD_TEXTS]


def test_what_melts_together_covers_all_that_it_was():
    tokenizer = ByteTokenizer(lowercase=False, normalization_form="NFC")
    tokens, starts, ends = tokenizer.tokenize_with_offsets("cafe\u0301!")
    assert bytes(tokens.numpy().tolist()) == "café!".encode()
    assert starts.numpy().tolist() == [0, 1, 2, 3, 4, 6]
    assert ends.numpy().tolist() == [1, 2, 3, 4, 6, 7]


@pytest.mark.parametrize("form", FORMS)
def test_chunks_are_normalized_one_by_one_as_the_whole_text_is(form):
    rng = random.Random(1)
    marks = [chr(c) for c in range(0x10FFFF) if unicodedata.combining(chr(c))]
    others = [chr(c) for c in (*range(32, 0x3400), *range(0xA000, 0xD800))]
    late = [chr(c) for c in (*range(0xF900, 0x10000), *range(0x11000, 0x11400))]
    texts = [
        "".join(rng.choice(rng.choice([marks, others, late])) for _ in range(12))
        for _ in range(4000)
    ]
    texts += ["e\u00ad\u0301", "가\u11a8", "\u1100\u1161", "ｶﾞ", "\U00016d67" * 2]
    chunks = split_chunks(tf.constant(texts))
    parts = chunks.with_values(normalize(chunks.values, True, form))
    joined = tf.strings.reduce_join(parts, axis=-1).numpy()
    whole = normalize(tf.constant(texts), True, form).numpy()
    assert [text for text, a, b in zip(texts, joined, whole) if a != b] == []


def test_words_are_runs_between_white_space():
    tokenizer = ByteTokenizer(lowercase=False)
    texts = ["on top", "  a\n\nb ", "中\u3000文", "\u00a0", ""]
    assert tokenizer.word_ids(texts).to_list() == [
        [0, 0, 1, 1, 1, 1],
        [0, 0, 0, 1, 1, 1, 2],
        [0, 0, 0, 1, 1, 1, 1, 1, 1],
        [0, 0],
        [],
    ]
    for text, words in zip(ODD_TEXTS, tokenizer.word_ids(ODD_TEXTS).to_list()):
        runs = len(
            text.decode("utf-8", "replace")
            .replace("\x1e", "_")
            .replace("\x1f", "_")
            .split()
        )
        assert len(words) == len(text)
        assert len(set(words)) in (runs, runs + 1), text  # white space at the end


# Long texts, settings, saving


def test_a_megabyte_is_a_row_like_any_other():
    text = "Ünï code\u0301 " * 80_000
    tokenizer = ByteTokenizer(sequence_length=5)
    long, short = (tokenizer.tokenize_with_offsets([x]) for x in (text, text[:20]))
    for a, b in zip(long, short):
        assert a.numpy().tolist() == b.numpy().tolist()
    words = ByteTokenizer().word_ids([text]).values.numpy()
    assert words[-1] == 2 * 80_000


def test_bad_settings_are_refused():
    for name, value in {
        "dtype": "string",
        "sequence_length": 0,
        "normalization_form": "nfc",
        "errors": "raise",
    }.items():
        with pytest.raises(ValueError, match=f"{name}={value!r}"):
            ByteTokenizer(**{name: value})
    with pytest.raises(ValueError, match="must be strings"):
        ByteTokenizer()([1])


def test_the_config_makes_the_same_tokenizer():
    tokenizer = ByteTokenizer(
        lowercase=False,
        sequence_length=7,
        normalization_form="NFKD",
        errors="ignore",
        replacement_char=63,
        dtype="int64",
    )
    config = tokenizer.get_config()
    copy = ByteTokenizer.from_config(config)
    assert copy.get_config() == config
    same = copy(ODD_TEXTS)
    assert same.dtype == tf.int64
    assert same.numpy().tolist() == tokenizer(ODD_TEXTS).numpy().tolist()


def test_a_saved_model_takes_the_same_strings(tmp_path):
    text = keras.Input((), dtype="string")
    model = keras.Model(text, ByteTokenizer(sequence_length=9)(text))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs = tf.constant(ODD_TEXTS)
    assert loaded(inputs).numpy().tolist() == model(inputs).numpy().tolist()
    assert model(inputs).shape == (len(ODD_TEXTS), 9)
