import copy
import pathlib

import keras
import pytest
import tensorflow as tf

from keras_nlp_lite.monitoring import TensorBoard
from tests.monitoring.runs import (
    TRAIN,
    VALIDATION,
    Run,
    TextModel,
    compiled,
)


def test_arguments_of_keras_pass_through_and_the_graph_is_left_out(tmp_path):
    callback = TensorBoard(pathlib.Path(tmp_path), histogram_freq=2)
    assert isinstance(callback, keras.callbacks.TensorBoard)
    assert callback.histogram_freq == 2 and not callback.write_graph
    assert callback.log_dir == str(tmp_path)
    assert TensorBoard(tmp_path, write_graph=True).write_graph


def test_a_fresh_callback_can_be_copied(tmp_path):
    # As tuners do for each trial, with another folder.
    callback = copy.deepcopy(TensorBoard(tmp_path / "first", misclassified=2))
    callback.log_dir = str(tmp_path / "second")
    compiled(TextModel()).fit(TRAIN, validation_data=VALIDATION, callbacks=[callback])
    assert len(Run(tmp_path / "second").rows()) == 2
    assert not (tmp_path / "first").exists()


@pytest.mark.parametrize("name", ["examples", "misclassified"])
@pytest.mark.parametrize("count", [-1, 2.5, True, None])
def test_a_count_that_is_none_is_refused(tmp_path, name, count):
    with pytest.raises(
        ValueError, match=f"`{name}` must be an integer.*{name}={count}"
    ):
        TensorBoard(tmp_path, **{name: count})


def test_validation_data_that_is_no_text_is_refused_before_training(tmp_path):
    model = compiled(TextModel())
    callback = TensorBoard(tmp_path, validation_data=([[1.0], [2.0]], [0, 1]))
    with pytest.raises(ValueError, match="texts are no strings: float"):
        model.fit(TRAIN, callbacks=[callback])
    assert model.optimizer.iterations == 0


class Failing(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if self.model.optimizer.iterations == 7:  # in epoch 2
            raise KeyboardInterrupt


@pytest.mark.parametrize("update_freq", ["epoch", 2])
def test_an_interrupted_run_keeps_its_finished_epochs(tmp_path, update_freq):
    model = compiled(TextModel())
    callback = TensorBoard(tmp_path, update_freq=update_freq)
    arguments = {"validation_data": VALIDATION, "epochs": 9}
    with pytest.raises(KeyboardInterrupt):
        model.fit(TRAIN, callbacks=[callback, Failing()], **arguments)
    run = Run(tmp_path)
    assert set(run.scalars("train", "epoch_loss")) == {0, 1}
    assert set(run.texts()) == set(run.images()) == {0, 1}

    interrupted = list(callback._writers.values())
    model.fit(TRAIN, callbacks=[callback])
    assert len(interrupted) == 2 and all(writer._closed for writer in interrupted)
    assert not tf.summary.should_record_summaries()


def test_writers_are_closed_when_training_ends(tmp_path):
    callback = TensorBoard(tmp_path)
    compiled(TextModel()).fit(TRAIN, validation_data=VALIDATION, callbacks=[callback])
    assert {"train", "val"} == set(callback._writers)
    assert all(writer._closed for writer in callback._writers.values())


def test_writers_close_with_the_callback(tmp_path):
    callback = TensorBoard(tmp_path)
    model = compiled(TextModel())
    callback.set_model(model)
    callback.on_train_begin()
    (writer,) = callback._writers.values()
    del callback
    assert writer._closed


def test_one_callback_serves_fit_after_fit(tmp_path):
    callback, model = TensorBoard(tmp_path), compiled(TextModel())
    for epoch in range(2):
        model.fit(
            TRAIN,
            validation_data=VALIDATION,
            initial_epoch=epoch,
            epochs=epoch + 1,
            callbacks=[callback],
        )
    run = Run(tmp_path)
    assert set(run.texts()) == set(run.scalars("train", "epoch_loss")) == {0, 1}
