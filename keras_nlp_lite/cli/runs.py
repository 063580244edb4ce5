"""A run's folder: what was trained, how, how well, and its TensorBoard logs."""

import glob
import json
import os
import zipfile

import keras

from keras_nlp_lite import models
from keras_nlp_lite.atomic import replacing
from keras_nlp_lite.monitoring import TensorBoard


class Run:
    """One run.

    `model.keras` is the model, `results.json` its settings and results; `train`,
    `validation` and the event file beside them are what TensorBoard reads.

    Args:
        folder: str or path.
    """

    def __init__(self, folder):
        self.folder = os.fspath(folder)
        self.model_path = os.path.join(self.folder, "model.keras")
        self.results_path = os.path.join(self.folder, "results.json")

    def check_new(self):
        """Refuses a folder that holds a model, or the curves of a run.

        Raises:
            ValueError: It does.
        """
        held = "a model" if os.path.exists(self.model_path) else "logs of a run"
        if held == "a model" or self._logs():
            raise ValueError(
                "--run must be a new folder, so that no earlier run is lost. Received: "
                f"{self.folder!r}, which holds {held}. Try another one, or --overwrite."
            )

    def _logs(self):
        """The event files that stand here."""
        return [
            log
            for part in ("", "train", "validation")
            for log in glob.glob(
                os.path.join(glob.escape(self.folder), part, "events.out.tfevents.*")
            )
        ]

    def monitor(self, settings=None):
        """The callback that logs to this folder, from which older curves then go.

        Args:
            settings: dict, for a row in TensorBoard's tab HParams.
        """
        for log in self._logs():
            os.remove(log)
        return TensorBoard(self.folder, hparams=settings)

    def keep(self, model, results):
        """Saves the model and what there is to say about it."""
        model.save(self.model_path)
        with (
            replacing(self.results_path) as temporary,
            open(temporary, "w", encoding="utf-8") as file,
        ):
            json.dump(results, file, indent=2, ensure_ascii=False)
            file.write("\n")

    def model(self):
        """The trained model.

        Raises:
            ValueError: There is none, or none of this package's.
        """
        if not os.path.isfile(self.model_path):
            raise ValueError(
                "--run must be the folder of a finished run. Received: "
                f"{self.folder!r}, which has no model.keras. Try "
                f"`keras-nlp-lite train --run {self.folder} ...` first."
            )
        whole = zipfile.is_zipfile(self.model_path)
        model = keras.saving.load_model(self.model_path) if whole else None
        if not isinstance(model, models.Classifier):
            raise ValueError(
                "--run must hold a classifier that this package saved. Received: "
                f"{self.model_path!r}, which is something else, or damaged."
            )
        return model

    def results(self):
        """What `keep` was given; empty if it was not called, as for a model of others."""
        try:
            with open(self.results_path, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}


def describe(model):
    """What there is to say of a model, whether trained here or elsewhere.

    Args:
        model: A `models.Classifier`.

    Returns:
        dict, part of what `results.json` holds.
    """
    vocabulary_size = getattr(model.preprocessor, "vocabulary_size", None)
    return {
        "class": type(model).__name__,
        "class_names": model.class_names,
        "parameters": model.count_params(),
        "vocabulary_size": vocabulary_size() if vocabulary_size else None,
    }


def free_folder(folder):
    """The folder, or the first of `folder-2`, `folder-3`, ... that is not there yet.

    Example:

    >>> free_folder("runs/of/nobody")
    'runs/of/nobody'
    """
    number, free = 1, folder
    while os.path.exists(free):
        number += 1
        free = f"{folder}-{number}"
    return free
