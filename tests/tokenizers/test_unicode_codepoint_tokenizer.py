"""Code points against Python's own, and their places against one at a time."""

import itertools
import unicodedata

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.tokenizers import UnicodeCodepointTokenizer
from keras_nlp_lite.tokenizers.normalizing import FORMS
from tests.tokenizers.odd_texts import ODD_TEXTS, check_spans
from tests.tokenizers.test_byte_tokenizer import APART, fold, random_texts

VALID = [text for text in ODD_TEXTS if b"\xff" not in text and b"\xed" not in text]
TEXTS = ["Tea é", "", "ß\x00x", " \n"]


def code_points(text):
    return [ord(character) for character in text]


# Strings to code points and back


def test_text_becomes_its_code_points():
    tokenizer = UnicodeCodepointTokenizer(lowercase=False)
    assert tokenizer(VALID).to_list() == [code_points(x.decode()) for x in VALID]


@pytest.mark.parametrize("form", FORMS)
def test_text_is_folded_and_then_normalized(form):
    texts = random_texts([*APART, "e\u0301", "가", "\u0323a"], 100, 9)
    ids = UnicodeCodepointTokenizer(normalization_form=form)(texts).to_list()
    for text, row in zip(texts, ids):
        wanted = unicodedata.normalize(form, fold(text)) if form else fold(text)
        assert row == code_points(wanted), text


def test_code_points_become_their_text():
    tokenizer = UnicodeCodepointTokenizer(lowercase=False)
    texts = [text.decode() for text in VALID if b"\x00" not in text]
    back = tokenizer.detokenize(tokenizer(texts)).numpy().tolist()
    assert back == [text.encode() for text in texts]
    assert tokenizer.detokenize([111, 120, 0, 0]).numpy() == b"ox"  # 0 is the padding


def test_what_is_no_text_is_replaced_left_out_or_refused():
    def make(**settings):
        return UnicodeCodepointTokenizer(lowercase=False, **settings)

    text, ids = [b"o\xffx"], [111, 0x110000, 120]
    replace = make(replacement_char=ord("?"))
    assert replace(text).to_list() == [code_points("o?x")]
    assert replace.detokenize(ids).numpy() == b"o?x"
    ignore = make(errors="ignore")
    assert ignore(text).to_list() == [code_points("ox")]
    assert ignore.detokenize(ids).numpy() == b"ox"
    assert ignore.word_ids(text).to_list() == [[0, 0]]
    strict = make(errors="strict")
    for use in (lambda: strict(text), lambda: strict.detokenize(ids)):
        with pytest.raises(tf.errors.InvalidArgumentError):
            use()


