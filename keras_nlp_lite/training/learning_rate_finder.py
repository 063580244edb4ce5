"""Which learning rate suits a model: try all of them, in one short run."""

import dataclasses
import math

import keras
import numpy as np

from keras_nlp_lite.checks import check_positive, check_positive_int
from keras_nlp_lite.svg import write_svg
from keras_nlp_lite.training.curve_svg import curve_svg
from keras_nlp_lite.training.rehearsal import prepared_batches, rehearsal

_SPREAD = 25  # of a test's steps, one in so many is the smoothing's width
_RECENT = 5  # losses whose mean says whether training diverges
_DIVERGED = 4.0  # times the lowest such mean


@dataclasses.dataclass
class LearningRateCurve:
    """What a model's loss did while the learning rate rose.

    In a notebook it draws itself.

    Attributes:
        rates: float [N], rising; N is less than the steps asked for where training
            diverged, which ends the test.
        losses: float [N], of each batch before its step.
        suggestion: float, the rate at which the smoothed loss fell fastest, and at
            most a tenth of that at which it was lowest: a good peak for a schedule
            with warm-up. None where it fell nowhere.
    """

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float | None

    @property
    def smoothed(self):
        """float [N], the losses without most of their noise."""
        return smoothed(self.losses)

    def plot(self, path):
        """Writes a picture to an .svg file: losses over rates, and a red line at the
        suggestion, if there is one.

        Raises:
            ValueError: `path` does not end in .svg.
        """
        write_svg(path, self._repr_svg_())

    def _repr_svg_(self):
        return curve_svg(
            self.rates,
            self.losses,
            self.smoothed,
            x_title="learning rate",
            y_title="loss",
            marked=self.suggestion,
            mark_title="suggested:",
        )

    def __str__(self):
        lowest = int(np.argmin(self.smoothed))
        said = "The loss fell nowhere: try other rates, or `overfit_one_batch`."
        if self.suggestion is not None:
            said = f"Try a learning rate of {self.suggestion:.1e}."
        return (
            f"{said} {len(self.rates)} rates from {self.rates[0]:.1e} to "
            f"{self.rates[-1]:.1e}; loss {self.smoothed[0]:.4g} at first, lowest "
            f"{self.smoothed[lowest]:.4g} at {self.rates[lowest]:.1e}."
        )


