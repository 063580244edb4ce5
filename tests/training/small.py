"""Small models and data for the tests of callbacks."""

import keras
import numpy as np

from keras_nlp_lite.models import TextClassifier
from tests.tasks.encoders import external, without_segments


def classifier(**kwargs):
    """A text classifier, quick to trace, with dropout."""
    encoder = external()
    keras.utils.set_random_seed(6)
    given = {"preprocessor": without_segments(), "pooling": "mean", **kwargs}
    return TextClassifier(encoder, 2, **given)


def regression(*layers, width=3, graph=False, optimizer="sgd", **kwargs):
    """A plain Keras model of `layers`, from [B, width] to whatever they give.

    Without a `graph`, since a few steps take less time than tracing one.
    """
    model = keras.Sequential([keras.Input([width]), *layers])
    # The layers drew their seeds when they were made: give them the same weights.
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        if np.ptp(weight):
            weight.assign(rng.normal(size=weight.shape))
    how = {"jit_compile": False, "run_eagerly": not graph}
    model.compile(optimizer, "mse", **{**how, **kwargs})
    return model


def points(rows=40, width=3):
    """(x [rows, width], above 0; y [rows, 1], a linear function of x)"""
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(size=(rows, width))).astype("float32") + 0.1
    return x, x @ np.arange(1, width + 1, dtype="float32")[:, None]


def state_of(model):
    """All that training changes, as arrays."""
    kept = [np.asarray(variable) for variable in model.variables]
    if model.optimizer is not None:
        kept += [np.asarray(variable) for variable in model.optimizer.variables]
    return kept


def same(state, other):
    return len(state) == len(other) and all(map(np.array_equal, state, other))
