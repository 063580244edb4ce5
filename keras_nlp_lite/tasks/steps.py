"""How many steps training takes, and how many of them one call from Python runs."""

import keras
import tensorflow as tf


def choose_steps(most, batches, wanted=None, callbacks=None):
    """The number of steps a call that costs least and shows most.

    Args:
        most: int, what the model gains by; 1 for one whose step takes long.
        batches: int, of an epoch; negative or None if that is not known.
        wanted: int, steps that the user asked for, which no call may run past.
        callbacks: keras.callbacks.Callback, or a list of such. One with an
            `update_freq` other than "epoch" counts batches, and must hear of each.

    Returns:
        int, at least 1.

    Example:

    >>> choose_steps(64, batches=782), choose_steps(64, batches=782, wanted=30)
    (46, 30)
    """
    listed = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
    if any(getattr(callback, "update_freq", "epoch") != "epoch" for callback in listed):
        return 1
    if wanted:
        return max(n for n in range(1, most + 1) if wanted % n == 0)
    if not batches or batches < 0:
        return most
    # A progress bar counts whole calls: the fewer steps past the end, the better.
    most = min(most, batches)
    return min(range(most, max(most // 4, 1) - 1, -1), key=lambda n: -batches % n)


def count_batches(data, batch_size=None, held_out=0.0):
    """int, the batches of one pass over prepared data; None where nobody knows.

    Args:
        data: What `keras.Model.fit` takes as x.
        batch_size: Rows of a batch, where `data` are arrays; None for 32.
        held_out: Share of the rows, where `data` are arrays, that are left out.

    Example:

    >>> count_batches(keras.ops.zeros([65, 3]), held_out=0.5)
    1
    """
    if isinstance(data, tf.data.Dataset):
        count = int(data.cardinality())
        return count if count >= 0 else None
    if isinstance(data, keras.utils.PyDataset):
        return data.num_batches
    arrays = tf.nest.flatten(data)
    if not arrays or not getattr(arrays[0], "shape", ()):
        return None
    rows = int(int(arrays[0].shape[0]) * (1 - held_out))
    return -(-rows // (batch_size or 32))
