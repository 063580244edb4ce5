"""What a trial needs of `fit`: its best epoch, and an end in time."""

import time

import keras

from keras_nlp_lite.tuning.kt import keras_tuner
from keras_nlp_lite.tuning.objectives import numbers_of


class BestEpoch(keras.callbacks.Callback):
    """Notes the best epoch, and gives the model its weights when training ends.

    Args:
        objective: An `Objective` of `fit`'s logs; None takes the last epoch.
        others: `Objective`s that have to be in the logs, too, unless they are `MEASURES`.
    """

    def __init__(self, objective, others=()):
        super().__init__()
        self.objective = objective
        self._wanted = others if objective is None else (objective, *others)
        self.epoch = None
        self.logs = {}
        self._weights = None

    def on_epoch_end(self, epoch, logs=None):
        try:
            logs = numbers_of(logs, *self._wanted)
        except ValueError as error:  # of no trial at all: no failure of this one
            raise keras_tuner.errors.FatalValueError(*error.args) from None
        if self.objective is None:
            self.epoch, self.logs = epoch, logs
            return
        name = self.objective.name
        if not self.logs or self.objective.better(logs[name], self.logs[name]):
            self.epoch, self.logs = epoch, logs
            self._weights = self.model.get_weights()

    def on_train_end(self, logs=None):
        if self._weights is not None:
            self.model.set_weights(self._weights)
            self._weights = None


class StopAt(keras.callbacks.Callback):
    """Ends training at a moment: the running epoch is cut short, and still validated.

    Args:
        deadline: As `time.monotonic()` counts; None for no end.
    """

    def __init__(self, deadline):
        super().__init__()
        self.deadline = deadline
        self.stopped = False

    def on_train_batch_end(self, batch, logs=None):
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self.stopped = self.model.stop_training = True
