"""RotaryEmbedding: what rotations preserve, and each pair turned by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.rotary_embedding import RotaryEmbedding

B, T, H, K = 2, 5, 3, 14  # batch, tokens, heads, features


def vectors(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def by_hand(x, positions, speeds, stretch=1.0):
    """x [B, T, H, K] as complex numbers, times one of the right angle and length."""
    pairs = x[..., : K // 2] + 1j * x[..., K // 2 :]
    positions = np.broadcast_to(positions, x.shape[:2])
    angles = positions[:, :, None, None] * np.asarray(speeds)
    pairs = pairs * stretch * np.exp(1j * angles)
    return np.concatenate([pairs.real, pairs.imag], axis=-1)


def plain_speeds(wavelength=10000.0, divisor=K):
    return [wavelength ** (-2 * i / divisor) for i in range(K // 2)]


# What a rotation is


def test_no_vector_changes_its_length():
    x = vectors(B, T, H, K)
    turned = RotaryEmbedding()(x, start_index=1000)
    norms = [np.linalg.norm(y, axis=-1) for y in (x, turned)]
    np.testing.assert_allclose(*norms, rtol=1e-5)


def test_products_depend_on_the_distance_and_on_nothing_else():
    layer = RotaryEmbedding(max_wavelength=50)
    q, k = vectors(1, 1, K), vectors(1, 1, K, seed=1)

    def product(i, j):
        at_i, at_j = layer(q, start_index=i), layer(k, start_index=j)
        return float(tf.reduce_sum(at_i * at_j))

    for distance in (0, 1, 7):
        products = [product(i + distance, i) for i in (0, 3, 90)]
        np.testing.assert_allclose(products, products[0], rtol=1e-4, atol=1e-4)
    assert abs(product(1, 0) - product(0, 1)) > 0.01  # before is not behind


def test_the_first_token_stays_as_it_is():
    x = vectors(B, T, H, K)
    np.testing.assert_array_equal(RotaryEmbedding()(x)[:, 0], x[:, 0])


# By how much


def test_pairs_half_the_features_apart_turn_by_the_formula():
    x = vectors(B, T, H, K)
    wanted = by_hand(x, np.arange(T), plain_speeds(77.0))
    np.testing.assert_allclose(RotaryEmbedding(77)(x), wanted, atol=1e-5)


def test_positions_may_start_later_or_be_given():
    x, layer = vectors(B, T, H, K), RotaryEmbedding()
    later = by_hand(x, np.arange(T) + 40, plain_speeds())
    np.testing.assert_allclose(layer(x, start_index=40), later, atol=1e-4)
    for positions in (np.array([9, 0, 0, 3, 17]), np.arange(10).reshape(B, T)):
        wanted = by_hand(x, positions, plain_speeds())
        np.testing.assert_allclose(layer(x, positions=positions), wanted, atol=1e-5)


def test_linear_scaling_puts_four_tokens_where_one_was():
    x = vectors(B, T, H, K)
    scaled = RotaryEmbedding(scaling_factor=4.0)(x, start_index=8)
    wanted = by_hand(x, (np.arange(T) + 8) / 4, plain_speeds())
    np.testing.assert_allclose(scaled, wanted, atol=1e-5)


def test_dynamic_scaling_slows_all_pairs_by_a_power_of_the_factor():
    x = vectors(B, T, H, K)
    speeds = np.divide(plain_speeds(), 4.0 ** (K / (K - 2)))
    scaled = RotaryEmbedding(scaling_factor=4.0, rope_type="dynamic")(x)
    np.testing.assert_allclose(scaled, by_hand(x, np.arange(T), speeds), atol=1e-5)


@pytest.mark.parametrize("truncate", [True, False])
def test_yarn_slows_slow_pairs_only_and_lengthens_all(truncate):
    context, wavelength, fast, slow, factor = 512, 100.0, 32.0, 1.0, 8.0
    speeds = np.array(plain_speeds(wavelength))
    # The number of the pair that turns n times in the context, from its own formula:
    # context * wavelength ** (-2 * pair / K) = 2 * pi * n.
    first, last = (
        K / 2 * math.log(context / (2 * math.pi * n), wavelength) for n in (fast, slow)
    )
    if truncate:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, K - 1)
    share = np.array([min(max((i - first) / (last - first), 0), 1) for i in range(7)])
    assert share[1] == 0 < share[3] < share[6]  # fast, in passage, slow
    mixed = speeds * (1 - share) + speeds / factor * share

    layer = RotaryEmbedding(
        wavelength,
        factor,
        "yarn",
        beta_fast=fast,
        beta_slow=slow,
        original_max_position_embeddings=context,
        truncate=truncate,
    )
    x = vectors(B, T, H, K)
    stretch = 0.1 * math.log(factor) + 1
    wanted = by_hand(x, np.arange(T), mixed, stretch)
    np.testing.assert_allclose(layer(x), wanted, atol=1e-5)


def test_another_divisor_gives_the_speeds_of_a_wider_head():
    x = vectors(B, T, H, K)
    wanted = by_hand(x, np.arange(T), plain_speeds(divisor=40))
    np.testing.assert_allclose(
        RotaryEmbedding(denominator_dim=40)(x), wanted, atol=1e-5
    )


# Whatever the layout, dtype and length


@pytest.mark.parametrize(
    "order, sequence_axis, feature_axis",
    [("BHTK", 2, -1), ("BTKH", 1, 2), ("BKHT", -1, 1), ("TBKH", 0, 2), ("KHBT", 3, 0)],
)
def test_any_order_of_axes_gives_the_same(order, sequence_axis, feature_axis):
    x = vectors(B, T, H, K)
    if order == "KHBT":  # the batch is the first axis that is neither
        x = x[:, :, :1]
    positions = np.arange(10).reshape(B, T)
    if order == "KHBT":
        positions = positions[0]
    places = ["BTHK".index(axis) for axis in order]
    layer = RotaryEmbedding(sequence_axis=sequence_axis, feature_axis=feature_axis)
    got = layer(x.transpose(places), positions=positions)
    wanted = np.asarray(RotaryEmbedding()(x, positions=positions)).transpose(places)
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_inputs_need_no_heads():
    x = vectors(B, T, K)
    wanted = RotaryEmbedding()(x[:, :, None])[:, :, 0]
    np.testing.assert_array_equal(RotaryEmbedding()(x), wanted)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16"])
def test_half_precision_rounds_vectors_and_not_angles(dtype):
    x = tf.cast(vectors(B, T, H, K), "bfloat16")  # exact in both
    x = tf.cast(x, "float32")
    half = RotaryEmbedding(dtype=dtype)(x, start_index=4091)
    full = RotaryEmbedding()(x, start_index=4091)
    # Two products of rounded factors and a rounded sum: a few units in the last place.
    unit = 2.0**-10 if dtype == "float16" else 2.0**-7
    np.testing.assert_allclose(tf.cast(half, "float32"), full, atol=3 * unit * 4)


def test_a_length_unknown_when_tracing_is_fine():
    layer = RotaryEmbedding()
    spec = tf.TensorSpec([None, None, H, K], tf.float32)
    traced = tf.function(layer, input_signature=[spec])
    for length in (T, 1):
        x = vectors(B, length, H, K)
        np.testing.assert_allclose(traced(x), layer(x), atol=1e-6)


def test_a_step_of_a_decoder_gives_what_the_whole_row_does():
    layer, x = RotaryEmbedding(), vectors(B, T, H, K)
    step = tf.function(lambda i: layer(x[:, 3:4], start_index=i))
    np.testing.assert_allclose(step(tf.constant(3))[:, 0], layer(x)[:, 3], atol=1e-6)


# What is refused


def test_features_that_make_no_pairs_are_refused():
    with pytest.raises(ValueError, match=r"13 features, inputs of shape \(2, 5, 13\)"):
        RotaryEmbedding()(vectors(B, T, 13))


@pytest.mark.parametrize(
    "shape, axes", [((B, T, K), (3, -1)), ((B, T, K), (2, -1)), ((T, K), (0, 1))]
)
def test_axes_that_the_inputs_do_not_have_are_refused(shape, axes):
    layer = RotaryEmbedding(sequence_axis=axes[0], feature_axis=axes[1])
    with pytest.raises(ValueError, match=f"sequence_axis={axes[0]}, feature_axis"):
        layer(vectors(*shape))


@pytest.mark.parametrize(
    "setting",
    [
        {"max_wavelength": 0},
        {"scaling_factor": -2.0},
        {"rope_type": "yarm"},
        {"beta_fast": 0},
        {"beta_slow": None},
        {"original_max_position_embeddings": 0},
        {"denominator_dim": 2.5},
    ],
)
def test_bad_settings_are_refused(setting):
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value!r}"):
        RotaryEmbedding(**setting)
