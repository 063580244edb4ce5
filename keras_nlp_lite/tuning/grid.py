"""Every combination of a space's values, in order."""

import itertools
import math

from keras_nlp_lite.tuning.kt import keras_tuner


class GridOracle(keras_tuner.Oracle):
    """Goes through all combinations; a range without steps gives three values.

    KerasTuner's own grid search forgets where it was when its process ends.

    Args:
        **kwargs: As in `keras_tuner.Oracle`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._rest, self._rest_of = iter(()), None

    def populate_space(self, trial_id):
        known = len(self.hyperparameters.space)
        if self._rest_of != known:  # a trial has found more to vary
            self._rest, self._rest_of = self._combinations(), known
        for values in self._rest:
            if not self._duplicate(values):
                return {"status": "RUNNING", "values": values}
        # A trial that still runs may find hyperparameters that nobody knew of.
        return {"status": "IDLE" if self.ongoing_trials else "STOPPED"}

    def _combinations(self):
        space = self.get_space()
        points = [grid_points(hp) for hp in space.space]
        for combination in itertools.product(*points):
            hps = keras_tuner.HyperParameters()
            for hp, value in zip(space.space, combination):
                hps.merge([hp])
                if hps.is_active(hp):
                    hps.values[hp.name] = value
            yield hps.values


def grid_points(hp):
    """list of the values that a grid has of a hyperparameter, its default first.

    Args:
        hp: One of a `keras_tuner.HyperParameters`'s `space`.
    """
    if isinstance(hp, keras_tuner.engine.hyperparameters.Fixed):
        return [hp.value]
    stepless = getattr(hp, "step", 0) is None
    values = list(hp.values)
    if stepless and not (isinstance(hp.default, int) and len(values) <= 3):
        values = [hp.prob_to_value(place) for place in (0.0, 0.5, 1.0 - 1e-9)]
        values[-1] = hp.max_value
    values = [float(f"{v:.7g}") if isinstance(v, float) else v for v in values]
    default = hp.default
    return [default, *(v for v in dict.fromkeys(values) if v != default)]


def check_grid(space, max_trials):
    """Refuses a grid of more combinations than there may be trials.

    Args:
        space: keras_tuner.HyperParameters.
        max_trials: None for any number.

    Raises:
        ValueError: there are more; the corner that comes first would be all that is
            looked at.
    """
    sizes = {hp.name: len(grid_points(hp)) for hp in space.space}
    combinations = math.prod(sizes.values())
    if max_trials is not None and combinations > max_trials:
        raise ValueError(
            "A grid has to be tried as a whole. Received: "
            f"{combinations:,} combinations ("
            + ", ".join(f"{name} {size}" for name, size in sizes.items())
            + f"), max_trials={max_trials}. Try space(..., defaults=False) with the few "
            "arguments that are to vary, or max_trials=None."
        )
