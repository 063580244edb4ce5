"""Text to words, as language models cut it before their byte pairs, by TensorFlow ops.

They define the words by regular expressions (`byte_pair_patterns.py`), which look ahead,
as TensorFlow's expressions cannot. But whether a word starts at a character depends on a
few neighbours, and on the run of characters of its kind that it is in, so that the whole
text is cut at once.

Shapes: N texts, W words of all of them, C characters, R runs, Y bytes.
"""

import functools

import numpy as np
import tensorflow as tf

from keras_nlp_lite.tokenizers.byte_pair_alphabet import ALPHABET
from keras_nlp_lite.tokenizers.whole_tokens import WHITE_SPACE

# What a character is: its kind, or'ed with the part it can play. A byte holds both.
_OTHER, _LETTER, _NUMBER, _SPACE, _EDGE = range(5)
_KIND = 7
_BLANK, _NEWLINE, _APOSTROPHE, _STMD, _RV, _E, _L = (part << 3 for part in range(1, 8))
_PARTS = {" ": _BLANK, "\r\n": _NEWLINE, "'": _APOSTROPHE}
_PARTS |= {"stmd": _STMD, "rv": _RV, "e": _E, "l": _L}
# Of a contraction in any case: U+017F is an s, too.
_PARTS_IN_ANY_CASE = {"STMD\u017f": _STMD, "RV": _RV, "E": _E, "L": _L}

# TensorFlow's regular expressions know the letters and numbers of Unicode 15.0; these
# came by version 16.0, the one of the tokenizers whose ids have to be met.
_NEW_LETTERS = (
    r"\x{1C89}-\x{1C8A}\x{A7CB}-\x{A7CD}\x{A7DA}-\x{A7DC}\x{105C0}-\x{105F3}"
    r"\x{10D4A}-\x{10D65}\x{10D6F}-\x{10D85}\x{10EC2}-\x{10EC4}\x{11380}-\x{11389}"
    r"\x{1138B}\x{1138E}\x{11390}-\x{113B5}\x{113B7}\x{113D1}\x{113D3}"
    r"\x{11BC0}-\x{11BE0}\x{13460}-\x{143FA}\x{16100}-\x{1611D}\x{16D40}-\x{16D6C}"
    r"\x{18CFF}\x{1E5D0}-\x{1E5ED}\x{1E5F0}\x{2EBF0}-\x{2EE5D}"
)
_NEW_NUMBERS = (
    r"\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}\x{16130}-\x{16139}"
    r"\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1E5F1}-\x{1E5FA}"
)
_PATTERNS = {
    _LETTER: rf"[\p{{L}}{_NEW_LETTERS}]",
    _NUMBER: rf"[\p{{N}}{_NEW_NUMBERS}]",
    _SPACE: WHITE_SPACE,
}
_TABLE_SIZE = 0x40000  # beyond the first four planes there are none of these


def split_byte_words(text, pattern="gpt2"):
    """Cuts text into words, spelled in printable characters, one a byte.

    No byte is lost: joined, the words are the text. Bytes that are not UTF-8 count as
    symbols, as U+FFFD would in their place.

    Args:
        text: string [N].
        pattern: One of `byte_pair_patterns.PATTERNS`.

    Returns:
        Ragged string [N, None].

    Example:

    >>> words = split_byte_words(tf.constant(["It's 5 o'clock  now!", ""]))
    >>> print([word.decode() for word in words[0].numpy()])
    ['It', "'s", 'Ġ5', 'Ġo', "'", 'clock', 'Ġ', 'Ġnow', '!']
    >>> words[1].numpy().tolist()
    []
    >>> words = split_byte_words(tf.constant(["It'S (5000) o'clock"]), "llama3")
    >>> print([word.decode() for word in words[0].numpy()])
    ['It', "'S", 'Ġ(', '500', '0', ')', 'Ġo', "'clock"]
    """
    # All texts are cut as one, with a NUL behind each for an edge.
    joined = tf.strings.reduce_join(tf.strings.join([text, "\0"]))
    characters, offsets = tf.strings.unicode_decode_with_offsets(joined, "UTF-8")  # [C]
    edges = tf.cumsum(tf.cast(tf.strings.length(text), tf.int64) + 1) - 1  # [N], bytes
    edges = tf.searchsorted(offsets, edges, out_type=tf.int64)  # [N], characters
    table = character_classes(any_case=pattern != "gpt2")
    classes = tf.gather(tf.constant(table), tf.minimum(characters, _TABLE_SIZE - 1))
    classes = tf.tensor_scatter_nd_update(
        classes, edges[:, tf.newaxis], tf.fill(tf.shape(edges), np.uint8(_EDGE))
    )  # uint8 [C]
    if pattern == "gpt2":
        starts = _starts_of_gpt2(classes)  # bool [C]
    else:
        starts = _starts_of_llama3(classes, 3 if pattern == "llama3" else 1)

    data = tf.io.decode_raw(joined, tf.uint8)  # [Y]
    splits = tf.concat(
        [tf.boolean_mask(offsets, starts), tf.size(data, tf.int64)[tf.newaxis]], 0
    )  # [W + N + 1]
    spelled = tf.gather([ord(c) for c in ALPHABET], tf.cast(data, tf.int32))  # [Y]
    words = tf.strings.unicode_encode(
        tf.RaggedTensor.from_row_splits(spelled, splits, validate=False), "UTF-8"
    )  # [W + N]: the edges are still among them
    is_edge = tf.boolean_mask(classes, starts) == _EDGE
    row_ends = tf.where(is_edge)[:, 0] - tf.range(tf.size(text, tf.int64))  # [N]
    return tf.RaggedTensor.from_row_splits(
        tf.boolean_mask(words, ~is_edge),
        tf.concat([tf.zeros([1], tf.int64), row_ends], 0),
        validate=False,
    )


