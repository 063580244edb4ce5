"""`bias_gelu`: compiled, by its formula, and what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import ops
from tests.ops.rows import (
    DTYPES,
    ROUNDING,
    assert_as_exact,
    compiled,
    derivatives,
    normal,
)

SHAPES = [(3, 5, 7), (2, 131), (13,), (0, 7), (5, 0, 3), (2, 3, 5, 33), (29, 384)]


def case(shape=(3, 5, 7), dtype="float32", bias=True):
    inputs = {"x": normal(*shape, dtype=dtype)}
    return {**inputs, "bias": normal(shape[-1])} if bias else inputs


def by_formula(**options):
    def function(**inputs):
        with ops.portable_ops():
            return ops.bias_gelu(**inputs, **options)

    return function


def fused(**options):
    return lambda **inputs: ops.bias_gelu(**inputs, **options)


@compiled
@pytest.mark.parametrize("approximate", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", [0, 1], ids=["value", "gradient"])
def test_compiled_is_as_exact_as_the_formula(order, shape, dtype, approximate):
    for bias in (True, False):
        inputs = case(shape, dtype, bias)
        wide = {name: tf.cast(x, "float64") for name, x in inputs.items()}
        options = {"approximate": approximate}
        got = derivatives(fused(**options), inputs, order)
        plain = derivatives(by_formula(**options), inputs, order)
        exact = derivatives(by_formula(**options), wide, order)
        assert_as_exact(got, plain, exact, ROUNDING[dtype])


@pytest.mark.parametrize("approximate", [False, True])
def test_it_is_keras_gelu(approximate):
    inputs = case()
    wanted = keras.ops.gelu(inputs["x"] + inputs["bias"], approximate)
    got = ops.bias_gelu(**inputs, approximate=approximate)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("approximate", [False, True])
@pytest.mark.parametrize("bias", [True, False])
def test_second_gradients_are_the_formulas(approximate, bias):
    options = {"approximate": approximate}
    got = derivatives(fused(**options), case(bias=bias), 2)
    wanted = derivatives(by_formula(**options), case(bias=bias), 2)
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("jit", [False, True])
def test_a_function_gives_what_eager_execution_does(jit):
    inputs = case()
    function = tf.function(lambda: derivatives(fused(), inputs), jit_compile=jit)
    wanted = derivatives(fused(), inputs)
    for name, x in function().items():
        np.testing.assert_allclose(x, wanted[name], rtol=1e-5, atol=1e-6)


@compiled
@pytest.mark.parametrize("jit", [False, True])
def test_the_compiled_op_serves_where_xla_does_not(jit):
    function = tf.function(ops.bias_gelu, jit_compile=jit)
    graph = function.get_concrete_function(normal(3, 5), normal(5)).graph
    types = [operation.type for operation in graph.get_operations()]
    assert ("KnlBiasGelu" in types) is not jit


@compiled
def test_a_graph_that_is_to_load_anywhere_holds_no_compiled_op():
    with ops.portable_ops():
        graph = tf.function(ops.bias_gelu).get_concrete_function(normal(3, 5)).graph
    assert not any(x.type.startswith("Knl") for x in graph.get_operations())


def test_a_function_needs_no_shape_beforehand():
    spec = tf.TensorSpec([None, None, 7])

    @tf.function(input_signature=[spec])
    def function(x):
        return derivatives(lambda x: ops.bias_gelu(x), {"x": x}, 0)["0"]

    assert function.get_concrete_function().output_shapes.as_list() == [None, None, 7]
    for shape in [(3, 5, 7), (0, 2, 7)]:
        x = normal(*shape)
        np.testing.assert_array_equal(function(x), ops.bias_gelu(x))


@pytest.mark.parametrize("dtype", [*DTYPES, "float64"])
def test_a_wider_bias_leaves_the_dtype_and_keeps_its_own_gradients(dtype):
    x, bias = normal(3, 5, dtype=dtype), tf.Variable(normal(5))
    with tf.GradientTape() as tape:
        y = ops.bias_gelu(x, bias)
    assert y.dtype == dtype
    assert tape.gradient(y, bias).dtype == "float32"


def test_a_functional_model_records_it_and_is_saved_with_it(tmp_path):
    x = keras.Input((None, 7))
    y = ops.bias_gelu(x, approximate=True)
    assert y.shape == (None, None, 7)
    keras.Model(x, y).save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    data = normal(3, 5, 7)
    np.testing.assert_allclose(
        model(data), ops.bias_gelu(data, approximate=True), rtol=1e-6
    )


REFUSED = {
    r"`x` must be of floats.*Received: x.shape=\(3, 5\), x.dtype=int32": {
        "x": np.zeros((3, 5), "int32")
    },
    r"features, at least 1.*Received: x.shape=\(\)": {"x": 1.0},
    r"`bias` must have shape \[5\].*Received: bias.shape=\(3,\)": {
        "x": np.zeros((3, 5), "float32"),
        "bias": np.zeros(3, "float32"),
    },
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_does_not_fit_gets_one_sentence(sentence):
    with pytest.raises(ValueError, match=sentence):
        ops.bias_gelu(**REFUSED[sentence])
