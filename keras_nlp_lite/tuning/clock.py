"""The time of a search: of this process, and of those before it, however they ended."""

import contextlib
import os
import re
import threading
import time

from keras_nlp_lite.tuning.trial_run import read_json, write_json

SECONDS = "seconds.json"
_TICK = 1.0  # seconds


class Clock:
    """Counts the seconds of a search, in its folder.

    Args:
        folder: Of the search.
        budget: Seconds that it may take; None for any.
    """

    def __init__(self, folder, budget=None):
        self.budget = budget
        self._path = os.path.join(folder, SECONDS)
        try:
            self._earlier = read_json(self._path) or 0.0
        except ValueError:  # a power cut left it empty
            self._earlier = 0.0
        self._since = time.monotonic()

    def seconds(self):
        """Of this process and of those before it."""
        return self._earlier + time.monotonic() - self._since

    def out_of_time(self):
        return self.budget is not None and self.seconds() >= self.budget

    def deadline(self):
        """When the budget ends, as `time.monotonic()` counts; None if there is none."""
        return (
            None if self.budget is None else self._since + self.budget - self._earlier
        )

    @contextlib.contextmanager
    def running(self):
        """Notes the time while the block runs: a process that is killed has spent it."""
        ended = threading.Event()

        def note():
            write_json(self._path, self.seconds(), durable=False)

        def keep_noting():
            while not ended.wait(_TICK):
                note()

        thread = threading.Thread(target=keep_noting, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            note()


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(budget):
    """float, a span of time in seconds; None for None.

    Args:
        budget: Seconds, or str of a number and "s", "m", "h" or "d".

    Raises:
        ValueError: it is neither, or no time at all.

    Example:

    >>> seconds_of("1.5h"), seconds_of("30m"), seconds_of(20)
    (5400.0, 1800.0, 20.0)
    """
    if budget is None:
        return None
    said = re.fullmatch(r"([0-9.]+)\s*([smhd]?)", str(budget).strip())
    try:
        seconds = float(said[1]) * _UNITS[said[2]]
    except (TypeError, ValueError):
        seconds = 0.0
    if seconds <= 0:
        raise ValueError(
            f'`budget` must be a time. Received: budget={budget!r}. Try "30m", '
            '"1.5h" or a number of seconds.'
        )
    return seconds
