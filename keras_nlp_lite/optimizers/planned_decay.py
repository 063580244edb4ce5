"""A learning rate that rises, then falls to nothing at the end of training."""

import keras

from keras_nlp_lite.checks import check_fraction
from keras_nlp_lite.optimizers.planned_schedule import PlannedSchedule


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class PlannedDecay(PlannedSchedule):
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
        check_fraction("warmup", warmup)
        super().__init__(peak, "linear", float(warmup))

    def get_config(self):
        return {"peak": self.peak, "warmup": self.warmup}
