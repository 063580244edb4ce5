"""Several texts in one row, so that little of it is padding."""

import tensorflow as tf


def packed_rows(prepared, sequence_length, pad_token_id):
    """Sets texts one behind the other, as many in a row as it holds whole, in order.

    Shapes: B texts, L `sequence_length`, R rows, at most B.

    Args:
        prepared: dict of int [B, L], each row one text, and "padding_mask" bool [B, L].
        sequence_length: L, in tokens.
        pad_token_id: What fills "token_ids" up; 0 fills the others.

    Returns:
        dict of the same, [R, L], whose "padding_mask" is int32 and numbers the texts of
        its row from 1, 0 at padding.

    Example:

    >>> ids = tf.constant([[5, 6, 0, 0], [7, 8, 0, 0], [9, 9, 9, 0]])
    >>> rows = packed_rows({"token_ids": ids, "padding_mask": ids > 0}, 4, 0)
    >>> print(rows["token_ids"].numpy(), rows["padding_mask"].numpy())
    [[5 6 7 8]
     [9 9 9 0]] [[1 1 2 2]
     [1 1 1 0]]
    """
    lengths = tf.math.count_nonzero(prepared["padding_mask"], axis=1)
    rows = next_fit(lengths, sequence_length)
    return laid_out(prepared, rows, {"token_ids": pad_token_id}, sequence_length)


def laid_out(prepared, rows, fillers, sequence_length=None):
    """Sets texts one behind the other, each into the row that it is told.

    Args:
        prepared: dict of [B, L], each row one text, and "padding_mask" bool [B, L].
        rows: int64 [B], rising from 0 by 0 or 1: the row of each text.
        fillers: dict of what fills them up, by name; 0 where nothing is said.
        sequence_length: Width of the rows; that of the fullest one by default.

    Returns:
        dict as of `packed_rows`.
    """
    mask = prepared["padding_mask"]
    lengths = tf.math.count_nonzero(mask, axis=1)  # int64 [B], in tokens
    texts_of_row = tf.math.segment_sum(tf.ones_like(rows), rows)
    tokens_of_row = tf.math.segment_sum(lengths, rows)
    numbers = tf.ragged.range(texts_of_row).values + 1  # [B]
    flat = {
        name: tf.boolean_mask(x, mask)
        for name, x in prepared.items()
        if name != "padding_mask"
    }
    flat["padding_mask"] = tf.repeat(tf.cast(numbers, tf.int32), lengths)
    packed = {}
    for name, values in flat.items():
        filled = tf.RaggedTensor.from_row_lengths(values, tokens_of_row, validate=False)
        filler = tf.cast(fillers.get(name, 0), values.dtype)
        packed[name] = filled.to_tensor(filler, shape=[None, sequence_length])
    return packed


def next_fit(lengths, room):
    """In which row each thing lies: behind the one before it, if it fits there, or else
    at the beginning of a new row.

    Args:
        lengths: int64 [B], each at most `room`.
        room: int, what a row holds.

    Returns:
        int64 [B], rising from 0 by 0 or 1.

    Example:

    >>> next_fit(tf.constant([2, 3, 4, 1, 1], tf.int64), room=5).numpy()
    array([0, 0, 1, 1, 2])
    """
    B = tf.size(lengths, tf.int64)
    ends = tf.cumsum(lengths)
    # Which thing begins the next row if this one begins a row; behind the last, none.
    after = tf.searchsorted(ends, ends - lengths + room, "right", tf.int64)
    after = tf.concat([after, [B]], 0)
    begins = tf.one_hot(0, tf.cast(B, tf.int32) + 1, dtype=tf.int64)

    # From the first on, each row tells the next. A step for each of them would be slow,
    # so that steps double: who is known to begin a row points twice as far each time.
    def twice_as_far(known, begins, after):
        found = tf.math.unsorted_segment_max(begins, after, B + 1)
        return 2 * known, tf.maximum(begins, found), tf.gather(after, after)

    _, begins, _ = tf.while_loop(
        lambda known, *_: known < B,
        twice_as_far,
        (tf.constant(1, tf.int64), begins, after),
        shape_invariants=(tf.TensorShape([]), *2 * [tf.TensorShape([None])]),
    )
    return tf.cumsum(begins[:-1]) - 1