def _starts_of_gpt2(classes):
    """Where GPT-2's regular expression begins a match, and at edges.

    Args:
        classes: uint8 [C], with an edge behind each text.

    Returns:
        bool [C].
    """
    kind = classes & _KIND
    part = classes - kind
    last_kind, last_part = _shifted(kind, 1, _EDGE), _shifted(part, 1, 0)
    next_kind = _shifted(kind, -1, _EDGE)

    # A space goes with the word behind it, and so is cut off its run.
    goes_on = (last_part == _BLANK) & (kind != _SPACE)
    leaves_run = (kind == _SPACE) & (next_kind != _SPACE) & (next_kind != _EDGE)

    in_contraction, behind_contraction = _contractions(kind, part)
    changes = (kind != last_kind) & ~goes_on & ~in_contraction
    return changes | leaves_run | behind_contraction | (kind == _EDGE)


def _starts_of_llama3(classes, most_digits):
    """Where Llama 3's regular expression begins a match, and at edges.

    Args:
        classes: uint8 [C], with an edge behind each text.
        most_digits: How many numbers a word may have.

    Returns:
        bool [C].
    """
    kind = classes & _KIND
    part = classes - kind
    last_kind, last_part = _shifted(kind, 1, _EDGE), _shifted(part, 1, 0)
    next_kind = _shifted(kind, -1, _EDGE)
    newline = part == _NEWLINE
    in_contraction, behind_contraction = _contractions(kind, part)

    # Runs of one kind, and the places of characters in them.
    run = tf.cumsum(tf.cast(kind != last_kind, tf.int32))  # [C], from 0 or 1
    place = tf.range(tf.size(kind))  # [C]

    def of_run(segment_op, places):
        """int32 [C]: the least or largest place in the run that each is in."""
        return tf.gather(segment_op(places, run, tf.reduce_max(run) + 1), run)

    least, most = tf.math.unsorted_segment_min, tf.math.unsorted_segment_max
    run_start = of_run(least, place)

    # A symbol or white space that begins a word goes with the letters behind it. White
    # space does begin one there, a symbol if neither another nor a space has taken it.
    free = (last_kind != _OTHER) & (last_part != _BLANK)
    takes_letters = ((kind == _SPACE) & (part != _NEWLINE)) | ((kind == _OTHER) & free)
    joins = _shifted(takes_letters, 1, False) | in_contraction
    letter = (kind == _LETTER) & (place == run_start) & ~joins
    symbol = (kind == _OTHER) & free
    number = (kind == _NUMBER) & ((place - run_start) % most_digits == 0)

    # The newlines behind a symbol are of its word. Of the white space behind them, that
    # up to the last newline is a word; then what is left, but for its last character,
    # which goes with what follows.
    newline = part == _NEWLINE
    behind_symbol = tf.gather(last_kind, run_start) == _OTHER
    first_other = of_run(least, tf.where(newline, place.dtype.max, place))
    rest = tf.where(behind_symbol, first_other, run_start)
    last_newline = of_run(most, tf.where(newline, place, -2))
    leaves_run = ~newline & (next_kind != _SPACE) & (next_kind != _EDGE)
    space = (place == rest) | (place == last_newline + 1) | leaves_run
    space &= kind == _SPACE
    return letter | symbol | number | space | behind_contraction | (kind == _EDGE)


def _contractions(kind, part):
    """Which characters are the first letter of "'s" and its like, and which come behind.

    Args:
        kind, part: uint8 [C].

    Returns:
        (bool [C], bool [C])
    """
    # A contraction starts at an apostrophe that no word has taken: neither a run of
    # symbols nor the one that a space begins.
    last_kind, last_part = _shifted(kind, 1, _EDGE), _shifted(part, 1, 0)
    free = (part == _APOSTROPHE) & (last_kind != _OTHER) & (last_part != _BLANK)
    first, second = _shifted(part, -1, 0), _shifted(part, -2, 0)
    of_one = free & (first == _STMD)
    of_two = free & (
        ((first == _RV) & (second == _E)) | ((first == _L) & (second == _L))
    )
    in_contraction = _shifted(of_one | of_two, 1, False)
    return in_contraction, _shifted(of_one, 2, False) | _shifted(of_two, 3, False)


def _shifted(x, steps, fill):
    """Moves the elements of [C] so many places on, or back where negative."""
    ends = tf.fill([tf.minimum(abs(steps), tf.size(x))], tf.constant(fill, x.dtype))
    return tf.concat([ends, x[:-steps]] if steps > 0 else [x[-steps:], ends], 0)


@functools.cache
def character_classes(any_case=False):
    """What each code point is to the regular expressions.

    Args:
        any_case: Whether contractions may be in capital letters.

    Returns:
        uint8 [262144]: in the low 3 bits 1 for a letter, 2 for a number, 3 for white
        space and 0 for anything else, as is every code point past the table's end; in
        the bits above the part that a character of `_PARTS` can play.
    """
    with tf.init_scope():  # it may be wanted first while a graph is being traced
        code_points = tf.range(_TABLE_SIZE)[:, tf.newaxis]
        characters = tf.strings.unicode_encode(code_points, "UTF-8")
        table = np.zeros(_TABLE_SIZE, np.uint8)
        for kind, pattern in _PATTERNS.items():
            table[tf.strings.regex_full_match(characters, pattern).numpy()] = kind
    parts = {**_PARTS, **(_PARTS_IN_ANY_CASE if any_case else {})}
    for characters, part in parts.items():
        table[[ord(c) for c in characters]] |= part
    return table
