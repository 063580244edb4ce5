"""PositionEmbedding against rows of its table."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.position_embedding import PositionEmbedding

B, T, L, D = 2, 5, 11, 3  # batch, tokens, longest row, features
X = np.zeros((B, T, D), "float32")


@pytest.fixture
def layer():
    layer = PositionEmbedding(L)
    layer.build(X.shape)
    return layer


def table(layer):
    (weight,) = layer.get_weights()
    assert weight.shape == (L, D)
    return weight


def test_each_row_gets_the_table_from_its_start(layer):
    for start in (0, 4, L - T):
        wanted = np.broadcast_to(table(layer)[start : start + T], X.shape)
        np.testing.assert_array_equal(layer(X, start_index=start), wanted)


def test_a_start_index_may_be_a_tensor(layer):
    step = tf.function(lambda i: layer(X[:, :1], start_index=i))
    for i in (0, 7):
        wanted = np.broadcast_to(table(layer)[i], (B, 1, D))
        np.testing.assert_array_equal(step(tf.constant(i)), wanted)


def test_positions_may_be_given_for_all_rows_or_for_each(layer):
    for positions in (np.array([9, 0, 0, 3, 10]), np.arange(10).reshape(B, T)):
        wanted = np.broadcast_to(table(layer)[positions], X.shape)
        np.testing.assert_array_equal(layer(X, positions=positions), wanted)


def test_what_the_inputs_hold_does_not_matter(layer):
    np.testing.assert_array_equal(layer(X + 7), layer(X))


def test_a_position_learns_from_every_row_that_has_it(layer):
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(X, start_index=2))
    gradient = tape.gradient(total, layer.trainable_variables[0].value)
    wanted = np.zeros((L, D))
    wanted[2 : 2 + T] = B
    np.testing.assert_array_equal(tf.convert_to_tensor(gradient), wanted)


def test_a_length_unknown_when_tracing_is_fine(layer):
    spec = tf.TensorSpec([None, None, D], tf.float32)
    traced = tf.function(layer, input_signature=[spec])
    for length in (T, 1):
        np.testing.assert_array_equal(traced(X[:, :length]), layer(X[:, :length]))


def test_positions_beyond_the_table_are_refused(layer):
    with pytest.raises(ValueError, match="12 tokens, start_index=0, sequence_length=1"):
        layer(np.zeros((B, L + 1, D), "float32"))
    with pytest.raises(ValueError, match="5 tokens, start_index=7"):
        layer(X, start_index=L - T + 1)


@pytest.mark.parametrize("length", [0, None, 2.5])
def test_a_table_without_a_length_is_refused(length):
    with pytest.raises(ValueError, match=f"sequence_length={length}"):
        PositionEmbedding(length)
