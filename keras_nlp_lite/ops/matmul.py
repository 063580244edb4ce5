"""The product of tokens and a kernel."""

import keras


def matmul(x, kernel):
    """x @ kernel for tokens in any arrangement, in x's dtype.

    As one product of two matrices: a batch of small products, which `keras.ops.matmul`
    makes of a batch of rows, is slower.

    Args:
        x: float [..., E].
        kernel: float [E, F]; may be wider than x, as mixed precision keeps weights.

    Returns:
        float [..., F].

    Example:

    >>> matmul(keras.ops.ones((2, 3, 4)), keras.ops.ones((4, 5))).shape
    TensorShape([2, 3, 5])
    """
    kernel = keras.ops.cast(kernel, x.dtype)
    E, F = kernel.shape
    if len(x.shape) == 2:
        return keras.ops.matmul(x, kernel)
    flat = keras.ops.matmul(keras.ops.reshape(x, (-1, E)), kernel)
    return keras.ops.reshape(flat, (*keras.ops.shape(x)[:-1], F))
