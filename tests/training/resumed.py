"""Runs that break off and go on, for the tests of resumable runs."""

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.tasks import Classifier
from keras_nlp_lite.training.resumable_run import ResumableRun

WORDS = ["good", "bad", "joy", "bore", "film", "plot", "not", "very", "so", "it"]
ROWS = 37  # batches of 4: nine whole ones, and one of a single row


def texts_and_labels():
    rng = np.random.default_rng(0)
    rows = rng.integers(len(WORDS), size=[ROWS, 5])
    return [" ".join(WORDS[i] for i in row) for row in rows], list(rows[:, 0] % 2)


def dataset(shuffle=True):
    data = tf.data.Dataset.from_tensor_slices(texts_and_labels())
    return (data.shuffle(ROWS) if shuffle else data).batch(4)


class Remainders(keras.layers.Layer):
    """Texts to numbers, float [B, 7], by less than a tokenizer needs to be traced."""

    def call(self, x):
        return tf.cast(tf.strings.length(x)[:, None] % tf.range(3, 10), tf.float32)

    def compute_output_spec(self, x):
        return keras.KerasTensor([None, 7], "float32")


def classifier(optimizer=None, preprocessor=Remainders, **compile_arguments):
    """With dropout, to see whether its random numbers go on, too."""
    dropout = keras.Sequential([keras.layers.Dropout(0.3)])
    model = Classifier(2, preprocessor and preprocessor(), encoder=dropout)
    model.compile(optimizer or keras.optimizers.Adam(0.01), **compile_arguments)
    return model


class Recorder(keras.callbacks.Callback):
    """Notes what training tells; breaks it off after so many batches, if asked."""

    def __init__(self, after=None, in_validation=False):
        super().__init__()
        self.after = after
        self.in_validation = in_validation
        self.batches = {}  # (epoch, last batch) to logs

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.batches[self.epoch, batch] = dict(logs)
        if self.after is not None and not self.in_validation:
            self._count_down()

    def on_test_batch_end(self, batch, logs=None):
        if self.in_validation:
            self._count_down()

    def _count_down(self):
        self.after -= 1
        if self.after == 0:
            raise KeyboardInterrupt


def run(folder, fit, breaks=(), make=classifier, callbacks=list, **settings):
    """Trains from the beginning to the end, in as many processes as there are breaks.

    They are processes but for the time that starting them takes: each makes its model,
    its data and its random numbers anew.

    Args:
        folder: Of the run.
        fit: Function from a model and callbacks to what `fit` gives.
        breaks: For each process but the last, after how many batches it ends.
        make: Makes the model.
        callbacks: Makes other callbacks.
        **settings: Of `ResumableRun`.

    Returns:
        dict of what batches told, dict of the history, list of weights.
    """
    told = {}
    for after in [*breaks, None]:
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(7)
        model = make()
        resumable = ResumableRun(folder, **settings)
        recorder = Recorder(abs(after) if after else None, (after or 0) < 0)
        try:
            # In front, where it sees the callbacks after it being told.
            history = fit(model, [resumable, *callbacks(), recorder])
        except KeyboardInterrupt:
            assert after, "only what was asked for breaks it off"
        else:
            assert after is None, "it was to break off"
        told.update(recorder.batches)
    return told, history.history, model.get_weights()


def assert_equal_runs(one, other):
    assert one[0] == other[0]  # logs of every batch
    assert one[1] == other[1]  # history
    for ours, theirs in zip(one[2], other[2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
