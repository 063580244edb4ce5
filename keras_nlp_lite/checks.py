"""Refusals that several rooms share: one clear sentence for a bad argument."""

import difflib
import numbers


def check_choice(name, value, choices):
    """Refuses a value that is not among the choices, and guesses what was meant.

    Args:
        name: The argument's name, as its caller writes it.
        value: What came.
        choices: The values that would do, strings or None.

    Raises:
        ValueError: `value` is not in `choices`.

    Example:

    >>> check_choice("mode", "tfidf", ("count", "tf_idf"))
    Traceback (most recent call last):
    ...
    ValueError: `mode` must be one of 'count', 'tf_idf'. Received: mode='tfidf'. Did you mean 'tf_idf'?
    """
    if value in choices:
        return
    wanted = ", ".join(repr(choice) for choice in choices)
    close = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f"`{name}` must be one of {wanted}. Received: {name}={value!r}.{hint}"
    )


def check_positive_int(name, value, *, none_ok=False):
    """Refuses all but integers of at least 1 (and None where that has a meaning).

    Args:
        name: The argument's name, as its caller writes it.
        value: What came.
        none_ok: Whether None passes.

    Raises:
        ValueError: `value` is no integer, or below 1.
    """
    if value is None and none_ok:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        wanted = "an integer of at least 1" + (", or None" if none_ok else "")
        raise ValueError(f"`{name}` must be {wanted}. Received: {name}={value!r}.")


def check_fraction(name, value):
    """Refuses what does not lie in [0, 1).

    Args:
        name: The argument's name, as its caller writes it.
        value: What came.

    Raises:
        ValueError: `value` is no number in [0, 1).
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(
            f"`{name}` must be a number in [0, 1). Received: {name}={value!r}."
        )
    if not 0 <= value < 1:
        raise ValueError(f"`{name}` must lie in [0, 1). Received: {name}={value}.")


def check_rate(name, value):
    """Refuses what does not lie in [0, 1].

    Args:
        name: The argument's name, as its caller writes it.
        value: What came.

    Raises:
        ValueError: `value` is no number in [0, 1].
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and 0 <= value <= 1):
        raise ValueError(
            f"`{name}` must be a number from 0 to 1. Received: {name}={value!r}."
        )


def check_positive(name, value):
    """Refuses what is not a finite number above 0.

    Args:
        name: The argument's name, as its caller writes it.
        value: What came.

    Raises:
        ValueError: `value` is no number, not finite, or not above 0.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and 0 < value < float("inf")):
        raise ValueError(
            f"`{name}` must be a number above 0. Received: {name}={value!r}."
        )
