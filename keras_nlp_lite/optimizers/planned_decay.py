"""A learning rate that rises, then falls to nothing at the end of training."""

import keras

from keras_nlp_lite.checks import check_fraction


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class PlannedDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a line to its peak, then falls in a line to zero, over a planned time.

    Nobody has to count steps: a task's `fit` calls `plan` with those that it is going
    to take. Without a plan the rate stays at its peak.

    Args:
        peak: The highest rate.
        warmup: Share of the steps in which the rate rises.

    Example:

    >>> schedule = PlannedDecay(1e-4, warmup=0.5)
    >>> schedule.plan(start=0, steps=4)
    >>> [round(1e4 * float(schedule(step)), 2) for step in range(5)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """

    def __init__(self, peak, warmup=0.06):
        super().__init__()
        check_fraction("warmup", warmup)
        self.peak = peak
        self.warmup = warmup
        # Variables, so that a traced step sees the next plan, too.
        self._start = keras.Variable(0, dtype="int64", trainable=False)
        self._steps = keras.Variable(0, dtype="int64", trainable=False)

    def plan(self, start, steps):
        """From which step on, counted from 0, and for how many."""
        self._start.assign(start)
        self._steps.assign(steps)

    def __call__(self, step):
        done = keras.ops.cast(step - self._start, "float32")
        steps = keras.ops.cast(self._steps, "float32")
        rising = keras.ops.maximum(self.warmup * steps, 1.0)
        falling = keras.ops.maximum(steps - rising, 1.0)
        share = keras.ops.minimum((done + 1) / rising, (steps - done) / falling)
        share = keras.ops.clip(share, 0.0, 1.0)
        return self.peak * keras.ops.where(steps > 0, share, 1.0)

    def get_config(self):
        return {"peak": self.peak, "warmup": self.warmup}
