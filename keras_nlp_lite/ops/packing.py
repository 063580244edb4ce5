"""Rows of tokens without their padding: one long row, and where each text ends."""

import keras


def drop_padding(padding_mask, *rows):
    """Puts the tokens of all rows one after the other.

    Of a batch of nothing but padding the first place counts as a token: much cannot be
    done with no token at all.

    Shapes: B batch, T tokens of a padded row, N tokens in all that are no padding.

    Args:
        padding_mask: bool or int [B, T], False at padding, wherever it stands.
        *rows: Tensors [B, T, ...].

    Returns:
        (packed, row_splits, where): a list of [1, N, ...], int32 [B + 1], in which row
        b is tokens row_splits[b] to row_splits[b + 1], and int32 [N], each token's
        place in the flattened [B * T].

    Example:

    >>> packed, row_splits, where = drop_padding(
    ...     [[1, 1, 0], [1, 0, 0]], [[5, 6, 0], [7, 0, 0]]
    ... )
    >>> print(packed[0].numpy(), row_splits.numpy(), where.numpy())
    [[5 6 7]] [0 2 3] [0 1 3]
    """
    mask = keras.ops.cast(padding_mask, "bool")
    shape = keras.ops.shape(mask)
    flat = keras.ops.reshape(mask, (-1,))
    first = keras.ops.equal(keras.ops.arange(shape[0] * shape[1]), 0)
    nothing = keras.ops.logical_not(keras.ops.any(flat))
    flat = keras.ops.logical_or(flat, keras.ops.logical_and(first, nothing))
    mask = keras.ops.reshape(flat, shape)
    (where,) = keras.ops.nonzero(flat)
    where = keras.ops.cast(where, "int32")
    lengths = keras.ops.sum(keras.ops.cast(mask, "int32"), axis=1)
    row_splits = keras.ops.pad(keras.ops.cumsum(lengths), [(1, 0)])
    packed = []
    for x in rows:
        x = keras.ops.convert_to_tensor(x)
        flat = keras.ops.reshape(x, (-1, *x.shape[2:]))
        packed.append(keras.ops.expand_dims(keras.ops.take(flat, where, axis=0), 0))
    return packed, row_splits, where


def restore_padding(packed, where, shape):
    """The rows as they were, zeros at padding.

    Args:
        packed: float [1, N, D].
        where: int32 [N], as `drop_padding` gives it.
        shape: (B, T), of integers or scalar tensors.

    Returns:
        float [B, T, D].
    """
    B, T = shape
    D = packed.shape[-1]
    flat = keras.ops.squeeze(packed, 0)  # not packed[0], whose gradient is a copy
    flat = keras.ops.scatter(where[:, None], flat, (B * T, D))
    return keras.ops.reshape(flat, (B, T, D))
