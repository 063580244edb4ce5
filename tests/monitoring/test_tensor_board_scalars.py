import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.monitoring import TensorBoard, training_pace
from keras_nlp_lite.monitoring.memory_use import memory_use
from tests.monitoring.runs import (
    TRAIN,
    VALIDATION,
    Run,
    TextModel,
    compiled,
    fit,
)


@pytest.mark.parametrize("update_freq", ["epoch", 2, "batch"])
def test_the_scalars_of_keras_arrive_in_every_epoch(tmp_path, update_freq):
    # 3 batches an epoch: with 2, neither end of epoch 0 is a multiple of update_freq.
    run = fit(tmp_path, epochs=2, update_freq=update_freq)
    for part in ("train", "validation"):
        assert set(run.scalars(part, "epoch_loss")) == {0, 1}
        assert set(run.scalars(part, "epoch_accuracy")) == {0, 1}
    evaluations = run.scalars("validation", "evaluation_accuracy_vs_iterations")
    assert evaluations == {3: pytest.approx(2 / 6), 6: pytest.approx(2 / 6)}


def test_batch_scalars_come_every_update_freq_batches(tmp_path):
    run = fit(tmp_path, epochs=2, update_freq=2)
    for tag in ("loss", "learning_rate", "batches_per_second"):
        assert set(run.scalars("train", f"batch_{tag}")) == {2, 4, 6}


def test_no_batch_scalars_come_unless_asked_for(tmp_path):
    assert not [t for t in fit(tmp_path).tags("train") if t.startswith("batch_")]


def test_the_learning_rate_of_a_schedule_is_its_value_at_that_step(tmp_path):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 2, 0.9)
    model = compiled(TextModel(), schedule)
    run = fit(tmp_path, model, epochs=2, update_freq="batch")
    per_batch = run.scalars("train", "batch_learning_rate")
    wanted = {step: float(schedule(step)) for step in range(1, 7)}
    assert per_batch == pytest.approx(wanted)
    per_epoch = run.scalars("train", "epoch_learning_rate")
    assert per_epoch == pytest.approx({0: wanted[3], 1: wanted[6]})


def test_the_learning_rate_may_be_a_plain_number(tmp_path):
    run = fit(tmp_path, compiled(TextModel(), 0.25))
    assert run.scalars("train", "epoch_learning_rate") == {0: 0.25}


def test_a_model_without_an_optimizer_has_no_learning_rate(tmp_path):
    class Frequencies(TextModel):  # fits without gradients
        def train_step(self, data):
            return {"texts": tf.size(data[0])}

    model = Frequencies()
    model.compile(optimizer=None, run_eagerly=True)
    model.optimizer = None
    run = fit(tmp_path, model, update_freq="batch", validation_data=None)
    assert run.scalars("train", "epoch_texts") == {0: 2}
    assert not {"epoch_learning_rate", "batch_learning_rate"} & run.tags("train")


class Clock(keras.callbacks.Callback):
    """Lets each training step seem to take a second, and each validation step 100."""

    def __init__(self, monkeypatch, seconds_per_call=1.0):
        super().__init__()
        self.now, self.seconds = 0.0, seconds_per_call
        monkeypatch.setattr(training_pace, "perf_counter", lambda: self.now)

    def on_train_batch_begin(self, batch, logs=None):
        self.now += self.seconds

    def on_test_batch_begin(self, batch, logs=None):
        self.now += 100.0


@pytest.mark.parametrize("steps_per_execution", [1, 2])
@pytest.mark.parametrize("known", [True, False])
def test_examples_per_second_count_rows_and_training_time_alone(
    tmp_path, monkeypatch, steps_per_execution, known
):
    model = compiled(
        TextModel(), steps_per_execution=steps_per_execution, run_eagerly=False
    )
    model.training_examples = 6
    clock = Clock(monkeypatch)
    train = TRAIN if known else TRAIN.filter(lambda *_: True)
    model.fit(
        train,
        validation_data=VALIDATION,
        epochs=2,
        callbacks=[clock, TensorBoard(tmp_path)],
    )
    run = Run(tmp_path)
    rate = 6 / -(-3 // steps_per_execution)  # 3 batches, a second for each call
    assert run.scalars("train", "epoch_examples_per_second") == {0: rate, 1: rate}
    assert "epoch_batches_per_second" not in run.tags("train")


def test_examples_per_second_between_batches_leave_out_validation(
    tmp_path, monkeypatch
):
    model = compiled(TextModel())
    model.training_examples = 6
    callbacks = [Clock(monkeypatch), TensorBoard(tmp_path, update_freq=2)]
    model.fit(TRAIN, validation_data=VALIDATION, epochs=2, callbacks=callbacks)
    rates = Run(tmp_path).scalars("train", "batch_examples_per_second")
    assert rates == {2: 2.0, 4: 2.0, 6: 2.0}


def test_an_epoch_that_stops_early_counts_only_the_rows_it_saw(tmp_path, monkeypatch):
    class StopAfterOne(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    model = compiled(TextModel())
    model.training_examples = 6
    callbacks = [Clock(monkeypatch), TensorBoard(tmp_path), StopAfterOne()]
    model.fit(TRAIN, callbacks=callbacks)
    rates = Run(tmp_path).scalars("train", "epoch_examples_per_second")
    assert rates == {0: 2.0}


def test_without_a_row_count_there_are_batches_per_second(tmp_path, monkeypatch):
    callbacks = [Clock(monkeypatch, 0.5), TensorBoard(tmp_path)]
    compiled(TextModel()).fit(TRAIN, callbacks=callbacks)
    run = Run(tmp_path)
    assert run.scalars("train", "epoch_batches_per_second") == {0: 2.0}
    assert "epoch_examples_per_second" not in run.tags("train")


def test_a_model_of_numbers_is_logged_as_keras_does_and_in_silence(tmp_path):
    model = compiled(keras.Sequential([keras.layers.Dense(2, activation="softmax")]))
    x, y = np.ones((10, 3)), np.ones(10)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(
            x, y, validation_data=(x, y), verbose=0, callbacks=[TensorBoard(tmp_path)]
        )
    run = Run(tmp_path)
    scalars = {"epoch_loss", "epoch_accuracy"}
    more = {"epoch_learning_rate", "epoch_batches_per_second"}
    more |= {f"epoch_{name}" for name in memory_use()}
    assert run.tags("train") == scalars | more
    evaluations = {f"evaluation_{tag}_vs_iterations" for tag in ("loss", "accuracy")}
    assert run.tags("validation") == scalars | evaluations
