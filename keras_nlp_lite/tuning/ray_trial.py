"""A trial as a process of Ray's runs it: an epoch, a report, a checkpoint, and so on."""

import os
import tempfile

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.tuning.kt import keras_tuner
from keras_nlp_lite.tuning.objectives import numbers_of
from keras_nlp_lite.tuning.space import TRAINING, Space
from keras_nlp_lite.tuning.trial_run import MODEL, fresh, read_json, release, write_json

LATEST, LOGS = "latest.keras", "epochs.json"


def train_on_ray(
    config, *, hypermodel, space, train, val, objective, epochs, seed, threads
):
    """Trains a model, and tells Ray of each epoch.

    Args:
        config: dict of hyperparameters, as Ray chose them.
        hypermodel: keras_tuner.HyperModel.
        space: dict, config of a keras_tuner.HyperParameters.
        train, val: Tuples of arrays.
        objective: `Objective`, by which the best epoch is told.
        epochs: The most epochs.
        seed: Of weights, order and dropout.
        threads: Of TensorFlow's ops.
    """
    from ray import tune

    _use(threads)
    hp = keras_tuner.HyperParameters.from_config(space)
    hp.values = {name: _plain(value) for name, value in config.items()}
    fresh(seed)
    if isinstance(hypermodel, Space):
        hypermodel.learn_from(train)
    begun = tune.get_checkpoint()
    if begun is None:
        model, logs = hypermodel.build(hp), []
    else:
        with begun.as_directory() as folder:
            model = keras.saving.load_model(os.path.join(folder, LATEST))
            logs = read_json(os.path.join(folder, LOGS))
            best = _read(os.path.join(folder, MODEL))
        go_on(hypermodel, model, hp)
    report = _Report(objective, logs, None if begun is None else best)
    try:
        if len(logs) < epochs:
            hypermodel.fit(
                hp,
                model,
                *train,
                validation_data=val,
                epochs=epochs,
                initial_epoch=len(logs),
                callbacks=[keras.callbacks.TerminateOnNaN(), report],
                verbose=0,
            )
    finally:
        release()


def go_on(hypermodel, model, hp):
    """Gives a trained model the training that a trial says, where it stands.

    The optimizer keeps its moments and its count of steps, if it is of the same kind.
    """
    if not isinstance(hypermodel, Space):
        return
    settings = hypermodel.settings(hp)
    old = model.optimizer
    hypermodel.compiled(model, {n: settings[n] for n in TRAINING if n in settings})
    model.optimizer.build(model.trainable_variables)
    new = model.optimizer
    if type(new) is type(old) and len(new.variables) == len(old.variables):
        for variable, value in zip(new.variables, old.variables):
            if variable.shape == value.shape and "learning_rate" not in value.path:
                variable.assign(value)


class _Report(keras.callbacks.Callback):
    """After each epoch: the metrics, and the model as it is, and at its best."""

    def __init__(self, objective, logs, best):
        super().__init__()
        self.objective = objective
        self.epochs = list(logs)
        self.best = best  # bytes of a .keras file

    def on_epoch_end(self, epoch, logs=None):
        from ray import tune

        logs, name = numbers_of(logs, self.objective), self.objective.name
        others = [one[name] for one in self.epochs]
        self.epochs.append(logs)
        with tempfile.TemporaryDirectory() as folder:
            latest = os.path.join(folder, LATEST)
            self.model.save(latest)
            if all(self.objective.better(logs[name], other) for other in others):
                self.best = _read(latest)
            with open(os.path.join(folder, MODEL), "wb") as file:
                file.write(self.best)
            write_json(os.path.join(folder, LOGS), self.epochs)
            tune.report(
                {**logs, "epoch": epoch + 1},
                checkpoint=tune.Checkpoint.from_directory(folder),
            )


def _use(threads):
    """So many threads, if TensorFlow has not begun yet; its process may be used again."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        pass


def _plain(value):
    """Python's own number, out of NumPy's."""
    return value.item() if isinstance(value, np.generic) else value


def _read(path):
    with open(path, "rb") as file:
        return file.read()
