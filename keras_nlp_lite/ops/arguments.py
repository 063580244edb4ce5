"""What attention is asked to do: checked, and brought into the one form that the
compiled kernel and the reference formula share."""

import math

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_fraction
from keras_nlp_lite.ops.philox import dropout_threshold

FLOATS = ("float16", "bfloat16", "float32", "float64")
_WHOLE = (
    "key_lengths",
    "segment_ids",
    "key_segment_ids",
    "row_splits",
    "key_row_splits",
)  # numbers
TENSORS = ("padding_mask", *_WHOLE, "bias", "alibi_slopes")


def tensors(q, k, v, options):
    """q, k, v of one dtype, and the options with tensors instead of arrays.

    Symbolic tensors stay as they are.
    """
    q, k, v = (_tensor(x) for x in (q, k, v))
    dtype = keras.backend.result_type(q.dtype, k.dtype, v.dtype)
    if dtype not in FLOATS:
        raise ValueError(
            "`q`, `k` and `v` must be of floats. Received: "
            f"q.dtype={q.dtype}, k.dtype={k.dtype}, v.dtype={v.dtype}."
        )
    q, k, v = (x if _symbolic(x) else keras.ops.cast(x, dtype) for x in (q, k, v))
    options = {
        name: _tensor(x) if name in TENSORS and x is not None else x
        for name, x in options.items()
    }
    return q, k, v, options


def check(q, k, v, options):
    """Refuses what does not fit together, in one sentence.

    Args:
        q, k, v: Tensors, symbolic ones too.
        options: The other arguments of `attention`, by name.

    Raises:
        ValueError: Something does not fit; sizes that are not static are not looked at.
    """
    packed = options["row_splits"] is not None
    _check_dtypes(options)
    _check_shapes(q, k, v, packed)
    _check_packing(options)
    _check_pair("row_splits", options, q.shape[-3], k.shape[-3])
    _check_pair("segment_ids", options, q.shape[-3], k.shape[-3])
    B, T = (None, None) if packed else q.shape[:2]
    S, H = (None if packed else k.shape[1]), q.shape[-2]
    if options["padding_mask"] is not None and options["key_lengths"] is not None:
        raise ValueError(
            "`padding_mask` and `key_lengths` say the same. Received: both. Try one."
        )
    _check_shape(
        *("padding_mask", options["padding_mask"], "[batch, keys]", (B, S)),
        hint=" What only some queries may not see is a `bias` of -infinity.",
    )
    _check_shape("key_lengths", options["key_lengths"], "[batch]", (B,))
    _check_shape("segment_ids", options["segment_ids"], "[batch, queries]", (B, T))
    _check_shape("key_segment_ids", options["key_segment_ids"], "[batch, keys]", (B, S))
    _check_bias(options["bias"], (B, H, T, S))
    _check_shape("alibi_slopes", options["alibi_slopes"], "[heads]", (H,))
    _check_numbers(options)


def normal_form(q, k, v, options):
    """The arguments of `reference_attention`, from checked tensors."""
    return {
        "q": q,
        "k": k,
        "v": v,
        "scale": options["scale"] or 1 / math.sqrt(q.shape[-1]),
        "splits": _pair(options["row_splits"], options["key_row_splits"], "int64"),
        "keep": _keep(options["padding_mask"], options["key_lengths"], k),
        "segments": _pair(options["segment_ids"], options["key_segment_ids"], "int32"),
        "bias": _bias(options["bias"], q, k),
        "slopes": _cast(options["alibi_slopes"], _full(q)),
        "window": _window(options["window"], options["causal"]),
        "soft_cap": options["soft_cap"],
        "dropout": options["dropout"],
        "seed": seed_words(options["seed"]) if options["dropout"] else None,
    }


# For other functions, too


def check_dropout(dropout, seed):
    """Refuses a share that leaves nothing, or that nothing says which to drop for."""
    check_fraction("dropout", dropout)
    if dropout_threshold(dropout) == 65536:
        raise ValueError(
            "`dropout` must leave something. Received: "
            f"dropout={dropout}. Try at most 0.9999."
        )
    if dropout and seed is None:
        raise ValueError(
            "`dropout` needs a `seed`. Received: "
            f"dropout={dropout}, seed=None. Try a keras.random."
            "SeedGenerator, which gives another seed at each call."
        )


