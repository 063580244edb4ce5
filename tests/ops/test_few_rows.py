"""`few_rows_matmul`, and what `matmul` makes of one token a row."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import ops
from tests.ops.rows import (
    DTYPES,
    ROUNDING,
    compiled,
    derivatives,
    normal,
)

KERNELS = [*DTYPES, "int8"]
SHAPES = [(3, 5, 7), (1, 1, 131), (13,), (0, 7), (5, 0, 3), (2, 3, 5, 33), (70, 384)]


def weights(E, F, dtype):
    if dtype == "int8":
        return tf.cast(np.random.default_rng(2).integers(-127, 128, (E, F)), "int8")
    return normal(E, F, seed=1, dtype=dtype)


def case(shape=(3, 1, 7), F=11, dtype="float32", kernel="float32", transpose=False):
    w = weights(shape[-1], F, kernel)
    return {
        "x": normal(*shape, dtype=dtype),
        "kernel": tf.transpose(w) if transpose else w,
        "bias": normal(F),
        "scale": normal(F, seed=2),
    }


def by_formula(**inputs):
    with ops.portable_ops():
        return ops.few_rows_matmul(**inputs)


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_product_but_for_roundings(shape, dtype, kernel, transpose):
    for F in (1, 43):
        inputs = case(shape, F, dtype, kernel, transpose)
        y = ops.few_rows_matmul(**inputs, transpose=transpose)
        assert y.dtype == dtype
        x, w, bias, scale = (
            np.array(tf.cast(inputs[name], "float64"))
            for name in ("x", "kernel", "bias", "scale")
        )
        w = w.T if transpose else w
        exact = x @ w * scale + bias
        # A sum of E floats, and the one that is stored.
        terms = abs(x) @ abs(w) * abs(scale) + abs(bias)
        allowed = shape[-1] ** 0.5 * 2.0**-24 * terms + 2.5 * ROUNDING[dtype] * abs(
            exact
        )
        if kernel == "int8":  # rows are rounded to 16 bits of their largest
            largest = abs(x).max(axis=-1, keepdims=True, initial=0)
            allowed += 2.0**-16 * largest * abs(w).sum(axis=0) * abs(scale)
        assert (
            abs(np.array(tf.cast(y, "float64")) - exact) <= allowed + 2.0**-24
        ).all()


def test_it_is_a_matmul_that_is_scaled_and_moved():
    inputs = case()
    x, w, bias, scale = (inputs[n].numpy() for n in ("x", "kernel", "bias", "scale"))
    wanted = x.astype("float64") @ w * scale + bias
    np.testing.assert_allclose(ops.few_rows_matmul(**inputs), wanted, rtol=1e-4)
    np.testing.assert_allclose(ops.few_rows_matmul(x, w), x @ w, rtol=1e-4, atol=1e-5)


@compiled
@pytest.mark.parametrize("E, F", [(768, 768), (770, 2307), (3072, 768)])
def test_large_kernels_are_cut_without_a_seam(E, F):
    x, w = normal(4, 1, E), normal(E, F, seed=1)
    wanted = x.numpy().astype("float64") @ w.numpy()
    got, turned = (
        ops.few_rows_matmul(x, w),
        ops.few_rows_matmul(x, tf.transpose(w), transpose=True),
    )
    np.testing.assert_allclose(got, wanted, atol=1e-3)
    np.testing.assert_allclose(turned, wanted, atol=1e-3)


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("leaves_out", [(), ("bias",), ("scale",), ("bias", "scale")])
def test_gradients_are_the_formulas(order, transpose, leaves_out):
    inputs = case(transpose=transpose)
    for name in leaves_out:
        del inputs[name]

    def both(function):
        return derivatives(
            lambda **xs: function(transpose=transpose, **xs), inputs, order
        )

    got, wanted = both(ops.few_rows_matmul), both(by_formula)
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-4, atol=1e-4)


def test_an_int8_kernel_lets_gradients_through_to_the_rest():
    inputs = case(kernel="int8")
    kernel = inputs.pop("kernel")
    function = functools.partial(ops.few_rows_matmul, kernel=kernel)
    formula = functools.partial(by_formula, kernel=kernel)
    got, wanted = derivatives(function, inputs), derivatives(formula, inputs)
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("jit", [False, True])
def test_a_function_gives_what_eager_execution_does(jit):
    inputs = case(transpose=True)
    function = tf.function(
        lambda: ops.few_rows_matmul(transpose=True, **inputs), jit_compile=jit
    )
    wanted = ops.few_rows_matmul(transpose=True, **inputs)
    np.testing.assert_allclose(function(), wanted, rtol=1e-4, atol=1e-5)


def test_a_function_needs_no_shape_beforehand():
    @tf.function(input_signature=[tf.TensorSpec([None, None, 7])])
    def function(x):
        return ops.few_rows_matmul(x, normal(7, 11))

    assert function.get_concrete_function().output_shapes.as_list() == [None, None, 11]
    x = normal(3, 2, 7)
    np.testing.assert_array_equal(function(x), ops.few_rows_matmul(x, normal(7, 11)))


class Step(keras.layers.Layer):
    """One product, by `ops.matmul`."""

    def build(self, shape):
        self.kernel = self.add_weight((shape[-1], 11), name="kernel")
        self.bias = self.add_weight((11,), name="bias")

    def call(self, x):
        return ops.matmul(x, self.kernel, self.bias)


def types_in(function, *args):
    graph = function.get_concrete_function(*args).graph
    return [operation.type for operation in graph.get_operations()]


@compiled
@pytest.mark.parametrize("jit", [False, True])
def test_matmul_of_one_token_a_row_is_compiled_where_xla_is_not(jit):
    def is_compiled(shape):
        function = tf.function(lambda x: ops.matmul(x, normal(7, 11)), jit_compile=jit)
        return "KnlFewRows" in types_in(function, tf.TensorSpec(shape))

    assert is_compiled([None, 1, 7]) is not jit
    assert is_compiled([4, 1, 7]) is not jit
    assert not is_compiled([None, 2, 7])
    assert not is_compiled([None, None, 7])
    assert not is_compiled([512, 1, 7])  # rows are not few


@compiled
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_a_variable_is_read_as_it_is_stored_without_a_copy(policy):
    layer = Step(dtype=policy)
    layer.build((None, 1, 7))
    function = tf.function(layer)
    types = types_in(function, tf.TensorSpec([None, 1, 7], layer.compute_dtype))
    assert "KnlFewRows" in types
    casts = types.count("Cast")
    assert casts == (layer.variable_dtype != "float32")  # of the bias alone
    x = normal(3, 1, 7, dtype=layer.compute_dtype)
    x32, kernel, bias = (
        tf.cast(t, "float32") for t in (x, layer.kernel.value, layer.bias.value)
    )
    np.testing.assert_allclose(
        tf.cast(function(x), "float32"), x32 @ kernel + bias, rtol=0.02, atol=0.02
    )


@compiled
def test_a_graph_that_is_to_load_anywhere_holds_no_compiled_op():
    function = tf.function(lambda x: ops.matmul(x, normal(7, 11)))
    with ops.portable_ops():
        assert "KnlFewRows" not in types_in(function, tf.TensorSpec([3, 1, 7]))


@pytest.mark.parametrize("tokens", [1, 2])
def test_matmul_adds_a_bias_and_trains_whatever_the_length(tokens):
    x, kernel, bias = normal(3, tokens, 7), tf.Variable(normal(7, 11)), normal(11)
    with tf.GradientTape() as tape:
        y = ops.matmul(x, kernel, bias)
    flat = x.numpy().reshape(-1, 7)
    np.testing.assert_allclose(
        y.numpy().reshape(-1, 11), flat @ kernel.numpy() + bias.numpy(), rtol=1e-4
    )
    gradient = tape.gradient(y, kernel)
    wanted = np.repeat(flat.sum(0)[:, None], 11, axis=1)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-5)


REFUSED = {
    r"`x` must be of floats": {"x": np.zeros((2, 3), "int32")},
    r"`kernel` must be of floats or int8. Received: kernel.dtype=int32": {
        "kernel": np.zeros((3, 5), "int32")
    },
    r"`kernel` must have shape \[3, outputs\].*kernel.shape=\(5, 3\)": {
        "kernel": np.zeros((5, 3), "float32")
    },
    r"`kernel` must have shape \[outputs, 3\].*transpose=True": {"transpose": True},
    r"`bias` must have shape \[5\].*Received: bias.shape=\(3,\)": {
        "bias": np.zeros(3, "float32")
    },
    r"`scale` must have shape \[5\].*Received: scale.shape=\(1, 5\)": {
        "scale": np.zeros((1, 5), "float32")
    },
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_does_not_fit_gets_one_sentence(sentence):
    good = {"x": np.zeros((2, 3), "float32"), "kernel": np.zeros((3, 5), "float32")}
    with pytest.raises(ValueError, match=sentence):
        ops.few_rows_matmul(**{**good, **REFUSED[sentence]})
