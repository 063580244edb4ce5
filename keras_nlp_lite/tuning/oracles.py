"""KerasTuner's oracles, made to survive: whole on disk after every step of a search."""

import json
import os

import numpy as np

from keras_nlp_lite.atomic import replacing
from keras_nlp_lite.tuning.grid import GridOracle
from keras_nlp_lite.tuning.kt import keras_tuner
from keras_nlp_lite.tuning.pareto import weighted

STATE = "oracle.json"
SEVERAL = "weighted_objectives"  # what KerasTuner calls the one number made of several
_POINTS = 4096  # of a space at which its Gaussian process is asked
ENDED = ("COMPLETED", "FAILED")


def oracle_class(tuner):
    """KerasTuner's oracle of that name, of a kind that survives."""
    return _KINDS[tuner]


class Kept:
    """What is added to an oracle of KerasTuner's.

    All of a search stands in one file, which is replaced as a whole: KerasTuner writes
    several, one after the other, and a process that dies between two of them, or inside
    one, leaves trials that are lost or run twice. A trial that was running is given to
    whoever asks first.

    Args:
        objectives: tuple of `Objective`.
        folder: Where the file goes.
        clock: `Clock`; None where time does not count.
        **kwargs: Of the oracle.
    """

    def __init__(self, objectives, folder, clock=None, **kwargs):
        one = objectives[0]
        name, direction = one.name, one.direction
        if len(objectives) > 1:
            name, direction = SEVERAL, "min"
        super().__init__(
            objective=keras_tuner.Objective(name, direction=direction), **kwargs
        )
        self.objectives = objectives
        self.folder = folder
        self.clock = clock
        self.verbose = 0
        self.after_end = None  # called when a trial has ended, and that is on disk

    # What trial comes next

    def create_trial(self, tuner_id):
        if self.clock is not None and self.clock.out_of_time():
            stopped = keras_tuner.engine.trial.TrialStatus.STOPPED
            return keras_tuner.engine.trial.Trial(
                self.get_space(), trial_id="", status=stopped
            )
        self.tuner_ids.add(tuner_id)
        return super().create_trial(tuner_id)

    def populate_space(self, trial_id):
        if len(self.objectives) > 1:
            self._weigh()
        response = super().populate_space(trial_id)
        values = response.get("values")
        if values and self._duplicate(values) and "tuner/trial_id" not in values:
            values = response["values"] = self._random_values()
            if values is None:
                response["status"] = "STOPPED"
        if values:
            # Workers get floats of 32 bits: these digits arrive as they left.
            response["values"] = {k: short(v) for k, v in values.items()}
        return response

    def _random_values(self):
        if not self.trials:  # the first has the defaults
            space = self.get_space()
            return {hp.name: hp.default for hp in space.space if space.is_active(hp)}
        return super()._random_values()

    # Several objectives

    def score_trial(self, trial):
        if len(self.objectives) == 1:
            super().score_trial(trial)
            return
        trial.score, trial.best_step = 0.0, 0

    def values_of(self, trial):
        """list of float, what a trial has for each objective."""
        return [trial.metrics.get_best_value(o.name) for o in self.objectives]

    def _weigh(self):
        """Scores the trials by weights drawn anew, so that each end of the front is
        looked for in its turn."""
        done = [t for t in self.trials.values() if t.status == "COMPLETED"]
        if not done:
            return
        rng = np.random.default_rng([self.seed, len(self.trials)])
        scores = weighted(
            [self.values_of(trial) for trial in done],
            [o.direction for o in self.objectives],
            rng.dirichlet(np.ones(len(self.objectives))),
        )
        for trial, score in zip(done, scores):
            trial.score = float(score)

    # What came of it

    def end_trial(self, trial):
        known = self.trials[trial.trial_id]
        if trial is not known and known.status in ENDED:
            return  # told twice
        if trial.trial_id in self._retry_queue:  # by one who outlived an earlier chief
            self._retry_queue.remove(trial.trial_id)
        if trial is not known and _same_names(trial, known):
            trial.hyperparameters = known.hyperparameters  # floats of 64 bits
        super().end_trial(trial)
        if self.after_end is not None:
            self.after_end()

    def _retry(self, trial):
        status = keras_tuner.engine.trial.TrialStatus
        if trial.status != status.INVALID:
            return False
        trial.status = status.RUNNING  # given back, as that of a process that died
        self._retry_queue.append(trial.trial_id)
        return True

    def _check_consecutive_failures(self):
        pass  # the search does, which can say why

    # On disk

    def get_state(self):
        state = super().get_state()
        # KerasTuner takes a trial off this list after it has saved that it ended.
        state["ongoing_trials"] = {
            tuner: trial
            for tuner, trial in state["ongoing_trials"].items()
            if self.trials[trial].status == "RUNNING"
        }
        state["trials"] = {name: t.get_state() for name, t in self.trials.items()}
        return state

    def set_state(self, state):
        kind = keras_tuner.engine.trial.Trial
        self.trials = {k: kind.from_state(t) for k, t in state["trials"].items()}
        super().set_state(state)

    def _save_trial(self, trial):
        pass  # in the one file

    def save(self):
        with (
            replacing(os.path.join(self.folder, STATE), durable=True) as temporary,
            open(temporary, "w", encoding="utf-8") as file,
        ):
            json.dump(self.get_state(), file)

    def reload(self):
        """Takes up what `save` wrote, if it did; bool, whether it did."""
        state = read_state(self.folder)
        if state is not None:
            self.set_state(state)
            # Whoever ran a trial is gone, and need not come back under that name.
            waiting = {trial.trial_id for trial in self.ongoing_trials.values()}
            waiting.update(self._retry_queue)
            self._retry_queue = sorted(waiting, reverse=True)  # the last comes first
            self.ongoing_trials = {}
        return state is not None


