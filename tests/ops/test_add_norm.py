"""`add_norm`: compiled, by its formula, and what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import ops
from tests.ops import formula
from tests.ops.rows import (
    DTYPES,
    ROUNDING,
    assert_as_exact,
    compiled,
    derivatives,
    normal,
)

SHAPES = [
    (3, 5, 7),
    (2, 131),
    (13,),
    (0, 7),
    (5, 0, 3),
    (2, 3, 5, 33),
    (29, 384),
    (6, 9),
]
OPTIONS = {
    "nothing": {},
    "dropout": {"dropout": 0.3, "seed": 123456789012345},
    "sum": {"return_sum": True},
    "everything": {"dropout": 0.1, "seed": 7, "return_sum": True, "epsilon": 1e-3},
}
MIXES = {
    "norm": (),
    "centered": ("beta",),
    "residual": ("residual", "beta"),
    "bias": ("bias",),
    "all": ("residual", "bias", "beta"),
}


def case(shape=(3, 5, 7), dtype="float32", mix="all"):
    D = shape[-1]
    inputs = {
        "x": normal(*shape, dtype=dtype),
        "gamma": normal(D, seed=1),
        "beta": normal(D, seed=2),
        "residual": normal(*shape, seed=3, dtype=dtype),
        "bias": normal(D, seed=4),
    }
    return {name: inputs[name] for name in ("x", "gamma", *MIXES[mix])}


def by_formula(**options):
    def function(**inputs):
        with ops.portable_ops():
            return ops.add_norm(**inputs, **options)

    return function


def fused(**options):
    return lambda **inputs: ops.add_norm(**inputs, **options)


@compiled
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("order", [0, 1], ids=["value", "gradient"])
def test_compiled_is_as_exact_as_the_formula(order, name, shape, dtype):
    options = OPTIONS[name]
    for mix in MIXES:
        inputs = case(shape, dtype, mix)
        wide = {name: tf.cast(x, "float64") for name, x in inputs.items()}
        got = derivatives(fused(**options), inputs, order)
        plain = derivatives(by_formula(**options), inputs, order)
        exact = derivatives(by_formula(**options), wide, order)
        # A sum that is rounded goes on as another number.
        times = 1 if dtype == "float32" else 8
        assert_as_exact(got, plain, exact, times * ROUNDING[dtype])


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("name", OPTIONS)
def test_second_gradients_are_the_formulas(name, mix):
    options, inputs = OPTIONS[name], case(mix=mix)
    got = derivatives(fused(**options), inputs, 2)
    wanted = derivatives(by_formula(**options), inputs, 2)
    graph = tf.function(lambda: derivatives(fused(**options), inputs, 2))()
    for name in wanted:
        scale = float(tf.reduce_max(tf.abs(wanted[name])))
        for each in (got, graph):
            np.testing.assert_allclose(each[name], wanted[name], atol=1e-5 * scale)


def test_it_is_keras_layer_norm_of_the_sum():
    inputs = case()
    norm = keras.layers.LayerNormalization(epsilon=1e-5)
    norm.build((None, 7))
    norm.set_weights([inputs["gamma"], inputs["beta"]])
    y, s = ops.add_norm(**inputs, return_sum=True)
    np.testing.assert_allclose(
        s, inputs["residual"] + inputs["x"] + inputs["bias"], rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(y, norm(s), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("where", [fused, by_formula])
def test_dropout_drops_what_seed_row_and_feature_say(where, dtype):
    shape, seed = (3, 5, 71), 123456789012345
    bits = [formula.dropout_bits_of(seed, 0, row, j) for row, j in np.ndindex(15, 71)]
    kept = np.reshape(bits, shape) >= round(0.3 * 65536)
    x, gamma = tf.ones(shape, dtype), tf.ones(71)
    with tf.GradientTape() as tape:
        tape.watch(x)
        _, s = where(dropout=0.3, seed=seed, return_sum=True)(x=x, gamma=gamma)
    growth = 65536 / (65536 - round(0.3 * 65536))
    wanted = tf.cast(np.where(kept, growth, 0), dtype)
    np.testing.assert_array_equal(s, wanted)
    np.testing.assert_array_equal(tape.gradient(s, x), wanted)


def test_dropout_differs_from_draw_to_draw_and_repeats_with_its_seed():
    inputs, generator = case((4, 32)), keras.random.SeedGenerator(1)
    one, other = (ops.add_norm(**inputs, dropout=0.5, seed=generator) for _ in "ab")
    assert (np.asarray(one) != np.asarray(other)).mean() > 0.9
    again = ops.add_norm(**inputs, dropout=0.5, seed=keras.random.SeedGenerator(1))
    np.testing.assert_array_equal(one, again)
    words = tf.constant([7, 5])
    np.testing.assert_array_equal(
        ops.add_norm(**inputs, dropout=0.5, seed=5 << 32 | 7),
        ops.add_norm(**inputs, dropout=0.5, seed=words),
    )


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", OPTIONS)
def test_a_function_gives_what_eager_execution_does(name, jit):
    inputs, options = case(), OPTIONS[name]
    function = tf.function(
        lambda: derivatives(fused(**options), inputs), jit_compile=jit
    )
    wanted = derivatives(fused(**options), inputs)
    for name, x in function().items():
        np.testing.assert_allclose(x, wanted[name], rtol=1e-4, atol=1e-5)


def operations(function, *args):
    """Of a function's graph and of all functions in it."""
    graph = tf.function(function).get_concrete_function(*args).graph
    nodes = list(graph.as_graph_def().node)
    for inner in graph.as_graph_def().library.function:
        nodes += inner.node_def
    return nodes


