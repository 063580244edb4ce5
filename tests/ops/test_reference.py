"""The reference formula, and its random bits, against slower ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.ops import arguments
from keras_nlp_lite.ops.philox import (
    dropout_bits,
    dropout_bits_at,
    dropout_threshold,
    philox,
)
from keras_nlp_lite.ops.reference import reference_attention
from tests.ops import formula
from tests.ops.formula import OPTIONS, PACKED, attention_in_float64

LENGTHS = [(5, 7), (7, 7), (7, 5), (1, 7), (5, 0), (0, 5)]  # queries, keys


def reference(q, k, v, **options):
    """The entry's arguments, whatever the entry would choose."""
    defaults = dict.fromkeys([*arguments.TENSORS, "window", "soft_cap", "scale"])
    options = {**defaults, "causal": False, "dropout": 0, "seed": None, **options}
    q, k, v, options = arguments.tensors(q, k, v, options)
    arguments.check(q, k, v, options)
    return reference_attention(**arguments.normal_form(q, k, v, options))


def assert_near(got, wanted, rtol=1e-5, atol=1e-5):
    for x, y in zip(got, wanted):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("name", OPTIONS)
def test_it_is_the_formula(name, lengths):
    T, S = lengths
    q, k, v = formula.inputs(T, S)
    options = formula.options(name, T=T, S=S)
    wanted = attention_in_float64(q, k, v, **options)
    assert_near(reference(q, k, v, **options), wanted)


@pytest.mark.parametrize("name", PACKED)
def test_packed_sequences_are_attention_one_by_one(name):
    qkv, options = formula.packed_case(name)
    assert_near(reference(*qkv, **options), attention_in_float64(*qkv, **options))


@pytest.mark.parametrize("name", [*OPTIONS, *PACKED])
def test_its_gradient_is_the_slope_of_the_formula(name):
    if name in PACKED:
        qkv, options = formula.packed_case(name)
    else:
        qkv, options = formula.inputs(), formula.options(name)
    rng = np.random.default_rng(2)
    point = [x.astype("float64") for x in qkv]
    along = [rng.normal(size=x.shape) for x in point]
    out, lse = attention_in_float64(*point, **options)
    wout, wlse = rng.normal(size=out.shape), rng.normal(size=lse.shape)

    def loss(*qkv):
        out, lse = attention_in_float64(*qkv, **options)
        return (out * wout).sum() + np.where(np.isfinite(lse), lse * wlse, 0).sum()

    step = 1e-5
    ahead = loss(*(x + step * a for x, a in zip(point, along)))
    back = loss(*(x - step * a for x, a in zip(point, along)))
    tensors = [tf.constant(x) for x in point]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = reference(*tensors, **options)
    gradients = tape.gradient(outputs, tensors, [wout, wlse])
    slope = sum(np.sum(g * a) for g, a in zip(gradients, along))
    np.testing.assert_allclose(slope, (ahead - back) / (2 * step), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("name", ["key lengths", "flat bias", "dropout"])
def test_a_query_without_keys_gives_zeros_and_no_gradient(name, dtype):
    q, k, v = (tf.cast(x, dtype) for x in formula.inputs())
    options = formula.options(name)
    if name == "flat bias":
        options = {"bias": np.full((7,), -np.inf, "float32")[None]}
    if name == "dropout":
        options["padding_mask"] = np.zeros((2, 7), bool)
    with tf.GradientTape() as outer, tf.GradientTape() as tape:
        outer.watch([q, k, v])
        tape.watch([q, k, v])
        out, lse = reference(q, k, v, **options)
        gradients = tape.gradient([out, lse], [q, k, v])
        total = sum(tf.reduce_sum(g**2) for g in gradients)
    assert not np.asarray(out)[0].any()
    assert (np.asarray(lse)[0] == -np.inf).all()
    for gradient in (*gradients, *outer.gradient(total, [q, k, v])):
        assert np.isfinite(np.asarray(gradient, "float32")).all()
        assert not np.asarray(gradient)[0].any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_full_precision_inside(dtype):
    q, k, v = (tf.cast(x, dtype) for x in formula.inputs())
    out, lse = reference(q, k, v, causal=True)
    wide_out, wide_lse = reference(
        *(tf.cast(x, "float32") for x in (q, k, v)), causal=1
    )
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, tf.cast(wide_out, dtype))
    np.testing.assert_array_equal(lse, wide_lse)


