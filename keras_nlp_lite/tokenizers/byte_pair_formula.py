"""Byte-pair encoding of plain TensorFlow ops: slow, and loads anywhere."""

import tensorflow as tf

from keras_nlp_lite.tokenizers.byte_pair_merging import BytePairMerges
from keras_nlp_lite.tokenizers.byte_pair_splitting import split_byte_words
from keras_nlp_lite.tokenizers.strings import byte_lengths, on_cpu
from keras_nlp_lite.tokenizers.whole_tokens import WHITE_SPACE, split_off
from keras_nlp_lite.tokenizers.word_numbers import number_words

_TEXT = tf.TensorSpec([None], tf.string)


class BytePairFormula(tf.Module):
    """What `BytePairOp` does, made of TensorFlow's own ops.

    Shapes: N texts, M segments of all texts, between tokens that stay whole, C tokens.

    Args:
        model: A `BytePairModel`.
        prefix_space, split_pattern: As in `BytePairOp`.
    """

    def __init__(self, model, prefix_space, split_pattern="gpt2"):
        super().__init__()
        self._prefix_space = prefix_space
        self._split_pattern = split_pattern
        self._merges = BytePairMerges(model.tokens, model.merges)
        # A byte that the vocabulary lacks is a token behind the others.
        self._lengths = tf.constant([len(text) for text in model.texts] + [1] * 256)
        self._text_of_id = _table(model.ids, model.texts, tf.int64, default="")
        self._whole = [model.tokens[number] for number in model.whole]
        self._takes_space = tf.constant(model.takes_space, tf.int64)  # numbers
        self._number_of_word = None
        if model.words:
            self._number_of_word = _table(
                [model.tokens[number] for number in model.words],
                model.words,
                tf.string,
                default=tf.constant(-1, tf.int64),
            )
        self._number_of_whole = None
        if self._whole:
            self._number_of_whole = _table(
                [model.texts[number] for number in model.whole],
                model.whole,
                tf.string,
                default=tf.constant(-1, tf.int64),
            )

    # A graph even where the caller is Python: one by one, the ops take ten times as long
    # for a sentence.
    @tf.function(input_signature=[_TEXT], autograph=False)
    def encode(self, text):
        """string [N] -> ragged int64 [N, None], tokens by number."""
        with on_cpu():
            return self._encoded(text)[0]

    @tf.function(input_signature=[_TEXT], autograph=False)
    def encode_with_places(self, text):
        """string [N] -> (ragged int64 [N, None], ends int64 [C], words int64 [C])."""
        with on_cpu():
            numbers, begins_word, lengths = self._encoded(text)
            ends = _cumulated(lengths.values, numbers)
            return numbers, ends, number_words(begins_word).values

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)] * 2, autograph=False)
    def decode(self, ids, row_splits):
        """int64 [C], int64 [N + 1] -> string [N]."""
        with on_cpu():
            pieces = self._text_of_id.lookup(ids)
            rows = tf.RaggedTensor.from_row_splits(pieces, row_splits)
            return tf.strings.reduce_join(rows, axis=-1)

    def _encoded(self, text):
        """Ragged [N, None] each: numbers, whether a token begins a word, and lengths in
        bytes."""
        if not self._whole:
            return self._of_text(text)
        # Text and tokens by turns, text first and last; it may be empty.
        segments = split_off(text, self._whole)  # [N, None]
        flat = segments.flat_values  # [M]
        number = self._number_of_whole.lookup(flat)  # [M], -1 where it is text
        is_whole = number >= 0
        lengths = byte_lengths(flat)
        takes = tf.reduce_any(number[:, tf.newaxis] == self._takes_space, axis=1)
        gives = tf.concat([takes[1:], [False]], 0)[: tf.size(takes)]
        bare = tf.strings.regex_replace(flat, f"{WHITE_SPACE}+$", "")
        flat = tf.where(gives, bare, flat)
        given = lengths - byte_lengths(flat)
        texts = self._of_text(tf.where(is_whole, "", flat))
        taken = tf.concat([[0], given[:-1]], 0)[: tf.size(given)]
        ones = number, tf.fill(tf.shape(flat), True), lengths + taken
        joined = []
        for of_text, one in zip(texts, ones):
            one = tf.ragged.boolean_mask(one[:, tf.newaxis], is_whole[:, tf.newaxis])
            both = segments.with_flat_values(tf.concat([of_text, one], 1))
            joined.append(both.merge_dims(1, 2))
        return joined

    def _of_text(self, text):
        """The same of texts [M] without tokens that stay whole."""
        added = tf.zeros_like(text, tf.bool)
        if self._prefix_space:
            first = tf.strings.substr(text, 0, 1)
            added = (first != " ") & (first != "")
            text = tf.where(added, tf.strings.join([" ", text]), text)
        words = split_byte_words(text, self._split_pattern)  # ragged [M, None]
        # Each word is merged once, however often the batch has it.
        different, place = tf.unique(words.flat_values)
        of_words = tf.gather(self._of_words(different), place)  # ragged [words, None]
        numbers = words.with_flat_values(of_words).merge_dims(1, 2)
        begins_word = tf.ragged.range(of_words.row_lengths()).flat_values == 0
        lengths = tf.cast(tf.gather(self._lengths, numbers.flat_values), tf.int64)
        # The space that was added is no byte of the text.
        begins_text = tf.ragged.range(numbers.row_lengths()).flat_values == 0
        virtual = tf.gather(added, numbers.value_rowids()) & begins_text
        return (
            numbers,
            numbers.with_values(begins_word),
            numbers.with_values(lengths - tf.cast(virtual, tf.int64)),
        )

    def _of_words(self, words):
        """Ragged [W, None], numbers of the tokens of words [W]."""
        if self._number_of_word is None:
            return self._merges(words)
        number = self._number_of_word.lookup(words)
        is_token = number >= 0
        tokens = tf.ragged.boolean_mask(
            number[:, tf.newaxis], is_token[:, tf.newaxis]
        )  # of none or one
        merged = self._merges(tf.where(is_token, "", words))
        return tf.concat([tokens, tf.cast(merged, tokens.dtype)], axis=1)


def _cumulated(values, rows):
    """Running sums that begin anew in each row.

    Args:
        values: int64 [C].
        rows: Ragged [N, None] of as many values.

    Returns:
        int64 [C].
    """
    sums = tf.cumsum(values)
    before = tf.gather(tf.concat([[0], sums], 0), rows.row_starts())  # [N]
    return sums - tf.gather(before, rows.value_rowids())


def _table(keys, values, key_dtype, default):
    """A lookup table that belongs to no graph."""
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            tf.constant(keys, key_dtype),
            tf.constant(values, getattr(default, "dtype", tf.string)),
        ),
        default_value=default,
    )
