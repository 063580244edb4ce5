"""What every layer that takes strings needs: raw inputs, as tensors, on the CPU."""

import tensorflow as tf


def accept_raw_inputs(layer):
    """Lets a layer be called with strings, lists and ragged tensors as they are.

    Keras converts and casts what a layer is called with, which strings do not survive.
    These are the switches that its own TextVectorization throws, for the same reason.

    Args:
        layer: A `keras.layers.Layer` without weights, after `super().__init__`.
    """
    layer._convert_input_args = False
    layer._allow_non_tensor_positional_args = True
    layer.supports_jit = False
    layer.built = True


def on_cpu():
    """A scope for string ops, which exist on the CPU alone."""
    return tf.device("CPU:0")


def byte_lengths(strings):
    """int64, of strings of any shape."""
    return tf.cast(tf.strings.length(strings), tf.int64)


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
            strings = tf.ragged.constant(x) if is_ragged(x) else tf.convert_to_tensor(x)
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


def is_ragged(x):
    """Whether nested lists differ in length, which a dense tensor cannot hold."""
    rows = isinstance(x, (list, tuple)) and [
        y for y in x if isinstance(y, (list, tuple))
    ]
    return bool(rows) and (len({len(y) for y in rows}) > 1 or any(map(is_ragged, rows)))
