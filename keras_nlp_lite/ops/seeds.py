"""Seeds that are drawn in one place and used in another."""

import keras


class DrawnSeed(keras.random.SeedGenerator):
    """A seed that was drawn before, in the form that `keras.random` takes.

    Args:
        seed: int [2], from `SeedGenerator.next`.
    """

    def __init__(self, seed):
        # Not Keras's, which would make a variable.
        self._drawn = seed

    def next(self, ordered=True):
        return self._drawn
