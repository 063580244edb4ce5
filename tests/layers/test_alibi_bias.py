"""AlibiBias against its formula, and what softmax makes of it."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.alibi_bias import AlibiBias

B, T, S = 2, 5, 7  # batch, queries, keys


def slopes(H, steepest=8):
    """As its authors give them: from the powers of two around H."""
    lower = 2 ** int(np.log2(H))

    def of_a_power(n):
        return [2 ** (-steepest * (h + 1) / n) for h in range(n)]

    return np.array(of_a_power(lower) + of_a_power(2 * lower)[::2][: H - lower])


@pytest.mark.parametrize("steepest", [8, 5])
@pytest.mark.parametrize("H", [1, 3, 4, 6, 8])
def test_keys_lose_their_distance_from_the_last_times_the_slope(H, steepest):
    scores = np.random.default_rng(0).normal(size=(B, H, T, S)).astype("float32")
    got = AlibiBias(alibi_bias_max=steepest)(scores)
    bias = slopes(H, steepest)[:, None, None] * np.arange(1 - S, 1)
    np.testing.assert_allclose(got, scores + bias, rtol=1e-6, atol=1e-6)


def test_each_head_has_a_slope_of_its_own():
    for H in (2, 5, 12):
        biased = np.asarray(AlibiBias()(np.zeros((1, H, 1, 2), "float32")))
        assert len(np.unique(biased[0, :, 0, 0])) == H


def test_under_a_causal_mask_it_is_the_distance_from_the_query():
    H = 3
    scores = np.random.default_rng(0).normal(size=(B, H, S, S)).astype("float32")
    hidden = np.where(np.tri(S, dtype=bool), 0, -np.inf)
    distance = np.arange(S)[:, None] - np.arange(S)
    wanted = scores - slopes(H)[:, None, None] * distance + hidden
    np.testing.assert_allclose(
        tf.nn.softmax(AlibiBias()(scores) + hidden.astype("float32")),
        tf.nn.softmax(wanted),
        atol=1e-6,
    )


def test_a_step_of_a_decoder_gives_the_last_row():
    scores = np.random.default_rng(0).normal(size=(B, 3, S, S)).astype("float32")
    layer = AlibiBias()
    np.testing.assert_array_equal(layer(scores[:, :, -1:]), layer(scores)[:, :, -1:])


def test_half_precision_rounds_biases_and_not_distances():
    keys = 600  # bfloat16 has no 599
    far = AlibiBias(5, dtype="bfloat16")(np.zeros((1, 3, 1, keys), "float32"))
    wanted = AlibiBias(5)(np.zeros((1, 3, 1, keys), "float32"))
    rounded = tf.cast(tf.cast(wanted, "bfloat16"), "float32")
    np.testing.assert_array_equal(tf.cast(far, "float32"), rounded)


def test_numbers_of_keys_unknown_when_tracing_are_fine():
    layer = AlibiBias()
    spec = tf.TensorSpec([None, 3, None, None], tf.float32)
    traced = tf.function(layer, input_signature=[spec])
    for keys in (S, 1):
        scores = np.ones((B, 3, T, keys), "float32")
        np.testing.assert_allclose(traced(scores), layer(scores), rtol=1e-6)


def test_scores_of_another_rank_are_refused():
    with pytest.raises(ValueError, match=r"\[batch, heads, .*shape=\(5, 7\)"):
        AlibiBias()(np.zeros((T, S), "float32"))


@pytest.mark.parametrize("steepest", [0, -8, None])
def test_slopes_that_do_not_fall_are_refused(steepest):
    with pytest.raises(ValueError, match=f"alibi_bias_max={steepest}"):
        AlibiBias(alibi_bias_max=steepest)
