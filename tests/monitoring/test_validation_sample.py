import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.monitoring.validation_sample import validation_sample


def sorted_dataset(n, batch=7):
    """n texts, the first half of class 0 and the rest of class 1."""
    texts, labels = [f"text {i}" for i in range(n)], [int(i >= n / 2) for i in range(n)]
    return tf.data.Dataset.from_tensor_slices((texts, labels)).batch(batch)


def test_data_sorted_by_class_gives_a_mixed_sample():
    texts, labels = validation_sample(sorted_dataset(2_000), size=100)
    assert len(texts) == len(set(texts)) == 100
    assert 30 < labels.sum() < 70  # 4 standard deviations of a fair draw: 20


def test_a_text_keeps_its_label():
    texts, labels = validation_sample(sorted_dataset(500), size=100)
    numbers = np.array([int(text.decode().split()[1]) for text in texts])
    np.testing.assert_array_equal(labels, numbers >= 250)


def test_each_row_is_as_likely_as_any_other():
    # The seed is the same each time, so many draws come from one: rows 10 apart in a
    # long dataset are counted together.
    n, size = 20_000, 5_000
    data = ([str(i) for i in range(n)], list(range(n)))
    _, rows = validation_sample(data, size)
    tenths = np.bincount(rows * 10 // n, minlength=10)
    assert abs(tenths - size / 10).max() < 4 * np.sqrt(size / 10)


def test_the_same_data_gives_the_same_sample_however_it_is_batched():
    small = validation_sample(sorted_dataset(300, batch=7), size=20)
    large = validation_sample(sorted_dataset(300, batch=64), size=20)
    np.testing.assert_array_equal(small[0], large[0])
    np.testing.assert_array_equal(small[1], large[1])


def test_all_rows_come_in_order_where_there_are_fewer_than_asked_for():
    texts, labels = validation_sample(sorted_dataset(5, batch=2), size=1_000)
    assert [text.decode() for text in texts] == [f"text {i}" for i in range(5)]
    assert list(labels) == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("known", [True, False])
def test_an_endless_dataset_is_read_for_a_while(known):
    endless = sorted_dataset(1_000, batch=500).repeat()
    if not known:
        endless = endless.filter(lambda *_: True)  # its cardinality is now unknown
    texts, _ = validation_sample(endless, size=50)
    assert len(texts) == 50


def test_a_dataset_with_an_end_is_read_to_it():
    labels = np.arange(200_000)
    data = tf.data.Dataset.from_tensor_slices((np.full(labels.shape, "x"), labels))
    _, rows = validation_sample(data.batch(5_000), size=100)
    assert rows.max() > 150_000


def test_sample_weights_are_left_aside():
    data = tf.data.Dataset.from_tensors((["a", "b"], [0, 1], [0.5, 0.5]))
    texts, labels = validation_sample(data, size=10)
    assert list(texts) == [b"a", b"b"] and list(labels) == [0, 1]


def test_multi_hot_labels_and_texts_in_a_column_keep_their_shape():
    texts, labels = validation_sample(([["a"], ["b"]], [[1, 0, 1], [0, 0, 0]]), 10)
    assert texts.shape == (2, 1) and labels.shape == (2, 3)


def test_no_rows_are_no_sample():
    assert validation_sample(sorted_dataset(4).take(0), size=10) is None
    assert validation_sample(([], []), size=10) is None


@pytest.mark.parametrize(
    ("batch", "complaint"),
    [
        (["a", "b"], r"Dataset of batches \(texts \[B\], labels \[B\]\).*batch: Eager"),
        (("a", 1), r"texts \[\], labels \[\]"),
        ((["a", "b"], [1]), r"texts \[2\], labels \[1\]"),
        (([3, 4], [0, 1]), "no strings: int"),
        ((["a", "b"], [0, -1]), "class numbers from 0"),
        ((["a", "b"], ["x", "y"]), "class numbers from 0"),
    ],
)
def test_other_structures_are_refused_with_what_came(batch, complaint):
    if isinstance(batch, tuple):
        stream = itertools.repeat(batch, 1)  # any iterable of batches will do
    else:
        stream = tf.data.Dataset.from_tensors(batch)
    with pytest.raises(ValueError, match=complaint):
        validation_sample(stream, size=10)
