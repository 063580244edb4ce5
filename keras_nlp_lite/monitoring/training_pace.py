"""How fast training goes, with validation left out."""

from time import perf_counter


class TrainingPace:
    """Counts an epoch's batches and the seconds they took.

    Time runs from the epoch's start to the end of its last batch so far, so what comes
    after (validation, other callbacks) does not count. The first epoch's includes the
    tracing of the training step.

    Example:

    >>> pace = TrainingPace()
    >>> pace.start_epoch()
    >>> pace.finish_batches(3)
    >>> batches, seconds = pace.lap()
    >>> pace.finish_batches(5)
    >>> pace.lap()[0], pace.epoch()[0]
    (2, 5)
    """

    def __init__(self):
        self.longest_epoch = 0  # batches
        self.start_epoch()

    def start_epoch(self):
        self._start = perf_counter()
        self._now = self._last_lap = (0, 0.0)  # batches and seconds since the start

    def finish_batches(self, batches):
        """Notes that the epoch's first `batches` batches are done by now."""
        self._now = (batches, perf_counter() - self._start)
        self.longest_epoch = max(self.longest_epoch, batches)

    def epoch(self):
        """(batches, seconds) of this epoch."""
        return self._now

    def lap(self):
        """(batches, seconds) since the last lap or the epoch's start."""
        (batches, seconds), (last_batches, last_seconds) = self._now, self._last_lap
        self._last_lap = self._now
        return batches - last_batches, seconds - last_seconds
