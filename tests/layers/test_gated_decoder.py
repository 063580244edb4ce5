"""GatedDecoder against its formula in float64; with a cache, against without."""

import contextlib
import inspect
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.gated_decoder import GatedDecoder
from keras_nlp_lite.ops import portable_ops

B, T, D, H, G, K, F = 3, 7, 10, 6, 2, 4, 11  # G heads of keys, of K features
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype("float32")
STARTS = np.array([0, 3, 1], "int32")  # where the rows of X begin
REAL = np.arange(T) >= STARTS[:, None]
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
KINDS = {
    "rotary": {"rotary": {"max_wavelength": 50}},
    "alibi": {"positions": "alibi"},
    "no positions": {"positions": None},
    "window": {"window": 2},
    "biases": {"use_qkv_bias": True, "activation": "gelu"},
    "one head of keys": {"num_key_value_heads": 1},
}
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


def make(**settings):
    """A layer whose norms, too, are unlike what they start as."""
    settings = {"num_key_value_heads": G, "head_dim": K, **settings}
    layer = GatedDecoder(F, H, **settings)
    layer(X)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) / 2 for w in layer.weights])
    return layer


def formula(layer, x, activation):
    """The block in float64, of rows without padding."""
    w = {
        "/".join(v.path.split("/")[1:]): np.asarray(v).astype("float64")
        for v in layer.weights
    }
    x = x.astype("float64")
    distance = np.arange(x.shape[1])[:, None] - np.arange(x.shape[1])

    def norm(x, name):
        mean_square = (x**2).mean(axis=-1, keepdims=True)
        return x / np.sqrt(mean_square + 1e-6) * w[f"{name}/scale"]

    def heads(of, x):
        x = np.einsum("btd,dhk->bhtk", x, w[f"attention/{of}/kernel"])
        x = x + w.get(f"attention/{of}/bias", np.zeros((1, 1)))[:, None]
        if layer.positions == "rotary" and of != "value":
            base = layer.rotary_arguments.get("max_wavelength", 10_000)
            speeds = base ** (-2 * np.arange(K // 2) / K)
            turn = np.exp(1j * np.arange(x.shape[2])[:, None] * speeds)
            turned = (x[..., : K // 2] + 1j * x[..., K // 2 :]) * turn
            x = np.concatenate([turned.real, turned.imag], axis=-1)
        return np.repeat(x, H // x.shape[1], axis=1)

    y = norm(x, "attention_norm")
    scores = heads("query", y) @ heads("key", y).swapaxes(-1, -2) / np.sqrt(K)
    if layer.positions == "alibi":  # of 6 heads: 4, and every other one of 8
        slopes = 2.0 ** -np.array([2, 4, 6, 8, 1, 3])
        scores = scores - slopes[:, None, None] * distance
    window = len(distance) if layer.window is None else layer.window
    seen = (distance >= 0) & (distance <= window)
    scores = np.where(seen, scores, -np.inf)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = scores / scores.sum(axis=-1, keepdims=True) @ heads("value", y)
    x = x + np.einsum("bhtk,hkd->btd", mixed, w["attention/attention_output/kernel"])
    y = norm(x, "feedforward_norm")
    gate = activation(y @ w["gate/kernel"])
    return x + (gate * (y @ w["widen/kernel"])) @ w["narrow/kernel"]


def silu(x):
    return x / (1 + np.exp(-x))


def gelu(x):
    erf = keras.ops.erf(keras.ops.convert_to_tensor(x / np.sqrt(2)))
    return x * (1 + np.asarray(erf)) / 2


@EACH_KIND
def test_the_block_is_its_formula(kind):
    layer = make(**KINDS[kind])
    activation = gelu if kind == "biases" else silu
    np.testing.assert_allclose(layer(X), formula(layer, X, activation), **CLOSE)


def test_a_window_of_nothing_before_leaves_each_token_alone():
    layer = make(window=0)
    np.testing.assert_allclose(layer(X)[:, 4:5], layer(X[:, 4:5]), **CLOSE)


@EACH_KIND
def test_a_later_token_changes_no_earlier_output(kind):
    layer = make(**KINDS[kind])
    before = np.asarray(layer(X))
    for t in (1, 4, T - 1):
        x = X.copy()
        x[:, t:] = 1e3  # loud enough to show any leak
        np.testing.assert_array_equal(np.asarray(layer(x))[:, :t], before[:, :t])


@pytest.mark.parametrize("kind", ["rotary", "alibi"])
def test_only_how_far_apart_tokens_are_matters(kind):
    layer = make(**KINDS[kind])
    moved = layer(X, positions=np.arange(T) + 9)
    np.testing.assert_allclose(moved, layer(X), **CLOSE)
    if kind == "rotary":
        spread = layer(X, positions=2 * np.arange(T))
        assert not np.allclose(spread, layer(X), **CLOSE)


def test_padding_before_a_text_never_reaches_it():
    layer, x = make(), X.copy()
    x[~REAL] = 1e3
    masked = tf.constant(x)
    masked._keras_mask = tf.constant(REAL)
    for got in (layer(x, padding_mask=REAL), layer(masked)):
        for row, start in enumerate(STARTS):
            wanted = layer(X[row : row + 1, start:])[0]
            np.testing.assert_allclose(got[row, start:], wanted, **CLOSE)


# Writing


@EACH_KIND
@pytest.mark.parametrize("way", ["compiled", "formula"])
def test_token_by_token_it_gives_what_it_gives_all_at_once(kind, way):
    layer = make(**KINDS[kind])
    heads = layer.num_key_value_heads
    for lengths in ([3, 1, 1, 2], [T]):
        cache, got, index = tf.zeros((B, 2, T + 2, heads, K)), [], 0
        for length in lengths:
            with portable_ops() if way == "formula" else contextlib.nullcontext():
                y, cache = layer(
                    X[:, index : index + length],
                    self_attention_cache=cache,
                    self_attention_cache_update_index=index,
                    starts=STARTS,
                )
            got.append(y)
            index += length
        got = np.concatenate(got, axis=1)
        for row, start in enumerate(STARTS):
            wanted = layer(X[row : row + 1, start:])[0]
            np.testing.assert_allclose(got[row, start:], wanted, **CLOSE)


@pytest.mark.parametrize("kind", ["rotary", "alibi", "window"])
def test_beams_with_ancestors_are_beams_whose_caches_were_gathered(kind):
    layer, rng = make(**KINDS[kind]), np.random.default_rng(2)
    items, beams, index = 2, 3, 5
    R = items * beams
    cache = rng.normal(size=(R, 2, T, G, K)).astype("float32")
    ancestors = rng.integers(0, beams, (R, T)).astype("int32")
    starts = np.repeat([2, 0], beams).astype("int32")
    gathered = cache.copy()
    for r in range(R):
        for j in range(index):
            gathered[r, :, j] = cache[r // beams * beams + ancestors[r, j], :, j]
    token = rng.normal(size=(R, 1, D)).astype("float32")
    common = {
        "self_attention_cache_update_index": index,
        "starts": starts,
    }
    got, new = layer(
        token, self_attention_cache=cache, ancestors=ancestors, beams=beams, **common
    )
    wanted, other = layer(token, self_attention_cache=gathered, **common)
    np.testing.assert_allclose(got, wanted, **CLOSE)
    np.testing.assert_allclose(new[:, :, index], other[:, :, index], **CLOSE)


# Several texts in a row


@pytest.mark.parametrize("kind", ["rotary", "alibi", "window"])
@pytest.mark.parametrize("by", ["row_splits", "segment_ids"])
def test_texts_of_a_row_are_read_as_if_each_were_alone(by, kind):
    layer, lengths = make(**KINDS[kind]), [3, 2, 4]
    x = np.random.default_rng(3).normal(size=(1, sum(lengths), D)).astype("float32")
    ends = np.cumsum([0, *lengths]).astype("int32")
    numbers = np.repeat([1, 2, 3], lengths)[None].astype("int32")
    positions = np.concatenate([np.arange(n) for n in lengths])[None]
    given = {by: ends if by == "row_splits" else numbers}
    got = layer(x, positions=positions, **given)
    for start, stop in itertools.pairwise(ends):
        wanted = layer(x[:, start:stop])
        np.testing.assert_allclose(got[:, start:stop], wanted, **CLOSE)


# Training


def test_a_block_computed_a_second_time_drops_the_same():
    results = []
    for remat in (False, True):
        keras.utils.set_random_seed(5)
        layer = make(dropout=0.4, remat=remat)
        x = tf.Variable(X)
        with tf.GradientTape() as tape:
            outputs = layer(tf.identity(x), training=True)
            loss = tf.reduce_sum(outputs**2)
        sources = [x, *(w.value for w in layer.trainable_weights)]
        results.append([outputs, *tape.gradient(loss, sources)])
    for x, y in zip(*results, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-3)
    assert not np.allclose(results[0][0], layer(X))


# Building


def test_shared_keys_have_fewer_weights():
    norms, feedforward = 2 * D, 3 * D * F
    for heads in (1, G, H):
        attention = D * K * (H + 2 * heads) + H * K * D
        layer = make(num_key_value_heads=heads)
        assert layer.count_params() == norms + feedforward + attention


def test_a_functional_model_may_write():
    token, cache = keras.Input((1, D)), keras.Input((2, T, G, K))
    outputs = make()(
        token, self_attention_cache=cache, self_attention_cache_update_index=2
    )
    assert [x.shape for x in outputs] == [(None, 1, D), (None, 2, T, G, K)]


def test_the_config_makes_the_same_layer():
    settings = {
        "num_key_value_heads": G,
        "head_dim": K,
        "activation": "gelu",
        "layer_norm_epsilon": 1e-3,
        "kernel_initializer": "he_normal",
        "dropout": 0.1,
        "use_qkv_bias": True,
        "window": 3,
        "positions": "rotary",
        "rotary": {"max_wavelength": 99},
        "remat": True,
    }
    layer = GatedDecoder(F, H, **settings)
    config = layer.get_config()
    named = set(inspect.signature(GatedDecoder.__init__).parameters)
    assert named - {"self", "kwargs"} <= set(config)
    copy = GatedDecoder.from_config(config)
    assert copy.get_config() == config
    layer.build(X.shape)
    copy.build(X.shape)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(X), layer(X))


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="divide .* Received: 4 and 6"):
        GatedDecoder(F, H, num_key_value_heads=4)
    with pytest.raises(ValueError, match="num_query_heads=0"):
        GatedDecoder(F, 0)
    with pytest.raises(ValueError, match="positions='sine'"):
        GatedDecoder(F, H, positions="sine")
    with pytest.raises(ValueError, match="dropout=1"):
        GatedDecoder(F, H, dropout=1)
    with pytest.raises(ValueError, match="width 10, .* head_dim=3"):
        GatedDecoder(F, H, head_dim=3)(X)
    with pytest.raises(ValueError, match="`padding_mask` must have shape"):
        make()(X, padding_mask=np.ones((B, T, T), bool))
