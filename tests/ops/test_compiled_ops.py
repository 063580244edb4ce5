"""The compiled ops as TensorFlow and XLA call them: the same numbers, the same refusals.

What the numbers must be, the tests of `attention` and of the kernels tell.
"""

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.ops import library
from tests.ops.formula import B, D, G, H, S, T

if library.load() is None:
    pytest.skip(library.why_not(), allow_module_level=True)
pytestmark = pytest.mark.usefixtures("on_cpu")
OPS = library.load()
LISTS = ("splits", "keep", "segments", "bias", "slopes", "seed")
SPLITS = [np.array([0, 2, 9]), np.array([0, 5, 12])]  # int64


def forward(q, k, v, scale=0.3, lists=None, **numbers):
    lists = [(lists or {}).get(name, []) for name in LISTS]
    return OPS.knl_attention(q, k, v, *lists, scale=scale, **numbers)


def gradient(q, k, v, out, lse, dout, dlse, scale=0.3, lists=None, **numbers):
    lists = [(lists or {}).get(name, []) for name in LISTS]
    return OPS.knl_attention_grad(
        q, k, v, *lists, out, lse, dout, dlse, scale=scale, **numbers
    )


def both(q, k, v, **options):
    """Output, log-sum-exp, and the gradients for these two as upstream."""
    out, lse = forward(q, k, v, **options)
    grads = gradient(q, k, v, out, lse, out, lse, **options)
    return [out, lse, grads.dq, grads.dk, grads.dv, *grads.dbias]


def normal(*shape, dtype="float32"):
    return tf.cast(np.random.default_rng(sum(shape)).normal(size=shape), dtype)


def zeros(*shape, dtype="float32"):
    return tf.zeros(shape, dtype)


def dense(dtype="float32"):
    q, k = normal(B, T, H, D, dtype=dtype), normal(B, S, G, D, dtype=dtype)
    lists = {
        "keep": [tf.constant(np.arange(S) < [[4], [S]])],
        "segments": [tf.ones((B, T), tf.int32), tf.ones((B, S), tf.int32)],
        "bias": [normal(1, H, T, S)],
        "slopes": [normal(H)],
        "seed": [tf.constant([1, 2], tf.uint32)],
    }
    return (q, k, -k), {"lists": lists, "dropout": 0.25, "soft_cap": 2.0}


def packed(dtype="float32"):
    q, k = normal(9, H, D, dtype=dtype), normal(12, G, D, dtype=dtype)
    lists = {"splits": [tf.constant(x, tf.int64) for x in SPLITS]}
    return (q, k, -k), {"lists": lists, "window_left": 3, "window_right": 0}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("case", [dense, packed])
def test_eager_graph_unknown_shapes_and_xla_give_the_same_numbers(case, dtype):
    qkv, options = case(dtype)
    want = both(*qkv, **options)

    def call(*qkv):
        return both(*qkv, **options)

    unknown = [tf.TensorSpec(None, dtype)] * 3
    for function in (
        tf.function(call),
        tf.function(call, input_signature=unknown),
        tf.function(call, jit_compile=True),
    ):
        got = function(*qkv)
        assert [x.dtype for x in got] == [x.dtype for x in want]
        for x, wanted in zip(got, want):
            np.testing.assert_array_equal(x, wanted)


def test_a_graph_knows_the_shapes_of_what_will_come():
    signature = [tf.TensorSpec((None, T, H, D)), tf.TensorSpec((None, S, G, D))]
    outputs = tf.function(both).get_concrete_function(*signature, signature[1])
    shapes = [x.as_list() for x in outputs.output_shapes]
    q, k = [None, T, H, D], [None, S, G, D]
    assert shapes == [q, q[:-1], q, k, k]


@pytest.mark.parametrize("sizes", [(0, T, S), (B, 0, S), (B, T, 0), (0, 0, 0)])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_nothing_at_all_is_a_size_too(sizes, jit_compile):
    B, T, S = sizes
    lists = {
        "keep": [tf.ones((B, S), tf.bool)],
        "segments": [zeros(B, T, dtype="int32"), zeros(B, S, dtype="int32")],
        "bias": [zeros(B, H, T, S)],
    }
    q, k = normal(B, T, H, D), normal(B, S, G, D)
    call = tf.function(lambda q, k: both(q, k, k, lists=lists), jit_compile=jit_compile)
    out, _, dq, dk, dv, dbias = call(q, k)
    assert out.shape == dq.shape == q.shape
    assert dk.shape == dv.shape == k.shape
    assert dbias.shape == (B, H, T, S)
    if S == 0:  # nothing to see
        assert not np.any(out) and not np.any(dq)


