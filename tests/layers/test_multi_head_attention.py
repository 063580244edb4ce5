"""MultiHeadAttention against Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.multi_head_attention import MultiHeadAttention
from keras_nlp_lite.ops import library

B, T, S, E, H, D = 3, 5, 7, 6, 2, 11  # batch, queries, keys, features, heads, width
RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(B, T, E)).astype("float32")
VALUE, KEY = RNG.normal(size=(2, B, S, E)).astype("float32")
KEYS = np.arange(S) < np.array([[4], [S], [2]])  # a padding mask
SEEN = RNG.random((B, T, S)) < 0.5

fused_only = pytest.mark.skipif(
    library.load() is None, reason=f"reference only: {library.why_not()}"
)


def twins(*shapes, dtype=None, **settings):
    """Ours and Keras's layer with the same weights, all unlike what they start as."""
    layers = [
        kind(H, D, dtype=dtype, **settings)
        for kind in (MultiHeadAttention, keras.layers.MultiHeadAttention)
    ]
    rng = np.random.default_rng(1)
    for layer in layers:
        layer.build(*(shapes or ((B, T, E), (B, S, E))))
    weights = [rng.normal(size=w.shape) / 2 for w in layers[0].weights]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def tensor(x, mask=None):
    x = tf.constant(x)
    if mask is not None:
        x._keras_mask = tf.constant(mask)
    return x


CALLS = {
    "nothing": {},
    "key": {"key": KEY},
    "value mask": {"value_mask": KEYS},
    "both masks": {"key": KEY, "value_mask": KEYS, "key_mask": KEYS[::-1].copy()},
    "attention mask": {"attention_mask": SEEN},
    "attention mask of a batch": {"attention_mask": SEEN[0]},
    "attention mask of heads": {"attention_mask": np.stack([SEEN, ~SEEN], axis=1)},
    "attention mask of keys": {"attention_mask": KEYS[:, None]},
    "attention mask of keys, of a batch": {"attention_mask": KEYS[:1, None]},
    "attention mask of integers": {"attention_mask": SEEN.astype("int32")},
    "causal": {"use_causal_mask": True},
    "causal and masks": {
        "use_causal_mask": True,
        "value_mask": KEYS,
        "attention_mask": SEEN,
    },
}
SETTINGS = {
    "plain": {},
    "sliding window": {"sliding_window": 2},
    "wide values": {"value_dim": 13},
    "narrow values": {"value_dim": 3},
    "gate, no bias": {"use_gate": True, "use_bias": False},
    "other outputs": {"output_shape": (2, 3)},
}


def sees(call, settings, T=T, S=S):
    """bool [B, T], who sees a key by every head: Keras gives others a mean."""
    rows, columns = np.arange(T)[:, None], np.arange(S)
    seen = np.ones((B, H, T, S), bool)
    for name in ("value_mask", "key_mask"):
        if call.get(name) is not None:
            seen &= call[name][:, None, None]
    mask = call.get("attention_mask")
    if mask is not None:
        mask = mask.astype(bool)
        seen &= mask[:, None] if mask.ndim == 3 else mask
    if call.get("use_causal_mask"):
        seen &= columns <= rows
    if "sliding_window" in settings:
        seen &= abs(columns - rows) < settings["sliding_window"]
    return seen.any(-1).all(1)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("call", CALLS)
def test_it_gives_what_keras_gives(call, settings):
    call, settings = CALLS[call], SETTINGS[settings]
    rows = sees(call, settings)
    losses = []
    ours, theirs = twins(**settings)
    for layer in (ours, theirs):
        with tf.GradientTape() as tape:
            outputs = layer(QUERY, VALUE, **call)
            loss = tf.reduce_sum(tf.boolean_mask(outputs, rows) ** 2)
        losses.append((np.asarray(outputs)[rows], tape.gradient(loss, layer.weights)))
    (x, gradients), (y, their_gradients) = losses
    np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)
    for a, b in zip(gradients, their_gradients):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("settings", ["plain", "sliding window"])
@pytest.mark.parametrize("call", ["nothing", "causal", "causal and masks"])
@pytest.mark.parametrize("lengths", [(5, 7), (7, 5), (7, 7), (1, 7), (5, 0)])
def test_it_counts_from_the_first_query_and_key_as_keras_does(lengths, call, settings):
    T, S = lengths
    query, value = (np.resize(VALUE, (B, n, E)) for n in lengths)
    settings, given = SETTINGS[settings], dict(CALLS[call])
    for name, shape in (("value_mask", (B, S)), ("attention_mask", (B, T, S))):
        if name in given:
            given[name] = np.resize(given[name], shape)
    rows = sees(given, settings, T, S)
    ours, theirs = twins(**settings)
    wanted = np.asarray(theirs(query, value, **given))[rows]
    got = ours(query, value, **given)
    np.testing.assert_allclose(np.asarray(got)[rows], wanted, rtol=1e-4, atol=1e-5)
    assert np.isfinite(got).all()

    spec = tf.TensorSpec([None, None, E])
    unknown = tf.function(
        lambda query, value: ours(query, value, **given), input_signature=[spec, spec]
    )
    np.testing.assert_allclose(unknown(query, value), got, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "policy, error", [("mixed_float16", 2**-9), ("mixed_bfloat16", 2**-6)]
)
def test_half_precision_gives_nearly_what_keras_gives(policy, error):
    ours, theirs = twins(dtype=policy)
    call = {"value_mask": KEYS, "use_causal_mask": True}
    x, y = ours(QUERY, VALUE, **call), theirs(QUERY, VALUE, **call)
    assert x.dtype == y.dtype
    x, y = (np.asarray(z, "float32") for z in (x, y))
    np.testing.assert_allclose(x, y, atol=error * np.abs(y).max())


