"""The entry, whatever serves it: where it runs, and what it refuses."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import ops
from tests.ops import formula
from tests.ops.formula import OPTIONS, PACKED

CASES = [*OPTIONS, *PACKED]


@pytest.mark.parametrize("name", CASES)
def test_the_entry_is_the_formula(name):
    if name in PACKED:
        qkv, options = formula.packed_case(name)
    else:
        qkv, options = formula.inputs(), formula.options(name)
    wanted = formula.attention_in_float64(*qkv, **options)
    got = ops.attention(*qkv, **options, return_log_sum_exp=True)
    for x, y in zip(got, wanted):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(ops.attention(*qkv, **options), got[0])


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", ["everything", "packed, dropout", "nothing"])
def test_a_function_gives_what_eager_execution_does(name, jit):
    if name in PACKED:
        qkv, options = formula.packed_case(name)
    else:
        qkv, options = formula.inputs(), formula.options(name)

    def gradients(*qkv):
        with tf.GradientTape() as tape:
            tape.watch(qkv)
            out = ops.attention(*qkv, **options)
            loss = tf.reduce_sum(out**2)
        return (out, *tape.gradient(loss, qkv))

    qkv = [tf.constant(x) for x in qkv]
    for x, y in zip(tf.function(gradients, jit_compile=jit)(*qkv), gradients(*qkv)):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lengths", [(5, 7), (0, 7), (5, 0), (7, 5)])
def test_a_function_needs_no_lengths_beforehand(lengths):
    H, G, D = formula.H, formula.G, formula.D
    options = {"causal": True, "soft_cap": 2.0, "dropout": 0.2, "seed": 5}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, H, D]),
            tf.TensorSpec([None, None, G, D]),
            tf.TensorSpec([None, None, G, D]),
            tf.TensorSpec([None], tf.int64),
        ]
    )
    def attend(q, k, v, lengths):
        with tf.GradientTape() as tape:
            tape.watch([q, k, v])
            out = ops.attention(q, k, v, key_lengths=lengths, **options)
        return out, tape.gradient(out, [q, k, v])

    q, k, v = formula.inputs(*lengths)
    keys = np.array([1, lengths[1]])
    out, gradients = attend(q, k, v, keys)
    wanted, _ = formula.attention_in_float64(q, k, v, key_lengths=keys, **options)
    np.testing.assert_allclose(out, wanted, rtol=1e-5, atol=1e-5)
    assert [g.shape for g in gradients] == [x.shape for x in (q, k, v)]
    assert all(np.isfinite(g).all() for g in gradients)


def test_gradients_reach_bias_and_log_sum_exp():
    q, k, v = formula.inputs()
    bias = tf.Variable(formula.options("bias of heads")["bias"][0])
    with tf.GradientTape(persistent=True) as tape:
        out, lse = ops.attention(q, k, v, bias=bias, return_log_sum_exp=True)
    by_out, by_lse = tape.gradient(out, bias), tape.gradient(lse, bias)
    assert np.abs(by_out).max() > 0.1
    # The slope of log-sum-exp is the weight, and a query's weights add up to 1.
    np.testing.assert_allclose(tf.reduce_sum(by_lse, -1), formula.B, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_half_precision_bias_learns(dtype):
    q, k, v = (tf.cast(x, dtype) for x in formula.inputs())
    bias = tf.cast(formula.options("flat bias")["bias"], dtype)
    bias = tf.where(tf.math.is_finite(bias), bias, 0)
    with tf.GradientTape() as tape:
        tape.watch(bias)
        out = ops.attention(q, k, v, bias=bias)
    gradient = tape.gradient(out, bias)
    assert out.dtype == gradient.dtype == dtype
    assert gradient.shape == bias.shape
    assert np.asarray(gradient, "float32").any()


def test_dropout_differs_from_draw_to_draw_and_repeats_with_its_seed():
    q, k, v = formula.inputs()
    generator = keras.random.SeedGenerator(1)
    one, other = (ops.attention(q, k, v, dropout=0.5, seed=generator) for _ in "ab")
    assert (np.asarray(one) != np.asarray(other)).mean() > 0.9
    again = ops.attention(q, k, v, dropout=0.5, seed=keras.random.SeedGenerator(1))
    np.testing.assert_array_equal(one, again)
    number, words = 5 << 32 | 7, np.array([7, 5])
    np.testing.assert_array_equal(
        ops.attention(q, k, v, dropout=0.5, seed=number),
        ops.attention(q, k, v, dropout=0.5, seed=words),
    )


def test_a_functional_model_records_it_and_is_saved_with_it(tmp_path):
    q, k, v = formula.inputs(G=formula.H)
    mask = formula.options("padding mask")["padding_mask"]
    options = {"window": (2, None), "dropout": 0.2, "seed": 3}
    symbols = [keras.Input((None, formula.H, formula.D)) for _ in range(3)]
    keep = keras.Input((None,), dtype="bool")
    outputs = ops.attention(
        *symbols, padding_mask=keep, return_log_sum_exp=True, **options
    )
    assert outputs[0].shape == (None, None, formula.H, formula.D)
    assert outputs[1].shape == (None, None, formula.H)
    model = keras.Model([*symbols, keep], outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    wanted = formula.attention_in_float64(q, k, v, padding_mask=mask, **options)
    for each in (model, loaded):
        for x, y in zip(each([tf.constant(x) for x in (q, k, v, mask)]), wanted):
            np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="heads of `q` must split evenly"):
        ops.attention(
            symbols[0], keras.Input((None, 4, 11)), keras.Input((None, 4, 11))
        )


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("jit", [False, True])
def test_a_model_trains_through_it(jit, policy):
    keras.utils.set_random_seed(0)
    x = keras.Input((None, 8))
    heads = keras.layers.Dense(3 * 2 * 4, dtype=policy)(x)
    heads = keras.layers.Reshape((-1, 2, 3 * 4), dtype=policy)(heads)
    q, k, v = (heads[..., i : i + 4] for i in (0, 4, 8))
    y = ops.attention(q, k, v, causal=True, dropout=0.1, seed=1)
    y = keras.layers.Dense(1, dtype=policy)(keras.ops.reshape(y[:, -1], (-1, 8)))
    model = keras.Model(x, y)
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=jit)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(64, 5, 8)).astype("float32")
    losses = model.fit(data, data[:, 2, :1], epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


# In a process of its own

MIRRORED = """
import keras, numpy as np, tensorflow as tf
from keras_nlp_lite.layers import MultiHeadAttention
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
x = np.random.default_rng(0).normal(size=(8, 5, 6)).astype("float32")

