"""How fast this machine multiplies matrices: what no model can surpass."""

import functools
from time import perf_counter

import tensorflow as tf

_LARGEST, _SMALLEST = 8192, 512  # rows and columns
_LONG_ENOUGH = 0.05  # seconds that a product should take to be timed
_REPEATS = 3


@functools.cache
def matmul_ceiling(dtype="float32"):
    """Floating-point operations a second of a product of two large square matrices.

    Measured once in a process, in about half a second: the best of three, of a size
    that takes a twentieth of a second. With several devices, that of the first one.

    Args:
        dtype: str, of the matrices.

    Returns:
        float

    Example:

    >>> matmul_ceiling("float32") > 1e8
    True
    """
    size, seconds = _SMALLEST, 0.0
    while True:
        seconds = _time(size, dtype)
        if seconds >= _LONG_ENOUGH or size == _LARGEST:
            break
        size *= 2
    seconds = min([seconds, *(_time(size, dtype) for _ in range(_REPEATS - 1))])
    return 2.0 * size**3 / seconds


def _time(size, dtype):
    """Seconds of one product, after one that was not timed."""
    x = tf.ones([size, size], dtype)
    _multiply(x).numpy()
    start = perf_counter()
    _multiply(x).numpy()
    return perf_counter() - start


@tf.function
def _multiply(x):
    return tf.linalg.matmul(x, x)[0, 0]  # a number, so that nothing is copied
