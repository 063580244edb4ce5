"""Batches cut into nearly equal slices of rows, for replicas that share them."""

import tensorflow as tf

_as_it_is = tf.autograph.experimental.do_not_convert


def row_slices(dataset, mine, parts):
    """Some of the slices of each batch, one after the other.

    Part p of P of a batch of n rows begins at row p * n / P, rounded up. A batch of
    fewer rows than parts leaves some parts with none.

    Args:
        dataset: Dataset of batches: a nest of dense, ragged or sparse tensors, all
            with the batch first.
        mine: list of int, the parts that are wanted.
        parts: P.

    Returns:
        Dataset of as many elements for each batch as there are in `mine`.

    Example:

    >>> batches = tf.data.Dataset.range(7).batch(5)
    >>> [rows.tolist() for rows in row_slices(batches, [0], 2).as_numpy_iterator()]
    [[0, 1, 2], [5]]
    >>> [rows.tolist() for rows in row_slices(batches, [0, 1], 2).as_numpy_iterator()]
    [[0, 1, 2], [3, 4], [5], [6]]
    """
    numbers = tf.data.Dataset.from_tensor_slices(tf.constant(list(mine), tf.int64))

    def cut(*batch):
        batch = batch if len(batch) > 1 else batch[0]
        return numbers.map(_as_it_is(lambda part: _cut(batch, part, parts)))

    slices = dataset.flat_map(_as_it_is(cut))
    count = int(dataset.cardinality())
    if count == tf.data.UNKNOWN_CARDINALITY:
        return slices
    count = count if count < 0 else count * len(mine)
    return slices.apply(tf.data.experimental.assert_cardinality(count))


def _cut(batch, part, parts):
    first = tf.nest.flatten(batch)[0]
    if isinstance(first, tf.SparseTensor):
        rows = first.dense_shape[0]
    elif isinstance(first, tf.RaggedTensor):
        rows = first.nrows(tf.int64)
    else:
        rows = tf.shape(first, tf.int64)[0]
    start, end = (-(-rows * n // parts) for n in (part, part + 1))

    def rows_of(x):
        if not isinstance(x, tf.SparseTensor):
            return x[start:end]
        begin = tf.concat([[start], tf.zeros_like(x.dense_shape[1:])], 0)
        size = tf.concat([[end - start], x.dense_shape[1:]], 0)
        cut = tf.sparse.slice(x, begin, size)
        return tf.SparseTensor(cut.indices, cut.values, size)

    return tf.nest.map_structure(rows_of, batch)
