"""Masks that are made of large numbers, as many scripts make them."""

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