Q, K = zeros(B, T, H, D), zeros(B, S, G, D)
LONG = zeros(9, H, D), zeros(12, G, D)
REFUSED = {
    r"`q` must have shape \[batch, queries, heads, width\]. Received: \[9, 6, 11\]": (
        (LONG[0], K, K),
        {},
    ),
    r"`k` must have shape \[batch=2, keys, kv_heads, width=11\]. Received: \[2, 7, 3, 8\]": (
        (Q, zeros(B, S, G, 8), K),
        {},
    ),
    r"`v` must have shape \[batch=2, keys=7, .*\]. Received: \[2, 8, 3, 11\]": (
        (Q, K, zeros(B, 8, G, D)),
        {},
    ),
    "multiple of key/value heads. Received: heads=6, kv_heads=4": (
        (Q, zeros(B, S, 4, D), zeros(B, S, 4, D)),
        {},
    ),
    "width of a head must be from 1 to 256. Received: 300": (
        (zeros(1, 2, 1, 300),) * 3,
        {},
    ),
    "scale must be finite. Received: nan": ((Q, K, K), {"scale": float("nan")}),
    r"`padding_mask` must have shape \[batch=2, keys=7\]. Received: \[2, 5\]": (
        (Q, K, K),
        {"lists": {"keep": [zeros(B, T, dtype="bool")]}},
    ),
    "`segments` must hold none or 2 tensors. Received: 1": (
        (Q, K, K),
        {"lists": {"segments": [zeros(B, T, dtype="int32")]}},
    ),
    r"`key_segments` must have shape \[batch=2, keys=7\]. Received: \[2, 5\]": (
        (Q, K, K),
        {"lists": {"segments": [zeros(B, T, dtype="int32")] * 2}},
    ),
    r"`bias` must have shape \[1 or batch=2, 1 or heads=6, .*\]. Received: \[2, 3, 5, 7\]": (
        (Q, K, K),
        {"lists": {"bias": [zeros(B, G, T, S)]}},
    ),
    r"`slopes` must have shape \[heads=6\]. Received: \[3\]": (
        (Q, K, K),
        {"lists": {"slopes": [zeros(G)]}},
    ),
    r"`seed` must have shape \[2\]. Received: \[3\]": (
        (Q, K, K),
        {"lists": {"seed": [zeros(3, dtype="uint32")]}},
    ),
    "`dropout` needs a `seed`. Received: dropout=0.1": ((Q, K, K), {"dropout": 0.1}),
    r"`key_splits` must have shape \[batch \+ 1=3\]. Received: \[2\]": (
        (*LONG, LONG[1]),
        {"lists": {"splits": [SPLITS[0], [0, 12]]}},
    ),
    "Splits must begin with 0. Received: none at all": (
        (*LONG, LONG[1]),
        {"lists": {"splits": [zeros(0, dtype="int64")] * 2}},
    ),
    "no padding, segments or bias. Received: `splits`": (
        (*LONG, LONG[1]),
        {"lists": {"splits": SPLITS, "keep": [zeros(B, S, dtype="bool")]}},
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_wrong_shapes_get_one_sentence_at_once_and_while_a_graph_is_built(sentence):
    qkv, options = REFUSED[sentence]
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        forward(*qkv, **options)
    with pytest.raises(ValueError, match=sentence):
        tf.function(lambda: forward(*qkv, **options)).get_concrete_function()


def test_what_a_gradient_gets_must_fit_too():
    lse = zeros(B, T, H)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`dlse` must have shape"):
        gradient(Q, K, K, Q, lse, Q, zeros(B, H, T))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`dout` must have shape"):
        gradient(Q, K, K, Q, lse, K, lse)


@pytest.mark.parametrize(
    ("splits", "sentence"),
    [
        ([1, 2, 9], "query splits must start at 0, and .* Received: 1 first"),
        ([0, 12, 9], "query splits must not fall. Received: 9 after 12"),
        ([0, 2, 8], "query splits must end at the number of rows, 9. Received: 8"),
    ],
)
@pytest.mark.parametrize("way", ["eager", "graph", "xla"])
def test_splits_are_read_before_rows_are(splits, sentence, way):
    q, k = LONG

    def call(splits):
        return forward(q, k, k, lists={"splits": [splits, SPLITS[1]]}).out

    if way != "eager":
        call = tf.function(call, jit_compile=way == "xla")
    with pytest.raises(tf.errors.InvalidArgumentError, match=sentence):
        call(tf.constant(splits, tf.int64))
