"""Attention of new tokens to a cache of the keys and values before them."""

import math

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive, check_positive_int
from keras_nlp_lite.ops import library
from keras_nlp_lite.ops.formulas import full_dtype
from keras_nlp_lite.ops.fused import MAX_WIDTH
from keras_nlp_lite.ops.fused_cached_attention import fused_cached_attention
from keras_nlp_lite.ops.portable import DTYPES, why_not_compiled
from keras_nlp_lite.ops.reference import reference_attention
from keras_nlp_lite.ops.tracing import in_xla

_AXES = {
    "q": "R T H D",
    "k": "R T G D",
    "v": "R T G D",
    "cache": "R 2 S G D",
    "index": "",
    "starts": "R",
    "ancestors": "R S",
    "alibi_slopes": "H",
}


def cached_attention(
    q,
    k,
    v,
    cache,
    index,
    *,
    starts=None,
    ancestors=None,
    beams=1,
    scale=None,
    window=None,
    soft_cap=None,
    alibi_slopes=None,
):
    """Writes new keys and values into a cache, and lets new queries attend to it.

    Query i stands at column `index + i` and sees the columns up to its own. It is
    softmax(scale * q k^T) v over these, as in `attention`, in float32. A compiled kernel
    reads the cache where it lies, and writes to it in place where nobody else holds it,
    as in a loop whose variable it is; elsewhere, and under XLA, it is the plain formula.

    Shapes: R rows, T new tokens, S columns, H heads, G key/value heads, D width of a head.

    Args:
        q: float [R, T, H, D].
        k, v: float [R, T, G, D]. G divides H; query head h reads key/value head
            h // (H / G).
        cache: float [R, 2, S, G, D], keys and values; of any dtype: what is written is
            cast to it.
        index: int scalar, the column of the first new token; index + T is at most S.
        starts: int [R], the column at which a row begins; none before it is seen.
        ancestors: int [R, S], for rows that are beams: the number of the beam, in the
            same item, whose row of the cache holds a column before `index` of this row.
        beams: How many rows, one after the other, are beams of an item. Divides R.
        scale: Of q k^T; 1 / sqrt(D) by default.
        window: How many columns a query sees before its own; all by default.
        soft_cap: c; a score becomes c tanh(score / c).
        alibi_slopes: float [H]; slope * distance is subtracted from a score.

    Returns:
        (out, cache): float [R, T, H, D] in q's dtype, zeros for a query that sees no
        column; and the cache with the new columns. The one that came in is as before,
        for whoever still holds it. There is no gradient: a cache is for answers.

    Raises:
        ValueError: Shapes or options that do not fit together; or, where `index` is
            known, new tokens that do not fit into the cache.

    Example:

    >>> q, k, v = keras.random.normal((3, 2, 1, 4, 8), seed=0)
    >>> cache = keras.ops.zeros((2, 2, 16, 4, 8))
    >>> out, cache = cached_attention(q, k, v, cache, index=0)
    >>> bool(keras.ops.all(out == v))  # the first token sees itself alone
    True

    Reference: Dao et al., "Flash-Decoding for long-context inference", 2023.
    """
    q, k, v, cache = map(keras.ops.convert_to_tensor, (q, k, v, cache))
    if alibi_slopes is not None:
        alibi_slopes = keras.ops.cast(alibi_slopes, full_dtype(q))
    starts, ancestors, index = map(_int32, (starts, ancestors, index))
    _check_shapes(
        q=q,
        k=k,
        v=v,
        cache=cache,
        index=index,
        starts=starts,
        ancestors=ancestors,
        alibi_slopes=alibi_slopes,
    )
    _check_numbers(
        q.shape[0], beams=beams, scale=scale, window=window, soft_cap=soft_cap
    )
    _check_room(q, cache, index)
    options = {
        "starts": starts,
        "ancestors": ancestors,
        "beams": beams,
        "scale": 1 / math.sqrt(q.shape[-1]) if scale is None else scale,
        "window": window,
        "soft_cap": soft_cap,
        "slopes": alibi_slopes,
    }
    if _why_formula(q, cache) is not None:
        return cached_attention_formula(q, k, v, cache, index, **options)
    k, v = (keras.ops.cast(x, q.dtype) for x in (k, v))
    return fused_cached_attention(q, k, v, cache, index, **options)


