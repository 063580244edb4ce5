"""TransformerDecoder against its formula in float64; with a cache, against without."""

import contextlib
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.transformer_decoder import TransformerDecoder
from keras_nlp_lite.ops import portable_ops

B, T, S, D, H, F = 3, 5, 7, 14, 2, 11  # batch, tokens, encoder, width, heads, inside
K = D // H
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, T, D)).astype("float32")
ENCODED = RNG.normal(size=(B, S, D)).astype("float32")
OF_ENCODER = np.arange(S) < np.array([[2], [S], [4]])
TOKENS = np.arange(T) < np.array([[2], [T], [4]])
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
ALONE_AND_CROSSING = pytest.mark.parametrize("crosses", [False, True])


def make(crosses=False, **settings):
    """A layer whose norms and biases, too, are unlike what they start as."""
    layer = TransformerDecoder(F, H, **settings)
    layer(X, ENCODED if crosses else None)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) / 2 for w in layer.weights])
    return layer


def formula(layer, x, encoded, seen, crossed):
    """The block in float64. seen: bool [B, T, T]; crossed: bool [B, T, S]."""
    w = {
        "/".join(v.path.split("/")[1:]): np.asarray(v).astype("float64")
        for v in layer.weights
    }

    def norm(x, name):
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)
        return x * w[f"{name}_layer_norm/gamma"] + w[f"{name}_layer_norm/beta"]

    def attention(name, x, context, keep):
        def heads(of, x):
            kernel, bias = w[f"{name}/{of}/kernel"], w[f"{name}/{of}/bias"]
            return np.einsum("btd,dhk->bhtk", x, kernel) + bias[:, None]

        scores = heads("query", x) @ heads("key", context).swapaxes(-1, -2)
        scores = np.where(keep[:, None], scores / np.sqrt(K), -np.inf)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        kernel = w[f"{name}/attention_output/kernel"]
        mixed = np.einsum("bhtk,hkd->btd", scores @ heads("value", context), kernel)
        return mixed + w[f"{name}/attention_output/bias"]

    def feedforward(x):
        wide, narrow = "feedforward_intermediate_dense", "feedforward_output_dense"
        x = np.maximum(x @ w[f"{wide}/kernel"] + w[f"{wide}/bias"], 0)
        return x @ w[f"{narrow}/kernel"] + w[f"{narrow}/bias"]

    def half(x, name, function):
        if layer.normalize_first:
            return x + function(norm(x, name))
        return norm(x + function(x), name)

    x = x.astype("float64")
    name = "self_attention"
    x = half(x, name, lambda y: attention("self_attention", y, y, seen))
    if encoded is not None:
        name = "cross_attention"
        x = half(x, name, lambda y: attention(name, y, encoded, crossed))
    return half(x, "feedforward", feedforward)


@pytest.mark.parametrize("normalize_first", [False, True])
@ALONE_AND_CROSSING
def test_the_block_is_its_formula(crosses, normalize_first):
    layer = make(crosses, normalize_first=normalize_first)
    seen = np.tri(T, dtype=bool) & (RNG.random((B, T, T)) < 0.6) | np.eye(T, dtype=bool)
    masks = {"decoder_padding_mask": TOKENS, "decoder_attention_mask": seen}
    # What padding gives means nothing, but the formula needs something to see.
    wanted_masks = seen & TOKENS[:, None] | np.eye(T, dtype=bool), None
    encoded = None
    if crosses:
        crossed = RNG.random((B, T, S)) < 0.6
        crossed[..., 0] = True
        masks["encoder_padding_mask"] = OF_ENCODER
        masks["encoder_attention_mask"] = crossed
        wanted_masks = wanted_masks[0], crossed & OF_ENCODER[:, None]
        encoded = ENCODED
    wanted = formula(layer, X, encoded, *wanted_masks)
    got = np.asarray(layer(X, encoded, **masks))
    np.testing.assert_allclose(got[TOKENS], wanted[TOKENS], **CLOSE)


@ALONE_AND_CROSSING
def test_a_later_token_changes_no_earlier_output(crosses):
    layer, encoded = make(crosses), ENCODED if crosses else None
    before = np.asarray(layer(X, encoded))
    for t in range(1, T):
        x = X.copy()
        x[:, t:] = 1e3  # loud enough to show any leak
        after = np.asarray(layer(x, encoded))
        np.testing.assert_array_equal(after[:, :t], before[:, :t])
    all_seen = np.asarray(layer(X, encoded, use_causal_mask=False))
    assert not np.allclose(all_seen[:, 0], before[:, 0])


