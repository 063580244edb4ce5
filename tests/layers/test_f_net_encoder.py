"""FNetEncoder against NumPy's Fourier transform, and a block by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.f_net_encoder import FNetEncoder

B, T, D, F = 2, 5, 7, 11  # batch, tokens, width, hidden width
X = np.random.default_rng(0).normal(size=(B, T, D)).astype("float32")


def norm(x, scale, shift):
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5) * scale + shift


def by_hand(x, weights):
    """float64 [B, T, D]"""
    mixing, output = weights[0:2], weights[2:4]
    widen, widen_bias, narrow, narrow_bias = weights[4:]
    x = norm(x + np.fft.fft2(x.astype("float64"), axes=(1, 2)).real, *mixing)
    added = np.tanh(x @ widen + widen_bias) @ narrow + narrow_bias
    return norm(x + added, *output)


def shuffled(layer, seed=1):
    """Gives it weights that nothing makes by itself: no zeros, no ones."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    return layer.get_weights()


def test_it_is_two_halves_around_numpys_transform():
    block = FNetEncoder(F, activation="tanh")
    block.build(X.shape)
    weights = shuffled(block)
    np.testing.assert_allclose(block(X), by_hand(X, weights), rtol=1e-4, atol=1e-4)


def test_every_token_hears_of_every_other():
    block = FNetEncoder(F)
    before = np.asarray(block(X))
    for t in range(T):
        changed = X.copy()
        changed[:, t, 1] += 1
        assert (np.abs(np.asarray(block(changed)) - before).max(axis=-1) > 1e-4).all()


def test_rows_of_a_batch_do_not_mix():
    block = FNetEncoder(F)
    np.testing.assert_allclose(block(X)[1:], block(X[1:]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "mixed_float16"])
def test_sums_beyond_float16_do_not_overflow(dtype):
    tokens, width = 300, 256
    x = np.full((1, tokens, width), 2.0, "float32")  # they sum to more than 65504
    got = FNetEncoder(F, dtype=dtype)(x)
    assert got.dtype == tf.float16
    assert np.isfinite(got).all()


def test_dropout_acts_in_training_only():
    block = FNetEncoder(F, dropout=0.5)
    np.testing.assert_array_equal(block(X), block(X, training=False))
    once, again = block(X, training=True), block(X, training=True)
    assert np.abs(once - again).max() > 0.01


def test_padding_keeps_its_mask():
    masked = tf.constant(X)
    masked._keras_mask = tf.constant(np.arange(T) < np.array([[2], [T]]))
    np.testing.assert_array_equal(
        FNetEncoder(F)(masked)._keras_mask, masked._keras_mask
    )


def test_a_length_unknown_when_tracing_is_fine():
    block = FNetEncoder(F)
    spec = tf.TensorSpec([None, None, D], tf.float32)
    block.build((None, None, D))
    traced = tf.function(block, input_signature=[spec])
    for length in (T, 1):
        x = X[:, :length]
        np.testing.assert_allclose(traced(x), block(x), rtol=1e-4, atol=1e-5)


def test_kernels_of_equal_size_start_out_different():
    block = FNetEncoder(D, kernel_initializer=keras.initializers.GlorotUniform())
    block.build(X.shape)
    assert (block.widen.kernel.numpy() != block.narrow.kernel.numpy()).mean() > 0.9


@pytest.mark.parametrize("setting", [{"intermediate_dim": 0}, {"dropout": 1.0}])
def test_bad_settings_are_refused(setting):
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        FNetEncoder(**{"intermediate_dim": F, **setting})
