"""What may be said of one argument in a space: a value, a choice, a range."""

import dataclasses
import numbers

import numpy as np

from keras_nlp_lite.tuning.kt import keras_tuner


@dataclasses.dataclass(frozen=True)
class Fixed:
    """One value, which no trial changes.

    Attributes:
        value: Anything.
    """

    value: object

    def declare(self, name, hp):
        """The value; a fixed argument is no hyperparameter."""
        return self.value

    def __str__(self):
        return _shown(self.value)


def fixed(value):
    """Says that a list or tuple is a value, and not a choice or a range.

    Args:
        value: What every trial gets.

    Example:

    >>> as_range("ngrams", (1, 3)), as_range("ngrams", fixed((1, 3)))
    (Range(low=1, high=3, sampling='linear', step=None, default=None), Fixed(value=(1, 3)))
    """
    return Fixed(value)


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of several values.

    KerasTuner and its messages between processes know values of one kind only, numbers
    or strings. Others, such as None, True or (2, 3), go by their spelling.

    Attributes:
        values: tuple, the values, each once.
        default: The value to begin with; one of them.
    """

    values: tuple
    default: object

    def declare(self, name, hp):
        """The value that `hp`, a KerasTuner HyperParameters, has for this argument."""
        spelled = self.spelled()
        default = list(spelled)[list(spelled.values()).index(self.default)]
        chosen = hp.Choice(name, list(spelled), default=default)
        return self.value_of(chosen)

    def spelled(self):
        """dict from what KerasTuner sees to the values."""
        kinds = {type(value) for value in self.values}
        if len(kinds) == 1 and kinds <= {int, float, str}:
            return {value: value for value in self.values}
        return {_shown(value): value for value in self.values}

    def value_of(self, chosen):
        """The value that is meant by what KerasTuner has chosen."""
        spelled = self.spelled()
        if chosen in spelled:
            return spelled[chosen]
        return min(spelled, key=lambda value: abs(value - chosen))  # a rounded float

    def __str__(self):
        return " | ".join(map(_shown, self.values))


@dataclasses.dataclass(frozen=True)
class Range:
    """All numbers from one to another, both included.

    Attributes:
        low, high: int for whole numbers, else float.
        sampling: "linear", or "log": each factor of ten counts alike.
        step: Distance of neighbours, or None.
        default: The value to begin with; None for the middle.
    """

    low: float
    high: float
    sampling: str = "linear"
    step: float | None = None
    default: float | None = None

    def declare(self, name, hp):
        """The value that `hp`, a KerasTuner HyperParameters, has for this argument."""
        make = hp.Int if self.is_whole() else hp.Float
        return make(
            name,
            self.low,
            self.high,
            step=self.step,
            sampling=self.sampling,
            default=self.first(),
        )

    def is_whole(self):
        return all(isinstance(end, numbers.Integral) for end in (self.low, self.high))

    def first(self):
        """The value to begin with."""
        if self.default is not None:
            return self.default
        if self.step is not None:
            return self.low
        if self.sampling == "log":
            middle = float(np.sqrt(self.low * self.high))
        else:
            middle = (self.low + self.high) / 2
        return round(middle) if self.is_whole() else float(f"{middle:.3g}")

    def __str__(self):
        how = " log" if self.sampling == "log" else ""
        step = f" by {_shown(self.step)}" if self.step is not None else ""
        return f"{_shown(self.low)} to {_shown(self.high)}{step}{how}"


def as_range(name, said, default=None, whole=False):
    """What a user says of an argument, as an object.

    Args:
        name: The argument's name, for messages.
        said: A list is a choice; a tuple (low, high), (low, high, "log") or (low, high,
            step) a range; anything else a value. `fixed(...)` and the objects of this
            file are taken as they are.
        default: The value to begin with, where it is among those that are said.
        whole: Whether parts of a number are no value, as where `default` is whole.

    Returns:
        `Fixed`, `Choice` or `Range`.

    Raises:
        ValueError: an empty list, a tuple that is no range or one of other numbers, or a
            KerasTuner hyperparameter.

    Example:

    >>> print(as_range("learning_rate", (1e-4, 1e-2, "log")))
    0.0001 to 0.01 log
    >>> print(as_range("ngrams", [1, 2, 3]))
    1 | 2 | 3
    """
    if isinstance(said, (Fixed, Choice, Range)):
        return said
    hyperparameters = keras_tuner.engine.hyperparameters
    if isinstance(said, (hyperparameters.HyperParameter, keras_tuner.HyperParameters)):
        raise ValueError(
            "A space takes a value, a list or a tuple, of which it makes KerasTuner's "
            f"hyperparameters. Received: {name}={said!r}. Try {name}=[a, b] for a "
            f'choice, or {name}=(low, high, "log") for a range.'
        )
    if isinstance(said, list):
        values = tuple(value for i, value in enumerate(said) if value not in said[:i])
        if not values:
            raise ValueError(
                f"A choice needs values. Received: {name}=[]. Try {name}=[a, b]."
            )
        if len(values) == 1:
            return Fixed(values[0])
        return Choice(values, default if default in values else values[0])
    if isinstance(said, tuple):
        return _range(name, said, default, whole or isinstance(default, int))
    return Fixed(said)


def _range(name, said, default, whole):
    low, high, *how = said if len(said) in (2, 3) else (None, None)
    how = how[0] if how else "linear"
    is_step = isinstance(how, (int, float)) and not isinstance(how, bool) and how > 0
    if (
        not (_is_number(low) and _is_number(high) and low < high)
        or not (is_step or how in ("linear", "log"))
        or (how == "log" and low <= 0)
    ):
        raise ValueError(
            'A range is (low, high), (low, high, "log") with low above 0, or (low, high, '
            f"step). Received: {name}={said!r}. Try a list for a choice, or "
            f"tuning.fixed({said!r}) for the value itself."
        )
    if is_step and how > high - low:
        raise ValueError(
            "A step must fit into its range. Received: "
            f"{name}={said!r}, a step of {_shown(how)} in a range of "
            f"{_shown(high - low)}. Try {name}={(low, high)!r}."
        )
    if whole and not all(isinstance(n, int) for n in said[:2]):
        raise ValueError(
            f"`{name}` takes whole numbers. Received: {name}={said!r}. Try "
            f"{name}={(round(low), max(round(high), round(low) + 1), *said[2:])!r}."
        )
    whole = all(isinstance(n, int) for n in (low, high, how if is_step else 1))
    if not whole:
        low, high = float(low), float(high)
    if not (_is_number(default) and low <= default <= high):
        default = None
    if is_step:
        if default is not None and (default - low) % how:
            default = None
        return Range(low, high, step=how, default=default)
    return Range(low, high, how, default=default)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value):
    return f"{value:.6g}" if isinstance(value, float) else str(value)