def test_it_is_keras_attention_where_keras_has_the_option():
    q, k, v = formula.inputs(G=formula.H)
    bias = formula.options("bias of a batch")["bias"]
    mask = formula.options("padding mask")["padding_mask"]
    theirs = keras.ops.dot_product_attention(
        q, k, v, bias=np.maximum(bias, -1e9), mask=mask[:, None, None], scale=0.3
    )
    ours, _ = reference(q, k, v, bias=bias, padding_mask=mask, scale=0.3)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_causal_puts_the_last_query_at_the_last_key_and_keras_the_first_at_the_first():
    T, S = 3, 5
    q, k, v = formula.inputs(T, S, G=formula.H)
    rows, columns = np.arange(T)[:, None], np.arange(S)
    keras_causal = keras.ops.dot_product_attention(q, k, v, is_causal=True)
    top_left = np.where(columns <= rows, 0, -np.inf).astype("float32")
    np.testing.assert_allclose(
        reference(q, k, v, bias=top_left)[0], keras_causal, rtol=1e-5, atol=1e-6
    )
    bottom_right = np.where(columns <= rows + S - T, 0, -np.inf).astype("float32")
    np.testing.assert_allclose(
        reference(q, k, v, bias=bottom_right)[0],
        reference(q, k, v, causal=True)[0],
        rtol=1e-5,
        atol=1e-6,
    )
    square = formula.inputs(S, S, G=formula.H)
    np.testing.assert_allclose(
        reference(*square, causal=True)[0],
        keras.ops.dot_product_attention(*square, is_causal=True),
        rtol=1e-5,
        atol=1e-6,
    )


# Random bits

# From the authors' Random123: rounds, counter, key, result.
KNOWN = """
7 00000000 00000000 00000000 00000000 00000000 00000000 5f6fb709 0d893f64 4f121f81 4f730a48
7 ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 5207ddc2 45165e59 4d8ee751 8c52f662
7 243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 4dfccaba 190a87f0 c47362ba b6b5242a
10 00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8
10 243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1
"""


@pytest.mark.parametrize("line", KNOWN.strip().splitlines())
def test_philox_gives_the_known_answers(line):
    rounds, *words = line.split()
    rounds, words = int(rounds), [int(word, 16) for word in words]
    counter, key, wanted = words[:4], words[4:6], words[6:]
    assert formula.philox(counter, key, rounds) == wanted
    tensors = [keras.ops.convert_to_tensor(np.uint32(word)) for word in words]
    got = philox(tensors[:4], tensors[4:6], rounds)
    assert [int(word) for word in got] == wanted


@pytest.mark.parametrize("jit", [False, True])
def test_dropout_bits_are_those_of_each_weight(jit):
    rows, T, S = 3, 5, 131  # more keys than two blocks
    number = 0x123456789ABCDEF0
    seed = tf.constant([number & 0xFFFFFFFF, number >> 32], tf.uint32)
    wanted = [
        formula.dropout_bits_of(number, *place) for place in np.ndindex(rows, T, S)
    ]

    @tf.function(jit_compile=jit)
    def both(seed):
        places = [np.arange(n, dtype="int32") for n in (rows, T, S)]
        row, query, key = (tf.constant(x) for x in places)
        at = dropout_bits_at(seed, row[:, None, None], query[:, None], key)
        return dropout_bits(seed, rows, T, S), at

    for bits in both(seed):
        np.testing.assert_array_equal(np.ravel(bits), wanted)


def test_dropout_drops_its_share_and_keeps_the_mean():
    seed = keras.ops.convert_to_tensor(np.array([1, 2], "uint32"))
    bits = np.asarray(dropout_bits(seed, 4, 100, 1000))
    for rate in (0.1, 0.5, 0.9):
        share = (bits < dropout_threshold(rate)).mean()
        assert abs(share - rate) < 5 * np.sqrt(rate * (1 - rate) / bits.size)
    assert dropout_threshold(0) == 0
    assert dropout_threshold(2**-16) == 1
    assert dropout_threshold(0.99999999) == 65536
