"""Where a compiled op can serve, and where the plain formula must."""

import contextlib
import contextvars

import keras
import tensorflow as tf

from keras_nlp_lite.ops import library

DTYPES = ("float32", "bfloat16", "float16")  # of the compiled kernels
_PORTABLE = contextvars.ContextVar("portable", default=False)


@contextlib.contextmanager
def portable_ops():
    """Within it, attention is made of TensorFlow's own ops, as the formula has it, and
    so are products, norms and GELU, byte-pair tokenizers and bags of n-grams;
    SentencePiece is tensorflow-text's op.

    A graph with compiled ops loads only where these were loaded before, by `import
    keras_nlp_lite.ops` or by `tf.load_op_library` on `library_path()`. One traced in
    here loads anywhere: it is for what is exported.

    Example:

    >>> from keras_nlp_lite.ops import attention_implementation
    >>> with portable_ops():
    ...     attention_implementation()
    'reference: float32, because the graph is to load anywhere'
    """
    before = _PORTABLE.set(True)
    try:
        yield
    finally:
        _PORTABLE.reset(before)


def may_use_compiled():
    """Whether compiled ops are there and the graph need not load anywhere: all that ops
    on strings ask, which run on the CPU whatever else there is."""
    return not _PORTABLE.get() and library.load() is not None


def why_not_compiled(x, dtype):
    """None if a compiled op can serve, else why not, as the end of a sentence.

    Args:
        x: The tensor to serve, or None for any on the default device.
        dtype: What it is computed in.
    """
    if _PORTABLE.get():
        return "the graph is to load anywhere"
    if keras.backend.backend() != "tensorflow":
        return f"the compiled op is TensorFlow's, not {keras.backend.backend()}'s"
    if library.load() is None:
        return library.why_not().rstrip(".")
    if dtype not in DTYPES:
        return "the compiled kernels have float16, bfloat16 and float32"
    if not _on_cpu(x):
        return "the compiled kernel is for CPUs"
    return None


def _on_cpu(x):
    """Whether the tensor is on a CPU, or will be, as far as can be known."""
    device = getattr(x, "device", None)
    if device:
        return "CPU" in device
    # In a graph, TensorFlow places what is not placed on a GPU if it can.
    return not tf.config.get_visible_devices("GPU")
