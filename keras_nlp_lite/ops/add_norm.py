"""Bias, dropout, residual sum and layer norm, in one pass over memory where it can be."""

import math

import keras

from keras_nlp_lite.ops.arguments import check_dropout, seed_words
from keras_nlp_lite.ops.formulas import add_norm_formula
from keras_nlp_lite.ops.fused_add_norm import fused_add_norm
from keras_nlp_lite.ops.portable import why_not_compiled
from keras_nlp_lite.ops.recorded import Recorded
from keras_nlp_lite.ops.rows import check_per_feature, check_rows, is_symbolic, tensor
from keras_nlp_lite.ops.tracing import in_xla


def add_norm(
    x,
    gamma,
    beta=None,
    *,
    residual=None,
    bias=None,
    epsilon=1e-5,
    dropout=0.0,
    seed=None,
    return_sum=False,
):
    """Layer norm of s = residual + drop(x + bias), as a half of a Transformer block ends.

    That is y = (s - mean(s)) / sqrt(var(s) + epsilon) * gamma + beta, over the last axis.
    A compiled kernel reads and writes each array once, and so does its gradient, where
    there is one; elsewhere, and under XLA, it is the plain formula.

    Args:
        x: float [..., D].
        gamma: float [D]. It, beta and bias may be wider than x, as mixed precision keeps
            weights.
        beta: float [D].
        residual: float in x's shape; None adds nothing.
        bias: float [D], of the layer that made x.
        epsilon: Added to the variance; above 0.
        dropout: Share of x + bias that is dropped, in steps of 2^-16; the rest grow to
            make up for it. Active wherever it is not 0: layers pass 0 outside training.
        seed: Which are dropped: an integer, two in an integer tensor [2], or a
            `keras.random.SeedGenerator`, from which one is drawn. It is a function of
            (seed, row, feature), and the gradient draws it again.
        return_sum: Whether to return s, too, as blocks that norm first go on with it.

    Returns:
        y, or (y, s): float in x's shape, of the dtype of x and residual. Sums run in
        float32 (float64 for float64); s is rounded to its dtype before it is normed.

    Raises:
        ValueError: Shapes, dtypes or options that do not fit together.

    Example:

    >>> y = add_norm([[1.0, 2.0, 3.0]], [1.0, 1.0, 1.0], residual=[[0.0, 1.0, 2.0]])
    >>> print(y.numpy().round(3))
    [[-1.225  0.     1.225]]

    Reference: Ba et al., "Layer Normalization", arXiv:1607.06450.
    """
    x, gamma, beta, residual, bias = map(tensor, (x, gamma, beta, residual, bias))
    check_rows(x)
    _check_residual(residual, x)
    for name, each in (("gamma", gamma), ("beta", beta), ("bias", bias)):
        check_per_feature(name, each, x.shape[-1])
    _check_epsilon(epsilon)
    check_dropout(dropout, seed)
    if is_symbolic(x, gamma, beta, residual, bias):
        record = AddNorm(
            epsilon=epsilon, dropout=dropout, seed=seed, return_sum=return_sum
        )
        return record(x, gamma, beta, residual=residual, bias=bias)

    dtype = _dtype(x, residual)
    x, residual = (_cast(each, dtype) for each in (x, residual))
    options = {
        "residual": residual,
        "bias": bias,
        "epsilon": epsilon,
        "dropout": dropout,
        "seed": seed_words(seed) if dropout else None,
    }
    if in_xla() or why_not_compiled(x, dtype) is not None:
        y, s = add_norm_formula(x, gamma, beta, **options)
    else:
        gamma, beta = _cast(gamma, "float32"), _cast(beta, "float32")
        options["bias"] = _cast(bias, "float32")
        y, s = fused_add_norm(x, gamma, beta, **options, return_sum=return_sum)
    return (y, s) if return_sum else y


def _check_residual(residual, x):
    if residual is None:
        return
    pairs = zip(residual.shape, x.shape)
    fits = len(residual.shape) == len(x.shape)
    if not fits or any(a != b and None not in (a, b) for a, b in pairs):
        raise ValueError(
            "`residual` must have the shape of `x`. Received: "
            f"residual.shape={residual.shape}, x.shape={x.shape}."
        )


def _check_epsilon(epsilon):
    number = isinstance(epsilon, (int, float)) and not isinstance(epsilon, bool)
    if not (number and math.isfinite(epsilon) and epsilon > 0):
        raise ValueError(
            "`epsilon` must be a positive number. Received: "
            f"epsilon={epsilon!r}. Try 1e-5."
        )


def _dtype(x, residual):
    if residual is None:
        return keras.backend.standardize_dtype(x.dtype)
    return keras.backend.result_type(x.dtype, residual.dtype)


def _cast(x, dtype):
    return x if x is None else keras.ops.cast(x, dtype)


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class AddNorm(Recorded):
    """`add_norm` as functional models record it."""

    def call(self, x, gamma, beta=None, *, residual=None, bias=None):
        return add_norm(x, gamma, beta, residual=residual, bias=bias, **self.options)

    def compute_output_spec(self, x, gamma, beta=None, *, residual=None, bias=None):
        y = keras.KerasTensor(x.shape, dtype=_dtype(x, residual))
        if not self.options["return_sum"]:
            return y
        return y, keras.KerasTensor(y.shape, dtype=y.dtype)