def read_state(folder):
    """dict, what an oracle saved in a folder; None where nothing is."""
    try:
        with open(os.path.join(folder, STATE), encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def short(value):
    """A float with the seven digits that 32 bits keep; anything else as it is."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _same_names(trial, known):
    return set(trial.hyperparameters.values) == set(known.hyperparameters.values)


class Random(Kept, keras_tuner.oracles.RandomSearchOracle):
    """Values drawn at random."""


class Grid(Kept, GridOracle):
    """Every combination, in order."""


class QuickBayesian(keras_tuner.oracles.BayesianOptimizationOracle):
    """KerasTuner's Gaussian process, asked about many random points at once.

    KerasTuner follows gradients from fifty of them, which takes seconds; and draws
    from random numbers that a search which goes on does not find again.
    """

    def populate_space(self, trial_id):
        done = [t for t in self.trials.values() if t.status == "COMPLETED"]
        if len(done) < self.num_initial_points:
            return super().populate_space(trial_id)
        x, y = self._vectorize_trials()
        self.gpr.fit(x, np.nan_to_num(y, posinf=0, neginf=0))
        rng = np.random.default_rng([self.seed, len(self.trials)])
        points = rng.uniform(size=(_POINTS, x.shape[1]))
        mean, deviation = self.gpr.predict(points, return_std=True)
        best = points[np.argmin(mean - self.beta * deviation)]
        return {"status": "RUNNING", "values": self._vector_to_values(best)}


class Bayesian(Kept, QuickBayesian):
    """A Gaussian process guesses where the next trial does best."""

    def __init__(self, objectives, folder, max_trials=None, **kwargs):
        # KerasTuner would draw three random trials for each hyperparameter first.
        first = max(4, (max_trials or 40) // 4)
        super().__init__(
            objectives,
            folder,
            max_trials=max_trials,
            num_initial_points=first,
            **kwargs,
        )

    def _make_gpr(self):
        process = super()._make_gpr()
        process.n_restarts_optimizer = 3  # KerasTuner's 20 take seconds a trial
        return process


class DefaultsFirst(keras_tuner.oracles.HyperbandOracle):
    """KerasTuner's Hyperband, after a trial of its own for the defaults, of all epochs.

    Among those of few epochs they would only show what they are good for at first.
    """

    def populate_space(self, trial_id):
        if self.trials:
            return super().populate_space(trial_id)
        values = {**self._random_values(), "tuner/epochs": self.max_epochs}
        return {"status": "RUNNING", "values": values}


class Hyperband(Kept, DefaultsFirst):
    """Many trials of a few epochs, and more epochs for the best of them."""

    def __init__(self, objectives, folder, max_trials=None, epochs=10, **kwargs):
        super().__init__(
            objectives, folder, max_epochs=epochs, hyperband_iterations=None, **kwargs
        )
        self.max_trials = max_trials


_KINDS = {
    "random": Random,
    "hyperband": Hyperband,
    "bayesian": Bayesian,
    "grid": Grid,
}
TUNERS = tuple(_KINDS)
