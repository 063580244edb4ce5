"""Hearing of each attention that is computed, with what it is computed from."""

import contextlib
import contextvars

_listener = contextvars.ContextVar("listener", default=None)


@contextlib.contextmanager
def listening(listener):
    """While it is open, each call of `ops.attention` is told.

    Args:
        listener: Function of the arguments of `reference.reference_attention`, as
            keyword arguments. In a graph they are symbolic, and told once.

    Example:

    >>> import keras
    >>> from keras_nlp_lite.ops import attention
    >>> x = keras.ops.ones((1, 5, 2, 4))
    >>> with listening(lambda q, k, v, **options: print(q.shape, options["scale"])):
    ...     y = attention(x, x, x)
    (1, 5, 2, 4) 0.5
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(arguments):
    """Tells whoever listens of an attention with such arguments."""
    listener = _listener.get()
    if listener is not None:
        listener(**arguments)
