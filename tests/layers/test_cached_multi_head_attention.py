"""CachedMultiHeadAttention: token by token as all at once."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.cached_multi_head_attention import CachedMultiHeadAttention

B, T, S, E, H, D = 3, 5, 7, 6, 2, 11  # batch, queries, keys, features, heads, width
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, E)).astype("float32")
OTHER = RNG.normal(size=(B, S, E)).astype("float32")
CAUSAL = np.tri(T, dtype=bool)[None]


def make(**settings):
    layer = CachedMultiHeadAttention(H, D, **settings)
    layer.build(X.shape, X.shape)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) / 2 for w in layer.weights])
    return layer


def twin(layer):
    """Keras's layer with the same weights."""
    theirs = keras.layers.MultiHeadAttention(H, D)
    theirs.build(X.shape, X.shape)
    theirs.set_weights(layer.get_weights())
    return theirs


def test_without_a_cache_it_is_multi_head_attention():
    layer = make()
    seen = RNG.random((B, T, S)) < 0.7
    seen[..., 0] = True
    np.testing.assert_allclose(
        layer(X, OTHER, attention_mask=seen),
        twin(layer)(X, OTHER, attention_mask=seen),
        rtol=1e-4,
        atol=1e-5,
    )
    masked = tf.constant(X)
    masked._keras_mask = tf.constant(np.arange(T) < 2 + np.zeros((B, 1)))
    np.testing.assert_allclose(layer(masked, masked), layer(X, X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("graph", [False, True])
def test_token_by_token_it_gives_what_it_gives_all_at_once(graph, step):
    layer = make()
    wanted = twin(layer)(X, X, use_causal_mask=True)
    call = tf.function(layer.__call__, reduce_retracing=True) if graph else layer
    cache, outputs = tf.zeros((B, 2, S, H, D)), []
    for index in range(0, T, step):
        tokens = X[:, index : index + step]
        numbers = np.arange(index, index + tokens.shape[1])
        output, cache = call(
            tf.constant(tokens),
            tf.constant(tokens),
            attention_mask=tf.constant(np.arange(S) <= numbers[:, None])[None],
            cache=cache,
            cache_update_index=tf.constant(index),
        )
        outputs.append(output)
    got = np.concatenate(outputs, axis=1)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    assert cache.shape == (B, 2, S, H, D)
    assert np.asarray(cache)[:, :, :T].all()
    assert not np.asarray(cache)[:, :, T:].any()


def test_a_cache_alone_is_attended_and_stays():
    layer = make()
    wanted = layer(X, OTHER)
    cache = keras.ops.zeros((B, 2, S, H, D))
    _, cache = layer(X, OTHER, cache=cache, cache_update_index=0)
    output, same = layer(X, np.full_like(OTHER, 1e3), cache=cache)
    np.testing.assert_allclose(output, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(same, cache)


def test_key_and_value_may_differ():
    layer = make()
    cache = keras.ops.zeros((B, 2, S, H, D))
    output, _ = layer(X, OTHER, OTHER[::-1].copy(), cache=cache, cache_update_index=0)
    wanted = twin(layer)(X, OTHER, OTHER[::-1].copy())
    np.testing.assert_allclose(output, wanted, rtol=1e-4, atol=1e-5)


def test_a_functional_model_may_take_a_cache():
    layer = make()
    token, cache = keras.Input((1, E)), keras.Input((2, S, H, D))
    outputs = layer(token, token, cache=cache, cache_update_index=3)
    assert [x.shape for x in outputs] == [(None, 1, E), (None, 2, S, H, D)]
    model = keras.Model([token, cache], outputs)
    zeros = np.zeros((B, 2, S, H, D), "float32")
    wanted = layer(X[:, :1], X[:, :1], cache=zeros, cache_update_index=3)
    for x, y in zip(model([X[:, :1], zeros]), wanted):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_reads_and_writes_a_cache_of_any_precision(policy):
    layer = make(dtype=policy)
    for dtype in ("float32", layer.compute_dtype):
        cache = keras.ops.zeros((B, 2, S, H, D), dtype)
        output, cache = layer(X, X, cache=cache, cache_update_index=1)
        assert output.dtype == layer.compute_dtype
        assert np.isfinite(np.asarray(output, "float32")).all()


def test_an_index_without_a_cache_is_refused():
    with pytest.raises(ValueError, match="cache_update_index=3, cache=None"):
        make()(X, X, cache_update_index=3)
