"""Unicode normalization of text, and where in the original its results stand.

Shapes: N texts, K chunks of one of them, or of all of them.
"""

import tensorflow as tf

from keras_nlp_lite.tokenizers.whole_tokens import cut_around

FORMS = (None, "NFC", "NFKC", "NFD", "NFKD")
ERRORS = ("strict", "replace", "ignore")

# What may melt into the character before it: marks, invisible characters (case folding
# drops them, and what stood on both sides can then combine), Korean vowels and final
# consonants; last, what came to Unicode after TensorFlow's expressions did, by 16.0.
_CLINGING = (
    r"\p{M}\p{Cf}\x{115F}\x{2065}\x{FFF0}-\x{FFF8}\x{E0000}-\x{E0FFF}"
    r"\x{1160}-\x{11FF}\x{3130}-\x{318F}\x{D7B0}-\x{D7FF}\x{FF9E}-\x{FFDF}"
    r"\x{897}\x{10D69}-\x{10D6D}\x{113B8}-\x{113D2}\x{1611E}-\x{1612F}"
    r"\x{16D63}-\x{16D6A}\x{1E5EE}-\x{1E5EF}"
)
# ASCII comes in runs, which is faster: each of its bytes stays one byte.
_CHUNK = (
    rf"[\x00-\x7F]+[{_CLINGING}]*|[^\x00-\x7F{_CLINGING}][{_CLINGING}]*|[{_CLINGING}]+"
)


def normalize(text, lowercase, form):
    """Normalizes text as the tokenizers of bytes and of code points do.

    Args:
        text: string, UTF-8, of any shape; bytes that are not stay as they are.
        lowercase: Whether to lowercase, by Unicode's NFKC_Casefold.
        form: What comes then: None, "NFC", "NFKC", "NFD" or "NFKD".

    Returns:
        string, of the same shape.
    """
    import tensorflow_text  # here, since it takes a second to import

    if lowercase:
        text = tensorflow_text.case_fold_utf8(text)
    if form is not None:
        text = tensorflow_text.normalize_utf8(text, form)
    return text


def split_chunks(text):
    """Cuts text where `normalize` cannot reach across: its parts, normalized one by one,
    join to the normalized text.

    Args:
        text: string [N], UTF-8; bytes that are not stay together.

    Returns:
        Ragged string [N, K], none of them empty: characters with their marks, and runs
        of ASCII.

    Example:

    >>> chunks = split_chunks(tf.constant(["A B中文"])).values
    >>> [chunk.decode() for chunk in chunks.numpy()]
    ['A B', '中', '文']
    """
    parts = cut_around(text, _CHUNK)
    return tf.ragged.boolean_mask(parts, parts != "")


def spans_of_tokens(starts, ends, sources, tokens):
    """Where the tokens of chunks stand, chunk by chunk.

    A chunk's first token stands where its first source stood, and so on. Where there
    are fewer tokens than sources, the last one covers the rest; where there are more,
    the surplus is empty and stands at the chunk's end.

    Args:
        starts, ends: int64 [S], where each source (a byte or a character of the
            original text) begins and ends.
        sources: int64 [K], how many of them each chunk has, at least one.
        tokens: int64 [K], how many tokens it became.

    Returns:
        (starts, ends), int64, one of each for every token.

    Example: of three characters, two became one token, and one became two.

    >>> spans = spans_of_tokens(
    ...     *tf.constant([[0, 1, 3], [1, 3, 6]], tf.int64), [2, 1], [1, 2]
    ... )
    >>> print(spans[0].numpy(), spans[1].numpy())
    [0 3 6] [3 6 6]
    """
    sources, tokens = (tf.cast(x, tf.int64) for x in (sources, tokens))
    place = tf.ragged.range(tokens).values  # of a token in its chunk

    def of_chunk(x):
        return tf.repeat(x, tokens)

    first, last = of_chunk(tf.cumsum(sources, exclusive=True)), of_chunk(sources - 1)
    chunk_ends = tf.gather(ends, first + last)

    def begin(place):
        begins = tf.gather(starts, first + tf.minimum(place, last))
        return tf.where(place > last, chunk_ends, begins)

    is_last = place == of_chunk(tokens - 1)
    return begin(place), tf.where(is_last, chunk_ends, begin(place + 1))
