"""What a search is to find: one number of a trial, or several, each with a direction."""

import dataclasses
import difflib
import math

import numpy as np

from keras_nlp_lite.checks import check_choice

# What is measured of a finished trial, beside what `fit` logs.
MEASURES = {
    "latency": "milliseconds from one text to its answer, by `predict_on_batch`",
    "size": "megabytes (10**6 bytes) of the model's file: vocabulary, but no optimizer",
    "parameters": "weights in the model",
    "seconds": "of building, adapting, training and validating",
}


@dataclasses.dataclass(frozen=True)
class Objective:
    """One thing to look at in a trial.

    Attributes:
        name: A name in `fit`'s logs, such as "val_accuracy", or one of `MEASURES`.
        direction: "max" or "min".
    """

    name: str
    direction: str

    @property
    def sign(self):
        """1.0 where less is better, -1.0 where more is."""
        return 1.0 if self.direction == "min" else -1.0

    def better(self, value, other):
        """Whether one value is better than another, or than none, as NaN is."""
        if math.isnan(value):
            return False
        if other is None or math.isnan(other):
            return True
        return self.sign * value < self.sign * other


def objectives_of(objective, direction):
    """tuple of `Objective`, out of what a user says.

    Args:
        objective: str, or a list of them.
        direction: "max" or "min", or a list with one for each.

    Raises:
        ValueError: a direction is missing or unknown, or a name comes twice.

    Example:

    >>> objectives_of("val_loss", "min")
    (Objective(name='val_loss', direction='min'),)
    """
    names = [objective] if isinstance(objective, str) else list(objective)
    directions = [direction] if isinstance(direction, str) else list(direction)
    if not names or len(names) != len(directions) or len(set(names)) < len(names):
        raise ValueError(
            "There must be a direction for each objective, and each objective once. "
            f"Received: objective={objective!r}, direction={direction!r}. Try "
            'objective=["val_accuracy", "latency"], direction=["max", "min"].'
        )
    for one in directions:
        check_choice("direction", one, ("max", "min"))
    return tuple(map(Objective, names, directions))


def numbers_of(logs, *objectives):
    """dict of float, of what `fit` logs of an epoch; vectors are left out.

    Args:
        logs: dict of numbers and arrays.
        *objectives: `Objective`s that have to be there, or be `MEASURES`.

    Raises:
        ValueError: one is not there, or no number.

    Example:

    >>> numbers_of({"loss": np.float32(0.5), "f1": np.array([0.2, 0.4])})
    {'loss': 0.5}
    """
    logs = logs or {}
    numbers = {k: float(v) for k, v in logs.items() if np.ndim(v) == 0}
    for objective in objectives:
        if objective.name not in numbers and objective.name not in MEASURES:
            there = "a vector" if objective.name in logs else "not there"
            raise ValueError(
                "The objective must be a number in the logs of an epoch, or one of "
                f"{', '.join(MEASURES)}. Received: objective={objective.name!r}, which "
                f"is {there}; an epoch has {', '.join(sorted(numbers))}."
                + _hint(objective.name, numbers)
            )
    return numbers


def _hint(name, numbers):
    """What to do where an objective is not there; "" if nobody knows."""
    if name.startswith("val_") and not any(n.startswith("val_") for n in numbers):
        return " Try to give `val`."
    close = difflib.get_close_matches(name, [*numbers, *MEASURES], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def first_logged(objectives):
    """The first `Objective` that epochs can be judged by; None if all are `MEASURES`."""
    return next((o for o in objectives if o.name not in MEASURES), None)
