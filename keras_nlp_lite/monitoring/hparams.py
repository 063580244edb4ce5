"""A run's settings, for TensorBoard's HParams tab."""

import numpy as np
import tensorflow as tf

_WANTED = (
    "`hparams` must be a dict from names to numbers, strings, truth values or None."
)


def check_hparams(hparams):
    """dict of bool, int, float and str, of settings as users write them.

    Args:
        hparams: dict. None becomes "None", and a list or tuple its text.

    Raises:
        ValueError: It is no dict of such.

    Example:

    >>> check_hparams({"rate": np.float32(0.5), "layers": 2, "clip": None})
    {'rate': 0.5, 'layers': 2, 'clip': 'None'}
    """
    if not isinstance(hparams, dict):
        raise ValueError(f"{_WANTED} Received: {type(hparams).__name__}.")
    plain = {}
    for name, value in hparams.items():
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (list, tuple)):
            value = str(value)
        if not isinstance(name, str) or not isinstance(value, (bool, int, float, str)):
            raise ValueError(
                f"{_WANTED} Received: {name!r} of type {type(value).__name__}. Try "
                "its name, or str(...) of it."
            )
        plain[name] = value
    return plain


def write_start(hparams):
    """Writes the settings, by the default writer; its folder becomes a session.

    The tab has a row for all sessions of the same settings together.

    Args:
        hparams: What `check_hparams` gives.
    """
    from tensorboard.plugins.hparams import api

    api.hparams(hparams)


def write_end():
    """Writes that the session is over, by the default writer."""
    from tensorboard.plugins.hparams import api_pb2
    from tensorboard.plugins.hparams.summary import session_end_pb

    summary = session_end_pb(api_pb2.STATUS_SUCCESS)
    tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=0)
