"""The product of tokens and a kernel."""

import contextlib
import contextvars

import keras

from keras_nlp_lite.ops.few_rows import few_rows_matmul
from keras_nlp_lite.ops.portable import why_not_compiled
from keras_nlp_lite.ops.tracing import in_xla

FEW = 32  # rows at most, for which reading a kernel takes longer than multiplying
_MANY = contextvars.ContextVar("many", default=False)


@contextlib.contextmanager
def many_rows():
    """Within it, batches of unknown size are taken to be large: their products are
    TensorFlow's own, which above some thirty rows are faster."""
    before = _MANY.set(True)
    try:
        yield
    finally:
        _MANY.reset(before)


def matmul(x, kernel, bias=None):
    """x @ kernel for tokens in any arrangement, in x's dtype.

    As one product of two matrices: a batch of small products, which `keras.ops.matmul`
    makes of a batch of rows, is slower. One token a row, as a step of generation has it,
    goes through `few_rows_matmul`, where that is compiled.

    Args:
        x: float [..., E].
        kernel: float [E, F]; may be wider than x, as mixed precision keeps weights.
        bias: float [F], added to the product.

    Returns:
        float [..., F].

    Example:

    >>> matmul(keras.ops.ones((2, 3, 4)), keras.ops.ones((4, 5))).shape
    TensorShape([2, 3, 5])
    """
    if is_step(x) and not takes_many_rows():
        return few_rows_matmul(x, kernel, bias)
    kernel = keras.ops.cast(kernel, x.dtype)
    E, F = kernel.shape
    if len(x.shape) == 2:
        y = keras.ops.matmul(x, kernel)
    else:
        y = keras.ops.matmul(keras.ops.reshape(x, (-1, E)), kernel)
        y = keras.ops.reshape(y, (*keras.ops.shape(x)[:-1], F))
    return y if bias is None else y + keras.ops.cast(bias, y.dtype)


def takes_many_rows():
    """Whether this is within `many_rows`."""
    return _MANY.get()


def is_step(x):
    """Whether x is one token of a few rows, and the compiled op may serve."""
    if isinstance(x, keras.KerasTensor) or len(x.shape) != 3 or x.shape[1] != 1:
        return False
    if (x.shape[0] or 1) > FEW or in_xla():
        return False
    return why_not_compiled(x, keras.backend.standardize_dtype(x.dtype)) is None