def cached_attention_formula(
    q, k, v, cache, index, *, starts, ancestors, beams, scale, window, soft_cap, slopes
):
    """`cached_attention`, of checked tensors, as its formula says."""
    new = keras.ops.cast(keras.ops.stack([k, v], axis=1), cache.dtype)
    cache = keras.ops.slice_update(cache, (0, 0, index, 0, 0), new)
    keys, values = _seen_from(cache, index, ancestors, beams)
    T, S = keras.ops.shape(q)[1], keras.ops.shape(cache)[2]
    column = keras.ops.arange(S, dtype="int32")
    own = index + keras.ops.arange(T, dtype="int32")
    distance = own[:, None] - column  # int [T, S]
    seen = distance >= 0
    if window is not None:
        seen = keras.ops.logical_and(seen, distance <= window)
    seen = seen[None, None]  # [1, 1, T, S]
    if starts is not None:
        begun = column >= starts[:, None, None, None]
        seen = keras.ops.logical_and(seen, begun)  # [R, 1, T, S]
    bias = 0.0
    if slopes is not None:
        bias = -slopes[:, None, None] * keras.ops.cast(distance, slopes.dtype)
    bias = keras.ops.where(seen, bias, float("-inf"))
    out, _ = reference_attention(
        q, keys, values, scale=scale, bias=bias, soft_cap=soft_cap
    )
    return out, cache


def _seen_from(cache, index, ancestors, beams):
    """Keys and values as each row sees them: two [R, S, G, D]."""
    if ancestors is None:
        return cache[:, 0], cache[:, 1]
    R, _, S, G, D = keras.ops.shape(cache)
    row = keras.ops.arange(R, dtype="int32")[:, None]
    column = keras.ops.arange(S, dtype="int32")
    row = keras.ops.where(column < index, row // beams * beams + ancestors, row)
    flat = keras.ops.reshape(cache, (-1, G, D))
    # Of key j of a row; its value lies S further.
    at = row * 2 * S + column  # [R, S]
    return keras.ops.take(flat, at, axis=0), keras.ops.take(flat, at + S, axis=0)


def _why_formula(q, cache):
    """None if the compiled op can serve, else why not, as the end of a sentence."""
    if in_xla():
        return "XLA has no compiled kernel for it"
    if keras.backend.standardize_dtype(cache.dtype) not in DTYPES:
        return "compiled caches are float16, bfloat16 and float32"
    if q.shape[-1] > MAX_WIDTH:
        return f"heads are {q.shape[-1]} wide, of at most {MAX_WIDTH} compiled"
    dtype = keras.backend.standardize_dtype(q.dtype)
    return why_not_compiled(
        q, dtype, lambda: library.why_not_on_gpu(dtype, q.shape[-1])
    )


def _int32(x):
    return x if x is None else keras.ops.cast(x, "int32")


# Refusals


def _check_shapes(**given):
    """Refuses what does not fit together; sizes that are not static are not looked at."""
    sizes = {}
    for name, x in given.items():
        axes = _AXES[name].split()
        if x is None:
            continue
        wanted = ", ".join(
            f"{axis}={sizes[axis]}" if axis in sizes else axis for axis in axes
        )
        shape = tuple(x.shape)
        if len(shape) != len(axes) or not all(
            size is None or size == (2 if axis == "2" else sizes.setdefault(axis, size))
            for axis, size in zip(axes, shape)
        ):
            raise ValueError(
                f"`{name}` must have shape [{wanted}]. Received: {name}.shape={shape}."
            )
    if None in (sizes.get("H"), sizes.get("G"), sizes.get("D")) or (
        sizes["H"] % sizes["G"]
    ):
        raise ValueError(
            "The numbers of heads and their width must be static, and the heads of `q` "
            "split evenly over those of `k` and `v`. Received: "
            f"q.shape={tuple(given['q'].shape)}, k.shape={tuple(given['k'].shape)}."
        )


def _check_numbers(R, *, beams, scale, window, soft_cap):
    for name, x in (("scale", scale), ("soft_cap", soft_cap)):
        if x is not None:
            check_positive(name, x)
    if window is not None and (
        isinstance(window, bool) or not isinstance(window, int) or window < 0
    ):
        raise ValueError(
            "`window` must count the columns to see before a query's own: an integer of "
            f"at least 0, or None for all. Received: window={window!r}."
        )
    check_positive_int("beams", beams)
    if R is not None and R % beams:
        raise ValueError(
            f"`beams` must divide the rows. Received: beams={beams}, {R} rows."
        )


def _check_room(q, cache, index):
    """Refuses new tokens that the cache has no columns for, as far as that is known."""
    first, T, S = tf.get_static_value(index), q.shape[1], cache.shape[2]
    if None in (first, T, S) or 0 <= first <= S - T:
        return
    raise ValueError(
        f"New tokens must fit into the cache. Received: {T} tokens from column {first} "
        f"on, {S} columns. Try a longer cache."
    )
