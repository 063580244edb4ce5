"""Initializers that several weights of a layer share."""

import keras


def another(initializer):
    """Another initializer of its kind: one by itself gives equal shapes equal numbers.

    Args:
        initializer: As `keras.initializers.get` gives it; a function stays itself.
    """
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.clone()
    return initializer
