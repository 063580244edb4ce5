"""The compiled attention against the formula.

Sizes lie around those of its tiles, 6 queries and 64 keys.
"""

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import ops
from keras_nlp_lite.ops import library
from tests.ops import formula
from tests.ops.formula import OPTIONS, PACKED
from tests.ops.test_reference import reference

pytestmark = [
    pytest.mark.skipif(
        library.load() is None, reason=f"reference only: {library.why_not()}"
    ),
    pytest.mark.usefixtures("on_cpu"),
]
CASES = [*OPTIONS, *PACKED]
EPSILON = 2.0**-23


def case(name, T=45, S=133, D=20):
    """(q, k, v), options"""
    if name in PACKED:
        return formula.packed_case(name, factor=13)
    return formula.inputs(T, S, D=D), formula.options(name, T=T, S=S)


def derivatives(attend, qkv, options, order):
    """Output and log-sum-exp; what a random loss of them has as gradient; or what a
    random loss of this gradient has as gradient."""
    tensors = [tf.convert_to_tensor(x) for x in qkv]
    bias = options.get("bias")
    if bias is not None:
        bias = tf.cast(bias, tensors[0].dtype)
        tensors.append(bias)
        options = {**options, "bias": bias}
    dtype, rng = tensors[0].dtype, np.random.default_rng(3)

    def loss(xs):
        """Of what is finite: the log-sum-exp of nothing is not."""
        xs = [tf.where(tf.math.is_finite(x), x, 0) for x in xs]
        return sum(
            tf.reduce_sum(tf.cast(x, dtype) * tf.cast(rng.normal(size=x.shape), dtype))
            for x in xs
        )

    with tf.GradientTape() as outer, tf.GradientTape() as inner:
        outer.watch(tensors)
        inner.watch(tensors)
        results = attend(*tensors[:3], **options)
        if order > 0:
            results = inner.gradient(loss(results), tensors)
        again = loss(results) if order > 1 else None
    return outer.gradient(again, tensors) if order > 1 else results


def fused(q, k, v, **options):
    return ops.attention(q, k, v, **options, return_log_sum_exp=True)


def assert_as_exact(got, plain, exact, least=3 * EPSILON):
    """Not more than twice as far from the exact values as the plain formula is.

    Far by the root mean square: which elements err most, and how much, is luck. To err
    by `least`, relative to the values, is always allowed.
    """
    for x, y, z in zip(got, plain, exact):
        assert x.shape == z.shape
        x, y, z = (np.asarray(a, "float64") for a in (x, y, z))
        finite = np.isfinite(z)
        np.testing.assert_array_equal(x[~finite], z[~finite])
        x, y, z = (a[finite] for a in (x, y, z))
        if z.size:
            assert size(x - z) <= max(2 * size(y - z), least * size(z))


def size(x):
    return np.sqrt((x**2).mean())


@pytest.mark.parametrize("order", [0, 1, 2], ids=["value", "gradient", "second"])
@pytest.mark.parametrize("name", CASES)
def test_fused_is_as_exact_as_the_formula(name, order):
    qkv, options = case(name)
    assert ops.attention_implementation(*qkv, **options).startswith("fused: cpu")
    got = derivatives(fused, qkv, options, order)
    plain = derivatives(reference, qkv, options, order)
    wide = [x.astype("float64") for x in qkv]
    exact = derivatives(reference, wide, options, order)
    assert_as_exact(got, plain, exact)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("order", [0, 1], ids=["value", "gradient"])
@pytest.mark.parametrize("name", CASES)
def test_fused_halves_are_as_exact_as_a_composite_of_halves(name, order, dtype):
    qkv, options = case(name)
    halves = [tf.cast(x, dtype) for x in qkv]
    assert ops.attention_implementation(*halves, **options).endswith(dtype)
    got = derivatives(fused, halves, options, order)
    plain = derivatives(reference, halves, options, order)
    wide = [tf.cast(x, "float64") for x in halves]
    exact = derivatives(reference, wide, options, order)
    # Weights and their gradients, too, may be rounded once.
    least = 2.0**-7 if dtype == "bfloat16" else 2.0**-10
    assert_as_exact(got, plain, exact, least)


@pytest.mark.parametrize("D", [1, 3, 16, 64, 100, 256])
@pytest.mark.parametrize("lengths", [(1, 1), (1, 200), (9, 64), (65, 63), (130, 129)])
def test_fused_is_as_exact_at_every_width_and_length(lengths, D):
    qkv, options = case("causal window", *lengths, D=D)
    for order in (0, 1):
        got = derivatives(fused, qkv, options, order)
        plain = derivatives(reference, qkv, options, order)
        exact = derivatives(
            reference, [x.astype("float64") for x in qkv], options, order
        )
        # A query with one key has gradients that cancel out, up to the rounding of two
        # sums over its features.
        least = EPSILON * (2 * D**0.5 if lengths == (1, 1) else 6)
        assert_as_exact(got, plain, exact, least)


def test_wide_heads_and_float64_go_to_the_reference_which_says_why():
    q, k, v = formula.inputs(D=257)
    assert ops.attention_implementation(q, k, v).startswith(
        "reference: float32, because heads are 257 wide"
    )
    q, k, v = (x.astype("float64") for x in formula.inputs())
    assert ops.attention_implementation(q, k, v).startswith(
        "reference: float64, because the compiled kernels have"
    )
    assert ops.attention(q, k, v).dtype == "float64"


@pytest.mark.parametrize("name", ["everything", "packed, dropout"])
def test_second_gradients_are_the_same_in_a_graph(name):
    qkv, options = case(name)
    graph = tf.function(lambda *qkv: derivatives(fused, qkv, options, 2))
    eager = derivatives(fused, qkv, options, 2)
    for x, y in zip(graph(*map(tf.constant, qkv)), eager):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)


def test_results_do_not_depend_on_the_run():
    qkv, options = case("everything")
    first, second = (derivatives(fused, qkv, options, 1) for _ in range(2))
    for x, y in zip(first, second):
        np.testing.assert_array_equal(x, y)
