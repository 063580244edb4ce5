"""`cached_attention`: what a step sees, whose cache it changes, and what it refuses."""

import contextlib
import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import ops
from tests.ops.rows import DTYPES, ROUNDING, compiled, normal

R, T, S, H, G, D, BEAMS = 6, 2, 17, 4, 2, 11, 3
WAYS = {"compiled": contextlib.nullcontext, "formula": ops.portable_ops}
OPTIONS = {
    "nothing": {},
    "starts": {"starts": [0, 3, 9, 10, 11, 12]},
    "beams": {
        "ancestors": np.random.default_rng(4).integers(0, BEAMS, (R, S)),
        "beams": BEAMS,
    },
    "window": {"window": 4},
    "no window": {"window": 0},
    "soft cap": {"soft_cap": 1.5},
    "scale": {"scale": 0.7},
    "alibi": {"alibi_slopes": 2.0 ** -np.arange(1, H + 1).astype("float32")},
}
OPTIONS["everything"] = {name: x for one in OPTIONS.values() for name, x in one.items()}
OPTIONS["everything"]["window"] = 4


def case(T=T, dtype="float32", cache_dtype=None):
    """q, k, v and a cache."""
    q = normal(R, T, H, D, dtype=dtype)
    k, v = (normal(R, T, G, D, seed=n, dtype=dtype) for n in (1, 2))
    return q, k, v, normal(R, 2, S, G, D, seed=3, dtype=cache_dtype or dtype)


