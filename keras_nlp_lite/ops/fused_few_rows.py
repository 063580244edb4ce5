"""`few_rows_matmul` by its formula, and compiled, with its gradient."""

import keras
import tensorflow as tf

from keras_nlp_lite.ops import library
from keras_nlp_lite.ops.formulas import full_dtype


def few_rows_formula(x, kernel, bias, *, transpose, scale):
    """x @ kernel * scale + bias in x's dtype: float [..., F].

    Args:
        x: float [..., E].
        kernel: float or int8 [E, F]; with `transpose`, [F, E].
        bias, scale: float [F], or None.
    """
    full = full_dtype(x)
    x, kernel, dtype = keras.ops.cast(x, full), keras.ops.cast(kernel, full), x.dtype
    y = keras.ops.matmul(x, keras.ops.transpose(kernel) if transpose else kernel)
    if scale is not None:
        y = y * keras.ops.cast(scale, full)
    if bias is not None:
        y = y + keras.ops.cast(bias, full)
    return keras.ops.cast(y, dtype)


def fused_few_rows(x, kernel, bias, *, transpose, scale):
    """`few_rows_formula`, compiled; the library must be there. `bias` and `scale` are
    float32."""
    return library.load().knl_few_rows(
        x=x,
        weights=kernel,
        scale=[] if scale is None else [scale],
        bias=[] if bias is None else [bias],
        transposed=transpose,
    )


@tf.RegisterGradient("KnlFewRows")
def _gradient(op, dy):
    """Through the formula: where there is a gradient, rows are seldom few."""
    x, kernel, *rest = op.inputs
    n_scale = op.get_attr("n_scale")
    inputs = [x, *([kernel] if kernel.dtype.is_floating else []), *rest]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = few_rows_formula(
            x,
            kernel,
            rest[n_scale] if rest[n_scale:] else None,
            transpose=op.get_attr("transposed"),
            scale=rest[0] if n_scale else None,
        )
    gradients = tape.gradient(y, inputs, dy)
    if not kernel.dtype.is_floating:
        gradients.insert(1, None)
    return gradients
