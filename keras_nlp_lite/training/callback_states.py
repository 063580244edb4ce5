"""What callbacks remember from epoch to epoch."""

import keras

# Keras's own, which have no methods for it.
_REMEMBERED = (
    (
        keras.callbacks.EarlyStopping,
        ("wait", "stopped_epoch", "best", "best_epoch", "best_weights"),
    ),
    (keras.callbacks.ReduceLROnPlateau, ("wait", "best", "cooldown_counter")),
    (
        keras.callbacks.ModelCheckpoint,
        (
            "best",
            "_current_epoch",
            "_last_batch_seen",
            "_batches_seen_since_last_saving",
        ),
    ),
)


def get_callback_state(callback):
    """dict of what a callback remembers; None if it tells of nothing.

    A callback may tell for itself, by `get_state()`, which gives a dict, and
    `set_state(state)`.

    Example:

    >>> stopping = keras.callbacks.EarlyStopping()
    >>> stopping.wait = 3
    >>> later = keras.callbacks.EarlyStopping()
    >>> set_callback_state(later, get_callback_state(stopping))
    >>> later.wait
    3
    """
    if hasattr(callback, "get_state"):
        return callback.get_state()
    for kind, names in _REMEMBERED:
        if isinstance(callback, kind):
            return {n: getattr(callback, n) for n in names if hasattr(callback, n)}
    return None


def set_callback_state(callback, state):
    """Lets a callback go on from what `get_callback_state` gave."""
    if hasattr(callback, "set_state"):
        callback.set_state(state)
        return
    for name, value in state.items():
        setattr(callback, name, value)
