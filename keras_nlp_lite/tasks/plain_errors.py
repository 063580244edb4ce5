"""From a TensorFlow error with a page of graph around it to the one sentence inside."""

import contextlib
import re

import tensorflow as tf

# Where our checks run inside a graph, TensorFlow wraps what they say.
_PATTERNS = (
    r"assertion failed: \[(?P<said>.+?)\]\s",  # tf.debugging.Assert
    r"(?:ValueError|UnicodeDecodeError): (?P<said>.+?)\n",  # tf.numpy_function
)


@contextlib.contextmanager
def plain_errors():
    """Raises the sentence that a check inside a dataset or graph said, and no more.

    Raises:
        ValueError: with that sentence, where a TensorFlow error holds one; any other
            error passes as it is.
    """
    try:
        yield
    except tf.errors.OpError as error:
        said = _sentence(str(error) + "\n")
        if said is None:
            raise
        raise ValueError(said) from None


def _sentence(message):
    for pattern in _PATTERNS:
        match = re.search(pattern, message, re.DOTALL)
        if match:
            return match["said"]
    return None
