"""Which word of its text each token is of, counted from 0."""

import tensorflow as tf

# Unicode's White_Space: where each of its ranges begins, and where it has ended.
_SPACES = (
    0x09, 0x0E, 0x20, 0x21, 0x85, 0x86, 0xA0, 0xA1, 0x1680, 0x1681, 0x2000, 0x200B,
    0x2028, 0x202A, 0x202F, 0x2030, 0x205F, 0x2060, 0x3000, 0x3001,
)  # fmt: skip


def number_words(begins):
    """Numbers words within each row.

    Args:
        begins: bool, ragged [N, None]: whether a word begins here. A row's first always
            begins word 0.

    Returns:
        int64, ragged [N, None].

    Example:

    >>> number_words(tf.ragged.constant([[True, False, True], [], [False]])).to_list()
    [[0, 0, 1], [], [0]]
    """
    counts = tf.cumsum(tf.cast(begins.values, tf.int64))
    lengths = begins.row_lengths()
    starts = tf.boolean_mask(begins.row_starts(), lengths > 0)
    lengths = tf.boolean_mask(lengths, lengths > 0)
    return begins.with_values(counts - tf.repeat(tf.gather(counts, starts), lengths))


def number_words_of_characters(characters):
    """Numbers the runs between white space, which belongs to the run behind it.

    Args:
        characters: int, ragged [N, None], code points.

    Returns:
        int64, ragged [N, None].

    Example:

    >>> text = tf.strings.unicode_decode([" an  ox "], "UTF-8")
    >>> number_words_of_characters(text).to_list()
    [[0, 0, 0, 1, 1, 1, 1, 2]]
    """
    flat = characters.values
    is_space = tf.searchsorted(tf.constant(_SPACES, flat.dtype), flat, "right") % 2 == 1
    follows_space = tf.concat([[False], is_space], 0)[:-1]
    return number_words(characters.with_values(is_space & ~follows_space))
