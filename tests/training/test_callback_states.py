"""What callbacks remember."""

import json

import keras
import numpy as np
import pytest

from keras_nlp_lite.training.callback_states import (
    get_callback_state,
    set_callback_state,
)
from keras_nlp_lite.training.states import pack, unpack

LOSSES = [5.0, 4.0, 4.5, 4.4, 4.3, 4.2, 3.0, 3.5, 3.4, 3.3, 3.2, 3.1]


class Model:
    """As much of a model as callbacks ask for."""

    def __init__(self):
        self.optimizer = keras.optimizers.SGD(1.0)
        self.stop_training = False
        self.weights = [np.zeros(3)]
        self.saved = []

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights

    def save(self, path, **_):
        self.saved.append(path)


def told(model):
    rate = float(model.optimizer.learning_rate)
    return rate, model.stop_training, list(model.saved)


def train(make, epochs, model, state=None):
    """What a callback makes of some epochs, and what it remembers, through JSON."""
    callback = make()
    callback.set_model(model)
    callback.on_train_begin()
    if state is not None:
        set_callback_state(callback, unpack(*state))
    heard = []
    for epoch in epochs:
        callback.on_epoch_begin(epoch)
        model.weights = [np.full(3, float(epoch))]
        callback.on_epoch_end(epoch, {"loss": LOSSES[epoch]})
        heard.append(told(model))
    apart = {}
    packed = json.dumps(pack(get_callback_state(callback), "c", apart))
    callback.on_train_end()
    return heard, (json.loads(packed), apart), model.weights


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.callbacks.EarlyStopping(
            "loss", patience=5, restore_best_weights=True
        ),
        lambda: keras.callbacks.ReduceLROnPlateau("loss", patience=2, cooldown=2),
        lambda: keras.callbacks.ModelCheckpoint(
            "{epoch}.keras", "loss", save_best_only=True
        ),
    ],
    ids=["EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint"],
)
@pytest.mark.parametrize("cut", range(1, len(LOSSES)))
def test_a_callback_goes_on_as_if_it_had_not_been_interrupted(make, cut):
    whole, _, weights = train(make, range(len(LOSSES)), Model())
    assert len(set(map(str, whole))) > 1, "nothing that could be forgotten happened"
    model = Model()
    first, state, _ = train(make, range(cut), model)
    model.stop_training = first[-1][1]
    second, _, again = train(make, range(cut, len(LOSSES)), model, state)
    assert first + second == whole
    np.testing.assert_array_equal(again, weights)


def test_a_callback_that_remembers_nothing_has_no_state():
    assert get_callback_state(keras.callbacks.Callback()) is None
