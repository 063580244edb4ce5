"""A search in TensorBoard: curves of each trial, and the HParams tab."""

import contextlib
import os
import shutil

import tensorflow as tf
from tensorboard.plugins.hparams import api

from keras_nlp_lite.monitoring import TensorBoard
from keras_nlp_lite.monitoring.hparams import write_end, write_start

FOLDER = "tensorboard"


class SearchBoard:
    """Writes what TensorBoard shows of a search.

    Args:
        directory: Of the search.
        space: keras_tuner.HyperParameters, with all that trials may vary.
        metrics: list of str, the tab's columns of results.
    """

    def __init__(self, directory, space, metrics):
        self.folder = os.path.join(directory, FOLDER)
        self.space = space
        self.metrics = metrics

    def declare(self):
        """Says which hyperparameters and metrics there are; once for a search."""
        if os.path.isdir(self.folder):
            return
        with _writing(self.folder):
            api.hparams_config(
                hparams=[api.HParam(hp.name, _domain(hp)) for hp in self.space.space],
                metrics=[api.Metric(name) for name in self.metrics],
            )

    def curves(self, trial_id, execution):
        """The callback for one training run; what an interrupted one left goes."""
        folder = self._of(trial_id, execution)
        shutil.rmtree(folder, ignore_errors=True)
        return TensorBoard(folder, examples=0)

    def tell(self, trial_id, values, metrics):
        """Notes a finished trial.

        Args:
            trial_id: str.
            values: dict of its hyperparameters.
            metrics: dict of its results; None if it failed.
        """
        folder = os.path.join(self.folder, trial_id, "result")
        shutil.rmtree(folder, ignore_errors=True)
        with _writing(folder):
            write_start(values, trial_id)
            for name, value in (metrics or {}).items():
                tf.summary.scalar(name, value, step=0)
            write_end(well=metrics is not None)

    def _of(self, trial_id, execution):
        return os.path.join(self.folder, trial_id, f"execution_{execution}")


@contextlib.contextmanager
def _writing(folder):
    """What TensorFlow's summaries go to, closed at the end."""
    writer = tf.summary.create_file_writer(folder)
    try:
        with writer.as_default():
            yield
    finally:
        writer.close()


def _domain(hp):
    values = getattr(hp, "values", None)
    kind = type(hp).__name__
    if kind == "Choice":
        return api.Discrete(list(values))
    if kind == "Boolean":
        return api.Discrete([True, False])
    if kind == "Fixed":
        return api.Discrete([hp.value])
    if kind == "Int":
        return api.IntInterval(hp.min_value, hp.max_value)
    return api.RealInterval(float(hp.min_value), float(hp.max_value))