def trained(strategy):
    with strategy.scope():
        keras.utils.set_random_seed(0)
        inputs = keras.Input((None, 6))
        y = MultiHeadAttention(2, 3)(inputs, inputs, use_causal_mask=True)
        model = keras.Model(inputs, y)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    model.fit(x, x[:, ::-1], batch_size=8, epochs=3, verbose=0)
    return model.get_weights()

devices = ["CPU:0", "CPU:1"]
two = trained(tf.distribute.MirroredStrategy(devices))
one = trained(tf.distribute.get_strategy())
for a, b in zip(one, two):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
strategy = tf.distribute.MirroredStrategy(devices)
with strategy.scope():
    layer = MultiHeadAttention(2, 3, dropout=0.5)
    layer.build((None, None, 6), (None, None, 6))
run = tf.function(lambda: strategy.run(lambda x: layer(x, x, training=True), (x,)))
assert len(strategy.experimental_local_results(run())) == 2
print("same weights")
"""


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_portable_graph_has_none_of_our_ops():
    q, k, v = formula.inputs()

    @tf.function
    def portable():
        with ops.portable_ops():
            return ops.attention(q, k, v, causal=True)

    graph = portable.get_concrete_function().graph
    assert not [op for op in graph.get_operations() if op.type.startswith("Knl")]
    np.testing.assert_allclose(
        portable(), ops.attention(q, k, v, causal=True), rtol=1e-5, atol=1e-6
    )


def test_two_replicas_learn_what_one_does():
    done = run_python(MIRRORED)
    assert done.stdout.endswith("same weights\n"), done.stderr[-3000:]


def test_the_environment_forces_the_reference():
    done = run_python(
        "from keras_nlp_lite import ops\nprint(ops.attention_implementation())",
        KNL_ATTENTION="reference",
    )
    assert done.stdout.startswith("reference: float32, because "), done.stderr[-3000:]


# Refusals

Q, K, V = formula.inputs()
SPLITS = np.array([0, 2, 5])
BAD = {
    "`q`, `k` and `v` must have shape [batch, tokens, heads, width] without": (
        (Q[0], K[0], V[0]),
        {},
    ),
    "must have shape [total, heads, width] with `row_splits`": (
        (Q, K, V),
        {"row_splits": SPLITS},
    ),
    "`k` and `v` must have one shape, and the batch and width of `q`": (
        (Q, K[:, 1:], V),
        {},
    ),
    "Received: 6 and 4 heads": ((Q, Q[:, :, :4], Q[:, :, :4]), {}),
    "must be of floats. Received: q.dtype=<dtype: 'int32'>": (
        (Q.astype("int32"),) * 3,
        {},
    ),
    "`padding_mask` must have shape [batch, keys], here [2, 7]": (
        (Q, K, V),
        {"padding_mask": np.ones((2, 5), bool)},
    ),
    "`padding_mask` and `key_lengths` say the same": (
        (Q, K, V),
        {"padding_mask": np.ones((2, 7), bool), "key_lengths": [1, 2]},
    ),
    "`segment_ids` alone is for as many queries as keys. Received: 5 queries, 7": (
        (Q, K, V),
        {"segment_ids": np.zeros((2, 5), int)},
    ),
    "`key_segment_ids` needs `segment_ids`": (
        (Q, K, V),
        {"key_segment_ids": np.zeros((2, 7), int)},
    ),
    "`row_splits` alone is for as many queries as keys": (
        (Q[0], K[0], V[0]),
        {"row_splits": SPLITS},
    ),
    "`row_splits` and `bias` exclude each other": (
        (Q[0], Q[0], Q[0]),
        {"row_splits": SPLITS, "bias": np.zeros((5, 5))},
    ),
    "`bias` must broadcast to [batch, heads, queries, keys]. Received: "
    "bias.shape=(5, 5) for [2, 6, 5, 7]": ((Q, K, V), {"bias": np.zeros((5, 5))}),
    "`alibi_slopes` must have shape [heads], here [6]": (
        (Q, K, V),
        {"alibi_slopes": np.ones(3)},
    ),
    "padding_mask.dtype=float32. Try `bias`": (
        (Q, K, V),
        {"padding_mask": np.zeros((2, 5), "float32")},
    ),
    "Try keras.ops.where(mask, 0.0, -numpy.inf)": (
        (Q, K, V),
        {"bias": np.ones((5, 5), "bool")},
    ),
    "`key_lengths` must be of integers": ((Q, K, V), {"key_lengths": [1.5, 2.0]}),
    "`row_splits` must be of integers": ((Q, K, V), {"row_splits": [0.0, 1.9]}),
    "Received: causal='no'": ((Q, K, V), {"causal": "no"}),
    "Try `x.values`": ((tf.RaggedTensor.from_tensor(Q), K, V), {}),
    "Received: window=-1": ((Q, K, V), {"window": -1}),
    "Received: window=(1, 2, 3)": ((Q, K, V), {"window": (1, 2, 3)}),
    "`soft_cap` must be a positive number, or None. Received: soft_cap=0": (
        (Q, K, V),
        {"soft_cap": 0},
    ),
    "Received: scale=nan": ((Q, K, V), {"scale": float("nan")}),
    "Received: dropout=1.5": ((Q, K, V), {"dropout": 1.5, "seed": 1}),
    "Try at most 0.9999": ((Q, K, V), {"dropout": 0.9999999, "seed": 1}),
    "`dropout` needs a `seed`": ((Q, K, V), {"dropout": 0.5}),
    "`seed` must be an integer, two of them": (
        (Q, K, V),
        {"dropout": 0.5, "seed": np.arange(3)},
    ),
}


@pytest.mark.parametrize("message", BAD)
def test_what_does_not_fit_is_refused_in_a_sentence(message):
    qkv, options = BAD[message]
    with pytest.raises(ValueError) as error:
        ops.attention(*qkv, **options)
    assert message in str(error.value)


def test_an_unknown_argument_has_no_implementation():
    with pytest.raises(TypeError, match="no argument mask"):
        ops.attention_implementation(Q, K, V, mask=None)
