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


def write_start(hparams, trial_id=None):
    """Writes the settings, by the default writer; its folder becomes a session.

    The tab has a row for all sessions of the same settings together.

    Args:
        hparams: What `check_hparams` gives.
        trial_id: str, which row this is. None: that of the settings.
    """
    from tensorboard.plugins.hparams import api

    api.hparams(hparams, trial_id=trial_id)


def write_end(well=True):
    """Writes that the session is over, by the default writer.

    Args:
        well: False if it failed.
    """
    from tensorboard.plugins.hparams import api_pb2
    from tensorboard.plugins.hparams.summary import session_end_pb

    status = api_pb2.STATUS_SUCCESS if well else api_pb2.STATUS_FAILURE
    ended = session_end_pb(status).SerializeToString()
    tf.summary.experimental.write_raw_pb(ended, step=0)
