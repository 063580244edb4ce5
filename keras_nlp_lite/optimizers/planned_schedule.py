"""A learning rate that knows how long training is."""

import math

import keras

from keras_nlp_lite.checks import check_choice, check_fraction, check_positive_int

SHAPES = ("linear", "cosine", "inverse_sqrt", "constant", "wsd")


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class PlannedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a line to its peak, then takes one of five ways, over a planned time.

    Nobody has to count steps: a task's `fit` calls `plan` with those that it is going
    to take. With plain `keras.Model.fit`, give `steps`, or call `plan` yourself. Where
    the length stays unknown, "inverse_sqrt" and "constant" need none, and the others
    stay at their peak.

    Args:
        peak: The highest rate.
        shape: What comes after the peak. "linear": a line to zero; "cosine": half a
            cosine to zero; "inverse_sqrt": as 1 / sqrt(step), without an end;
            "constant": nothing; "wsd": the peak, then a line to zero in the last steps.
        warmup: float in [0, 1), share of the steps in which the rate rises; or int,
            how many steps.
        steps: int, how long training is. It stands, whatever `plan` says. None: `plan`
            says it.
        cooldown: float in [0, 1), share of the steps in which "wsd" falls.
        accumulate: int, how many batches make a step. Keras counts batches in
            `optimizer.iterations`' variable and in `plan`; all else here counts steps.

    Raises:
        ValueError: an argument is out of its range.

    Example:

    >>> schedule = PlannedSchedule(1.0, "wsd", warmup=2, steps=8, cooldown=0.25)
    >>> [round(float(schedule(step)), 2) for step in range(9)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0]

    Reference: for "wsd" Hu et al., "MiniCPM", arXiv:2404.06395.
    """

    def __init__(
        self,
        peak,
        shape="linear",
        warmup=0.06,
        steps=None,
        cooldown=0.2,
        accumulate=1,
    ):
        super().__init__()
        check_choice("shape", shape, SHAPES)
        if isinstance(warmup, bool) or not isinstance(warmup, int):
            check_fraction("warmup", warmup)
        elif warmup < 0:
            raise ValueError(
                "`warmup` must be a share in [0, 1) or a number of steps. Received: "
                f"warmup={warmup}."
            )
        check_positive_int("steps", steps, none_ok=True)
        check_fraction("cooldown", cooldown)
        check_positive_int("accumulate", accumulate)
        self.peak = peak
        self.shape = shape
        self.warmup = warmup
        self.steps = steps
        self.cooldown = cooldown
        self.accumulate = accumulate
        # Variables, so that a traced step sees the next plan, too.
        self._start = keras.Variable(0, dtype="int64", trainable=False)
        self._steps = keras.Variable(steps or 0, dtype="int64", trainable=False)

    def plan(self, start, steps):
        """From which batch on, counted from 0, and for how many batches."""
        if self.steps is None:
            self._start.assign(start // self.accumulate)
            self._steps.assign(steps // self.accumulate)

    def __call__(self, step):
        ops = keras.ops
        done = ops.cast(step // self.accumulate - self._start, "float32")
        steps = ops.cast(self._steps, "float32")
        share = isinstance(self.warmup, float)
        rising = ops.maximum(self.warmup * steps if share else float(self.warmup), 1.0)
        rise = ops.clip((done + 1) / rising, 0.0, 1.0)
        rate = ops.minimum(rise, self._after(done, steps, rising))
        if self.shape in ("inverse_sqrt", "constant") and not share:
            return self.peak * rate
        return self.peak * ops.where(steps > 0, rate, 1.0 if share else rise)

    def _after(self, done, steps, rising):
        """Share of the peak, from the peak on; at least 1 before it."""
        ops = keras.ops
        if self.shape == "constant":
            return 1.0
        if self.shape == "inverse_sqrt":
            return ops.sqrt(rising / ops.maximum(done + 1, 1.0))
        falling = steps - rising
        if self.shape == "wsd":
            falling = ops.minimum(falling, self.cooldown * steps)
        left = (steps - done) / ops.maximum(falling, 1.0)
        left = ops.clip(left, 0.0, 1.0)
        if self.shape == "cosine":
            return ops.sin(0.5 * math.pi * left) ** 2  # (1 - cos(pi * left)) / 2
        return left

    def get_config(self):
        names = ("peak", "shape", "warmup", "steps", "cooldown", "accumulate")
        return {name: getattr(self, name) for name in names}
