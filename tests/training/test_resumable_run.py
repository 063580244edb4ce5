"""Runs that break off and go on are runs that never broke off."""

import os
import resource
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.data import read_csv
from keras_nlp_lite.optimizers import AdamW, PlannedDecay
from keras_nlp_lite.training.resumable_run import ResumableRun
from tests.training import killed_run
from tests.training.resumed import (
    Recorder,
    assert_equal_runs,
    classifier,
    dataset,
    run,
    texts_and_labels,
)

TEXTS, LABELS = texts_and_labels()
EPOCHS = 2


def fitting(make_data, **arguments):
    """A function from a model and callbacks to what `fit` gives, on data made anew."""

    def fit(model, callbacks):
        data = make_data()
        data = data if isinstance(data, tuple) else (data,)
        settings = {"epochs": EPOCHS, "verbose": 0, **arguments}
        return model.fit(*data, callbacks=callbacks, **settings)

    return fit


class Counts(keras.callbacks.Callback):
    """Tells what it remembers by methods of its own."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)
        logs["seen"] = len(self.epochs)

    def get_state(self):
        return {"epochs": self.epochs}

    def set_state(self, state):
        self.epochs = state["epochs"]


def test_rows_in_memory_with_validation_schedule_averages_and_callbacks(tmp_path):
    def make():
        optimizer = AdamW(
            PlannedDecay(0.02),
            use_ema=True,
            gradient_accumulation_steps=3,
            global_clipnorm=1.0,
        )
        return classifier(optimizer)

    def callbacks():
        stopping = keras.callbacks.EarlyStopping(
            "val_loss", patience=2, min_delta=1.0, restore_best_weights=True
        )
        return [stopping, Counts()]

    held_out = (TEXTS[:8], LABELS[:8])
    fit = fitting(dataset, epochs=5, validation_data=held_out, validation_batch_size=4)
    settings = {"make": make, "callbacks": callbacks, "every_steps": 5}
    whole = run(tmp_path / "whole", fit, **settings)
    # It breaks off in the validation of the second epoch, of two batches like the first.
    parts = run(tmp_path / "parts", fit, breaks=[-3], **settings)
    assert_equal_runs(whole, parts)
    # No epoch was a whole 1.0 better than the first, and the patience for two.
    assert parts[1]["seen"] == [1, 2, 3] and len(whole[0]) == 3 * 10


def test_a_stream_that_shuffles_goes_on_where_it_was(tmp_path):
    fit = fitting(dataset, cache=False, class_weight={0: 1.0, 1: 2.0})
    settings = {"make": lambda: classifier(steps_per_execution=3), "every_steps": 2}
    whole = run(tmp_path / "whole", fit, **settings)
    parts = run(tmp_path / "parts", fit, breaks=[6], **settings)  # calls, of 3 batches
    assert_equal_runs(whole, parts)


def batches():
    rng = np.random.default_rng(3)
    while True:
        rows = rng.integers(len(TEXTS), size=4)
        yield np.array(TEXTS)[rows], np.array(LABELS)[rows]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "t.csv"
    rows = "".join(f"{x},{y}\n" for x, y in zip(TEXTS, LABELS))
    path.write_text("text,label\n" + rows)
    return path


def test_a_generator_goes_on_where_it_was(tmp_path):
    fit = fitting(batches, steps_per_epoch=4)
    whole = run(tmp_path / "whole", fit)
    parts = run(tmp_path / "parts", fit, breaks=[7], every_steps=3)
    assert_equal_runs(whole, parts)


def test_a_reader_goes_on_where_it_was(tmp_path, table):
    def read():
        return read_csv(table, text="text", label="label", batch_size=4)

    fit = fitting(read, cache=False)
    whole = run(tmp_path / "whole", fit)
    parts = run(tmp_path / "parts", fit, breaks=[14], every_steps=3)
    assert_equal_runs(whole, parts)


def numbers():
    x = np.random.default_rng(1).normal(size=[37, 7]).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


def test_prepared_arrays_and_a_damaged_checkpoint(tmp_path):
    fit = fitting(numbers, batch_size=4)
    settings = {"make": lambda: classifier(preprocessor=None), "every_steps": 3}
    whole = run(tmp_path / "whole", fit, **settings)

    def fit_damaged(model, callbacks):
        found = callbacks[0].checkpoints.steps()
        if found:
            assert found == [10, 12]
            file = tmp_path / "parts" / "step-0000012" / "arrays.safetensors"
            os.truncate(file, 100)
            with pytest.warns(UserWarning, match="step-0000012.*100 of [0-9,]+ bytes"):
                return fit(model, callbacks)
        return fit(model, callbacks)

    parts = run(tmp_path / "parts", fit_damaged, breaks=[14], **settings)
    assert_equal_runs(whole, parts)

    for path in (tmp_path / "parts").iterdir():
        os.truncate(path / "state.json", 3)
    with pytest.raises(ValueError, match="No checkpoint of this run is whole"):
        run(tmp_path / "parts", fit, **settings)


class Terminator(keras.callbacks.Callback):
    def __init__(self, after):
        super().__init__()
        self.after = after

    def on_train_batch_begin(self, batch, logs=None):
        self.after -= 1
        if self.after == 0:
            signal.raise_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def four_epochs(tmp_path_factory):
    """What a run of four epochs told, its history and its weights."""
    return run(tmp_path_factory.mktemp("run"), fitting(dataset, epochs=4))


@pytest.fixture(scope="module")
def told_to_end(tmp_path_factory):
    """The folder of a run whose process was told to end in its sixth batch."""
    folder = tmp_path_factory.mktemp("run")
    fit = fitting(dataset, epochs=2)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        run(folder, lambda model, callbacks: fit(model, [*callbacks, Terminator(6)]))
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    return folder


@pytest.fixture(scope="module")
def two_epochs(told_to_end):
    """The same folder, the run over, and what the process that ended it told."""
    return told_to_end, run(told_to_end, fitting(dataset, epochs=2))


def test_a_process_that_is_told_to_end_saves_first(two_epochs, four_epochs):
    batches, history, _ = two_epochs[1]
    assert list(batches) == list(four_epochs[0])[6:20]
    assert {**four_epochs[0], **batches} == four_epochs[0]
    assert history == {name: told[:2] for name, told in four_epochs[1].items()}


def test_a_run_that_is_over_gives_its_history_and_more_epochs_if_asked(
    two_epochs, four_epochs
):
    folder, (_, begun, begun_weights) = two_epochs
    batches, history, weights = run(folder, fitting(dataset, epochs=2))
    assert not batches and history == begun
    for ours, theirs in zip(weights, begun_weights):
        np.testing.assert_array_equal(ours, theirs)
    batches, history, weights = run(folder, fitting(dataset, epochs=4))
    assert list(batches) == list(four_epochs[0])[20:]
    for ours, theirs in zip(weights, four_epochs[2]):
        np.testing.assert_array_equal(ours, theirs)
    assert history == four_epochs[1]


def test_a_signal_that_the_script_handles_itself_gets_there(tmp_path):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(saved()))
    saved = ResumableRun(tmp_path).checkpoints.steps
    fit = fitting(dataset, epochs=1)
    try:
        run(
            tmp_path,
            lambda model, callbacks: fit(model, [*callbacks, Terminator(3)]),
            every_minutes=1e-9,
        )
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [[2, 3]] and saved() == [9, 10]  # what the handler saw, and the end


class FullDisk(keras.callbacks.Callback):
    """The disk takes no file of more than 100 bytes from some batch on, for a while."""

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, self.limits[1]))

    def on_epoch_begin(self, epoch, logs=None):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.limits)


def test_training_outlives_a_full_disk(tmp_path):
    with pytest.warns(UserWarning) as said:
        told, _, _ = run(
            tmp_path,
            fitting(dataset, epochs=1),
            callbacks=lambda: [FullDisk()],
            every_steps=3,
        )
    FullDisk().on_epoch_begin(0)
    assert len(told) == 10
    lines = [str(w.message) for w in said if "No checkpoint" in str(w.message)]
    assert len(lines) == 3  # at steps 6 and 9, and at the end
    for line in lines:
        assert str(tmp_path) in line and "File too large" in line
        assert "step-0000003 stays" in line
    found, torn = ResumableRun(tmp_path).checkpoints.newest()
    assert found.step == 3 and not torn
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000003"]


def test_a_run_without_a_seed_goes_on_in_the_order_that_it_had(tmp_path):
    def fit(after=None):
        # As in a process that nobody gave a seed.
        tf.random.set_seed(None)
        np.random.seed(None)
        recorder = Recorder(after)
        try:
            classifier().fit(
                TEXTS,
                LABELS,
                batch_size=4,
                epochs=2,
                callbacks=[ResumableRun(tmp_path, every_steps=5), recorder],
                verbose=0,
            )
        except KeyboardInterrupt:
            assert after
        return recorder.batches

    begun, ended = fit(after=7), fit()
    assert min(ended) == (0, 5)
    assert [ended[0, i] for i in (5, 6)] == [begun[0, i] for i in (5, 6)]


@pytest.mark.parametrize(
    "every_steps, kept", [(500, [2, 4, 6]), (3, [2, 3, 4, 6]), (None, [2, 4, 6])]
)
def test_epochs_ends_are_kept_and_steps_count_through_all_epochs(
    tmp_path, every_steps, kept
):
    fit = fitting(numbers, epochs=3)  # of two batches
    make = lambda: classifier(preprocessor=None)  # noqa: E731
    run(tmp_path, fit, make=make, every_steps=every_steps, keep=9)
    assert ResumableRun(tmp_path).checkpoints.steps() == kept


def test_a_loss_that_is_not_finite_is_not_kept(tmp_path):
    def make():
        return classifier(preprocessor=None, loss=lambda y, x: keras.ops.log(0 * x - 1))

    with pytest.warns(UserWarning, match="No checkpoint at step 10: the loss is nan"):
        run(tmp_path, fitting(numbers, epochs=1, batch_size=4), make=make)
    assert not ResumableRun(tmp_path).checkpoints.steps()


def test_another_model_is_refused_and_nothing_is_lost(tmp_path):
    def fit(model, callbacks):
        return fitting(numbers, epochs=1)(model, callbacks)

    def wider():
        model = classifier(preprocessor=None, optimizer="sgd")
        model.encoder.add(keras.layers.Dense(5))
        return model

    run(tmp_path, fit, make=lambda: classifier(preprocessor=None))
    with pytest.raises(ValueError, match=r"The model must.*\[7, 1\].*\[7, 5\]"):
        run(tmp_path, fit, make=wider)
    with pytest.raises(ValueError, match="The optimizer must be that of the run"):
        run(tmp_path, fit, make=lambda: classifier("sgd", preprocessor=None))
    assert ResumableRun(tmp_path).checkpoints.newest()[0].step == 2


def test_any_keras_model_goes_on_from_the_end_of_an_epoch(tmp_path):
    def make():
        layers = [keras.layers.Dropout(0.2), keras.layers.Dense(2)]
        model = keras.Sequential([keras.Input([7]), *layers])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"])
        return model

    fit = fitting(numbers, shuffle=False, batch_size=4)
    whole = run(tmp_path / "whole", fit, make=make)
    parts = run(tmp_path / "parts", fit, breaks=[13], make=make, every_steps=2)
    assert_equal_runs(whole, parts)


@pytest.mark.parametrize("name", ["every_steps", "every_minutes", "keep"])
def test_settings_that_would_never_save_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name}.*Received: {name}=0"):
        ResumableRun(tmp_path, **{name: 0})


def test_a_killed_process_costs_no_bit_of_the_losses(tmp_path):
    assert killed_run.kill(tmp_path, epochs=2, times=1) == 1
    assert killed_run.losses(tmp_path) == killed_run.losses_of_a_whole_run(epochs=2)