def in_float64(
    q,
    k,
    v,
    cache,
    index,
    starts=None,
    ancestors=None,
    beams=1,
    scale=None,
    window=None,
    soft_cap=None,
    alibi_slopes=None,
):
    """(out, cache) as arrays, query by query."""
    dtype = cache.dtype
    q, k, v, cache = (np.array(tf.cast(x, "float64")) for x in (q, k, v, cache))
    R, T, H, D = q.shape
    new = tf.cast(np.stack([k, v], axis=1), dtype)
    cache[:, :, index : index + T] = tf.cast(new, "float64")
    out = np.zeros_like(q)
    for r, t, h in np.ndindex(R, T, H):
        own = index + t
        seen = [
            j
            for j in range(own + 1)
            if (starts is None or j >= starts[r])
            and (window is None or j >= own - window)
        ]
        if not seen:
            continue
        rows = [
            r // beams * beams + ancestors[r, j]
            if ancestors is not None and j < index
            else r
            for j in seen
        ]
        keys, values = (cache[rows, n, seen, h // (H // G)] for n in (0, 1))
        score = keys @ q[r, t, h] * (scale or D**-0.5)
        if soft_cap:
            score = soft_cap * np.tanh(score / soft_cap)
        if alibi_slopes is not None:
            score = score - alibi_slopes[h] * (own - np.array(seen))
        weights = np.exp(score - score.max())
        out[r, t, h] = weights @ values / weights.sum()
    return out, cache


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tokens", [1, 2, 5])
@pytest.mark.parametrize("options", OPTIONS)
def test_it_is_attention_to_the_columns_that_are_seen(options, tokens, way):
    options = OPTIONS[options]
    for index in (0, 7, S - tokens):
        inputs = case(tokens)
        wanted, wanted_cache = in_float64(*inputs, index, **options)
        with WAYS[way]():
            out, cache = ops.cached_attention(*inputs, index, **options)
        np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(cache, wanted_cache.astype("float32"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cache_dtype", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_cache_may_be_of_another_dtype(dtype, cache_dtype, way):
    inputs = case(T, dtype, cache_dtype)
    wanted, wanted_cache = in_float64(*inputs, 5)
    with WAYS[way]():
        out, cache = ops.cached_attention(*inputs, 5)
    assert (out.dtype, cache.dtype) == (dtype, cache_dtype)
    tolerance = 4 * ROUNDING[dtype] + 1e-5
    np.testing.assert_allclose(tf.cast(out, "float64"), wanted, atol=tolerance)
    np.testing.assert_array_equal(tf.cast(cache, "float64"), wanted_cache)


@pytest.mark.parametrize("way", WAYS)
def test_steps_give_what_attention_to_the_whole_text_gives(way):
    q = normal(R, S, H, D)
    k, v = normal(R, S, G, D, seed=1), normal(R, S, G, D, seed=2)
    cache = tf.zeros([R, 2, S, G, D])
    outs = []
    with WAYS[way]():
        for first, end in [(0, 5), *((i, i + 1) for i in range(5, S))]:
            part = (x[:, first:end] for x in (q, k, v))
            out, cache = ops.cached_attention(*part, cache, first)
            outs.append(out)
    wanted = ops.attention(q, k, v, causal=True)
    np.testing.assert_allclose(tf.concat(outs, 1), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_padding_to_the_left_changes_nothing(way):
    (q, k, v, cache), pad, index = case(), 4, 6
    alone = cache[:, :, pad:]
    loud = tf.concat([tf.fill(cache[:, :, :pad].shape, 1e4), alone], axis=2)
    options = {"alibi_slopes": OPTIONS["alibi"]["alibi_slopes"]}
    with WAYS[way]():
        wanted, _ = ops.cached_attention(q, k, v, alone, index - pad, **options)
        options["starts"] = [pad] * R
        out, _ = ops.cached_attention(q, k, v, loud, index, **options)
    np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_a_query_before_its_row_starts_gives_zeros(way):
    with WAYS[way]():
        out, _ = ops.cached_attention(*case(), 5, starts=[0, 5, 6, 7, 8, 9])
    empty = (out.numpy() == 0).all((2, 3))
    np.testing.assert_array_equal(empty[:, 0], [0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(empty[:, 1], [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("way", WAYS)
def test_naming_ancestors_is_moving_the_cache(way):
    q, k, v, cache = case()
    parents = np.array([2, 0, 0, 1, 1, 2])
    moved = tf.gather(cache, np.arange(R) // BEAMS * BEAMS + parents)
    ancestors = np.repeat(parents[:, None], S, axis=1)
    with WAYS[way]():
        wanted, _ = ops.cached_attention(q, k, v, moved, 9)
        out, _ = ops.cached_attention(
            q, k, v, cache, 9, ancestors=ancestors, beams=BEAMS
        )
    np.testing.assert_allclose(out, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("in_graph", [False, True])
def test_whoever_holds_the_old_cache_sees_it_unchanged(in_graph):
    q, k, v, cache = case()
    before = cache.numpy().copy()

    def step():
        held = cache * 1.0
        _, new = ops.cached_attention(q, k, v, held, 3)
        with tf.control_dependencies([new]):
            return new, tf.identity(held)

    new, held = tf.function(step)() if in_graph else step()
    np.testing.assert_array_equal(held, before)
    np.testing.assert_array_equal(cache, before)
    assert not np.array_equal(new, before)


def decode(q, k, v, cache):
    """Writes S columns, one after the other, in a loop."""

    def step(index, cache, total):
        out, cache = ops.cached_attention(q, k, v, cache, index)
        return index + 1, cache, total + out

    state = tf.constant(0), cache, tf.zeros_like(q)
    return tf.while_loop(lambda index, *_: index < S, step, state)[1:]


@compiled
@pytest.mark.parametrize("holds", [False, True])
def test_a_loop_hands_its_cache_on_in_place_unless_the_old_one_is_held(holds):
    addresses = []

    def address(cache):
        addresses.append(np.asarray(memoryview(cache)).ctypes.data)
        return 0

    def step(index, cache, total):
        _, new = ops.cached_attention(q, k, v, cache, index)
        with tf.control_dependencies([tf.py_function(address, [new], tf.int32)]):
            if holds:
                total += tf.reduce_sum(cache)
            return index + 1, tf.identity(new), total

    q, k, v, cache = case(1)
    loop = tf.function(
        lambda: tf.while_loop(lambda index, *_: index < S, step, (0, cache, 0.0))
    )
    loop()
    moves = sum(a != b for a, b in itertools.pairwise(addresses))
    assert len(addresses) == S
    assert moves == (S - 1 if holds else 0)


@pytest.mark.parametrize("jit", [False, True])
def test_a_loop_in_a_graph_gives_what_eager_steps_do(jit):
    inputs = case(1)
    for x, y in zip(tf.function(decode, jit_compile=jit)(*inputs), decode(*inputs)):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


@compiled
@pytest.mark.parametrize("jit", [False, True])
def test_the_compiled_op_serves_where_xla_does_not(jit):
    function = tf.function(ops.cached_attention, jit_compile=jit)
    graph = function.get_concrete_function(*case(), tf.constant(3)).graph
    types = [operation.type for operation in graph.get_operations()]
    assert ("KnlCachedAttention" in types) is not jit


def test_a_function_needs_no_shape_beforehand():
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, H, D]),
            tf.TensorSpec([None, None, G, D]),
            tf.TensorSpec([None, None, G, D]),
            tf.TensorSpec([None, 2, None, G, D]),
            tf.TensorSpec([], "int32"),
        ]
    )
    def function(*args):
        return ops.cached_attention(*args)

    inputs = (*case(), tf.constant(3))
    for x, y in zip(function(*inputs), ops.cached_attention(*inputs)):
        np.testing.assert_array_equal(x, y)


@compiled
def test_a_full_cache_is_refused_while_a_graph_runs():
    function = tf.function(ops.cached_attention)
    function(*case(), tf.constant(S - T))
    with pytest.raises(tf.errors.InvalidArgumentError, match="2 tokens from column 16"):
        function(*case(), tf.constant(S - T + 1))


@compiled
def test_a_gradient_is_refused_in_a_sentence():
    q, k, v, cache = case()
    with tf.GradientTape() as tape:
        tape.watch(q)
        out, _ = ops.cached_attention(q, k, v, cache, 0)
    with pytest.raises(NotImplementedError, match="has no gradient.*Try `attention`"):
        tape.gradient(out, q)


def test_doubles_stay_doubles():
    inputs = case(dtype="float64")
    out, cache = ops.cached_attention(*inputs, 7)
    wanted, wanted_cache = in_float64(*inputs, 7)
    np.testing.assert_allclose(out, wanted, rtol=1e-12)
    np.testing.assert_array_equal(cache, wanted_cache)


REFUSED = {
    r"`q` must have shape \[R, T, H, D\]. Received: q.shape=\(6, 4, 11\)": {
        "q": np.zeros((R, H, D), "float32")
    },
    r"`k` must have shape \[R=6, T=2, G, D=11\].*k.shape=\(6, 3, 2, 11\)": {
        "k": np.zeros((R, 3, G, D), "float32")
    },
    r"`cache` must have shape \[R=6, 2, S, G=2, D=11\].*\(6, 1, 17, 2, 11\)": {
        "cache": np.zeros((R, 1, S, G, D), "float32")
    },
    r"`index` must have shape \[\]. Received: index.shape=\(1,\)": {"index": [3]},
    r"`starts` must have shape \[R=6\]": {"starts": [0, 1]},
    r"`ancestors` must have shape \[R=6, S=17\]": {"ancestors": np.zeros((R, 3))},
    r"`alibi_slopes` must have shape \[H=4\]": {"alibi_slopes": [0.5]},
    r"split evenly.*q.shape=\(6, 2, 3, 11\), k.shape=\(6, 2, 2, 11\)": {
        "q": np.zeros((R, T, 3, D), "float32")
    },
    "fit into the cache. Received: 2 tokens from column 16 on, 17 columns": {
        "index": 16
    },
    "2 tokens from column -1 on": {"index": -1},
    r"`window` must count.*window=-1": {"window": -1},
    r"`window` must count.*window=True": {"window": True},
    r"`beams` must divide the rows. Received: beams=4, 6 rows": {"beams": 4},
    r"`beams` must be an integer of at least 1": {"beams": 0},
    r"`soft_cap` must be a number above 0": {"soft_cap": 0.0},
    r"`scale` must be a number above 0": {"scale": -1.0},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_does_not_fit_gets_one_sentence(sentence):
    good = dict(zip(("q", "k", "v", "cache"), case()), index=0)
    with pytest.raises(ValueError, match=sentence):
        ops.cached_attention(**{**good, **REFUSED[sentence]})
