import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.monitoring.token_counts import count_batch

IDS = np.array([[7, 8, 0, 0, 0], [9, 0, 0, 0, 0], [4, 5, 6, 7, 8]], "int32")
LENGTHS = np.array([2, 1, 5])


def numbers(counts):
    return [int(count) for count in counts]


WANTED = [3, LENGTHS.sum(), 15, (LENGTHS**2).sum()]


def test_tokens_are_counted_without_padding_and_places_with_it():
    assert numbers(count_batch(tf.constant(IDS))) == WANTED


@pytest.mark.parametrize("dtype", ["bool", "int32"])
def test_a_mask_says_more_than_ids(dtype):
    mask = tf.cast(IDS > 0, dtype)
    x = {"token_ids": tf.ones_like(IDS), "padding_mask": mask}
    assert numbers(count_batch(x)) == WANTED
    assert numbers(count_batch({"token_ids": tf.constant(IDS)})) == WANTED


def test_ragged_rows_hold_no_padding():
    x = tf.RaggedTensor.from_tensor(tf.constant(IDS), padding=0)
    assert numbers(count_batch(x)) == [3, 8, 8, (LENGTHS**2).sum()]


def test_both_sides_of_a_pair_of_texts_count():
    x = {"encoder_token_ids": tf.constant(IDS), "decoder_token_ids": tf.constant(IDS)}
    rows, *others = WANTED
    assert numbers(count_batch(x)) == [rows, *(2 * n for n in others)]


@pytest.mark.parametrize(
    "x",
    [
        tf.ones([3, 5]),
        tf.constant(["text"]),
        tf.sparse.from_dense(IDS),
        {"features": tf.constant(IDS)},
    ],
)
def test_input_of_another_kind_has_no_tokens(x):
    assert count_batch(x) is None
