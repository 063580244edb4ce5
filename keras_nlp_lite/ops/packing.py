"""Rows of tokens without their padding: one long row, and where each text ends.

A padding mask may number the texts of a row: 0 at padding, 1 at the tokens of the first
text, 2 at those of the second, and so on, rising along the row. A mask of 0 and 1 says
that each row is one text.
"""

import keras


def drop_padding(padding_mask, *rows):
    """Puts the tokens of all rows one after the other.

    Of a batch of nothing but padding the first place counts as a token: much cannot be
    done with no token at all.

    Shapes: B batch, T tokens of a padded row, N tokens in all that are no padding, S
    texts in all, of which a row has as many as its highest number, and at least one.

    Args:
        padding_mask: bool or int [B, T], 0 at padding, wherever it stands, else the
            number of the text in its row.
        *rows: Tensors [B, T, ...].

    Returns:
        (packed, row_splits, where): a list of [1, N, ...], int32 [S + 1], in which text
        s is tokens row_splits[s] to row_splits[s + 1], and int32 [N], each token's
        place in the flattened [B * T]. Where the mask is of 0 and 1, text s is row s.

    Example:

    >>> packed, row_splits, where = drop_padding(
    ...     [[1, 1, 0], [1, 2, 2]], [[5, 6, 0], [7, 8, 9]]
    ... )
    >>> print(packed[0].numpy(), row_splits.numpy(), where.numpy())
    [[5 6 7 8 9]] [0 2 3 5] [0 1 3 4 5]
    """
    numbers = keras.ops.cast(padding_mask, "int32")
    B, T = keras.ops.shape(numbers)
    mask = keras.ops.reshape(numbers > 0, (-1,))
    first = keras.ops.equal(keras.ops.arange(B * T), 0)
    nothing = keras.ops.logical_not(keras.ops.any(mask))
    mask = keras.ops.logical_or(mask, keras.ops.logical_and(first, nothing))
    (where,) = keras.ops.nonzero(mask)
    where = keras.ops.cast(where, "int32")

    numbers = keras.ops.maximum(numbers, 1)
    texts = keras.ops.max(numbers, axis=1, initial=1)  # [B], how many a row has
    ends = keras.ops.cumsum(texts)
    owners = numbers + (ends - texts - 1)[:, None]  # [B, T], of each token, from 0
    packed = []
    for x in (owners, *rows):
        x = keras.ops.convert_to_tensor(x)
        flat = keras.ops.reshape(x, (-1, *x.shape[2:]))
        packed.append(keras.ops.expand_dims(keras.ops.take(flat, where, axis=0), 0))
    owners, *packed = packed
    # Owners never fall: text s begins behind all tokens of the texts before.
    each = keras.ops.arange(keras.ops.sum(texts) + 1, dtype="int32")
    row_splits = keras.ops.searchsorted(keras.ops.squeeze(owners, 0), each)
    return packed, keras.ops.cast(row_splits, "int32"), where


def text_positions(padding_mask):
    """Where each token stands in its text.

    Args:
        padding_mask: bool or int [B, T], as in `drop_padding`, its numbers at most T.

    Returns:
        int32 [B, T], in tokens, counted from the column where the text begins; from the
        row's first column for its first text, and at padding.

    Example:

    >>> print(text_positions([[0, 1, 1, 2, 2, 2]]).numpy())
    [[0 1 2 0 1 2]]
    """
    numbers = keras.ops.cast(padding_mask, "int32")
    B, T = keras.ops.shape(numbers)
    columns = keras.ops.broadcast_to(keras.ops.arange(T, dtype="int32"), (B, T))
    # A table of all texts that there could be, whose size does not depend on the mask:
    # XLA takes no other.
    rows = keras.ops.arange(B, dtype="int32")[:, None]
    texts = keras.ops.reshape(rows * (T + 1) + keras.ops.minimum(numbers, T), (-1,))
    first = -keras.ops.segment_max(
        keras.ops.reshape(-columns, (-1,)), texts, num_segments=B * (T + 1)
    )
    begins = keras.ops.reshape(keras.ops.take(first, texts), (B, T))
    return keras.ops.where(numbers > 1, columns - begins, columns)


def column_positions(T, index, starts=None):
    """Where tokens stand in their texts, which stand in the columns of rows.

    Args:
        T: Number of tokens, in the columns from `index` on.
        index: int, the column of the first.
        starts: int [B], the column where each row's text begins; all 0 by default.

    Returns:
        int32 [B, T], or [1, T] without `starts`; 0 before a text.

    Example:

    >>> print(column_positions(3, index=2, starts=[0, 3]).numpy())
    [[2 3 4]
     [0 0 1]]
    """
    columns = keras.ops.arange(T, dtype="int32")[None] + keras.ops.cast(index, "int32")
    if starts is None:
        return columns
    starts = keras.ops.cast(starts, "int32")
    return keras.ops.maximum(columns - starts[:, None], 0)


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
