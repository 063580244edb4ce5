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


def why_not_compiled(x, dtype, why_not_on_gpu=None):
    """None if a compiled op can serve, else why not, as the end of a sentence.

    Args:
        x: The tensor to serve, or None for any on the default device.
        dtype: What it is computed in.
        why_not_on_gpu: Function that answers for the GPU, where the op has a kernel for
            these, too.
    """
    if _PORTABLE.get():
        return "the graph is to load anywhere"
    if keras.backend.backend() != "tensorflow":
        return f"the compiled op is TensorFlow's, not {keras.backend.backend()}'s"
    if library.load() is None:
        return library.why_not().rstrip(".")
    if dtype not in DTYPES:
        return "the compiled kernels have float16, bfloat16 and float32"
    device = device_type(x)
    if device == "CPU":
        return None
    if device == "GPU" and why_not_on_gpu is not None:
        return why_not_on_gpu()
    return f"the compiled kernel is not for {device}s"


def device_type(x):
    """Where the tensor is or will be, as far as can be known: "CPU", "GPU" or another."""
    place = tf.DeviceSpec.from_string(getattr(x, "device", None) or "")
    if place.device_type is not None:
        return place.device_type
    # In a graph, TensorFlow places what is not placed on a GPU if it can.
    return "GPU" if tf.config.get_visible_devices("GPU") else "CPU"


def kept_on_cpu(x):
    """A scope in which an op is beside x if that is on a CPU: TensorFlow would rather take
    a GPU, which nobody asked whether it serves."""
    if device_type(x) == "CPU" and tf.config.get_visible_devices("GPU"):
        return tf.device(x.device)
    return contextlib.nullcontext()
