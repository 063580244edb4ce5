"""BERT's classes of characters against Unicode's, and against TensorFlow Text's."""

import itertools
import unicodedata

import pytest
import tensorflow as tf
import tensorflow_text

from keras_nlp_lite.tokenizers.bert_character_classes import (
    ACCENTS,
    IDEOGRAPHS,
    PUNCTUATION,
    REMOVED,
    SPACES,
    TORN,
)
from keras_nlp_lite.tokenizers.bert_characters import bert_characters

SETTINGS = list(itertools.product([False, True], repeat=2))
ALL = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def test_what_unicode_has_not_changed_since_3_2_is_in_the_class_of_its_category():
    """Python has two versions of Unicode: 3.2's, and one from long after BERT."""
    symbols = set("$+<=>^`|~")  # ASCII that is punctuation to BERT alone
    unchanged = 0
    for c in ALL:
        category = unicodedata.category(c)
        if category == "Cn" or unicodedata.ucd_3_2_0.category(c) != category:
            continue
        unchanged += 1
        code, kept_spaces = ord(c), "\t\n\r"
        assert (code in ACCENTS) == (category == "Mn"), hex(code)
        assert (code in PUNCTUATION) == (category[0] == "P" or c in symbols), hex(code)
        other = category in ("Cc", "Cf", "Co") and c not in kept_spaces
        assert (code in REMOVED) == (other or c == "\ufffd"), hex(code)
        space = (category[0] == "Z" and c != " ") or c in kept_spaces
        assert (code in SPACES) == space, hex(code)
        if code in IDEOGRAPHS:
            assert unicodedata.name(c).startswith("CJK"), hex(code)
    assert unchanged > 200_000


def test_tensorflow_text_tears_words_only_where_bert_does_and_where_the_list_says():
    op = tensorflow_text.FastWordpieceTokenizer(
        ["[UNK]", "a", "##a"], token_out_type=tf.int32
    )
    rows = op.tokenize(tf.constant([f"a{c}a".encode() for c in ALL[1:]]))
    lengths = rows.row_lengths().numpy()
    torn = {ord(c) for c, length in zip(ALL[1:], lengths) if length == 3 and c != "a"}
    # Those that BERT tears alone have spaces around them when they come to the op.
    assert torn - PUNCTUATION - IDEOGRAPHS == TORN
    cut = {ord(c) for c, length in zip(ALL[1:], lengths) if length == 2}
    assert cut <= SPACES | REMOVED | {ord(" ")}
    assert torn | cut | {ord("a")} == {
        ord(c) for c, length in zip(ALL[1:], lengths) if length > 1
    }


@pytest.mark.parametrize("lowercase,strip_accents", SETTINGS)
def test_a_character_that_was_normalized_stays_as_it_is(lowercase, strip_accents):
    normalize = bert_characters(lowercase, strip_accents)
    once = normalize(tf.constant([c.encode() for c in ALL[:0x30000]]))
    words = tf.strings.strip(once)
    again = tf.strings.strip(normalize(words))
    changed = tf.boolean_mask(words, words != again).numpy().tolist()
    assert changed == []


@pytest.mark.parametrize("lowercase,strip_accents", SETTINGS)
def test_normalizing_is_what_unicode_says(lowercase, strip_accents):
    normalize = bert_characters(lowercase, strip_accents)
    text = "Ünïcödé ÀÉ ŐŰ Ελλάς ΣΊΣΥΦΟΣ Й ё İ\u0131Ii ẞß ﬁ ½ ㎏ Ⅷ が 한국 \uff26\uff35\uff2c\uff2c a\u0323\u0302"
    wanted = text
    if strip_accents:
        wanted = unicodedata.normalize("NFD", wanted)
        wanted = "".join(c for c in wanted if unicodedata.category(c) != "Mn")
    if lowercase:
        wanted = "".join(map(str.lower, wanted))
    assert normalize(tf.constant([text])).numpy()[0].decode() == wanted


def test_words_that_are_given_are_neither_cut_nor_cleaned():
    text = "a,\u200b\0 B\ufffd中"
    same = bert_characters(False, False, split=False)(tf.constant([text]))
    assert same.numpy()[0].decode() == text
    lower = bert_characters(True, False, split=False)(tf.constant([text]))
    assert lower.numpy()[0].decode() == text.lower()


def test_a_map_is_made_once_a_process():
    assert bert_characters(True, True) is bert_characters(True, True)
    assert bert_characters(True, True) is not bert_characters(True, False)
