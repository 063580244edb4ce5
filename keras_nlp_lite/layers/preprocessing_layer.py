"""What every layer that turns strings into numbers has in common."""

import keras
import tensorflow as tf


class PreprocessingLayer(keras.layers.Layer):
    """A layer without weights whose input may be strings, lists or ragged tensors.

    Keras converts and casts what a layer is called with, which strings do not survive;
    here inputs arrive as they were given. Subclasses call `as_strings` first and do their
    string work under `on_cpu()`: TensorFlow has string ops for no other device.

    Args:
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # The switches that Keras's own TextVectorization throws, for the same reason.
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.supports_jit = False
        self.built = True

    def build(self, *args, **kwargs):
        """There is nothing to build; Keras asks all the same."""


def on_cpu():
    """A scope for string ops, which exist on the CPU alone."""
    return tf.device("CPU:0")


def as_strings(x):
    """Strings as a tensor, from whatever a user had at hand.

    Args:
        x: Strings as a str, list, NumPy array, string tensor or ragged string tensor.

    Returns:
        A string Tensor or RaggedTensor of the same shape.

    Raises:
        ValueError: `x` does not hold strings.
    """
    if isinstance(x, (tf.Tensor, tf.RaggedTensor)):
        strings = x
    else:
        try:
            strings = (
                tf.ragged.constant(x) if _is_ragged(x) else tf.convert_to_tensor(x)
            )
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The input must hold strings and nothing else. Received: {x!r}."
            ) from error
    if strings.dtype != tf.string:
        if isinstance(x, (list, tuple)) and not x:
            return tf.zeros([0], tf.string)  # an empty list has no type of its own
        raise ValueError(
            "The input must be strings. Received: a tensor of dtype "
            f"{strings.dtype.name} and shape {strings.shape}."
        )
    return strings


def _is_ragged(x):
    """Whether nested lists differ in length, which a dense tensor cannot hold."""
    nested = isinstance(x, (list, tuple)) and any(
        isinstance(y, (list, tuple)) for y in x
    )
    return nested and len({len(y) for y in x if isinstance(y, (list, tuple))}) > 1
