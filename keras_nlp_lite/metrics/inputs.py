"""What metrics are given, in the one form that they count on."""

import keras
import tensorflow as tf


def check_float(dtype):
    """Refuses a metric's dtype that is not floating point, with a ValueError."""
    # A policy, or the config of one, checks itself.
    if isinstance(dtype, str) or dtype is None or hasattr(dtype, "as_numpy_dtype"):
        name = keras.backend.standardize_dtype(dtype)
        if "float" not in name:
            raise ValueError(
                f"`dtype` must be a floating point type. Received: dtype={dtype!r}."
            )


def as_tensor(x):
    """A tensor as it is; lists and arrays as one, ragged where they differ in length."""
    if isinstance(x, (tf.Tensor, tf.RaggedTensor)):
        return x
    try:
        return tf.convert_to_tensor(x)
    except (ValueError, tf.errors.InvalidArgumentError):  # of unlike length
        if any(isinstance(row, tf.Tensor) for row in x):
            return tf.ragged.stack([*x])
        return tf.ragged.constant(x)


def without_unit_axis(name, x, rank):
    """Brings texts to a rank, where they may have an axis of size 1 at the end.

    Args:
        name: The argument's name, for the error.
        x: Tensor or RaggedTensor.
        rank: The least of the three ranks that `x` may have.

    Returns:
        `x`, of rank `rank` or `rank` + 1.

    Raises:
        ValueError: `x` has another rank, or more than 1 in the axis to drop.
    """
    found = x.shape.rank
    if found in (rank, rank + 1):
        return x
    if found == rank + 2 and x.shape[-1] in (1, None):
        return tf.squeeze(x, axis=-1)
    raise ValueError(
        f"`{name}` must be of rank {rank} or {rank + 1}, or of rank {rank + 2} with a "
        f"last axis of size 1. Received: {name} of shape {x.shape}."
    )


def check_equally_many(y_true, y_pred):
    """Refuses batches that differ in size, as far as that is known by now."""
    sizes = y_true.shape[0], y_pred.shape[0]
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(
            "`y_true` and `y_pred` must have the same number of samples. Received: "
            f"{sizes[0]} in `y_true`, {sizes[1]} in `y_pred`."
        )


def decoded(texts):
    """Strings out of an array of UTF-8 bytes; "�" for what is none."""
    return [text.decode("utf-8", "replace") for text in texts]
