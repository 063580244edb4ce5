"""The compiled `add_norm`, and its gradients of any order."""

import tensorflow as tf

from keras_nlp_lite.ops import library
from keras_nlp_lite.ops.formulas import add_norm_formula, dropped

_LISTS = ("residual", "bias", "beta", "seed")  # inputs that may be missing
_ZEROS = ("Const", "Fill", "ZerosLike")


def fused_add_norm(
    x, gamma, beta, *, residual, bias, epsilon, dropout, seed, return_sum
):
    """`add_norm_formula`, compiled; the library must be there.

    `gamma`, `beta` and `bias` are float32. Without `return_sum`, s is for the gradient
    alone.
    """
    y, s, _, _ = library.load().knl_add_norm(
        x=x,
        residual=_list(residual),
        bias=_list(bias),
        gamma=gamma,
        beta=_list(beta),
        seed=_list(seed),
        epsilon=epsilon,
        dropout=dropout,
        return_sum=return_sum,
    )
    return y, s


def _list(x):
    return [] if x is None else [x]


@tf.RegisterGradient("KnlAddNorm")
def _gradient(op, dy, dsum, *_):
    n = {name: op.get_attr(f"n_{name}") for name in _LISTS}
    gamma = op.inputs[1 + n["residual"] + n["bias"]]
    seed = list(op.inputs[-1:]) if n["seed"] else []
    dropout = op.get_attr("dropout")
    _, s, mean, rstd = op.outputs
    dx, dresidual, dbias, dgamma, dbeta = library.loaded().knl_add_norm_grad(
        dy=dy,
        dsum=[dsum] if op.get_attr("return_sum") or not _is_zero(dsum) else [],
        sum=s,
        mean=mean,
        rstd=rstd,
        gamma=gamma,
        seed=seed,
        epsilon=op.get_attr("epsilon"),
        dropout=dropout,
        n_residual=n["residual"] if dropout else 0,
        n_bias=n["bias"],
        n_beta=n["beta"],
    )
    if n["residual"] and not dropout:
        dresidual = [dx]
    return [dx, *dresidual, *dbias, dgamma, *dbeta, *[None for _ in seed]]


def _is_zero(dsum):
    """Whether a graph filled in zeros, since nothing depends on the sum.

    One that was not returned gets a gradient from second derivatives only. Eager tapes,
    which hand on zeros as any other tensor, keep them for all calls of a shape.
    """
    return tf.is_symbolic_tensor(dsum) and dsum.op.type in _ZEROS


@tf.RegisterGradient("KnlAddNormGrad")
def _second_gradient(op, *upstream):
    """Through the formula; mean and rstd are functions of the sum there, so their share
    is in its gradient."""
    n_dsum, n_seed = op.get_attr("n_dsum"), op.get_attr("n_seed")
    dy, *dsum = op.inputs[: 1 + n_dsum]
    s, _, _, gamma = op.inputs[1 + n_dsum : 5 + n_dsum]
    seed = op.inputs[-1] if n_seed else None
    inputs = [dy, *dsum, s, gamma]
    with tf.GradientTape() as outer:
        outer.watch(inputs)
        first = _first(op, dy, dsum, s, gamma, seed)
    by_dy, *by_dsum, by_s, by_gamma = outer.gradient(
        first, inputs, list(upstream), tf.UnconnectedGradients.ZERO
    )
    return [by_dy, *by_dsum, by_s, None, None, by_gamma, *[None] * n_seed]


def _first(op, dy, dsum, s, gamma, seed):
    """The op's outputs, by the formula."""
    with tf.GradientTape() as tape:
        tape.watch([s, gamma])
        y, _ = add_norm_formula(
            s,
            gamma,
            None,
            residual=None,
            bias=None,
            epsilon=op.get_attr("epsilon"),
            dropout=0.0,
            seed=None,
        )
    ds, dgamma = tape.gradient(y, [s, gamma], dy)
    ds = tf.add_n([ds, *dsum])
    dropout, dx = op.get_attr("dropout"), ds
    if dropout:
        dx = tf.cast(dropped(tf.cast(ds, tf.float32), dropout, seed), ds.dtype)
    return [
        dx,
        *[ds] * op.get_attr("n_residual"),
        *[_over_rows(dx)] * op.get_attr("n_bias"),
        dgamma,
        *[_over_rows(dy)] * op.get_attr("n_beta"),
    ]


def _over_rows(x):
    return tf.reduce_sum(tf.cast(x, tf.float32), axis=list(range(x.shape.rank - 1)))
