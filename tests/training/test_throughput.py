"""Examples and tokens a second, of training alone."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.monitoring import TensorBoard
from keras_nlp_lite.monitoring.token_counts import count_tokens
from keras_nlp_lite.training.throughput import Throughput
from tests.monitoring.runs import Run
from tests.tasks.encoders import LABELS, TEXTS, without_segments
from tests.training.small import classifier, points, regression


def fit(model, x, y, **kwargs):
    pace = Throughput()
    history = model.fit(x, y, verbose=0, callbacks=[pace], **kwargs).history
    return pace, history


@pytest.mark.parametrize("steps", [1, 3])
def test_all_rows_after_the_first_call_are_counted(steps):
    model = regression(keras.layers.Dense(1), graph=True, steps_per_execution=steps)
    pace, history = fit(model, *points(38), batch_size=4, epochs=1)
    assert pace.examples == 38 - 4 * steps
    assert pace.tokens == 0 and "tokens_per_second" not in history
    assert history["examples_per_second"] == [pace.examples / pace.seconds]
    pace, history = fit(model, *points(38), batch_size=4, epochs=3)
    assert pace.examples == 38 and len(history["examples_per_second"]) == 3


def test_tokens_are_those_that_are_not_padding():
    model = classifier()
    pace, history = fit(model, TEXTS, LABELS, epochs=2)
    mask = without_segments()(tf.constant(TEXTS))["padding_mask"]
    assert pace.tokens == np.sum(mask) < mask.shape[0] * mask.shape[1]
    assert history["tokens_per_second"][-1] == pace.tokens / pace.seconds


def test_seconds_are_of_training_without_tracing_and_validation():
    class Slow(keras.callbacks.Callback):
        def on_test_end(self, logs=None):
            time.sleep(0.5)

        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.05)

    model, pace = regression(keras.layers.Dense(1)), Throughput()
    start = time.perf_counter()
    model.fit(
        *points(24),
        batch_size=4,
        verbose=0,
        validation_data=points(4),
        callbacks=[pace, Slow()],
    )
    assert 0.3 <= pace.seconds < time.perf_counter() - start - 0.5


def test_an_epoch_of_the_first_call_alone_has_no_rate():
    model = regression(keras.layers.Dense(1))
    _, history = fit(model, *points(4), batch_size=4, epochs=2)
    assert len(history["loss"]) == 2 and len(history["examples_per_second"]) == 1


def test_what_counts_as_a_token():
    ids = tf.constant([[7, 8, 0], [9, 0, 0]])
    assert count_tokens({"token_ids": ids}) == 3
    assert count_tokens({"token_ids": ids, "padding_mask": ids > 8}) == 1
    both = {"encoder_padding_mask": ids > 0, "decoder_padding_mask": ids > 7}
    assert count_tokens(both) == 5
    assert count_tokens(ids) == 3
    assert count_tokens(tf.ragged.constant([[7, 8], [9]])) == 3
    for other in (tf.zeros([2, 3]), tf.constant([1, 2]), {"x": ids}):
        assert count_tokens(other) is None
    assert count_tokens(tf.sparse.from_dense(ids)) is None


def test_it_does_not_change_training():
    weights = []
    for callbacks in ([], [Throughput()]):
        model = regression(keras.layers.Dropout(0.5, seed=7), keras.layers.Dense(1))
        model.fit(*points(), shuffle=False, verbose=0, callbacks=callbacks)
        weights.append(model.get_weights())
    assert all(map(np.array_equal, *weights))


def test_tensorboard_after_it_writes_its_rates(tmp_path):
    embed = keras.layers.Embedding(9, 1)
    model = keras.Sequential([embed, keras.layers.GlobalAveragePooling1D()])
    model.compile("sgd", "mse", jit_compile=False)
    model.training_examples = 8  # of which TensorBoard would make a rate of its own
    ids = np.ones([8, 3], "int32")
    callbacks = [Throughput(), TensorBoard(tmp_path, examples=0)]
    history = model.fit(
        ids, ids[:, 0], batch_size=2, verbose=0, callbacks=callbacks
    ).history
    for name in ("examples_per_second", "tokens_per_second"):
        written = Run(tmp_path).scalars("train", f"epoch_{name}")
        assert written[0] == pytest.approx(history[name][0], rel=1e-6)
