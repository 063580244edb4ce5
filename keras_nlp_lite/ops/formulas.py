"""`add_norm` and `bias_gelu` as their formulas say: the specification of compiled ones.

They are for devices and dtypes without a compiled kernel, for XLA, which fuses them
itself, and to hold compiled kernels to.
"""

import keras

from keras_nlp_lite.ops.philox import dropout_bits, dropout_threshold


def add_norm_formula(x, gamma, beta, *, residual, bias, epsilon, dropout, seed):
    """(y, s): s = residual + drop(x + bias), and its norm over the last axis.

    Args:
        x, residual: float [..., D], of one dtype.
        gamma, beta, bias: float [D]. All but x and gamma may be None.
        epsilon: Added to the variance.
        dropout: Share of x + bias that is dropped, in steps of 2^-16; the rest grow.
        seed: uint32 [2], says which are dropped, as `dropped` has it.

    Returns:
        Two float [..., D], in x's dtype. Sums run in float32, or float64 for float64; s
        is rounded to x's dtype before it is normed.
    """
    dtype, full = x.dtype, full_dtype(x)
    s = keras.ops.cast(x, full)
    if bias is not None:
        s = s + keras.ops.cast(bias, full)
    if dropout:
        s = dropped(s, dropout, seed)
    if residual is not None:
        s = s + keras.ops.cast(residual, full)
    stored = keras.ops.cast(s, dtype)
    s = keras.ops.cast(stored, full)
    mean = keras.ops.mean(s, axis=-1, keepdims=True)
    centered = s - mean
    variance = keras.ops.mean(keras.ops.square(centered), axis=-1, keepdims=True)
    y = centered / keras.ops.sqrt(variance + epsilon) * keras.ops.cast(gamma, full)
    if beta is not None:
        y = y + keras.ops.cast(beta, full)
    return keras.ops.cast(y, dtype), stored


def dropped(x, dropout, seed):
    """x [..., D] without the features that (seed, row, feature) drops; the rest grow."""
    D, shape = x.shape[-1], keras.ops.shape(x)
    x = keras.ops.reshape(x, (-1, D))
    threshold = dropout_threshold(dropout)
    kept = dropout_bits(seed, 1, keras.ops.shape(x)[0], D)[0] >= threshold
    x = keras.ops.where(kept, x * (65536 / (65536 - threshold)), 0.0)
    return keras.ops.reshape(x, shape)


def bias_gelu_formula(x, bias, *, approximate):
    """gelu(x + bias) in x's dtype: float [..., D]; bias is float [D] or None."""
    full = full_dtype(x)
    h = keras.ops.cast(x, full)
    if bias is not None:
        h = h + keras.ops.cast(bias, full)
    return keras.ops.cast(keras.ops.gelu(h, approximate=approximate), x.dtype)


def full_dtype(x):
    """The dtype in which sums run."""
    is_double = keras.backend.standardize_dtype(x.dtype) == "float64"
    return "float64" if is_double else "float32"
