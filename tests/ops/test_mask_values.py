"""Masks that are made of large numbers, as many scripts make them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.ops import attention, library
from keras_nlp_lite.ops.reference import reference_attention

B, T, S, H, D = 2, 3, 41, 2, 8


def inputs():
    rng = np.random.default_rng(0)
    return [
        tf.constant(rng.normal(size=(B, n, H, D)).astype("float32")) for n in (T, S, S)
    ]


@pytest.mark.parametrize("low", [-1e4, -1e9, np.finfo("float32").min])
def test_a_row_hidden_by_large_numbers_has_the_formulas_gradients(low):
    q, k, v = inputs()
    bias = np.zeros((B, 1, T, S), "float32")
    bias[0, 0, 1] = low  # a whole row
    bias[1, 0, :, 20:] = low  # and a part of others
    with tf.GradientTape(persistent=True) as tape:
        tape.watch((q, k, v))
        fused = attention(q, k, v, bias=bias)
        plain, _ = reference_attention(q, k, v, scale=D**-0.5, bias=tf.constant(bias))
    # Scores of about 1e4 are known to 1e-3, and weights with them.
    np.testing.assert_allclose(fused, plain, atol=5e-3)
    for x in (q, k, v):
        wanted = tape.gradient(plain, x)
        atol = 5e-3 * float(tf.reduce_max(tf.abs(wanted)))
        np.testing.assert_allclose(tape.gradient(fused, x), wanted, atol=atol)


def test_a_gradient_outlives_the_switch(monkeypatch):
    if library.load() is None:
        pytest.skip(library.why_not())
    q, k, v = inputs()
    with tf.GradientTape() as tape:
        tape.watch(q)
        out = attention(q, k, v)
    monkeypatch.setenv("KNL_ATTENTION", "reference")
    assert np.all(np.isfinite(tape.gradient(out, q)))


def test_no_query_against_many_keys_has_a_gradient():
    _, k, v = (tf.zeros((1, 700, H, D)) for _ in range(3))
    q = tf.zeros((1, 0, H, D))
    with tf.GradientTape() as tape:
        tape.watch((q, k, v))
        out = attention(q, k, v)
    assert [g.shape for g in tape.gradient(out, (q, k, v))] == [
        q.shape,
        k.shape,
        v.shape,
    ]


def test_float64_stays_so():
    q, k, v = (tf.cast(x, "float64") for x in inputs())
    bias = tf.constant(np.random.default_rng(1).normal(size=(1, H, T, S)))
    slopes = tf.constant([0.1, 0.3], "float64")
    score = tf.einsum("bthd,bshd->bhts", q, k) * D**-0.5 + bias
    distance = np.abs(np.arange(S) - np.arange(T)[:, None] - (S - T))
    score -= slopes[:, None, None] * distance
    wanted = tf.einsum("bhts,bshd->bthd", tf.nn.softmax(score), v)
    got = attention(q, k, v, bias=bias, alibi_slopes=slopes)
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_a_window_wider_than_any_row_hides_nothing():
    q, k, v = inputs()
    wide = attention(q, k, v, window=2**63)
    np.testing.assert_array_equal(wide, attention(q, k, v))


def test_a_functional_model_knows_the_dtype_of_mixed_inputs():
    q = keras.Input((T, H, D), dtype="float16")
    k = keras.Input((S, H, D), dtype="float32")
    assert attention(q, k, k).dtype == "float32"
