"""Prepared rows held in memory: read and tokenized once, shuffled afresh every epoch."""

import numpy as np
import tensorflow as tf

from keras_nlp_lite.untuned import untuned

CACHE_BYTES = 2**30  # 1 GiB: about a million reviews as bags of bigrams
_STRETCH = 64  # batches gathered at once

# AutoGraph would take a tenth of a second for each function, to find nothing.
_as_it_is = tf.autograph.experimental.do_not_convert


def cache_rows(
    dataset, *, budget=CACHE_BYTES, shuffle=False, batch_size=None, progress=None
):
    """Runs a dataset of prepared batches once, and keeps its rows.

    Args:
        dataset: Dataset of batches, as `RowStore.append` takes them.
        budget: In bytes; rows that take more are not kept.
        shuffle: As in `RowStore.dataset`.
        batch_size: As in `RowStore.dataset`.
        progress: Called with the number of batches so far, after each one.

    Returns:
        A Dataset as `RowStore.dataset` makes it, or None if the rows cannot be kept:
        they take more than `budget`, the dataset never ends or has none, or dense rows
        differ in shape.
    """
    total = int(dataset.cardinality())
    if total == tf.data.INFINITE_CARDINALITY:
        return None
    store = RowStore(budget)
    for number, batch in enumerate(dataset, 1):
        if not store.append(batch):
            return None
        # Do not read to the end what will not fit: after a twentieth, extrapolate.
        if number * 20 >= total > 0 and store.used / number * total > budget:
            return None
        if progress:
            progress(number)
    return (
        store.dataset(shuffle=shuffle, batch_size=batch_size) if store.sizes else None
    )


