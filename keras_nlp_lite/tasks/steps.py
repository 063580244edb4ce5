"""How many training steps one call from Python runs."""


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
