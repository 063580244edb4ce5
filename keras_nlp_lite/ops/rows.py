"""Refusals and dtypes that functions of rows of features share."""

import keras

from keras_nlp_lite.ops.arguments import FLOATS


def tensor(x):
    """x as a tensor; symbolic ones, and None, stay."""
    if x is None or isinstance(x, keras.KerasTensor):
        return x
    return keras.ops.convert_to_tensor(x)


def is_symbolic(*xs):
    return any(isinstance(x, keras.KerasTensor) for x in xs)


def check_rows(x):
    """Refuses what is not float [..., D]."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    if dtype not in FLOATS or len(x.shape) == 0 or not x.shape[-1]:
        raise ValueError(
            "`x` must be of floats, and have static features, at least 1, on its last "
            f"axis. Received: x.shape={x.shape}, x.dtype={dtype}."
        )


def check_per_feature(name, x, D):
    """Refuses what is not [D], unless it is None."""
    if x is not None and tuple(x.shape) != (D,):
        raise ValueError(
            f"`{name}` must have shape [{D}], a number for each feature of `x`. "
            f"Received: {name}.shape={x.shape}."
        )
