"""GroupQueryAttention against Keras's, with the same weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.group_query_attention import GroupQueryAttention

B, T, S, E, H, G, K = 3, 5, 7, 10, 6, 2, 4  # batch, queries, keys, features, heads
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, E)).astype("float32")
OTHER = RNG.normal(size=(B, S, E)).astype("float32")
SEEN = RNG.random((B, T, S)) < 0.6
SEEN[..., 0] = True
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def pair(**settings):
    """(the layer, Keras's) with the same weights."""
    layers = [
        cls(K, H, G, **settings)
        for cls in (GroupQueryAttention, keras.layers.GroupQueryAttention)
    ]
    for layer in layers:
        layer.build(X.shape, OTHER.shape)
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=w.shape) / 2 for w in layers[0].weights]
    for layer in layers:
        layer.set_weights(weights)
    return layers


CALLS = {
    "plain": {},
    "attention mask": {"attention_mask": SEEN},
    "value mask": {"value_mask": np.arange(S) < np.array([[2], [S], [4]])},
    "causal": {"use_causal_mask": True},
    "causal, key": {"use_causal_mask": True, "key": OTHER[::-1].copy()},
}
SETTINGS = {
    "plain": {},
    "no bias": {"use_bias": False},
    "gate": {"use_gate": True},
    "window": {"sliding_window": 3},
}


# Of 7 keys and a window of 3 that masks narrow, some queries see none; for these
# Keras has an answer, and here they give zeros.
PAIRS = [
    (call, settings)
    for call in CALLS
    for settings in SETTINGS
    if settings != "window" or "causal" in call
]


@pytest.mark.parametrize(("call", "settings"), PAIRS)
def test_it_answers_as_kerass(call, settings):
    ours, theirs = pair(**SETTINGS[settings])
    given = CALLS[call]
    np.testing.assert_allclose(
        ours(X, OTHER, **given), theirs(X, OTHER, **given), **CLOSE
    )


def test_scores_are_kerass():
    ours, theirs = pair()
    given = {"use_causal_mask": True, "return_attention_scores": True}
    for got, wanted in zip(ours(X, X, **given), theirs(X, X, **given), strict=True):
        np.testing.assert_allclose(got, wanted, **CLOSE)


def test_each_head_of_keys_serves_the_next_queries():
    """As attention with all heads does, to which every key head is given H / G times."""
    ours, _ = pair()
    full = keras.layers.MultiHeadAttention(H, K)
    full.build(X.shape, OTHER.shape)
    q, qb, k, kb, v, vb, o, ob = ours.get_weights()
    k, v = (np.repeat(kernel, H // G, axis=1) for kernel in (k, v))
    kb, vb = (np.repeat(bias, H // G, axis=0) for bias in (kb, vb))
    full.set_weights([q, qb, k, kb, v, vb, o, ob])
    np.testing.assert_allclose(ours(X, OTHER), full(X, OTHER), **CLOSE)


def test_the_output_may_have_no_bias_where_the_others_have_one():
    layer = GroupQueryAttention(K, H, G, use_output_bias=False)
    layer.build(X.shape, X.shape)
    shapes = [tuple(w.shape) for w in layer.weights]
    heads = [(E, H, K), (H, K), (E, G, K), (G, K), (E, G, K), (G, K)]
    assert shapes == [*heads, (H, K, E)]
    copy = GroupQueryAttention.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    copy.build(X.shape, X.shape)
    assert [tuple(w.shape) for w in copy.weights] == shapes


def test_a_query_that_sees_no_key_gives_zeros():
    layer, _ = pair()
    nothing = np.zeros((B, S), bool)
    bias = layer.output_dense.bias
    got = layer(X, OTHER, value_mask=nothing)
    np.testing.assert_allclose(got, np.broadcast_to(bias, (B, T, E)), atol=1e-6)


def test_dropout_drops_in_training_only():
    layer, _ = pair(dropout=0.5, seed=3)
    np.testing.assert_array_equal(layer(X, X), layer(X, X, training=False))
    difference = np.asarray(layer(X, X, training=True)) - np.asarray(layer(X, X))
    assert (difference != 0).mean() > 0.9


@pytest.mark.parametrize("window", [None, 3])
def test_token_by_token_it_gives_what_it_gives_all_at_once(window):
    layer, _ = pair(sliding_window=window)
    wanted, bias = layer(X, X, use_causal_mask=True), layer.output_dense.bias
    cache, got = tf.zeros((B, 2, S, G, K)), []
    for index in range(T):
        heads, cache = layer.attend_cached(X[:, index : index + 1], cache, index)
        assert heads.shape == (B, 1, H, K)
        got.append(layer.mix_heads(heads)[0] + bias)
    np.testing.assert_allclose(np.concatenate(got, axis=1), wanted, **CLOSE)
    assert not np.asarray(cache)[:, :, T:].any()
