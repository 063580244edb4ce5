"""What a batch of prepared text holds: rows, tokens, and room for more."""

from typing import Any, NamedTuple

import tensorflow as tf


class TokenCounts(NamedTuple):
    """int64 scalars, of one batch."""

    rows: Any
    tokens: Any  # without padding
    places: Any  # with it
    pairs: Any  # of tokens of one row: the sum of their squared numbers


def count_batch(x):
    """The counts of prepared input; None if it is no tokens.

    Tokens are where a `padding_mask` is not 0; without one, where `token_ids` or the
    integers [B, T] of the input are not 0.

    Args:
        x: Tensor, or a dict, list or tuple of such.

    Returns:
        TokenCounts.

    Example:

    >>> counts = count_batch(tf.constant([[7, 8, 0], [9, 0, 0]]))
    >>> [int(count) for count in counts]
    [2, 3, 6, 5]
    """
    parts = _token_parts(x)
    if not parts:
        return None
    lengths = [_lengths(part) for part in parts]  # each int64 [B]
    return TokenCounts(
        count_rows(x),
        tf.add_n([tf.reduce_sum(each) for each in lengths]),
        tf.add_n([_places(part) for part in parts]),
        tf.add_n([tf.reduce_sum(each * each) for each in lengths]),
    )


def count_tokens(x):
    """int64 scalar, the tokens in prepared input; None if it is no tokens.

    Args:
        x: Tensor, or a dict, list or tuple of such.

    Example:

    >>> ids = tf.constant([[7, 8, 0], [9, 0, 0]])
    >>> int(count_tokens({"token_ids": ids, "padding_mask": ids > 0}))
    3
    """
    parts = _token_parts(x)
    return tf.add_n([_count_nonzero(part) for part in parts]) if parts else None


def count_rows(x):
    """int64 scalar, the rows of prepared input of any kind."""
    first = next(part for part in tf.nest.flatten(x) if part is not None)
    if isinstance(first, tf.RaggedTensor):
        return tf.cast(first.nrows(), tf.int64)
    shape = first.dense_shape if isinstance(first, tf.SparseTensor) else tf.shape(first)
    return tf.cast(shape[0], tf.int64)


def _token_parts(x):
    """The tensors that are not 0 where a token is."""
    if isinstance(x, dict):
        for end in ("padding_mask", "token_ids"):
            chosen = [part for name, part in x.items() if name.endswith(end)]
            if chosen:
                return chosen
        return []
    integers = getattr(x, "dtype", tf.string).is_integer
    dense = isinstance(x, tf.Tensor) and x.shape.rank == 2
    return [x] if integers and (dense or isinstance(x, tf.RaggedTensor)) else []


def _count_nonzero(x):
    values = x.flat_values if isinstance(x, tf.RaggedTensor) else x
    return tf.math.count_nonzero(values, dtype=tf.int64)


def _lengths(x):
    """int64 [B]"""
    if isinstance(x, tf.RaggedTensor):
        return tf.reduce_sum(tf.cast(tf.not_equal(x, 0), tf.int64), axis=1)
    return tf.math.count_nonzero(x, axis=1, dtype=tf.int64)


def _places(x):
    if isinstance(x, tf.RaggedTensor):
        return tf.size(x.flat_values, tf.int64)
    return tf.size(x, tf.int64)
