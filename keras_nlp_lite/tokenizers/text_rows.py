"""One row of tokens for each string, whatever the shape the strings come in."""

import keras
import tensorflow as tf


def flat_strings(text):
    """Strings of any shape, dense or ragged, as [N]."""
    if isinstance(text, tf.RaggedTensor):
        return text.flat_values
    return tf.reshape(text, [-1])


def rows_like(text, values, sequence_length=None, pad_value=None):
    """Gives the tokens of all strings the shape that the strings had.

    Args:
        text: string, a scalar, [B] or of higher rank, dense or ragged.
        values: Ragged [N, None], a row for each string of `flat_strings(text)`.
        sequence_length: T, in tokens, or None.
        pad_value: What fills short rows; None for 0, or "" where `values` are strings.

    Returns:
        [..., B, T] for strings [..., B]: ragged without `sequence_length`, otherwise
        dense; [T] for a scalar.

    Example:

    >>> values = tf.ragged.constant([[1], [2, 3, 4]])
    >>> rows_like(tf.constant([["a"], ["bcd"]]), values).to_list()
    [[[1]], [[2, 3, 4]]]
    >>> print(rows_like(tf.constant(["a", "bcd"]), values, 2).numpy().tolist())
    [[1, 0], [2, 3]]
    """
    rank = text.shape.rank
    if rank == 0:
        return rows_like(text[tf.newaxis], values, sequence_length, pad_value)[0]
    if rank > 1:
        if not isinstance(text, tf.RaggedTensor):
            text = tf.RaggedTensor.from_tensor(text, ragged_rank=rank - 1)
        values = text.with_flat_values(values)
    if sequence_length is None:
        return values
    shape = [*text.shape.as_list(), sequence_length]
    return values.to_tensor(pad_value, shape=shape)


def rows_spec(inputs, sequence_length, dtype):
    """What `rows_like` gives for symbolic strings, as a KerasTensor."""
    return keras.KerasTensor(
        (*inputs.shape, sequence_length),
        dtype=dtype,
        ragged=bool(inputs.shape) and sequence_length is None,
    )


def as_id_rows(ids):
    """Ids as ragged rows, from whatever a user had at hand.

    Args:
        ids: int, a scalar, [T], or dense or ragged [..., B, T]; numbers, lists and
            arrays do.

    Returns:
        (int64 ragged [N, None], a function from N results to the shape that `ids` had
        without T)

    Example:

    >>> rows, restore = as_id_rows([5, 6])
    >>> rows.to_list(), restore(tf.constant(["text"])).numpy()
    ([[5, 6]], b'text')
    """
    if not tf.is_tensor(ids):
        ids = tf.ragged.constant(ids) if isinstance(ids, list) else tf.constant(ids)
    ids = tf.cast(ids, tf.int64)
    if ids.shape.rank < 2:
        row = tf.reshape(ids, [1, -1])
        return tf.RaggedTensor.from_tensor(row), lambda results: results[0]
    if not isinstance(ids, tf.RaggedTensor):
        shape = tf.shape(ids)
        flat = tf.reshape(ids, [tf.reduce_prod(shape[:-1]), shape[-1]])
        rows = tf.RaggedTensor.from_tensor(flat)
        return rows, lambda results: tf.reshape(results, shape[:-1])
    if ids.shape.rank == 2:
        return ids, lambda results: results
    rows, restore = as_id_rows(ids.values)
    return rows, lambda results: ids.with_values(restore(results))