def test_the_encoders_padding_never_reaches_a_token():
    layer, loud = make(crosses=True), ENCODED.copy()
    loud[~OF_ENCODER] = 1e3
    quiet = layer(X, ENCODED, encoder_padding_mask=OF_ENCODER)
    np.testing.assert_array_equal(
        layer(X, loud, encoder_padding_mask=OF_ENCODER), quiet
    )
    masked = tf.constant(loud)
    masked._keras_mask = tf.constant(OF_ENCODER)
    np.testing.assert_array_equal(layer(X, masked), quiet)


def test_a_keras_mask_is_a_padding_mask_and_stays():
    layer, x = make(), tf.constant(X)
    x._keras_mask = tf.constant(~TOKENS)  # what it hides, causality would show
    outputs = layer(x)
    np.testing.assert_array_equal(outputs, layer(X, decoder_padding_mask=~TOKENS))
    np.testing.assert_array_equal(outputs._keras_mask, ~TOKENS)
    assert not np.allclose(outputs, layer(X))


# Writing

STARTS = np.array([0, 3, 1], "int32")  # where the rows of X begin


def each_by_itself(layer, encoded=None, of_encoder=None):
    """float [B, T, D], of each row without its padding; zeros there."""
    outputs = np.zeros(X.shape, "float32")
    for row, start in enumerate(STARTS):
        x = X[row : row + 1, start:]
        y = None if encoded is None else encoded[row : row + 1, of_encoder[row]]
        outputs[row, start:] = layer(x, y)[0]
    return outputs


@pytest.mark.parametrize("way", ["compiled", "formula"])
@pytest.mark.parametrize("normalize_first", [False, True])
@ALONE_AND_CROSSING
def test_token_by_token_it_gives_what_it_gives_all_at_once(
    crosses, normalize_first, way
):
    layer = make(crosses, normalize_first=normalize_first)
    encoder = {"encoded": ENCODED, "of_encoder": OF_ENCODER} if crosses else {}
    wanted = each_by_itself(layer, **encoder)
    real = np.arange(T) >= STARTS[:, None]
    for lengths in ([2, 1, 1, 1], [T]):
        options = {"self_attention_cache": tf.zeros((B, 2, T + 2, H, K))}
        if crosses:
            options["cross_attention_cache"] = tf.zeros((B, 2, S, H, K))
            options["encoder_padding_mask"] = OF_ENCODER
        got, index = [], 0
        for length in lengths:
            x = X[:, index : index + length]
            first = {}
            if crosses and index == 0:
                first["encoder_sequence"] = ENCODED
                first["cross_attention_cache_update_index"] = 0
            with portable_ops() if way == "formula" else contextlib.nullcontext():
                outputs = layer(
                    x,
                    self_attention_cache_update_index=index,
                    starts=STARTS,
                    **options,
                    **first,
                )
            got.append(outputs[0])
            options["self_attention_cache"] = outputs[1]
            if crosses:
                options["cross_attention_cache"] = outputs[2]
            index += length
        got = np.concatenate(got, axis=1)
        np.testing.assert_allclose(got[real], wanted[real], **CLOSE)


def test_masks_with_a_cache_say_which_of_its_columns_are_seen():
    layer, index = make(), 3
    rng = np.random.default_rng(2)
    cache = rng.normal(size=(B, 2, T, H, K)).astype("float32")
    written = {
        "self_attention_cache": cache,
        "self_attention_cache_update_index": index,
    }
    token = X[:, :1]
    begun = np.arange(T) >= STARTS[:, None]
    wanted, wanted_cache = layer(token, starts=STARTS, **written)
    for mask in (
        {"decoder_padding_mask": begun},
        {"decoder_attention_mask": begun[:, None]},
        {"decoder_attention_mask": begun[:, None], "use_causal_mask": False},
    ):
        if "use_causal_mask" in mask:
            mask["decoder_attention_mask"] &= np.arange(T) <= index
        got, new = layer(token, **mask, **written)
        np.testing.assert_allclose(got, wanted, **CLOSE)
        np.testing.assert_allclose(new, wanted_cache, **CLOSE)