@compiled
@pytest.mark.parametrize("jit", [False, True])
def test_the_compiled_op_serves_where_xla_does_not(jit):
    inputs = case()
    function = tf.function(lambda: ops.add_norm(**inputs), jit_compile=jit)
    types = [x.type for x in function.get_concrete_function().graph.get_operations()]
    assert ("KnlAddNorm" in types) is not jit


@compiled
def test_a_graph_that_is_to_load_anywhere_holds_no_compiled_op():
    with ops.portable_ops():
        nodes = operations(lambda: derivatives(fused(dropout=0.1, seed=1), case()))
    assert not any(node.op.startswith("Knl") for node in nodes)


@compiled
@pytest.mark.parametrize("where", ["a tape inside", "tf.gradients"])
@pytest.mark.parametrize("return_sum", [False, True])
def test_a_sum_that_nobody_asked_for_has_no_gradient(return_sum, where):
    options = {"dropout": 0.1, "seed": 1, "return_sum": return_sum}

    def gradients():
        inputs = case()
        if where == "a tape inside":
            return derivatives(fused(**options), inputs)
        return tf.gradients(ops.add_norm(**inputs, **options), list(inputs.values()))

    (node,) = [x for x in operations(gradients) if x.op == "KnlAddNormGrad"]
    assert node.attr["n_dsum"].i == return_sum


@compiled
def test_a_gradient_outlives_the_switch(monkeypatch):
    inputs = case()
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = ops.bias_gelu(ops.add_norm(**inputs))
    monkeypatch.setenv("KNL_ATTENTION", "reference")
    assert np.all(np.isfinite(tape.gradient(y, inputs["x"])))


def test_a_function_needs_no_shape_beforehand():
    inputs = case()
    spec = tf.TensorSpec([None, None, 7])

    @tf.function(input_signature=[spec])
    def function(x):
        norm = {**inputs, "x": x, "residual": x}
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = ops.add_norm(**norm, dropout=0.1, seed=3)
        return y, tape.gradient(y, x)

    shapes = function.get_concrete_function().output_shapes
    assert [x.as_list() for x in shapes] == [[None, None, 7]] * 2
    for shape in [(3, 5, 7), (0, 2, 7)]:
        y, dx = function(normal(*shape))
        assert y.shape == dx.shape == shape


def test_results_do_not_depend_on_the_run():
    inputs = case((1031, 19))
    options = {"dropout": 0.1, "seed": 5}
    first, second = (derivatives(fused(**options), inputs) for _ in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_constant_row_gives_beta_and_finite_gradients(dtype):
    inputs = {**case(mix="centered", dtype=dtype), "x": tf.ones((3, 5, 7), dtype)}
    y = ops.add_norm(**inputs)
    np.testing.assert_array_equal(y, tf.cast(inputs["beta"], dtype) + tf.zeros_like(y))
    for gradient in derivatives(fused(), inputs).values():
        assert np.isfinite(np.asarray(gradient, "float32")).all()


@pytest.mark.parametrize("dtype", [*DTYPES, "float64"])
def test_wider_weights_leave_the_dtype_and_keep_their_own_gradients(dtype):
    inputs = case(dtype=dtype)
    y, s = ops.add_norm(**inputs, return_sum=True)
    assert y.dtype == s.dtype == dtype
    for name, gradient in derivatives(fused(), inputs).items():
        assert gradient.dtype == inputs[name].dtype
    mixed = {**inputs, "residual": tf.cast(inputs["residual"], "float32")}
    assert ops.add_norm(**mixed).dtype == keras.backend.result_type(dtype, "float32")


def test_a_functional_model_records_it_and_is_saved_with_it(tmp_path):
    x = keras.Input((None, 7))
    given = {name: y for name, y in case().items() if name in ("gamma", "beta")}
    outputs = ops.add_norm(x, **given, residual=2 * x, **OPTIONS["everything"])
    assert [y.shape for y in outputs] == [(None, None, 7)] * 2
    keras.Model(x, outputs).save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    data = normal(3, 5, 7)
    wanted = ops.add_norm(data, **given, residual=2 * data, **OPTIONS["everything"])
    for got, each in zip(model(data), wanted):
        np.testing.assert_allclose(got, each, rtol=1e-5, atol=1e-6)


X, G = np.zeros((3, 5), "float32"), np.ones(5, "float32")
REFUSED = {
    r"`x` must be of floats.*Received: x.shape=\(3, 5\), x.dtype=int32": {
        "x": X.astype("int32")
    },
    r"`gamma` must have shape \[5\].*Received: gamma.shape=\(3,\)": {"gamma": X[:, 0]},
    r"`beta` must have shape \[5\].*Received: beta.shape=\(3, 5\)": {"beta": X},
    r"`bias` must have shape \[5\].*Received: bias.shape=\(4,\)": {"bias": G[1:]},
    r"`residual` must have the shape.*residual.shape=\(5, 3\), x.shape=\(3, 5\)": {
        "residual": X.T
    },
    r"`epsilon` must be a positive number. Received: epsilon=0": {"epsilon": 0},
    r"`dropout` must lie in \[0, 1\). Received: dropout=1.5": {"dropout": 1.5},
    r"`dropout` must leave something. Received: dropout=0.999999": {
        "dropout": 0.999999
    },
    r"`dropout` needs a `seed`. Received: dropout=0.1, seed=None": {"dropout": 0.1},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_does_not_fit_gets_one_sentence(sentence):
    with pytest.raises(ValueError, match=sentence):
        ops.add_norm(**{"x": X, "gamma": G, **REFUSED[sentence]})
