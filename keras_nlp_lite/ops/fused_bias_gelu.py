"""The compiled `bias_gelu`, and its gradients of any order."""

import tensorflow as tf

from keras_nlp_lite.ops import library
from keras_nlp_lite.ops.formulas import bias_gelu_formula


def fused_bias_gelu(x, bias, *, approximate):
    """`bias_gelu_formula`, compiled; the library must be there. `bias` is float32."""
    biases = [] if bias is None else [bias]
    return library.load().knl_bias_gelu(x=x, bias=biases, approximate=approximate)


@tf.RegisterGradient("KnlBiasGelu")
def _gradient(op, dy):
    x, *biases = op.inputs
    dx, dbias = library.loaded().knl_bias_gelu_grad(
        dy=dy, x=x, bias=biases, approximate=op.get_attr("approximate")
    )
    return [dx, *dbias]


@tf.RegisterGradient("KnlBiasGeluGrad")
def _second_gradient(op, *upstream):
    """Through the formula."""
    dy, *inputs = op.inputs
    with tf.GradientTape() as outer:
        outer.watch([dy, *inputs])
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            y = bias_gelu_formula(
                inputs[0],
                inputs[1] if inputs[1:] else None,
                approximate=op.get_attr("approximate"),
            )
        first = inner.gradient(y, inputs, dy)
    return outer.gradient(
        first, [dy, *inputs], list(upstream), tf.UnconnectedGradients.ZERO
    )