@ALONE_AND_CROSSING
def test_beams_with_ancestors_are_beams_whose_caches_were_gathered(crosses):
    layer, items, beams, index = make(crosses), 2, 3, 4
    R, rng = items * beams, np.random.default_rng(2)
    cache = rng.normal(size=(R, 2, T + 1, H, K)).astype("float32")
    ancestors = rng.integers(0, beams, (R, T + 1)).astype("int32")
    token = rng.normal(size=(R, 1, D)).astype("float32")
    gathered = cache.copy()
    for r in range(R):
        for j in range(index):
            gathered[r, :, j] = cache[r // beams * beams + ancestors[r, j], :, j]
    common = {"self_attention_cache_update_index": index}
    few, many = {}, {}
    if crosses:
        k, v = rng.normal(size=(2, items, S, H, K)).astype("float32")
        keep = OF_ENCODER[[0, 2]]
        few = {"cross_attention_cache": (k, v), "encoder_padding_mask": keep}
        each = [np.repeat(x, beams, axis=0) for x in (k, v, keep)]
        many = {"cross_attention_cache": each[:2], "encoder_padding_mask": each[2]}
    got, new, *_ = layer(
        token,
        self_attention_cache=cache,
        ancestors=ancestors,
        beams=beams,
        **common,
        **few,
    )
    wanted, other, *_ = layer(token, self_attention_cache=gathered, **common, **many)
    np.testing.assert_allclose(got, wanted, **CLOSE)
    np.testing.assert_allclose(new[:, :, index], other[:, :, index], **CLOSE)
    np.testing.assert_array_equal(new[:, :, :index], cache[:, :, :index])


def test_a_cross_cache_may_be_a_pair():
    layer = make(crosses=True)
    common = {
        "self_attention_cache": tf.zeros((B, 2, T, H, K)),
        "self_attention_cache_update_index": 0,
        "encoder_padding_mask": OF_ENCODER,
    }
    fill = {"encoder_sequence": ENCODED, "cross_attention_cache_update_index": 0}
    stacked = tf.zeros((B, 2, S, H, K))
    wanted, _, stacked = layer(X, cross_attention_cache=stacked, **common, **fill)
    pair = tf.zeros((B, S, H, K)), tf.zeros((B, S, H, K))
    outputs, _, pair = layer(X, cross_attention_cache=pair, **common, **fill)
    np.testing.assert_array_equal(outputs, wanted)
    np.testing.assert_array_equal(np.stack(pair, axis=1), stacked)
    for cache in (stacked, pair):
        read, _, same = layer(X, cross_attention_cache=cache, **common)
        np.testing.assert_array_equal(read, wanted)
        np.testing.assert_array_equal(same, cache)
    seen = np.ones((B, T, S), bool)
    read, _, _ = layer(
        X, cross_attention_cache=pair, encoder_attention_mask=seen, **common
    )
    np.testing.assert_allclose(read, wanted, **CLOSE)


# Several texts in a row

LENGTHS, OF_OTHERS = [3, 2, 4], [2, 5, 1]  # of texts here, and of the encoder's


def packed(rng, lengths):
    return rng.normal(size=(1, sum(lengths), D)).astype("float32")


@pytest.mark.parametrize("by", ["row_splits", "segment_ids"])
@ALONE_AND_CROSSING
def test_texts_of_a_row_are_read_as_if_each_were_alone(crosses, by):
    layer, rng = make(crosses), np.random.default_rng(3)
    x, encoded = packed(rng, LENGTHS), packed(rng, OF_OTHERS)
    given, ends = {}, []
    for name, lengths in (("", LENGTHS), ("encoder_", OF_OTHERS)):
        ends.append(np.cumsum([0, *lengths]).astype("int32"))
        numbers = np.repeat([1, 2, 3], lengths)[None].astype("int32")
        given[name + by] = ends[-1] if by == "row_splits" else numbers
    if not crosses:
        given.pop("encoder_" + by)
    got = layer(x, encoded if crosses else None, **given)
    for i in range(len(LENGTHS)):
        own, others = (slice(e[i], e[i + 1]) for e in ends)
        wanted = layer(x[:, own], encoded[:, others] if crosses else None)
        np.testing.assert_allclose(got[:, own], wanted, **CLOSE)


# Training


@ALONE_AND_CROSSING
def test_a_block_computed_a_second_time_drops_the_same(crosses):
    results = []
    for remat in (False, True):
        keras.utils.set_random_seed(5)
        layer = make(crosses, dropout=0.4, remat=remat)
        inputs = [tf.Variable(x) for x in ((X, ENCODED) if crosses else (X,))]
        with tf.GradientTape() as tape:
            outputs = layer(*map(tf.identity, inputs), training=True)
            loss = tf.reduce_sum(outputs**2)
        sources = [*inputs, *(w.value for w in layer.trainable_weights)]
        results.append([outputs, *tape.gradient(loss, sources)])
    for x, y in zip(*results, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)
    assert not np.allclose(results[0][0], layer(X, ENCODED if crosses else None))


def test_with_a_cache_nothing_is_dropped():
    layer = make(dropout=0.5)
    written = {
        "self_attention_cache": tf.zeros((B, 2, T, H, K)),
        "self_attention_cache_update_index": 0,
    }
    outputs, _ = layer(X, training=True, **written)
    np.testing.assert_allclose(outputs, layer(X), **CLOSE)


# Building


def test_the_first_call_decides_whether_it_crosses():
    attention, norm, feedforward = 4 * (D * D + D), 2 * D, 2 * D * F + F + D
    assert make().count_params() == attention + feedforward + 2 * norm
    assert make(crosses=True).count_params() == 2 * attention + feedforward + 3 * norm


def test_a_functional_model_may_write():
    layer = make()
    token, cache = keras.Input((1, D)), keras.Input((2, T, H, K))
    outputs = layer(
        token, self_attention_cache=cache, self_attention_cache_update_index=2
    )
    assert [x.shape for x in outputs] == [(None, 1, D), (None, 2, T, H, K)]


def test_a_saved_model_crosses_again(tmp_path):
    x, encoded = keras.Input((None, D)), keras.Input((None, D))
    model = keras.Model([x, encoded], TransformerDecoder(F, H)(x, encoded))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again([X, ENCODED]), model([X, ENCODED]))


