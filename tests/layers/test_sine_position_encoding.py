"""SinePositionEncoding against its formula, number by number."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.sine_position_encoding import SinePositionEncoding


def formula(position, feature, D, max_wavelength=10000):
    angle = position / max_wavelength ** (2 * (feature // 2) / D)
    return math.cos(angle) if feature % 2 else math.sin(angle)


@pytest.mark.parametrize("D", [6, 7, 1])
def test_even_features_are_sines_and_odd_ones_cosines(D):
    B, T = 2, 5
    waves = SinePositionEncoding(max_wavelength=77)(np.ones((B, T, D), "float32"))
    wanted = [[formula(t, i, D, 77) for i in range(D)] for t in range(T)]
    np.testing.assert_allclose(waves, [wanted] * B, atol=1e-6)


def test_positions_may_start_later_or_be_given():
    layer, x = SinePositionEncoding(), np.zeros((2, 5, 6), "float32")
    twenty = np.asarray(layer(np.zeros((1, 20, 6), "float32")))[0]
    later = layer(x, start_index=3)
    np.testing.assert_allclose(later, [twenty[3:8]] * 2, atol=1e-6)
    for positions in (np.array([9, 0, 0, 3, 17]), np.arange(10, 20).reshape(2, 5)):
        wanted = np.broadcast_to(twenty[positions], x.shape)
        np.testing.assert_allclose(layer(x, positions=positions), wanted, atol=1e-6)


def test_a_shift_turns_each_pair_by_one_angle_wherever_it_begins():
    T, D = 31, 4
    waves = np.asarray(SinePositionEncoding()(np.zeros((1, T, D), "float32")))[0]
    pairs = waves[:, 1::2] + 1j * waves[:, 0::2]  # cosine and sine: a point on a circle
    turned = pairs[3:] / pairs[:-3]
    np.testing.assert_allclose(turned, np.broadcast_to(turned[0], turned.shape), 1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_rounds_waves_and_not_positions(dtype):
    x = np.zeros((1, 3, 6), "float32")
    far = SinePositionEncoding(dtype=dtype)(x, start_index=4094)
    wanted = tf.cast(SinePositionEncoding()(x, start_index=4094), dtype)
    np.testing.assert_array_equal(tf.cast(far, "float32"), tf.cast(wanted, "float32"))
    assert len(np.unique(tf.cast(far, "float32")[0, :, 0])) == 3


def test_a_length_unknown_when_tracing_is_fine():
    layer = SinePositionEncoding()
    spec = tf.TensorSpec([None, None, 6], tf.float32)
    traced = tf.function(layer, input_signature=[spec])
    for T in (5, 1):
        x = np.zeros((2, T, 6), "float32")
        np.testing.assert_allclose(traced(x), layer(x), atol=1e-6)


@pytest.mark.parametrize("wavelength", [0, -1.5, float("inf"), "long", True])
def test_a_wavelength_that_is_none_is_refused(wavelength):
    with pytest.raises(ValueError, match=f"max_wavelength={wavelength!r}"):
        SinePositionEncoding(max_wavelength=wavelength)
