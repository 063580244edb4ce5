"""Attention on a GPU against the formula, which runs on the CPU."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism

from keras_nlp_lite import ops
from keras_nlp_lite.ops import library
from tests.ops import test_cached_attention as cached
from tests.ops.formula import PACKED
from tests.ops.rows import DTYPES, ROUNDING
from tests.ops.test_fused import CASES, assert_as_exact, case, derivatives, fused
from tests.ops.test_reference import reference


def why_not():
    if not tf.config.list_physical_devices("GPU"):
        return "TensorFlow sees no GPU"
    if library.load() is None:
        return library.why_not()
    return library.why_not_on_gpu("float32", 64)


pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture(autouse=True)
def on_gpu(whole_floats):
    with tf.device("GPU:0"):
        yield


def serves(dtype, width):
    if library.why_not_on_gpu(dtype, width) is not None:
        pytest.skip(library.why_not_on_gpu(dtype, width))


def judged(got, qkv, options, order, least):
    """Against the formula in the dtype of qkv, and in float64."""
    with tf.device("CPU:0"):
        plain = derivatives(reference, [tf.identity(x) for x in qkv], options, order)
        wide = [tf.cast(x, "float64") for x in qkv]
        exact = derivatives(reference, wide, options, order)
    assert_as_exact(got, plain, exact, least)


LEAST = {"float32": 2.0**-21, "bfloat16": 2.0**-7, "float16": 2.0**-10}


# Second gradients are the formula's own.
@pytest.mark.parametrize(
    ("order", "dtype"), [(2, "float32"), *itertools.product((0, 1), DTYPES)]
)
@pytest.mark.parametrize("name", CASES)
def test_a_gpu_is_as_exact_as_the_formula(name, order, dtype):
    serves(dtype, 20)
    qkv, options = case(name)
    qkv = [tf.cast(x, dtype) for x in qkv]
    answer = ops.attention_implementation(*qkv, **options)
    assert answer.startswith("fused: gpu, ") and answer.endswith(dtype)
    judged(derivatives(fused, qkv, options, order), qkv, options, order, LEAST[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("D", [1, 3, 16, 64, 100, 128, 256])
@pytest.mark.parametrize("lengths", [(1, 200), (9, 64), (65, 63), (130, 129)])
def test_a_gpu_is_as_exact_at_every_width_and_length(lengths, D, dtype):
    serves(dtype, D)
    qkv, options = case("causal window", *lengths, D=D)
    qkv = [tf.cast(x, dtype) for x in qkv]
    for order in (0, 1):
        got = derivatives(fused, qkv, options, order)
        judged(got, qkv, options, order, 2 * LEAST[dtype])


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", ["everything", "packed, dropout", "segments"])
def test_a_function_gives_what_eager_execution_does(name, jit):
    qkv, options = case(name)
    qkv = [tf.constant(x) for x in qkv]
    graph = tf.function(
        lambda *qkv: derivatives(fused, qkv, options, 1), jit_compile=jit
    )
    for x, y in zip(graph(*qkv), derivatives(fused, qkv, options, 1)):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("lengths", [(0, 7), (5, 0), (0, 0)])
def test_nothing_at_all_is_a_size_too(lengths, jit):
    qkv, options = case("causal", *lengths)
    qkv = [tf.constant(x) for x in qkv]
    function = tf.function(
        lambda *qkv: derivatives(fused, qkv, options, 1), jit_compile=jit
    )
    gradients = function(*qkv)
    assert [x.shape for x in gradients] == [x.shape for x in qkv]
    assert not any(np.any(x) for x in gradients)


def test_tensor_float_32_is_taken_where_it_is_wanted():
    qkv, options = case("causal", 65, 130, D=64)
    errors = []
    for wanted in (False, True):
        tf.config.experimental.enable_tensor_float_32_execution(wanted)
        got = derivatives(fused, qkv, options, 0)
        judged(got, qkv, options, 0, 2.0**-9 if wanted else LEAST["float32"])
        with tf.device("CPU:0"):
            exact = derivatives(reference, [x.astype("d") for x in qkv], options, 0)
        errors.append(np.abs(np.asarray(got[0], "float64") - exact[0]).max())
    if int(library.gpu_implementation("float32", 64)[3:5]) >= 80:
        assert errors[0] < errors[1] / 4


@pytest.mark.parametrize("name", ["everything", "packed, dropout"])
def test_results_do_not_depend_on_the_run_where_that_is_required(name):
    qkv, options = case(name, 200, 300) if name not in PACKED else case(name)
    q, k, v = (tf.constant(x) for x in qkv)

    def gradients():
        with tf.GradientTape() as tape:
            tape.watch([q, k, v])
            out = ops.attention(q, k, v, **options)
        return [out, *tape.gradient(out, [q, k, v])]

    tf.config.experimental.enable_op_determinism()
    try:
        first, second = gradients(), gradients()
    finally:
        disable_op_determinism()
    for x, y in zip(first, second):
        np.testing.assert_array_equal(x, y)


def test_wrong_shapes_are_refused_in_a_sentence():
    q = tf.zeros((2, 5, 6, 8))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`k` must have shape"):
        library.load().knl_attention(q, q[0], q, *6 * [[]], scale=1.0)


# To a cache


@pytest.mark.parametrize("tokens", [1, 2, 5])
@pytest.mark.parametrize("options", cached.OPTIONS)
def test_a_gpu_attends_to_the_columns_of_a_cache_that_are_seen(options, tokens):
    options = cached.OPTIONS[options]
    for index in (0, 7, cached.S - tokens):
        inputs = cached.case(tokens)
        wanted, wanted_cache = cached.in_float64(*inputs, index, **options)
        out, cache = ops.cached_attention(*inputs, index, **options)
        np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(cache, wanted_cache.astype("float32"))


@pytest.mark.parametrize("cache_dtype", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_cache_on_a_gpu_may_be_of_another_dtype(dtype, cache_dtype):
    serves(dtype, cached.D)
    inputs = cached.case(cached.T, dtype, cache_dtype)
    wanted, wanted_cache = cached.in_float64(*inputs, 5)
    out, cache = ops.cached_attention(*inputs, 5)
    tolerance = 4 * ROUNDING[dtype] + 1e-5
    np.testing.assert_allclose(tf.cast(out, "float64"), wanted, atol=tolerance)
    np.testing.assert_array_equal(tf.cast(cache, "float64"), wanted_cache)


def test_a_loop_on_a_gpu_gives_what_eager_steps_do():
    inputs = cached.case(1)
    loop = tf.function(cached.decode)
    types = loop.get_concrete_function(*inputs).graph.as_graph_def()
    assert "KnlCachedAttention" in str(types)
    for x, y in zip(loop(*inputs), cached.decode(*inputs)):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def test_whoever_holds_the_old_cache_sees_it_unchanged():
    q, k, v, cache = cached.case()
    before = cache.numpy().copy()
    _, new = ops.cached_attention(q, k, v, cache, 3)
    np.testing.assert_array_equal(cache, before)
    assert not np.array_equal(new, before)
