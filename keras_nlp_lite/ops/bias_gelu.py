"""Bias and GELU, in one pass over memory where it can be."""

import keras

from keras_nlp_lite.ops.formulas import bias_gelu_formula
from keras_nlp_lite.ops.fused_bias_gelu import fused_bias_gelu
from keras_nlp_lite.ops.portable import why_not_compiled
from keras_nlp_lite.ops.recorded import Recorded
from keras_nlp_lite.ops.rows import check_per_feature, check_rows, is_symbolic, tensor
from keras_nlp_lite.ops.tracing import in_xla


def bias_gelu(x, bias=None, *, approximate=False):
    """gelu(x + bias), as the widening half of a feed-forward ends.

    A compiled kernel reads x once and writes once, and so does its gradient, where there
    is one; elsewhere, and under XLA, it is the plain formula.

    Args:
        x: float [..., D].
        bias: float [D]; may be wider than x, as mixed precision keeps weights.
        approximate: Whether to take the tanh formula, which is off by at most 5e-4.

    Returns:
        Float in x's shape and dtype; arithmetic is in float32 (float64 for float64).

    Raises:
        ValueError: Shapes or dtypes that do not fit.

    Example:

    >>> print(bias_gelu([[-1.0, 0.0, 1.0]], [0.0, 1.0, 1.0]).numpy().round(3))
    [[-0.159  0.841  1.954]]

    Reference: Hendrycks & Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415.
    """
    x, bias = tensor(x), tensor(bias)
    check_rows(x)
    check_per_feature("bias", bias, x.shape[-1])
    if is_symbolic(x, bias):
        return BiasGelu(approximate=approximate)(x, bias)
    dtype = keras.backend.standardize_dtype(x.dtype)
    if in_xla() or why_not_compiled(x, dtype) is not None:
        return bias_gelu_formula(x, bias, approximate=approximate)
    if bias is not None:
        bias = keras.ops.cast(bias, "float32")
    return fused_bias_gelu(x, bias, approximate=approximate)


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class BiasGelu(Recorded):
    """`bias_gelu` as functional models record it."""

    def call(self, x, bias=None):
        return bias_gelu(x, bias, **self.options)

    def compute_output_spec(self, x, bias=None):
        return keras.KerasTensor(x.shape, dtype=x.dtype)
