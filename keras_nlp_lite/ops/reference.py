"""Attention as its formula says: the specification of every faster one.

It stores the queries x keys scores, so it is for small inputs, for devices and dtypes
without a compiled kernel, and to hold compiled kernels to.
"""

from functools import reduce
from typing import Any, NamedTuple

import keras

from keras_nlp_lite.ops.philox import (
    dropout_bits,
    dropout_bits_at,
    dropout_threshold,
)

MOST_BIAS = 1e4  # in size, of what is finite


def reference_attention(
    q,
    k,
    v,
    *,
    scale,
    splits=None,
    keep=None,
    segments=None,
    bias=None,
    slopes=None,
    window=(None, None),
    soft_cap=None,
    dropout=0.0,
    seed=None,
):
    """softmax(scale * q k^T + bias) v, over the keys that each query sees.

    Shapes: B batch, T queries, S keys, H heads, G key/value heads (query head h reads
    key/value head h // (H / G)), D width. A score is made in this order: scale, soft
    cap, bias, ALiBi, masks. Query i stands at position i + S - T, so that the last
    query sees the last key.

    Args:
        q: float [B, T, H, D]; with `splits`, [total queries, H, D].
        k, v: float [B, S, G, D]; with `splits`, [total keys, G, D].
        scale: Of q k^T.
        splits: Two int [B + 1]: where the sequences of packed queries, and of packed
            keys, begin and end.
        keep: bool [B, S], False at keys that nobody sees.
        segments: Two int, [B, T] and [B, S]: a query sees its own segment only.
        bias: float [1|B, 1|H, T, S]; -infinity hides a key.
        slopes: float [H]; slope * |position - key| is subtracted. Not learned.
        window: How many keys before and after its position a query sees; None: all.
        soft_cap: c; a score becomes c tanh(score / c).
        dropout: Share of weights dropped, in steps of 2^-16; the rest grow.
        seed: uint32 [2], says which are dropped.

    Returns:
        The output, in q's shape and dtype, and the log-sum-exp of the scores, float32
        [B, T, H] or [total queries, H] (float64 if q is). A query that sees no key
        gets zeros, -infinity, and zero gradients. Sums run in float32, or float64.
    """
    dtype, H = q.dtype, q.shape[-2]
    compute = "float64" if keras.backend.standardize_dtype(dtype) == "float64" else None
    q, k, v, bias, slopes = (
        x if x is None else keras.ops.cast(x, compute or "float32")
        for x in (q, k, v, bias, slopes)
    )
    if splits is not None:
        q, k, v = q[None], k[None], v[None]
    k, v = (keras.ops.repeat(x, H // x.shape[-2], axis=-2) for x in (k, v))
    places = _places(q, k, splits)
    distance = places.key - places.position[:, None]  # int [T, S]

    score = keras.ops.einsum("bthd,bshd->bhts", q, k) * scale
    if soft_cap is not None:
        score = soft_cap * keras.ops.tanh(score / soft_cap)
    if bias is not None:
        score = score + _limited(bias)
    if slopes is not None:
        slopes = keras.ops.stop_gradient(slopes)[:, None, None]
        score = score - slopes * keras.ops.cast(keras.ops.abs(distance), slopes.dtype)
    seen = _seen(distance, places.together, window, keep, segments)
    if seen is not None:
        score = keras.ops.where(seen, score, float("-inf"))

    weights, lse = _softmax(score)  # [B, H, T, S], [B, H, T]
    if dropout:
        weights = _drop(weights, dropout, seed, places)
    out = keras.ops.cast(keras.ops.einsum("bhts,bshd->bthd", weights, v), dtype)
    lse = keras.ops.transpose(lse, (0, 2, 1))
    return (out, lse) if splits is None else (out[0], lse[0])


class _Places(NamedTuple):
    """Where each query and key stands in its own sequence, int32 [T] or [S]."""

    query: Any  # counted from 0
    key: Any
    position: Any  # of the query, among its keys
    sequence: Any = None  # of the query, if several are packed
    together: Any = None  # bool [T, S], whether query and key are of one sequence


def _places(q, k, splits):
    query, key = (
        keras.ops.arange(keras.ops.shape(x)[1], dtype="int32") for x in (q, k)
    )
    if splits is None:
        return _Places(
            query, key, query + (keras.ops.shape(k)[1] - keras.ops.shape(q)[1])
        )
    query_splits, key_splits = (keras.ops.cast(x, "int32") for x in splits)
    query_sequence, key_sequence = (
        keras.ops.sum(keras.ops.cast(x[:, None] >= ends[1:], "int32"), axis=1)
        for x, ends in ((query, query_splits), (key, key_splits))
    )
    query = query - keras.ops.take(query_splits, query_sequence)
    key = key - keras.ops.take(key_splits, key_sequence)
    behind = keras.ops.diff(key_splits) - keras.ops.diff(query_splits)
    return _Places(
        query,
        key,
        query + keras.ops.take(behind, query_sequence),
        query_sequence,
        query_sequence[:, None] == key_sequence,
    )


def _seen(distance, together, window, keep, segments):
    """bool, broadcasts to [B, H, T, S]; None if every query sees every key."""
    left, right = window
    conditions = []
    if together is not None:
        conditions.append(together)
    if left is not None:
        conditions.append(distance >= -left)
    if right is not None:
        conditions.append(distance <= right)
    if keep is not None:
        conditions.append(keep[:, None, None, :])
    if segments is not None:
        of_query, of_key = segments
        conditions.append(of_query[:, None, :, None] == of_key[:, None, None, :])
    return reduce(keras.ops.logical_and, conditions) if conditions else None


def _limited(bias):
    """The bias, a finite one at most 1e4 in size: in a row of nothing but -1e9, as masks
    are often made, a float could not tell the log-sum-exp from the bias."""
    limited = keras.ops.where(
        bias > float("-inf"), keras.ops.clip(bias, -MOST_BIAS, MOST_BIAS), bias
    )
    # The gradient is the bias's own: inside the limits the same, outside of no account.
    same = limited == bias
    return keras.ops.where(same, bias, keras.ops.stop_gradient(limited))


def _softmax(score):
    """Softmax and log-sum-exp over the last axis, where nothing may be finite."""
    # Of what is subtracted no gradient is wanted: the result does not depend on it.
    top = keras.ops.max(keras.ops.stop_gradient(score), axis=-1, initial=float("-inf"))
    top = keras.ops.where(top > float("-inf"), top, 0.0)
    weights = keras.ops.exp(score - top[..., None])
    total = keras.ops.sum(weights, axis=-1)
    some = total > 0
    # Divided by 1, not 0: a gradient of NaN times zero would be NaN.
    total = keras.ops.where(some, total, 1.0)
    lse = keras.ops.where(some, keras.ops.log(total) + top, float("-inf"))
    return weights / total[..., None], lse


def _drop(weights, rate, seed, places):
    threshold = dropout_threshold(rate)
    B, H, T, S = keras.ops.shape(weights)
    if places.sequence is None:
        bits = keras.ops.reshape(dropout_bits(seed, B * H, T, S), (B, H, T, S))
    else:
        row = (
            places.sequence * H + keras.ops.arange(H, dtype="int32")[:, None]
        )  # [H, T]
        bits = dropout_bits_at(seed, row[..., None], places.query[:, None], places.key)
    growth = 65536 / (65536 - threshold)
    return keras.ops.where(bits >= threshold, weights * growth, 0.0)