def test_the_config_makes_the_same_layer():
    settings = {
        "dropout": 0.1,
        "activation": "gelu",
        "layer_norm_epsilon": 1e-3,
        "kernel_initializer": "he_normal",
        "bias_initializer": "ones",
        "normalize_first": True,
        "remat": True,
    }
    layer = TransformerDecoder(F, H, **settings)
    config = layer.get_config()
    named = set(inspect.signature(TransformerDecoder.__init__).parameters)
    assert named - {"self", "kwargs"} <= set(config)
    copy = TransformerDecoder.from_config(config)
    assert copy.get_config() == config
    layer.build(X.shape)
    copy.build(X.shape)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(X), layer(X))


def test_what_does_not_go_together_is_refused():
    cache = tf.zeros((B, 2, T, H, K))
    with pytest.raises(ValueError, match="built without cross-attention"):
        make()(X, ENCODED)
    with pytest.raises(ValueError, match="built with cross-attention"):
        make(crosses=True)(X)
    with pytest.raises(ValueError, match="both caches go together"):
        make(crosses=True)(X, ENCODED, self_attention_cache=cache)
    with pytest.raises(ValueError, match="both caches go together"):
        make(crosses=True)(X, ENCODED, cross_attention_cache=cache)
    with pytest.raises(ValueError, match="in place of masks"):
        make()(
            X,
            decoder_padding_mask=TOKENS,
            self_attention_cache=cache,
            self_attention_cache_update_index=0,
            starts=STARTS,
        )
    with pytest.raises(ValueError, match="num_heads=0"):
        TransformerDecoder(F, 0)
    with pytest.raises(ValueError, match=f"width {D}, num_heads=15"):
        TransformerDecoder(F, 15)(X)


@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("decoder_padding_mask", np.ones((B, T, T), bool)),
        ("decoder_attention_mask", np.ones((B, T), bool)),
        ("encoder_padding_mask", np.ones((B, T, S), bool)),
        ("encoder_attention_mask", np.ones((B, S), bool)),
    ],
)
def test_a_mask_of_the_wrong_rank_is_refused(name, mask):
    said = f"`{name}` must have shape .* Received: shape=\\({B}, "
    with pytest.raises(ValueError, match=said):
        make(crosses=True)(X, ENCODED, **{name: mask})
