import numpy as np
import tensorflow as tf

from keras_nlp_lite.data.row_cache import cache_rows


def batches(rows, size, *, sparse=False, dense=False):
    """Batches of one kind of every kind of column, each row recognizable by its number."""
    numbers = np.arange(rows, dtype="int32")

    def prepare(number):
        lengths = number % 5  # empty rows, too
        flat = tf.repeat(number, lengths)
        ragged = tf.RaggedTensor.from_row_lengths(flat, lengths)
        hot = tf.one_hot(number % 3, 3) * tf.cast(number, tf.float32)[:, None]
        columns = {"ragged": ragged, "dense": tf.stack([number, -number], 1)}
        columns["counts"] = tf.sparse.from_dense(hot)
        columns["ones"] = tf.sparse.from_dense(tf.one_hot(number % 11, 11))
        return columns, number

    return tf.data.Dataset.from_tensor_slices(numbers).batch(size).map(prepare)


def to_numpy(part):
    if isinstance(part, tf.SparseTensor):
        return tf.sparse.to_dense(part).numpy().tolist()
    return (
        part.to_list() if isinstance(part, tf.RaggedTensor) else part.numpy().tolist()
    )


def rows_of(dataset):
    """Every row, as {label: row}, and the labels in their order."""
    found, order = {}, []
    for columns, labels in dataset:
        columns = {name: to_numpy(part) for name, part in columns.items()}
        for i, label in enumerate(labels.numpy().tolist()):
            found[label] = {name: rows[i] for name, rows in columns.items()}
            order.append(label)
    return found, order


def test_kept_rows_are_the_rows_that_came():
    source = batches(301, 3)
    kept = cache_rows(source)
    assert kept.element_spec[0]["ones"].dtype == source.element_spec[0]["ones"].dtype
    assert rows_of(kept) == rows_of(source)
    assert int(kept.cardinality()) == int(source.cardinality()) == 101
    assert kept.num_rows == 301


def test_sparse_rows_keep_their_width():
    kept = cache_rows(batches(7, 3))
    assert [c["ones"].shape.as_list() for c, _ in kept] == [[3, 11], [3, 11], [1, 11]]
    assert kept.element_spec[0]["ones"].shape[1] == 11


def test_shuffled_rows_are_whole_and_in_a_new_order_each_time():
    source = batches(301, 3)
    kept = cache_rows(source, shuffle=True)
    (first, one), (second, two) = rows_of(kept), rows_of(kept)
    assert first == second == rows_of(source)[0]
    assert sorted(one) == list(range(301))
    assert one != two != sorted(two)


def test_a_seed_fixes_the_order():
    orders = []
    for _ in range(2):
        tf.keras.utils.set_random_seed(7)
        orders.append(rows_of(cache_rows(batches(50, 4), shuffle=True))[1])
    assert orders[0] == orders[1]


def test_batches_of_unequal_size_stay_together():
    sizes = [4, 1, 6, 2]
    starts = np.cumsum([0, *sizes[:-1]])
    source = tf.data.Dataset.from_tensor_slices((starts, np.array(sizes))).map(
        lambda start, size: tf.range(start, start + size)
    )
    kept = cache_rows(source, shuffle=True)
    wanted = {tuple(range(s, s + n)) for s, n in zip(starts, sizes)}
    assert {tuple(batch.numpy().tolist()) for batch in kept} == wanted


def test_what_cannot_be_kept_is_not():
    assert cache_rows(batches(100, 4), budget=1000) is None
    assert cache_rows(batches(100, 4).repeat()) is None
    assert cache_rows(batches(0, 4)) is None
    growing = tf.data.Dataset.range(1, 5).map(lambda n: tf.zeros([2, n]))
    assert cache_rows(growing) is None


def test_rows_that_will_not_fit_are_not_read_to_the_end():
    seen = []
    assert cache_rows(batches(4000, 4), budget=100_000, progress=seen.append) is None
    assert max(seen, default=0) < 100
