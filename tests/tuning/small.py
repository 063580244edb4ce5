"""Spaces and data whose trials take a fraction of a second, for the tests of searches."""

import keras
import numpy as np

from keras_nlp_lite import tuning

TEXTS = ["good", "not good", "bad", "not bad at all", "good and bad", "so so"] * 4
LABELS = [1, 0, 0, 1, 1, 0] * 4


def points():
    """(x [24, 2], y [24, 1], a linear function of x)"""
    x = np.random.default_rng(0).normal(size=(24, 2)).astype("float32")
    return x, x @ np.array([[1.0], [-2.0]], "float32")


def regression(hp):
    """A linear model, of a rate and of two arguments of other kinds."""
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log", default=1e-3)
    bias = hp.Choice("bias", ["no", "yes"])
    scale = hp.Int("scale", 1, 4)
    model = keras.Sequential(
        [keras.Input([2]), keras.layers.Dense(1, use_bias=bias == "yes")]
    )
    rate = rate * scale / 4
    model.compile(keras.optimizers.SGD(rate), "mse", run_eagerly=True)
    return model


def search(directory, space=regression, **settings):
    """A search on `points`, quiet; arguments of `tuning.search` by name."""
    settings = {
        "objective": "val_loss",
        "direction": "min",
        "max_trials": 4,
        "epochs": 3,
        "tensorboard": False,
        "verbose": 0,
        **settings,
    }
    return tuning.search(space, points(), points(), directory=directory, **settings)


def search_texts(space, directory, **settings):
    """The same on `TEXTS`."""
    data = TEXTS, LABELS
    return tuning.search(
        space,
        data,
        data,
        objective="val_accuracy",
        direction="max",
        directory=directory,
        tensorboard=False,
        verbose=0,
        **settings,
    )


def values_of(result):
    """What each trial was given, in their order."""
    return [trial.values for trial in result.trials]