def test_scores_and_several_axes_are_keras_own():
    ours, theirs = twins()
    call = {"value_mask": KEYS, "use_causal_mask": True}
    for x, y in zip(
        ours(QUERY, VALUE, return_attention_scores=True, **call),
        theirs(QUERY, VALUE, return_attention_scores=True, **call),
    ):
        np.testing.assert_array_equal(x, y)
    images = RNG.normal(size=(2, 3, 4, E)).astype("float32")
    for axes in (None, (2,), (1, 2)):
        ours, theirs = twins(images.shape, images.shape, attention_axes=axes)
        np.testing.assert_array_equal(ours(images, images), theirs(images, images))


def test_weights_have_kerass_names_and_shapes():
    ours, theirs = twins()
    paths = [
        [(w.path.split("/", 1)[1], tuple(w.shape)) for w in layer.weights]
        for layer in (ours, theirs)
    ]
    assert paths[0] == paths[1]
    assert len(paths[0]) == 8


def test_keras_masks_of_value_and_key_hide_and_that_of_the_query_passes_on():
    ours, _ = twins()
    rows = np.arange(T) < np.array([[2], [T], [0]])
    query, value = tensor(QUERY, rows), tensor(VALUE, KEYS)
    key = tensor(KEY, KEYS[::-1].copy())
    outputs = ours(query, value, key)
    wanted = ours(QUERY, VALUE, KEY, value_mask=KEYS, key_mask=KEYS[::-1].copy())
    np.testing.assert_array_equal(outputs, wanted)
    np.testing.assert_array_equal(outputs._keras_mask, rows)
    for x, mask in ((query, rows), (value, KEYS), (key, KEYS[::-1])):
        np.testing.assert_array_equal(x._keras_mask, mask)  # still the caller's
    ours(query, value, return_attention_scores=True)
    np.testing.assert_array_equal(query._keras_mask, rows)


def test_a_query_that_sees_no_key_gives_the_output_bias_and_no_gradient():
    ours, _ = twins()
    nothing = KEYS & np.array([[True], [False], [True]])
    query = tf.constant(QUERY)
    with tf.GradientTape() as tape:
        tape.watch(query)
        outputs = ours(query, VALUE, value_mask=nothing)
    bias = ours.weights[-1]
    np.testing.assert_array_equal(outputs[1], np.broadcast_to(bias, (T, E)))
    gradient = tape.gradient(outputs, query)
    assert np.isfinite(gradient).all()
    assert not np.asarray(gradient)[1].any()


def test_dropout_drops_in_training_only_and_keeps_the_mean():
    layer, _ = twins(dropout=0.5, seed=7)
    again, theirs = twins(dropout=0.5, seed=7)
    still = layer(QUERY, VALUE)
    np.testing.assert_array_equal(still, layer(QUERY, VALUE, training=False))
    np.testing.assert_allclose(still, theirs(QUERY, VALUE), rtol=1e-4, atol=1e-5)
    draws = np.array([layer(QUERY, VALUE, training=True) for _ in range(400)])
    np.testing.assert_array_equal(draws[0], again(QUERY, VALUE, training=True))
    assert (draws[0] != draws[1]).mean() > 0.9
    error = abs(draws.mean(0) - still) / (draws.std(0) / np.sqrt(len(draws)))
    assert np.max(error) < 5  # standard errors


def test_two_layers_drop_different_weights():
    keras.utils.set_random_seed(3)
    one, other = (MultiHeadAttention(H, D, dropout=0.5) for _ in range(2))
    one.build(QUERY.shape, VALUE.shape)
    other.build(QUERY.shape, VALUE.shape)
    other.set_weights(one.get_weights())
    x, y = (layer(QUERY, VALUE, training=True) for layer in (one, other))
    assert (np.asarray(x) != np.asarray(y)).mean() > 0.9


@pytest.mark.parametrize("jit", [False, True])
def test_a_model_with_masks_trains(jit):
    keras.utils.set_random_seed(0)
    ids = RNG.integers(0, 9, (64, 8))
    x = keras.Input((None,), dtype="int32")
    y = keras.layers.Embedding(9, E, mask_zero=True)(x)
    y = MultiHeadAttention(H, D, dropout=0.1)(y, y, use_causal_mask=True)
    y = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(y))
    model = keras.Model(x, y)
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=jit)
    target = (ids == 3).mean(axis=1)
    losses = model.fit(ids, target, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


def graph_of(layer, **call):
    """Every operation of a call that trains, those of its gradient included."""

    @tf.function
    def step(query, value):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(query, value, training=True, **call))
        return tape.gradient(loss, layer.trainable_variables)

    graph = step.get_concrete_function(
        tf.TensorSpec([2, 37, E]), tf.TensorSpec([2, 41, E])
    ).graph
    return graph.get_operations()


@fused_only
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("call", ["nothing", "value mask", "causal"])
def test_fused_it_makes_nothing_as_large_as_queries_times_keys(call, dropout):
    call = dict(CALLS[call])
    if "value_mask" in call:
        call["value_mask"] = np.ones((2, 41), bool)
    layer, _ = twins(dropout=dropout)
    operations = graph_of(layer, **call)
    assert "KnlAttention" in {op.type for op in operations}
    assert "KnlAttentionGrad" in {op.type for op in operations}
    for op in operations:
        for output in op.outputs:
            assert list(output.shape or ())[-2:] not in ([37, 41], [41, 41]), op
