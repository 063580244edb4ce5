"""The compiled attention, and its gradients of any order."""

import tensorflow as tf

from keras_nlp_lite.ops import library
from keras_nlp_lite.ops.portable import kept_on_cpu
from keras_nlp_lite.ops.reference import reference_attention

MAX_WIDTH = 256  # of a head, for the compiled kernel
_LISTS = ("splits", "keep", "segments", "bias", "slopes", "seed")
_NUMBERS = ("scale", "soft_cap", "window_left", "window_right", "dropout")


def fused_attention(
    q,
    k,
    v,
    *,
    scale,
    splits,
    keep,
    segments,
    bias,
    slopes,
    window,
    soft_cap,
    dropout,
    seed,
):
    """`reference_attention`, compiled; the library must be there and have a kernel."""
    left, right = window
    with kept_on_cpu(q):
        return library.load().knl_attention(
            q=q,
            k=k,
            v=v,
            splits=list(splits or ()),
            keep=_list(keep),
            segments=list(segments or ()),
            bias=_list(bias),
            slopes=_list(slopes),
            seed=_list(seed),
            scale=scale,
            soft_cap=soft_cap or 0.0,
            window_left=-1 if left is None else left,
            window_right=-1 if right is None else right,
            dropout=dropout,
        )


def _list(x):
    return [] if x is None else [x]


@tf.RegisterGradient("KnlAttention")
def _gradient(op, dout, dlse):
    q, k, v, lists, _ = _parts(op)
    out, lse = op.outputs
    with kept_on_cpu(q):
        dq, dk, dv, dbias = library.loaded().knl_attention_grad(
            q, k, v, *lists.values(), out, lse, dout, dlse, **_numbers(op)
        )
    return [dq, dk, dv, *_for_lists(lists, list(dbias))]


@tf.RegisterGradient("KnlAttentionGrad")
def _second_gradient(op, *upstream):
    """Through the formula, which stores the scores; out and lse are functions of the
    other inputs there, so their share is in those inputs' gradients."""
    q, k, v, lists, (_, _, dout, dlse) = _parts(op)
    inputs = [q, k, v, *lists["bias"]]
    with tf.GradientTape() as outer:
        outer.watch([*inputs, dout, dlse])
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            outputs = reference_attention(q, k, v, **_formula(lists, _numbers(op)))
        first = inner.gradient(
            outputs, inputs, [dout, dlse], tf.UnconnectedGradients.ZERO
        )
    *by_input, by_dout, by_dlse = outer.gradient(
        first, [*inputs, dout, dlse], list(upstream), tf.UnconnectedGradients.ZERO
    )
    by_lists = _for_lists(lists, by_input[3:])
    return [*by_input[:3], *by_lists, None, None, by_dout, by_dlse]


def _parts(op):
    """q, k, v, then the optional inputs by name, and what comes behind them."""
    q, k, v, *rest = op.inputs
    lists = {}
    for name in _LISTS:
        count = op.get_attr(f"n_{name}")
        lists[name], rest = list(rest[:count]), rest[count:]
    return q, k, v, lists, rest


def _numbers(op):
    return {name: op.get_attr(name) for name in _NUMBERS}


def _for_lists(lists, dbias):
    """A gradient for each optional input: only the bias has one."""
    return [
        gradient
        for name, members in lists.items()
        for gradient in (dbias if name == "bias" else [None] * len(members))
    ]


def _formula(lists, numbers):
    """The op's inputs and attributes as arguments of the formula."""

    def one(name):
        return lists[name][0] if lists[name] else None

    left, right = numbers["window_left"], numbers["window_right"]
    return {
        "scale": numbers["scale"],
        "splits": lists["splits"] or None,
        "keep": one("keep"),
        "segments": lists["segments"] or None,
        "bias": one("bias"),
        "slopes": one("slopes"),
        "window": (None if left < 0 else left, None if right < 0 else right),
        "soft_cap": numbers["soft_cap"] or None,
        "dropout": numbers["dropout"],
        "seed": one("seed"),
    }