class RowStore:
    """Collects the rows of batches, and gives them out in batches again.

    Args:
        budget: In bytes; what takes more is let go.
    """

    def __init__(self, budget=CACHE_BYTES):
        self.budget = budget
        self.used = 0  # bytes
        self.sizes = []  # rows, of each batch
        self._columns = None  # one for each part of a batch; [] if it cannot be kept
        self._structure = None

    def append(self, batch):
        """Takes the rows of a batch.

        Args:
            batch: Any nest of dense tensors, `tf.SparseTensor`s of rank 2 and ragged
                tensors of ragged rank 1, all with the batch first.

        Returns:
            Whether they, and all that came before, are kept.
        """
        parts = tf.nest.flatten(batch)
        if self._columns is None:
            self._structure = tf.nest.map_structure(lambda part: 0, batch)
            self._columns = [_column(part) for part in parts]
            if None in self._columns:
                self._columns = []
        grown = [column.append(part) for column, part in zip(self._columns, parts)]
        if grown and None not in grown:
            self.sizes.append(self._columns[0].last)
            self.used += sum(grown)
            if self.used <= self.budget:
                return True
        self._columns = []
        return False

    def dataset(self, *, shuffle=False, batch_size=None):
        """The rows, once all have come.

        Args:
            shuffle: Whether each pass over the result draws a new order of rows.
            batch_size: Rows of a batch; None for batches as they came.

        Returns:
            Dataset of batches, its `num_rows` an attribute; None if they are not kept.
        """
        if not self._columns or not self.sizes:
            return None
        for column in self._columns:
            column.seal()
        rows, size = sum(self.sizes), batch_size or self.sizes[0]
        indices = tf.data.Dataset.range(rows)
        even = all(n == size for n in self.sizes[:-1]) and self.sizes[-1] <= size
        if batch_size or even:
            if shuffle:
                indices = indices.shuffle(rows, reshuffle_each_iteration=True)
            # Rows are gathered for many batches at once, and cut: an op on a thousand
            # rows costs little more than one on 32.
            stretches = indices.batch(_STRETCH * size)
            kept = stretches.flat_map(
                _as_it_is(lambda numbers: self._batches(numbers, size))
            )
            kept = kept.apply(tf.data.experimental.assert_cardinality(-(-rows // size)))
        else:
            # Batches of unequal size, made so on purpose: order of them, not in them.
            ends = np.cumsum(self.sizes)
            kept = tf.data.Dataset.from_tensor_slices((ends - self.sizes, ends))
            if shuffle:
                kept = kept.shuffle(len(self.sizes), reshuffle_each_iteration=True)
            kept = kept.map(
                lambda start, end: self._cut(
                    tf.constant(0, tf.int64),
                    end - start,
                    self._gather(tf.range(start, end)),
                )
            )
        kept = untuned(kept.prefetch(8))
        kept.num_rows = rows
        return kept

    def _batches(self, numbers, size):
        """Dataset of the batches of a stretch of rows, int64 [stretch]."""
        end = tf.size(numbers, tf.int64)
        stretch = self._gather(numbers)
        return tf.data.Dataset.range(0, end, size).map(
            _as_it_is(
                lambda start: self._cut(start, tf.minimum(start + size, end), stretch)
            )
        )

    def _gather(self, numbers):
        return [column.gather(numbers) for column in self._columns]

    def _cut(self, start, end, stretch):
        parts = [
            column.cut(part, start, end) for column, part in zip(self._columns, stretch)
        ]
        return tf.nest.pack_sequence_as(self._structure, parts)


def _column(part):
    """Where the rows of one part of a batch go; None if there is no such place."""
    if isinstance(part, tf.SparseTensor):
        return _Sparse() if part.shape.rank == 2 else None
    if isinstance(part, tf.RaggedTensor):
        return _Ragged() if part.ragged_rank == 1 else None
    return _Dense() if np.ndim(part) else None


class _Dense:
    """Rows of one shape, [N, ...]."""

    def __init__(self):
        self.pieces = []

    def append(self, tensor):
        """Bytes that the batch adds; None if its rows have another shape."""
        if self.pieces and tensor.shape[1:] != self.pieces[0].shape[1:]:
            return None
        self.pieces.append(tf.convert_to_tensor(tensor))
        self.last = len(tensor)
        return _bytes(self.pieces[-1])

    def seal(self):
        self.rows = _join(self.pieces)

    def gather(self, indices):
        return tf.gather(self.rows, indices)

    def cut(self, stretch, start, end):
        return tf.ensure_shape(stretch[start:end], [None, *self.rows.shape[1:]])


class _Ragged:
    """Rows of unlike length, as one flat [total, ...] and where each row starts."""

    def __init__(self):
        self.flat, self.lengths = [], []

    def append(self, ragged):
        return self._append(ragged.values, ragged.row_lengths())

    def _append(self, flat, lengths):
        # As tensors: arrays would be copied once more on the way to being one.
        self.flat.append(tf.convert_to_tensor(flat))
        self.lengths.append(tf.convert_to_tensor(lengths))
        self.last = len(lengths)
        return _bytes(self.flat[-1]) + _bytes(self.lengths[-1])

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

    def __init__(self):
        super().__init__()
        self.values = None  # all 1 so far, as in a multi-hot bag: not stored

    def append(self, sparse):
        self.width = int(sparse.dense_shape[1])
        rows, columns = sparse.indices.numpy().T
        lengths = np.bincount(rows, minlength=int(sparse.dense_shape[0]))
        if self.width < 2**31:
            columns = columns.astype(np.int32)
        return self._append(columns, lengths) + self._append_values(sparse.values)

    def _append_values(self, values):
        self.one = tf.ones([], values.dtype)
        if self.values is None:
            if (values.numpy() == 1).all():
                return 0
            self.values = [tf.ones(len(flat), values.dtype) for flat in self.flat[:-1]]
        self.values.append(values)
        return _bytes(values)

    def seal(self):
        super().seal()
        if self.values is not None:
            self.values = self.rows.with_values(_join(self.values))

    def gather(self, indices):
        columns = tf.gather(self.rows, indices)
        # One op writes the rows' numbers; its other half is not what is wanted.
        rows, _, _ = tf.raw_ops.RaggedTensorToSparse(
            rt_nested_splits=[columns.row_splits], rt_dense_values=columns.values
        )
        where = tf.stack([rows[:, 0], tf.cast(columns.values, tf.int64)], axis=1)
        if self.values is None:
            values = tf.fill(tf.shape(columns.values), self.one)
        else:
            values = tf.gather(self.values, indices).values
        return columns.row_splits, where, values

    def cut(self, stretch, start, end):
        splits, where, values = stretch
        first, last = splits[start], splits[end]
        where = where[first:last] - tf.stack([start, 0])  # rows count from this batch's
        shape = tf.stack([end - start, self.width])
        return tf.SparseTensor(where, values[first:last], shape)


def _bytes(tensor):
    return int(np.prod(tensor.shape)) * tensor.dtype.size


def _join(pieces):
    """One tensor of all pieces, which are let go."""
    with tf.device("CPU:0"):  # where the input pipeline runs
        joined = tf.concat(pieces, axis=0)
    pieces.clear()
    return joined