def seed_words(seed):
    """uint32 [2], drawn if `seed` is a generator."""
    if isinstance(seed, keras.random.SeedGenerator):
        seed = seed.next()
    if isinstance(seed, (int, np.integer)):
        seed = int(seed)
        words = [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF]
        return keras.ops.convert_to_tensor(np.array(words, "uint32"))
    seed = keras.ops.convert_to_tensor(seed)
    if not _fits(tuple(seed.shape), (2,)) or "int" not in str(seed.dtype):
        raise ValueError(
            "`seed` must be an integer, two of them in a tensor, or a keras.random."
            f"SeedGenerator. Received: seed of {seed.dtype}, shape={seed.shape}."
        )
    return keras.ops.cast(seed, "uint32")


# Refusals


def _check_dtypes(options):
    """Refuses what a cast would change beyond recognition."""
    mask, bias = options["padding_mask"], options["bias"]
    if mask is not None and _kind(mask) == "float":
        raise ValueError(
            "`padding_mask` must be of bool, True at keys to see. Received: "
            f"padding_mask.dtype={_dtype(mask)}. Try `bias` for what is added to scores."
        )
    if bias is not None and _kind(bias) == "bool":
        raise ValueError(
            "`bias` must be of floats, which are added to scores. Received: "
            "bias.dtype=bool. Try keras.ops.where(mask, 0.0, -numpy.inf)."
        )
    for name in _WHOLE:
        x = options[name]
        if x is not None and _kind(x) != "int":
            raise ValueError(
                f"`{name}` must be of integers. Received: {name}.dtype={_dtype(x)}."
            )


def _check_shapes(q, k, v, packed):
    wanted = "[total, heads, width]" if packed else "[batch, tokens, heads, width]"
    shapes = f"q.shape={q.shape}, k.shape={k.shape}, v.shape={v.shape}"
    rank = 3 if packed else 4
    if any(len(x.shape) != rank for x in (q, k, v)):
        packing = "with" if packed else "without"
        raise ValueError(
            f"`q`, `k` and `v` must have shape {wanted} {packing} `row_splits`. "
            f"Received: {shapes}."
        )
    q, k, v = (tuple(x.shape) for x in (q, k, v))
    if not _fits(k, v) or not _fits(q[-1:], k[-1:]) or not _fits(q[:-3], k[:-3]):
        raise ValueError(
            "`k` and `v` must have one shape, and the batch and width of `q`. "
            f"Received: {shapes}."
        )
    if None in (*q[-2:], *k[-2:]) or 0 in (*q[-2:], *k[-2:]):
        raise ValueError(
            "The numbers of heads and their width must be static, and at least 1. "
            f"Received: {shapes}."
        )
    if q[-2] % k[-2]:
        raise ValueError(
            "The heads of `q` must split evenly over those of `k` and `v`. "
            f"Received: {q[-2]} and {k[-2]} heads, {shapes}."
        )


def _check_packing(options):
    splits, key_splits = options["row_splits"], options["key_row_splits"]
    if splits is None:
        return
    for name in ("padding_mask", "key_lengths", "segment_ids", "bias"):
        if options[name] is not None:
            raise ValueError(
                f"`row_splits` and `{name}` exclude each other: packed sequences have "
                f"no padding and see nobody else. Received: both. Try without `{name}`."
            )
    _check_shape("row_splits", splits, "[batch + 1]", (None,))
    _check_shape("key_row_splits", key_splits, "[batch + 1]", tuple(splits.shape))


def _check_pair(name, options, T, S):
    """Of an argument and its twin for keys."""
    of_queries, of_keys = options[name], options[f"key_{name}"]
    if of_queries is None and of_keys is not None:
        raise ValueError(
            f"`key_{name}` needs `{name}`. Received: `key_{name}` alone. "
            "Try both, for queries and keys."
        )
    if of_queries is not None and of_keys is None and not _fits((T,), (S,)):
        raise ValueError(
            f"`{name}` alone is for as many queries as keys. Received: "
            f"{T} queries, {S} keys. Try `key_{name}`, too."
        )


