"""One trial: a fresh model, trained, measured and kept, and its memory given back."""

import dataclasses
import gc
import json
import math
import os
import shutil
import time
import traceback

import keras
import numpy as np

from keras_nlp_lite.atomic import replacing
from keras_nlp_lite.memory import give_back
from keras_nlp_lite.tuning import gradients
from keras_nlp_lite.tuning.callbacks import BestEpoch, StopAt
from keras_nlp_lite.tuning.kt import keras_tuner
from keras_nlp_lite.tuning.measures import latency, megabytes, one_text
from keras_nlp_lite.tuning.objectives import first_logged

MODEL, RESULT, STARTS = "model.keras", "result.json", "starts.json"
_MOST_STARTS = 2  # that end the process, before a trial counts as failed


@dataclasses.dataclass
class TrialRun:
    """How the trials of a search are run.

    Attributes:
        hypermodel: keras_tuner.HyperModel.
        train, val: Data as `fit` takes it.
        objectives: tuple of `Objective`.
        directory: Of the search.
        epochs: The most epochs.
        executions: Trainings of each trial, of different seeds, whose mean counts.
        patience: Epochs without a better one after which training ends; None for all.
        seed: Of weights, order and dropout.
        callbacks: Function of no arguments that makes more callbacks, or None.
        board: `SearchBoard`, or None.
        deadline: As `time.monotonic()` counts; None for no end.
    """

    hypermodel: object
    train: object
    val: object
    objectives: tuple
    directory: str
    epochs: int
    executions: int
    patience: int | None
    seed: int
    callbacks: object = None
    board: object = None
    deadline: float | None = None

    def run(self, trial):
        """Runs a trial, and writes its result beside its model.

        A result that stands there already is taken: a process was killed before it
        could tell. A trial in which two processes have died is not begun again.

        Args:
            trial: keras_tuner.engine.trial.Trial.

        Returns:
            dict, what stands in the file: "metrics", dict of str to float, None if the
            trial failed; "message", why; "values", "epochs", "cut_short" and "seconds".

        Raises:
            keras_tuner.errors.FatalError: what is wrong is wrong for all trials.
        """
        folder = trial_folder(self.directory, trial.trial_id)
        result = read_json(os.path.join(folder, RESULT))
        if result is None or result.get("asked") != trial.hyperparameters.values:
            result = self._start(trial, folder)
        trial.hyperparameters.values = result["values"]
        if self.board is not None:
            values = {
                name: value
                for name, value in result["values"].items()
                if not name.startswith("tuner/")
            }
            self.board.tell(trial.trial_id, values, result["metrics"])
        return result

    def _start(self, trial, folder):
        """Counts the starts that do not end, which are those that end the process."""
        path = os.path.join(folder, STARTS)
        starts = read_json(path) or 0
        shutil.rmtree(folder, ignore_errors=True)  # what an interrupted process left
        os.makedirs(folder)
        write_json(path, starts + 1)
        try:
            with gradients.forgotten():
                result = self._result(trial, starts)
        except (keras_tuner.errors.FatalError, KeyboardInterrupt):
            os.remove(path)
            raise
        finally:
            release()
        write_json(os.path.join(folder, RESULT), result)
        os.remove(path)
        return result

    def _result(self, trial, starts):
        start = time.perf_counter()
        result = {
            "asked": dict(trial.hyperparameters.values),
            "metrics": None,
            "epochs": [],
            "cut_short": False,
            "message": None,
        }
        try:
            if starts >= _MOST_STARTS:
                raise RuntimeError(
                    f"The trial ended its process {starts} times. Did it need more "
                    "memory than there is?"
                )
            found = []
            for execution in range(self.executions):
                if execution:
                    release()
                found.append(self._execute(trial, execution, found, result))
                if result["cut_short"]:
                    break
            metrics = {
                name: float(np.mean([one[name] for one in found if name in one]))
                for name in found[0]
            }
            self._check(metrics)
            result["metrics"] = metrics
        except keras_tuner.errors.FatalError:
            raise
        except Exception as error:
            result["message"] = f"{type(error).__name__}: {error}"
            result["traceback"] = traceback.format_exc()
        # With those that only building the model found.
        result["values"] = dict(trial.hyperparameters.values)
        result["seconds"] = time.perf_counter() - start
        return result

    def _execute(self, trial, execution, before, result):
        """dict of metrics of one training; the best one's model is kept."""
        start = time.perf_counter()
        fresh(self.seed + 1000 * int(trial.trial_id) + execution)
        hp = trial.hyperparameters
        model = self.hypermodel.build(hp)
        judge = first_logged(self.objectives)
        best, stop = BestEpoch(judge, self.objectives), StopAt(self.deadline)
        history = self.hypermodel.fit(
            hp,
            model,
            *(self.train if isinstance(self.train, tuple) else (self.train,)),
            validation_data=self.val,
            epochs=hp.values.get("tuner/epochs", self.epochs),
            callbacks=self._callbacks(trial, execution, judge, best, stop),
            verbose=0,
        )
        result["epochs"].append(len(history.epoch))
        result["cut_short"] = result["cut_short"] or stop.stopped
        metrics = dict(best.logs)
        metrics["parameters"] = float(model.count_params())
        path = os.path.join(trial_folder(self.directory, trial.trial_id), MODEL)
        metrics["seconds"] = time.perf_counter() - start
        wanted = {o.name for o in self.objectives}
        if "latency" in wanted:
            data = self.train if self.val is None else self.val
            metrics["latency"] = latency(model, one_text(data))
        if "size" in wanted:
            metrics["size"] = megabytes(model)
        if judge is None or not before or _beats_all(judge, metrics, before):
            with replacing(path) as temporary:
                model.save(temporary)
        return metrics

    def _callbacks(self, trial, execution, judge, best, stop):
        found = [] if self.callbacks is None else list(self.callbacks())
        found += [keras.callbacks.TerminateOnNaN(), stop]
        if self.board is not None:
            found.append(self.board.curves(trial.trial_id, execution))
        found.append(best)  # which says it if the objective is not there
        if self.patience is not None and judge is not None:
            found.append(
                keras.callbacks.EarlyStopping(
                    judge.name, mode=judge.direction, patience=self.patience
                )
            )
        return found

    def _check(self, metrics):
        """Refuses a trial that has no number for an objective."""
        for objective in self.objectives:
            value = metrics.get(objective.name)
            if value is None or not math.isfinite(value):
                raise ValueError(
                    f"{objective.name} must be a finite number. Received: {value}."
                )


def _beats_all(judge, metrics, before):
    return all(judge.better(metrics[judge.name], one.get(judge.name)) for one in before)


def trial_folder(directory, trial_id):
    """Where a trial's model and result are."""
    return os.path.join(directory, f"trial_{trial_id}")


def write_json(path, value, durable=True):
    """Writes JSON so that a file is there as a whole or not at all."""
    with (
        replacing(path, durable=durable) as temporary,
        open(temporary, "w", encoding="utf-8") as file,
    ):
        json.dump(value, file, indent=1)


def read_json(path):
    """What `write_json` wrote; None where nothing is."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def fresh(seed):
    """Before a model is made: as in a new process, with random numbers of a seed."""
    _forget()
    keras.utils.set_random_seed(seed % 2**32)


def release():
    """After a model: its memory is given back."""
    _forget()
    gc.collect()
    give_back()


def _forget():
    """What Keras and TensorFlow remember of models goes."""
    policy = keras.config.dtype_policy()  # which Keras would forget, too
    keras.utils.clear_session(free_memory=False)
    keras.config.set_dtype_policy(policy)
