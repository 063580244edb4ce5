"""The product of a few rows and a kernel, as fast as the kernel comes from memory."""

import keras

from keras_nlp_lite.ops.fused_few_rows import few_rows_formula, fused_few_rows
from keras_nlp_lite.ops.portable import DTYPES, why_not_compiled
from keras_nlp_lite.ops.rows import check_rows
from keras_nlp_lite.ops.tracing import in_xla

_KERNELS = (*DTYPES, "int8")


def few_rows_matmul(x, kernel, bias=None, *, transpose=False, scale=None):
    """x @ kernel, times `scale`, plus `bias`, for the few rows of a step of generation.

    With few rows a product takes as long as its kernel takes to come from memory. A
    compiled op reads it once, in the dtype in which it is stored; elsewhere, and under
    XLA, it is the plain formula.

    Args:
        x: float [..., E]; rows in any arrangement, best at most 32.
        kernel: float or int8 [E, F], whatever the dtype of x; a variable is read as it
            is stored, where a layer's mixed precision would cast it, too.
        bias: float [F].
        transpose: Whether `kernel` is [F, E], as an embedding table read backwards is.
        scale: float [F], what column f of the product is multiplied by, as int8 kernels
            want it.

    Returns:
        float [..., F] in x's dtype. Sums run in float32 (float64 for float64); with an
        int8 kernel a row of x may be rounded to 16 bits of its largest element first.
        It has gradients by all but an int8 kernel.

    Raises:
        ValueError: Shapes or dtypes that do not fit together.

    Example:

    >>> x = keras.ops.ones((2, 1, 3))
    >>> kernel = keras.ops.convert_to_tensor([[1, 2], [3, 4], [5, 6]], "int8")
    >>> print(few_rows_matmul(x, kernel, scale=[0.5, 0.25])[0].numpy())
    [[4.5 3. ]]
    """
    x, kernel, bias, scale = map(_stored, (x, kernel, bias, scale))
    check_rows(x)
    _check_kernel(kernel, x, transpose)
    F = kernel.shape[0 if transpose else 1]
    _check_per_output("bias", bias, F)
    _check_per_output("scale", scale, F)
    dtype = keras.backend.standardize_dtype(x.dtype)
    if (
        in_xla()
        or why_not_compiled(x, dtype) is not None
        or keras.backend.standardize_dtype(kernel.dtype) not in _KERNELS
    ):
        return few_rows_formula(x, kernel, bias, transpose=transpose, scale=scale)
    bias, scale = _float32(bias), _float32(scale)
    return fused_few_rows(x, kernel, bias, transpose=transpose, scale=scale)


def _stored(x):
    """x as a tensor; a variable as it is stored, whatever a layer would cast it to."""
    if x is None:
        return None
    if isinstance(x, keras.Variable):
        with keras.src.backend.AutocastScope(None):
            return x.value
    return keras.ops.convert_to_tensor(x)


def _float32(x):
    return x if x is None else keras.ops.cast(x, "float32")


def _check_kernel(kernel, x, transpose):
    dtype = keras.backend.standardize_dtype(kernel.dtype)
    if dtype not in (*_KERNELS, "float64"):
        raise ValueError(
            f"`kernel` must be of floats or int8. Received: kernel.dtype={dtype}."
        )
    E = x.shape[-1]
    if len(kernel.shape) != 2 or kernel.shape[1 if transpose else 0] not in (E, None):
        wanted = f"[outputs, {E}]" if transpose else f"[{E}, outputs]"
        raise ValueError(
            f"`kernel` must have shape {wanted}, for the features of `x`. Received: "
            f"kernel.shape={kernel.shape}, x.shape={x.shape}, transpose={transpose}."
        )


def _check_per_output(name, x, F):
    if x is not None and (len(x.shape) != 1 or F not in (x.shape[0], None)):
        raise ValueError(
            f"`{name}` must have shape [{F}], a number for each output of `kernel`. "
            f"Received: {name}.shape={x.shape}."
        )