@pytest.mark.parametrize("encoding", ["UTF-16-BE", "UTF-32-BE"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_another_encoding_of_a_text_is_the_same_text(encoding, lowercase):
    texts = random_texts(APART, 50, 9)
    encoded = [text.encode(encoding) for text in texts]
    there = UnicodeCodepointTokenizer(
        lowercase=lowercase, input_encoding=encoding, output_encoding=encoding
    )
    here = UnicodeCodepointTokenizer(lowercase=lowercase)
    assert there(encoded).to_list() == here(texts).to_list()
    assert there.word_ids(encoded).to_list() == here.word_ids(texts).to_list()
    back = there.detokenize(there(encoded)).numpy().tolist()
    wanted = here.detokenize(here(texts)).numpy().tolist()
    assert back == [text.decode().encode(encoding) for text in wanted]
    # Places are in bytes of what came in.
    _, starts, ends = there.tokenize_with_offsets(encoded)
    _, *utf_8 = here.tokenize_with_offsets(texts)
    for x, text, *rows in zip(
        encoded, texts, starts.to_list(), ends.to_list(), *(y.to_list() for y in utf_8)
    ):
        assert check_spans(x, *rows[:2]) == []
        spans, wanted = zip(*rows[:2]), zip(*rows[2:])
        assert [x[a:b].decode(encoding) for a, b in spans] == [
            text.encode()[a:b].decode() for a, b in wanted
        ]


def test_a_vocabulary_size_makes_the_last_id_stand_for_the_rest():
    tokenizer = UnicodeCodepointTokenizer(vocabulary_size=100)
    assert tokenizer("abcdefg中").numpy().tolist() == [97, 98] + [99] * 6
    assert tokenizer.vocabulary_size() == 100
    assert len(tokenizer.get_vocabulary()) == 100
    # White space that has no id of its own still parts words.
    assert tokenizer.word_ids("a\u3000b").numpy().tolist() == [0, 1, 1]
    plain = UnicodeCodepointTokenizer(lowercase=False, vocabulary_size=100)
    assert plain.word_ids("a\u3000b").numpy().tolist() == [0, 1, 1]


def test_tokens_and_ids_name_each_other():
    tokenizer = UnicodeCodepointTokenizer(vocabulary_size=300)
    for token, id in tokenizer.get_vocabulary().items():
        assert (tokenizer.token_to_id(token), tokenizer.id_to_token(id)) == (id, token)
    with pytest.raises(ValueError, match=r"range \[0, 299\]. Received: id=300"):
        tokenizer.id_to_token(300)
    with pytest.raises(ValueError, match="first 300 .* token='中'"):
        tokenizer.token_to_id("中")
    assert UnicodeCodepointTokenizer().vocabulary_size() is None
    assert UnicodeCodepointTokenizer().token_to_id("中") == ord("中")


# Shapes


def test_a_length_cuts_long_rows_and_pads_short_ones():
    ragged = UnicodeCodepointTokenizer()(TEXTS).to_list()
    dense = UnicodeCodepointTokenizer(sequence_length=4)(TEXTS)
    assert dense.dtype == tf.int32
    assert dense.numpy().tolist() == [(row + [0] * 4)[:4] for row in ragged]


def test_any_kind_of_string_input_does():
    tokenizer = UnicodeCodepointTokenizer()
    wanted = tokenizer(TEXTS).to_list()
    for same in (np.array(TEXTS, object), tf.constant(TEXTS), tuple(TEXTS)):
        assert tokenizer(same).to_list() == wanted
    assert tokenizer(TEXTS[0]).numpy().tolist() == wanted[0]
    square = np.array(TEXTS, object).reshape(2, 2).tolist()
    assert tokenizer(square).to_list() == [wanted[:2], wanted[2:]]
    nested = tf.ragged.constant([TEXTS[:3], TEXTS[3:]])
    assert tokenizer(nested).to_list() == [wanted[:3], wanted[3:]]
    assert tokenizer([]).to_list() == []


def test_a_graph_and_a_dataset_give_what_eager_calls_give():
    tokenizer = UnicodeCodepointTokenizer(errors="ignore")
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
    tokens, starts, ends = UnicodeCodepointTokenizer().tokenize_with_offsets(texts)
    for text, *row in zip(texts, tokens.to_list(), starts.to_list(), ends.to_list()):
        wanted, begin = [], 0
        for character in text:
            end = begin + len(character.encode())
            for place, new in enumerate(fold(character)):
                wanted.append((ord(new), end if place else begin, end))
            begin = end
        assert list(zip(*row)) == wanted, text


@pytest.mark.parametrize("errors", ["replace", "ignore"])
@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_spans_ascend_inside_the_text_and_leave_out_what_is_no_text(
    errors, lowercase, form
):
    tokenizer = UnicodeCodepointTokenizer(
        lowercase=lowercase, normalization_form=form, errors=errors
    )
    tokens, starts, ends = tokenizer.tokenize_with_offsets(ODD_TEXTS)
    assert tokens.to_list() == tokenizer(ODD_TEXTS).to_list()
    for text, *spans in zip(ODD_TEXTS, starts.to_list(), ends.to_list()):
        for gap in check_spans(text, *spans):
            gone = gap.decode("utf-8", "replace")
            assert (errors == "ignore" and set(gone) == {"\ufffd"}) or (
                lowercase and set(gone) <= set("\u00ad\u200e\u200f")
            )


def test_an_unchanged_character_has_its_own_place():
    tokenizer = UnicodeCodepointTokenizer(lowercase=False)
    tokens, starts, ends = (x.to_list() for x in tokenizer.tokenize_with_offsets(VALID))
    for text, *rows in zip(VALID, tokens, starts, ends):
        assert [text[a:b].decode() for a, b in zip(*rows[1:])] == list(text.decode())


def test_words_are_runs_between_white_space():
    texts = ["on top", "  a\n\nb ", "中\u3000文", "\u00a0", ""]
    assert UnicodeCodepointTokenizer().word_ids(texts).to_list() == [
        [0, 0, 1, 1, 1, 1],
        [0, 0, 0, 1, 1, 1, 2],
        [0, 1, 1],
        [0],
        [],
    ]


# Long texts, settings, saving


def test_a_megabyte_is_a_row_like_any_other():
    text = "Ünï code\u0301 " * 80_000
    tokenizer = UnicodeCodepointTokenizer(sequence_length=5)
    long, short = (tokenizer.tokenize_with_offsets([x]) for x in (text, text[:20]))
    for a, b in zip(long, short):
        assert a.numpy().tolist() == b.numpy().tolist()
    assert UnicodeCodepointTokenizer().word_ids([text]).values.numpy()[-1] == 160_000


def test_bad_settings_are_refused():
    for name, value in {
        "dtype": "string",
        "sequence_length": 0,
        "normalization_form": "nfc",
        "errors": "raise",
        "input_encoding": "latin-1",
        "output_encoding": "UTF-16",
        "vocabulary_size": 0,
    }.items():
        with pytest.raises(ValueError, match=f"{name}={value!r}"):
            UnicodeCodepointTokenizer(**{name: value})
    with pytest.raises(ValueError, match="goes with input_encoding='UTF-8' only"):
        UnicodeCodepointTokenizer(normalization_form="NFC", input_encoding="UTF-16-BE")


def test_the_config_makes_the_same_tokenizer():
    tokenizer = UnicodeCodepointTokenizer(
        sequence_length=7,
        lowercase=False,
        normalization_form="NFKD",
        errors="ignore",
        replacement_char=63,
        output_encoding="UTF-16-BE",
        vocabulary_size=999,
        dtype="int64",
    )
    config = tokenizer.get_config()
    copy = UnicodeCodepointTokenizer.from_config(config)
    assert copy.get_config() == config
    same = copy(ODD_TEXTS)
    assert same.dtype == tf.int64
    assert same.numpy().tolist() == tokenizer(ODD_TEXTS).numpy().tolist()


def test_a_saved_model_takes_the_same_strings(tmp_path):
    text = keras.Input((), dtype="string")
    ids = UnicodeCodepointTokenizer(sequence_length=9, vocabulary_size=500)(text)
    model = keras.Model(text, ids)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs = tf.constant(ODD_TEXTS)
    assert loaded(inputs).numpy().tolist() == model(inputs).numpy().tolist()
    assert model(inputs).shape == (len(ODD_TEXTS), 9)
