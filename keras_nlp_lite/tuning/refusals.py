"""Values that no trial could use, refused before the first."""

import contextlib
import random
import re

from keras_nlp_lite.tuning.kt import keras_tuner
from keras_nlp_lite.tuning.ranges import Choice


def check_values(space, names):
    """Refuses what models refuse of one argument, whatever the others are.

    A model is made for each value that these arguments may have; it has no weights yet,
    and takes milliseconds.

    Args:
        space: `Space`.
        names: list of str, the arguments to look at.

    Raises:
        ValueError: as the model does.
    """
    first = space.settings(keras_tuner.HyperParameters())
    with _no_random_numbers():
        for name in names:
            r = space.ranges[name]
            for value in r.values if isinstance(r, Choice) else (first[name],):
                try:
                    space.make({**first, name: value})
                except ValueError as error:
                    if _is_about(str(error), name, first):
                        raise
                except Exception:
                    pass  # a trial will say it, and where


@contextlib.contextmanager
def _no_random_numbers():
    """Gives Python's back, of which Keras draws the seeds of dropout."""
    drawn = random.getstate()
    try:
        yield
    finally:
        random.setstate(drawn)


def _is_about(message, name, names):
    """Whether a message is about one argument alone, and not how it suits another."""
    said = {one for one in names if re.search(rf"\b{one}\b", message)}
    return said == {name}
