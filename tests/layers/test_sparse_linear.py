import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.sparse_linear import SparseLinear


def sparse_rows(rows=5, columns=13, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.3)
    x[1] = 0  # a text without a known word
    return x.astype("float32")


def random_layer(**kwargs):
    return SparseLinear(3, kernel_initializer="glorot_normal", **kwargs)


def test_sparse_and_dense_rows_give_the_same_as_a_matmul():
    x = sparse_rows()
    layer = random_layer(activation="tanh")
    sparse = layer(tf.sparse.from_dense(x))
    np.testing.assert_allclose(sparse, layer(x), rtol=1e-5, atol=1e-6)
    wanted = np.tanh(x @ layer.kernel.numpy() + layer.bias.numpy())
    np.testing.assert_allclose(sparse, wanted, rtol=1e-5, atol=1e-6)


def test_gradients_of_sparse_rows_equal_those_of_dense_ones():
    x = sparse_rows()
    layer = random_layer()
    gradients = []
    for rows in (x, tf.sparse.from_dense(x)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(rows) ** 2)
        gradients.append(tape.gradient(loss, layer.trainable_variables))
    for dense, sparse in zip(*gradients):
        np.testing.assert_allclose(sparse, dense, rtol=1e-4, atol=1e-6)


def test_weights_of_features_never_seen_stay_zero():
    x = np.zeros((4, 7), "float32")
    x[:, 2] = [1, 1, 0, 0]
    model = keras.Sequential([keras.Input((7,), sparse=True), SparseLinear(1)])
    model.compile("adam", "mse")
    model.fit(tf.sparse.from_dense(x), np.array([1, 1, 0, 0]), epochs=3, verbose=0)
    kernel = model.layers[0].kernel.numpy()[:, 0]
    assert np.flatnonzero(kernel).tolist() == [2]


def test_unknown_width_and_no_units_are_refused():
    with pytest.raises(ValueError, match="how many features there are"):
        SparseLinear(1).build((None, None))
    with pytest.raises(ValueError, match="Received: units=0"):
        SparseLinear(0)
