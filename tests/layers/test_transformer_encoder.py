"""TransformerEncoder against its formula in float64."""

import keras
import numpy as np
import pytest

from keras_nlp_lite.layers.transformer_encoder import TransformerEncoder

B, T, D, H, F = 3, 5, 14, 2, 11  # batch, tokens, width, heads, inner width
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype("float32")
PADDING = np.arange(T) < np.array([[2], [T], [4]])
ATTENTION = RNG.random((B, T, T)) < 0.6
ATTENTION |= np.eye(T, dtype=bool)  # a token sees itself, and so something


def make(x=X, **settings):
    """A layer whose norms and biases, too, are unlike what they start as."""
    layer = TransformerEncoder(F, H, **settings)
    layer(x)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) / 2 for w in layer.weights])
    return layer


def formula(layer, x, keep):
    """The block in float64. keep: bool [B, T, T], who sees whom."""
    w = {
        "/".join(v.path.split("/")[1:]): np.asarray(v).astype("float64")
        for v in layer.weights
    }
    x = x.astype("float64")

    def norm(x, name):
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)
        return x * w[f"{name}/gamma"] + w[f"{name}/beta"]

    def heads(name):
        kernel, bias = w[f"attention/{name}/kernel"], w[f"attention/{name}/bias"]
        return np.einsum("btd,dhk->bhtk", seen, kernel) + bias[:, None]

    first = layer.normalize_first
    seen = norm(x, "attention_norm") if first else x
    scores = heads("query") @ heads("key").swapaxes(-1, -2) / np.sqrt(D // H)
    scores = np.where(keep[:, None], scores, -np.inf)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    out = "attention/attention_output"
    attended = np.einsum("bhtk,hkd->btd", scores @ heads("value"), w[f"{out}/kernel"])
    x = x + attended + w[f"{out}/bias"]
    x = x if first else norm(x, "attention_norm")
    y = norm(x, "feedforward_norm") if first else x
    y = np.maximum(y @ w["widen/kernel"] + w["widen/bias"], 0)
    x = x + y @ w["narrow/kernel"] + w["narrow/bias"]
    return (x if first else norm(x, "feedforward_norm")), scores


@pytest.mark.parametrize("normalize_first", [False, True])
@pytest.mark.parametrize("masks", ["none", "padding", "attention", "both"])
def test_the_block_is_its_formula(normalize_first, masks):
    layer = make(normalize_first=normalize_first)
    keep, given = np.ones((B, T, T), bool), {}
    if masks in ("padding", "both"):
        keep, given["padding_mask"] = keep & PADDING[:, None], PADDING
    if masks in ("attention", "both"):
        keep, given["attention_mask"] = keep & ATTENTION, ATTENTION
    sees = keep.any(axis=-1)  # who sees nothing is not what the formula is for
    wanted, wanted_scores = formula(layer, X, keep | ~sees[..., None])

    outputs, scores = layer(X, return_attention_scores=True, **given)
    np.testing.assert_allclose(
        np.asarray(outputs)[sees], wanted[sees], rtol=1e-4, atol=1e-5
    )
    scores, wanted_scores = (
        np.moveaxis(np.asarray(s), 1, 2)[sees] for s in (scores, wanted_scores)
    )
    np.testing.assert_allclose(scores, wanted_scores, rtol=1e-4, atol=1e-6)
    fused = np.asarray(layer(X, **given))  # without scores Keras takes another path
    np.testing.assert_allclose(fused[sees], wanted[sees], rtol=1e-4, atol=1e-5)


def test_there_are_sixteen_weights():
    layer = make()
    attention, feedforward, norms = 4 * (D * D + D), 2 * D * F + F + D, 2 * 2 * D
    assert len(layer.trainable_weights) == len(layer.weights) == 16
    assert layer.count_params() == attention + feedforward + norms


def test_kernels_of_one_shape_start_out_different():
    layer = TransformerEncoder(
        F, H, kernel_initializer=keras.initializers.GlorotUniform()
    )
    layer(X)
    query, key = (np.asarray(layer.weights[i]) for i in (0, 2))
    assert query.shape == key.shape
    assert (query != key).mean() > 0.9


def test_a_keras_mask_is_a_padding_mask_and_an_explicit_one_replaces_it():
    layer = make()
    masked = keras.ops.convert_to_tensor(X)
    masked._keras_mask = keras.ops.convert_to_tensor(PADDING)
    implicit = layer(masked)
    np.testing.assert_array_equal(implicit, layer(X, padding_mask=PADDING))
    np.testing.assert_array_equal(implicit._keras_mask, PADDING)
    other = PADDING[::-1].copy()
    replaced = layer(masked, padding_mask=other)
    np.testing.assert_array_equal(replaced, layer(X, padding_mask=other))
    assert (np.asarray(replaced) != np.asarray(implicit)).any()
    with_attention = layer(masked, attention_mask=ATTENTION)
    both = layer(X, padding_mask=PADDING, attention_mask=ATTENTION)
    np.testing.assert_array_equal(with_attention, both)


def test_a_mask_made_by_an_embedding_reaches_every_block():
    ids = np.array([[4, 2, 0, 0], [1, 2, 3, 4]])
    model = keras.Sequential(
        [
            keras.layers.Embedding(9, D, mask_zero=True),
            TransformerEncoder(F, H),
            TransformerEncoder(F, H),
            keras.layers.GlobalAveragePooling1D(),
        ]
    )
    short = model(ids[:1, :2])  # the same row without its padding
    np.testing.assert_allclose(model(ids)[:1], short, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("normalize_first", [False, True])
def test_a_row_of_nothing_but_padding_gives_finite_numbers(policy, normalize_first):
    layer = make(normalize_first=normalize_first, dtype=policy)
    nothing = PADDING & np.array([[True], [False], [True]])
    outputs = np.asarray(layer(X, padding_mask=nothing))
    assert np.isfinite(outputs).all()
    outputs, scores = layer(X, padding_mask=nothing, return_attention_scores=True)
    assert np.isfinite(outputs).all()
    assert np.isfinite(scores).all()


def test_dropout_drops_in_training_only():
    layer = make(dropout=0.5)
    np.testing.assert_array_equal(layer(X), layer(X, training=False))
    difference = np.asarray(layer(X, training=True)) - np.asarray(layer(X))
    assert (difference != 0).mean() > 0.9


def test_a_model_may_ask_for_the_scores():
    x = keras.Input((None, D))
    outputs, scores = TransformerEncoder(F, H)(x, return_attention_scores=True)
    assert outputs.shape == (None, None, D)
    assert scores.shape == (None, H, None, None)
    assert keras.Model(x, scores)(X).shape == (B, H, T, T)


def test_bad_settings_and_masks_are_refused():
    with pytest.raises(ValueError, match="num_heads=0"):
        TransformerEncoder(F, 0)
    with pytest.raises(ValueError, match="dropout=1"):
        TransformerEncoder(F, H, dropout=1)
    with pytest.raises(ValueError, match=f"width {D}, num_heads=15"):
        TransformerEncoder(F, 15)(X)
    with pytest.raises(ValueError, match=r"`padding_mask` .* shape=\(3, 5, 5\)"):
        make()(X, padding_mask=ATTENTION)
    with pytest.raises(ValueError, match=r"`attention_mask` .* shape=\(3, 5\)"):
        make()(X, attention_mask=PADDING)


def test_the_config_makes_the_same_layer():
    layer = TransformerEncoder(
        F, H, 0.1, "gelu", 1e-3, "he_normal", "ones", normalize_first=True
    )
    copy = TransformerEncoder.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    layer.build(X.shape)
    copy.build(X.shape)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(X), layer(X))
