"""Prepared rows held in memory: read and tokenized once, shuffled afresh every epoch."""

import numpy as np
import tensorflow as tf

from keras_nlp_lite.untuned import untuned

CACHE_BYTES = 2**30  # 1 GiB: about a million reviews as bags of bigrams
_STRETCH = 64  # batches gathered at once


def cache_rows(dataset, *, budget=CACHE_BYTES, shuffle=False, progress=None):
    """Runs a dataset of prepared batches once, and keeps its rows.

    Args:
        dataset: Dataset of batches: any nest of dense tensors, `tf.SparseTensor`s of
            rank 2 and ragged tensors of ragged rank 1, all with the batch first.
        budget: In bytes; rows that take more are not kept.
        shuffle: Whether each pass over the result draws a new order of rows. Batches
            keep the size that they came with.
        progress: Called with the number of batches so far, after each one.

    Returns:
        A Dataset of the same batches, its `num_rows` an attribute, or None if the rows cannot be kept: they take
        more than `budget`, the dataset never ends, or dense rows differ in shape.
    """
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        return None
    spec = dataset.element_spec
    columns = [_column(part) for part in tf.nest.flatten(spec)]
    if None in columns:
        return None
    total = int(dataset.cardinality())  # negative if unknown
    sizes, used = [], 0
    for batch in dataset:
        parts = tf.nest.flatten(batch)
        grown = [column.append(part) for column, part in zip(columns, parts)]
        if None in grown:
            return None
        sizes.append(columns[0].last)
        used += sum(grown)
        if progress:
            progress(len(sizes))
        # Do not read to the end what will not fit: after a twentieth, extrapolate.
        hopeless = len(sizes) * 20 >= total > 0 and used / len(sizes) * total > budget
        if used > budget or hopeless:
            return None
    if not sizes:
        return None
    rows = sum(sizes)
    for column in columns:
        column.seal()

    def gather(indices):
        """A stretch of shuffled rows, and where its batches end."""
        return tuple(column.gather(indices) for column in columns)

    def cut(start, end, *stretch):
        parts = [column.cut(part, start, end) for column, part in zip(columns, stretch)]
        return tf.nest.pack_sequence_as(spec, parts)

    def cut_all(indices):
        rows_here = tf.size(indices, tf.int64)
        stretch = gather(indices)
        starts = tf.data.Dataset.range(0, rows_here, sizes[0])
        return starts.map(
            lambda start: cut(start, tf.minimum(start + sizes[0], rows_here), *stretch)
        )

    indices = tf.data.Dataset.range(rows)
    if shuffle:
        indices = indices.shuffle(rows, reshuffle_each_iteration=True)
    if all(size == sizes[0] for size in sizes[:-1]) and sizes[-1] <= sizes[0]:
        # Rows are gathered for many batches at once, and cut: an op on a thousand rows
        # costs little more than one on 32.
        kept = indices.batch(_STRETCH * sizes[0]).flat_map(cut_all)
        kept = kept.apply(tf.data.experimental.assert_cardinality(len(sizes)))
    else:
        # Batches of unequal size, made so on purpose: order within, not across.
        ends = np.cumsum(sizes)
        kept = tf.data.Dataset.from_tensor_slices((ends - sizes, ends))
        if shuffle:
            kept = kept.shuffle(len(sizes), reshuffle_each_iteration=True)
        kept = kept.map(
            lambda start, end: cut(
                tf.constant(0, tf.int64), end - start, *gather(tf.range(start, end))
            )
        )
    kept = untuned(kept.prefetch(8))
    kept.num_rows = rows
    return kept


def _column(spec):
    if isinstance(spec, tf.SparseTensorSpec) and spec.shape.rank == 2:
        return _Sparse(spec)
    if isinstance(spec, tf.RaggedTensorSpec) and spec.ragged_rank == 1:
        return _Ragged(spec)
    if isinstance(spec, tf.TensorSpec) and spec.shape.rank not in (None, 0):
        return _Dense(spec)
    return None


class _Dense:
    """Rows of one shape, [N, ...]."""

    def __init__(self, spec):
        self.spec = spec
        self.pieces = []

    def append(self, tensor):
        """Bytes that the batch adds; None if its rows have another shape."""
        if self.pieces and tensor.shape[1:] != self.pieces[0].shape[1:]:
            return None
        self.pieces.append(tensor.numpy())
        self.last = len(self.pieces[-1])
        return self.pieces[-1].nbytes

    def seal(self):
        self.rows = _join(self.pieces)

    def gather(self, indices):
        return tf.gather(self.rows, indices)

    def cut(self, stretch, start, end):
        return tf.ensure_shape(stretch[start:end], self.spec.shape)


class _Ragged:
    """Rows of unlike length, as one flat [total, ...] and where each row starts."""

    def __init__(self, spec):
        self.spec = spec
        self.flat, self.lengths = [], []

    def append(self, ragged):
        return self._append(ragged.values.numpy(), ragged.row_lengths().numpy())

    def _append(self, flat, lengths):
        self.flat.append(flat)
        self.lengths.append(lengths)
        self.last = len(lengths)
        return flat.nbytes + lengths.nbytes

    def seal(self):
        self.rows = tf.RaggedTensor.from_row_lengths(
            _join(self.flat), _join(self.lengths), validate=False
        )

    def gather(self, indices):
        return tf.gather(self.rows, indices)

    def cut(self, stretch, start, end):
        splits = stretch.row_splits[start : end + 1]
        flat = stretch.values[splits[0] : splits[-1]]
        return tf.RaggedTensor.from_row_splits(flat, splits - splits[0], validate=False)


class _Sparse(_Ragged):
    """Sparse rows [N, V], as ragged column numbers and ragged values."""

    def __init__(self, spec):
        super().__init__(spec)
        self.values = []

    def append(self, sparse):
        self.width = int(sparse.dense_shape[1])
        rows, columns = sparse.indices.numpy().T
        lengths = np.bincount(rows, minlength=int(sparse.dense_shape[0]))
        if self.width < 2**31:
            columns = columns.astype(np.int32)
        self.values.append(sparse.values.numpy())
        return self._append(columns, lengths) + self.values[-1].nbytes

    def seal(self):
        super().seal()
        values = _join(self.values)
        # A multi-hot bag holds nothing but ones, which need not be stored.
        same = tf.size(values) > 0 and tf.reduce_all(values == values[0])
        self.constant = values[0] if same else None
        self.values = None if same else self.rows.with_values(values)

    def gather(self, indices):
        columns = tf.gather(self.rows, indices)
        # One op writes the rows' numbers; its other half is not what is wanted.
        rows, _, _ = tf.raw_ops.RaggedTensorToSparse(
            rt_nested_splits=[columns.row_splits], rt_dense_values=columns.values
        )
        where = tf.stack([rows[:, 0], tf.cast(columns.values, tf.int64)], axis=1)
        if self.constant is not None:
            values = tf.fill(tf.shape(columns.values), self.constant)
        else:
            values = tf.gather(self.values, indices).values
        return columns.row_splits, where, values

    def cut(self, stretch, start, end):
        splits, where, values = stretch
        first, last = splits[start], splits[end]
        where = where[first:last] - tf.stack([start, 0])  # rows count from this batch's
        shape = tf.stack([end - start, self.width])
        return tf.SparseTensor(where, values[first:last], shape)


def _join(pieces):
    """One tensor of all pieces, which are let go as soon as they are in it."""
    joined = np.concatenate(pieces)
    pieces.clear()
    return tf.constant(joined)