def find_learning_rate(
    model, data, lowest=1e-7, highest=1.0, steps=100, *, batch_size=None
):
    """Trains a model for a few steps, each at a higher rate, and undoes it.

    The model's own optimizer is copied, with its settings but for the learning rate,
    and its schedule if it has one. Model and optimizer are afterwards what they were.

    Args:
        model: A compiled keras.Model; a task compiles itself.
        data: What `fit` takes: a Dataset, or a tuple of lists or arrays (x, y). It is
            read again from its start where it has less than `steps` batches.
        lowest, highest: The rates of the first and the last step; between them they
            grow by the same factor at each step.
        steps: How many. The test ends sooner once the loss is no number, or four times
            its lowest and above where it began (in means of five steps).
        batch_size: Of lists or arrays; 32 by default.

    Returns:
        LearningRateCurve.

    Raises:
        ValueError: rates that do not rise from above 0; a model without a loss.

    Example:

    >>> keras.utils.set_random_seed(0)
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.1), "mse")
    >>> x = np.random.default_rng(0).normal(size=[64, 3])
    >>> curve = find_learning_rate(model, (x, x.sum(1)), highest=10)
    >>> 1e-3 < curve.suggestion < 1
    True

    Reference: Smith, "Cyclical Learning Rates for Training Neural Networks",
    arXiv:1506.01186, section 3.3.
    """
    check_positive("lowest", lowest)
    check_positive("highest", highest)
    check_positive_int("steps", steps)
    if lowest >= highest:
        raise ValueError(
            "`lowest` must be below `highest`. Received: "
            f"lowest={lowest}, highest={highest}."
        )
    batches = prepared_batches(model, data, batch_size)
    rising = Rising(lowest, highest, steps)
    sweep = _Sweep(rising)
    own = getattr(model, "optimizer", None)
    with rehearsal(model, batches, lambda: with_rate(own, rising)) as trial:
        trial.fit(batches.repeat(), steps, sweep)
    rates, losses = np.array(sweep.rates), np.array(sweep.losses)
    return LearningRateCurve(rates, losses, suggested(rates, losses))


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Rising(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that grows by the same factor at each step.

    Args:
        lowest, highest: The first and the last rate.
        steps: int, from the first to the last, both counted.
    """

    def __init__(self, lowest, highest, steps):
        super().__init__()
        self.lowest, self.highest, self.steps = lowest, highest, steps

    def __call__(self, step):
        share = keras.ops.cast(step, "float32") / max(self.steps - 1, 1)
        growth = math.log(self.highest / self.lowest)
        return self.lowest * keras.ops.exp(growth * share)

    def get_config(self):
        return {"lowest": self.lowest, "highest": self.highest, "steps": self.steps}


def with_rate(optimizer, learning_rate):
    """A new optimizer, like another but for its learning rate.

    Args:
        optimizer: A Keras optimizer; one that scales the loss gives another such.
        learning_rate: float, or a Keras schedule.
    """
    config = optimizer.get_config()
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        config["inner_optimizer"] = with_rate(inner, learning_rate)
        return type(optimizer)(**config)
    # A config does not tell which weights may decay.
    undecayed = {
        name: value
        for name, value in vars(optimizer).items()
        if name.startswith("_exclude_from_weight_decay")
    }
    config["learning_rate"] = learning_rate
    copy = type(optimizer).from_config(config)
    vars(copy).update(undecayed)
    return copy


def smoothed(losses):
    """float [N]: each loss averaged with its neighbors, the nearer the more."""
    losses = np.asarray(losses, "float64")
    places = np.arange(len(losses))
    width = max(len(losses) / _SPREAD, 1.0)
    weights = np.exp(-(((places - places[:, None]) / width) ** 2) / 2)  # [N, N]
    return weights @ losses / weights.sum(axis=1)


def suggested(rates, losses):
    """float, as `LearningRateCurve` says; None if the loss does not fall.

    Args:
        rates, losses: float [N].
    """
    curve = smoothed(losses)
    start, end = len(curve) // 10, int(np.argmin(curve)) + 1
    if end - start < 3:
        return None
    noise = np.std(losses[:end] - curve[:end])
    if np.mean(losses[: start + 1]) - curve[end - 1] <= noise:
        return None
    # The first points have neighbors on one side alone: their slopes are noise.
    slopes = np.gradient(curve[:end], np.log(rates[:end]))[start:]
    # Losses follow rates with a delay, in which they still fall where they should rise.
    return float(min(rates[start + np.argmin(slopes)], rates[end - 1] / 10))


class _Sweep(keras.callbacks.Callback):
    """Notes rate and loss of each step."""

    def __init__(self, rising):
        super().__init__()
        self.rising = rising
        self.rates, self.losses = [], []
        self._lowest = math.inf

    def on_train_batch_begin(self, batch, logs=None):
        # A step that a scaled loss made overflow is taken again at the same rate.
        done = keras.ops.convert_to_numpy(self.model.optimizer.iterations)
        self._rate = float(self.rising(int(done)))
        self.model.reset_metrics()  # which average over batches

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        if not np.isfinite(loss):
            self.model.stop_training = True
            return
        self.rates.append(self._rate)
        self.losses.append(loss)
        recent = float(np.mean(self.losses[-_RECENT:]))
        if len(self.losses) >= _RECENT:
            self._lowest = min(self._lowest, recent)
        first = float(np.mean(self.losses[:_RECENT]))
        if recent > max(_DIVERGED * self._lowest, first):
            self.model.stop_training = True
