"""What came of a search: its trials, the best of them, and its model."""

import dataclasses
import os

import keras
import numpy as np

from keras_nlp_lite.svg import write_svg
from keras_nlp_lite.tuning.objectives import Objective
from keras_nlp_lite.tuning.oracles import read_state
from keras_nlp_lite.tuning.pareto import pareto_front
from keras_nlp_lite.tuning.pareto_svg import pareto_svg
from keras_nlp_lite.tuning.progress import plain, spelled, table_of
from keras_nlp_lite.tuning.trial_run import MODEL, RESULT, read_json, trial_folder

SETTINGS = "search.json"


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """One trial of a search.

    Attributes:
        trial_id: str, such as "07".
        status: "COMPLETED", "FAILED", or "RUNNING", which it also is after its process
            died in it.
        values: dict of its hyperparameters.
        metrics: dict of str to float, of its best epoch and of the finished model, the
            mean of its executions; empty if there are none.
        epochs: list of int, epochs of each execution.
        seconds: float, how long it took.
        cut_short: Whether the budget ended its training.
        message: Why it failed; None if it did not.
        model_path: Of its model; None where that was not kept.
    """

    trial_id: str
    status: str
    values: dict
    metrics: dict
    epochs: list
    seconds: float
    cut_short: bool
    message: str | None
    model_path: str | None


class SearchResult:
    """The trials of a search, as they stand in its folder.

    Args:
        directory: The folder.

    Attributes:
        trials: list of `TrialResult`, in the order of their numbers.
        objectives: tuple of `Objective`.

    Raises:
        ValueError: there is no search in the folder.

    Example:

    >>> result = SearchResult("runs/search")  # doctest: +SKIP
    >>> result.best_trial().values  # doctest: +SKIP
    {'ngrams': 2, 'mode': 'log_count_ratio', 'learning_rate': 0.0042}
    """

    def __init__(self, directory):
        self.directory = os.fspath(directory)
        settings = read_json(os.path.join(self.directory, SETTINGS))
        state = read_state(self.directory)
        if settings is None or state is None:
            raise ValueError(
                "`directory` must be the folder of a search. Received: "
                f"{self.directory!r}, which holds none."
            )
        self.objectives = tuple(Objective(**o) for o in settings["objectives"])
        self.title = settings["title"]
        names = (hp["config"]["name"] for hp in settings["space"])
        self.names = list(dict.fromkeys(names))
        trials = sorted(state["trials"].values(), key=lambda t: int(t["trial_id"]))
        self.trials = [self._trial(trial) for trial in trials]

    def _trial(self, trial):
        folder = trial_folder(self.directory, trial["trial_id"])
        ended = trial["status"] in ("COMPLETED", "FAILED")
        told = (read_json(os.path.join(folder, RESULT)) if ended else None) or {}
        path = os.path.join(folder, MODEL)
        return TrialResult(
            trial_id=trial["trial_id"],
            status=trial["status"],
            values=trial["hyperparameters"]["values"],
            metrics=told.get("metrics") or {},
            epochs=told.get("epochs", []),
            seconds=told.get("seconds", 0.0),
            cut_short=told.get("cut_short", False),
            message=told.get("message"),
            model_path=path if os.path.isfile(path) else None,
        )

    def __repr__(self):
        done, best = self.completed(), ""
        if done:
            name = self.objectives[0].name
            value = plain(done[0].metrics[name])
            best = f", best {name} {value} in trial {done[0].trial_id}"
        return (
            f"SearchResult({self.directory!r}): {self.title}, {len(done)} of "
            f"{len(self.trials)} trials ended well{best}"
        )

    def completed(self):
        """list of the trials that ended well, best first by the first objective."""
        first = self.objectives[0]
        done = [t for t in self.trials if t.status == "COMPLETED" and t.metrics]
        return sorted(done, key=lambda t: first.sign * t.metrics[first.name])

    def best_trial(self):
        """The best trial: by the first objective, where there are several.

        Raises:
            ValueError: no trial ended well.
        """
        done = self.completed()
        if not done:
            failed = [t.message for t in self.trials if t.message]
            why = f" The first failed with: {failed[0]}" if failed else ""
            raise ValueError(
                f"No trial ended well. Received: {len(self.trials)} trials in "
                f"{self.directory!r}.{why}"
            )
        return done[0]

    @property
    def best_score(self):
        """float, the first objective of the best trial."""
        return self.best_trial().metrics[self.objectives[0].name]

    def best_model(self):
        """The model of the best trial, with the weights of its best epoch.

        Raises:
            ValueError: no trial ended well, or its model is not there.
        """
        return self.model_of(self.best_trial())

    def model_of(self, trial):
        """The model that a trial trained.

        Args:
            trial: A `TrialResult`.

        Raises:
            ValueError: it was not kept.
        """
        if trial.model_path is None:
            raise ValueError(
                "Only the models of the best trials are kept. Received: trial "
                f"{trial.trial_id}. Try search(..., keep='all')."
            )
        return keras.saving.load_model(trial.model_path)

    def pareto_front(self):
        """list of the trials that no other beats in all objectives, best first by the
        first objective."""
        done = self.completed()
        if not done:
            return []
        values = [[t.metrics[o.name] for o in self.objectives] for t in done]
        on = pareto_front(values, [o.direction for o in self.objectives])
        return [done[i] for i in np.flatnonzero(on)]

    def plot(self, path):
        """Draws the trials and their Pareto front, an SVG, for two or more objectives.

        Args:
            path: File to write, of the ending ".svg".

        Raises:
            ValueError: there is one objective only, or the path has another ending.
        """
        if len(self.objectives) < 2:
            raise ValueError(
                "A front takes two objectives or more. Received: "
                f"{self.objectives[0].name} alone. Try `table()`."
            )
        front = {t.trial_id for t in self.pareto_front()}
        done = self.completed()
        picture = pareto_svg(
            [[t.metrics[o.name] for o in self.objectives] for t in done],
            self.objectives,
            [t.trial_id in front for t in done],
            [t.trial_id for t in done],
        )
        write_svg(path, picture)

    def table(self, most=None):
        """The trials, best first and failed ones last, to print: a rich Table.

        Epochs have a column where trials differ in them.

        Args:
            most: How many rows; None for all.
        """
        several = len(self.objectives) > 1
        front = {t.trial_id for t in self.pareto_front()} if several else set()
        done = self.completed()
        uneven = len({n for trial in done for n in trial.epochs}) > 1
        rest = [t for t in self.trials if t not in done]
        shown = [*done, *rest][:most]
        rows = []
        for trial in shown:
            numbers = [plain(trial.metrics.get(o.name, "")) for o in self.objectives]
            said = trial.message or spelled(trial.values, self.names)
            said = said if trial.status != "RUNNING" else f"not ended: {said}"
            mark = "*" if trial.trial_id in front else ""
            epochs = [", ".join(map(str, trial.epochs))] if uneven else []
            seconds = f"{trial.seconds:.0f}"
            rows.append([trial.trial_id + mark, *numbers, *epochs, seconds, said])
        title = f"{self.title}: {len(done)} of {len(self.trials)} trials ended well"
        title += ", * on the Pareto front" if several else ""
        names = [o.name for o in self.objectives] + ["epochs"] * uneven
        return table_of(title, ["trial", *names, "seconds", "arguments"], rows)
