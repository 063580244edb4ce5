"""Text to words, the way BERT cuts it before its word pieces, as TensorFlow ops."""

import functools
from typing import NamedTuple

import tensorflow as tf

from keras_nlp_lite.tokenizers.bert_characters import bert_characters
from keras_nlp_lite.tokenizers.strings import byte_lengths


class PlacedWords(NamedTuple):
    """Words as BERT normalizes them, and where their characters come from.

    Shapes: N texts, W words, different in each, L bytes of a normalized text.
    """

    words: tf.RaggedTensor  # string [N, W]
    starts: tf.RaggedTensor  # int64 [N, W], in bytes of the normalized text
    sources: tf.RaggedTensor  # int32 [N, L + 1], as `CharacterMap.with_offsets` has it
    texts: tf.Tensor  # string [N], as they came

    def in_text(self, word, starts, ends):
        """The places in the texts that pieces of words come from.

        Args:
            word: int64 [P], for each piece the place of its word in `words.values`.
            starts, ends: int64 [P], in bytes of the word; no piece is empty.

        Returns:
            A tuple of int64 [P], the start of the first character that the piece has
            some part of, and int64 [P], the end of the last, in bytes of the text.
        """
        text = tf.gather(self.words.value_rowids(), word)
        word_start = tf.gather(self.starts.values, word)
        base = tf.gather(self.sources.row_starts(), text) + word_start
        first = tf.gather(self.sources.values, base + starts)
        last = tf.gather(self.sources.values, base + ends - 1)
        first, last = tf.cast(first, tf.int64), tf.cast(last, tf.int64)
        return first, last + self._size_at(text, last)

    def _size_at(self, text, place):
        """int64 [P]: how many bytes from a place in a text its character ends."""
        lengths = byte_lengths(self.texts)
        start = tf.gather(tf.cumsum(lengths, exclusive=True), text)
        data = tf.io.decode_raw(tf.strings.reduce_join(self.texts), tf.uint8)
        byte = tf.gather(data, start + place)
        # A character's first byte tells its size. Where the place is of another byte, the
        # character stayed as it was, and this byte is its last.
        leads = byte[:, tf.newaxis] >= tf.constant([0xC0, 0xE0, 0xF0], tf.uint8)
        return 1 + tf.reduce_sum(tf.cast(leads, tf.int64), axis=1)


def place_words(texts, characters):
    """Cuts texts to words, and remembers where they were.

    Args:
        texts: string [N].
        characters: A CharacterMap of `bert_characters`, with split=True.

    Returns:
        PlacedWords.
    """
    normalized, sources = characters.with_offsets(texts)
    words, starts, _ = _splitter().tokenize_with_offsets(normalized)
    return PlacedWords(words, tf.cast(starts, tf.int64), sources, texts)


def place_texts(texts, characters):
    """The same for texts that are one word each, "" be they empty."""
    normalized, sources = characters.with_offsets(texts)
    words = tf.RaggedTensor.from_tensor(normalized[:, tf.newaxis])
    starts = words.with_values(tf.zeros_like(words.values, tf.int64))
    return PlacedWords(words, starts, sources, texts)


def split_words(text, split_on_cjk=True, lowercase=False, strip_accents=False):
    """Cuts text at white space, and around punctuation, as BERT does.

    Args:
        text: string [N].
        split_on_cjk, lowercase, strip_accents: As in `WordPieceTokenizer`.

    Returns:
        Ragged string [N, None]. Every punctuation mark is a word of its own; control
        and format characters, and bytes that are no UTF-8, are left out.

    Example:

    >>> split_words(tf.constant(["It's 5$!", ""])).to_list()
    [[b'It', b"'", b's', b'5', b'$', b'!'], []]
    """
    characters = bert_characters(lowercase, strip_accents, True, split_on_cjk)
    return split_at_spaces(characters(text))


def split_words_with_offsets(text, split_on_cjk=True):
    """The same, and where in the text each word stands.

    Returns:
        A tuple of ragged string [N, None], and two ragged int64 [N, None]: the start of
        each word and its end, in bytes of the text. Where BERT leaves out characters
        within a word, they are between the two.

    Example:

    >>> words, starts, ends = split_words_with_offsets(tf.constant(["It's été."]))
    >>> starts.to_list(), ends.to_list()
    ([[0, 2, 3, 5, 10]], [[2, 3, 4, 10, 11]])
    """
    placed = place_words(text, bert_characters(False, False, True, split_on_cjk))
    lengths = byte_lengths(placed.words.values)
    number = tf.range(tf.size(lengths, tf.int64))
    starts, ends = placed.in_text(number, tf.zeros_like(lengths), lengths)
    return placed.words, *map(placed.words.with_values, (starts, ends))


def split_at_spaces(text):
    """Ragged string [N, None], the words between the spaces of string [N]."""
    return _splitter().tokenize(text)


@functools.cache
def _splitter():
    import tensorflow_text  # here, since it takes a second to import

    # What else is white space to it, `bert_characters` makes a space or leaves out.
    return tensorflow_text.WhitespaceTokenizer()