def _check_bias(bias, scores):
    if bias is None:
        return
    shape = tuple(bias.shape)
    wanted = scores[4 - len(shape) :] if len(shape) in (2, 3, 4) else None
    if wanted is None or not _fits([None if n == 1 else n for n in shape], wanted):
        raise ValueError(
            "`bias` must broadcast to [batch, heads, queries, keys]. Received: "
            f"bias.shape={bias.shape} for [{', '.join(map(str, scores))}]."
        )


def _check_numbers(options):
    window = options["window"]
    sides = window if isinstance(window, (tuple, list)) else (window, window)
    if len(sides) != 2 or any(
        isinstance(n, bool)
        or not isinstance(n, (int, np.integer, type(None)))
        or (n is not None and n < 0)
        for n in sides
    ):
        raise ValueError(
            "`window` must count the keys to see on either side: an integer of at "
            "least 0, or a pair (left, right), None for all. Received: "
            f"window={window!r}."
        )
    for name in ("soft_cap", "scale"):
        x = options[name]
        if x is not None and not (_real(x) and math.isfinite(x) and x > 0):
            raise ValueError(
                f"`{name}` must be a positive number, or None. Received: {name}={x!r}."
            )
    if not isinstance(options["causal"], (int, np.bool_)):
        raise ValueError(
            f"`causal` must be True or False. Received: causal={options['causal']!r}."
        )
    check_dropout(options["dropout"], options["seed"])


def _check_shape(name, x, words, wanted, hint=""):
    if x is not None and not _fits(tuple(x.shape), wanted):
        sizes = ", ".join("?" if n is None else str(n) for n in wanted)
        raise ValueError(
            f"`{name}` must have shape {words}, here [{sizes}]. "
            f"Received: {name}.shape={x.shape}.{hint}"
        )


def _fits(shape, wanted):
    return len(shape) == len(wanted) and all(
        a == b or a is None or b is None for a, b in zip(shape, wanted)
    )


# The normal form


def _pair(of_queries, of_keys, dtype):
    if of_queries is None:
        return None
    of_queries = keras.ops.cast(of_queries, dtype)
    if of_keys is None:
        return of_queries, of_queries
    return of_queries, keras.ops.cast(of_keys, dtype)


def _keep(padding_mask, key_lengths, k):
    if key_lengths is None:
        return _cast(padding_mask, "bool")
    keys = keras.ops.arange(keras.ops.shape(k)[1], dtype="int32")
    return keys < keras.ops.cast(key_lengths, "int32")[:, None]


def _bias(bias, q, k):
    """float32, or q's float64, [1|B, 1|H, T, S]"""
    if bias is None:
        return None
    bias = keras.ops.cast(bias, _full(q))
    bias = keras.ops.reshape(
        bias, (1,) * (4 - len(bias.shape)) + tuple(keras.ops.shape(bias))
    )
    wanted = q.shape[1], k.shape[1]
    if any(n == 1 != m for n, m in zip(bias.shape[2:], wanted)):
        scores = keras.ops.shape(q)[1], keras.ops.shape(k)[1]
        bias = keras.ops.broadcast_to(bias, (*keras.ops.shape(bias)[:2], *scores))
    return bias


def _window(window, causal):
    sides = window if isinstance(window, (tuple, list)) else (window, window)
    # No sequence is as long as what an int32 holds.
    left, right = (n if n is None or n < 2**31 - 1 else None for n in sides)
    return left, (0 if causal else right)


def _full(q):
    """The dtype in which sums run."""
    is_double = keras.backend.standardize_dtype(q.dtype) == "float64"
    return "float64" if is_double else "float32"


def _cast(x, dtype):
    return x if x is None else keras.ops.cast(x, dtype)


def _tensor(x):
    if isinstance(x, tf.RaggedTensor):
        raise ValueError(
            "Rows of any length are given by their parts. Received: a RaggedTensor. "
            "Try `x.values`, with row_splits=x.row_splits."
        )
    return x if _symbolic(x) else keras.ops.convert_to_tensor(x)


def _kind(x):
    """ "bool", "int" or "float" """
    dtype = _dtype(x)
    return "float" if "float" in dtype else "int" if "int" in dtype else "bool"


def _dtype(x):
    return keras.backend.standardize_dtype(x.dtype)


def _symbolic(x):
    return isinstance(x, keras.KerasTensor)


def _real(x):
    return isinstance(x, (int, float, np.number)) and not isinstance(x, bool)
