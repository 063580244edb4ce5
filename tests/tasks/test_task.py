"""What every task model promises, on small real data."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.data import read_csv
from keras_nlp_lite.layers import NGramBag, SparseLinear
from keras_nlp_lite.tasks import (
    AveragedEmbeddingClassifier,
    BagOfNgramsClassifier,
    Classifier,
    Task,
)

GOOD = ["good", "a joy", "very good indeed", "not bad", "a joy to see"]
BAD = ["bad", "a bore", "very bad indeed", "not good", "a bore to see"]
TEXTS = [f"{text} {i}" for i in range(13) for text in GOOD + BAD]
LABELS = [1, 1, 1, 1, 1, 0, 0, 0, 0, 0] * 13


def dataset(batch=8):
    return tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)).batch(batch)


def bigram(**kwargs):
    keras.utils.set_random_seed(3)
    model = BagOfNgramsClassifier(num_classes=2, max_tokens=50, ngrams=2, **kwargs)
    model.adapt(TEXTS)
    return model


def trained(**fit):
    model = bigram()
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    model.fit(TEXTS, LABELS, epochs=4, verbose=0, **fit)
    return model


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 17

    def __getitem__(self, i):
        return np.array(TEXTS[8 * i : 8 * i + 8]), np.array(LABELS[8 * i : 8 * i + 8])


def endless():
    while True:
        yield from (Batches()[i] for i in range(17))


@pytest.mark.parametrize(
    "source, arguments",
    [
        ((dataset(),), {}),
        ((TEXTS, LABELS), {"batch_size": 8}),
        ((np.array(TEXTS), np.array(LABELS)), {"batch_size": 8}),
        ((np.array(TEXTS)[:, None], np.array(LABELS)[:, None]), {"batch_size": 8}),
        ((Batches(),), {}),
        ((endless(),), {"steps_per_epoch": 17}),
    ],
    ids=["Dataset", "lists", "arrays", "columns", "PyDataset", "generator"],
)
def test_training_on_strings_is_the_same_from_any_source(source, arguments):
    model = bigram()
    model.fit(*source, epochs=2, shuffle=False, verbose=0, **arguments)
    wanted = bigram()
    rows = wanted.preprocessor(TEXTS)
    slices = [tf.sparse.slice(rows, [i, 0], [8, 50]) for i in range(0, len(TEXTS), 8)]
    wanted.compile()
    for _ in range(2):
        for i, batch in enumerate(slices):
            labels = np.array(LABELS[8 * i : 8 * i + 8])
            keras.Model.train_on_batch(wanted, batch, labels)
    for ours, plain in zip(model.get_weights(), wanted.get_weights()):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-6)


def test_every_way_to_ask_gives_the_same_probabilities():
    model = trained()
    probabilities = model.predict(TEXTS, verbose=0)
    assert probabilities.shape == (130, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    for other in (
        model.predict(np.array(TEXTS), verbose=0),
        model.predict(dataset(7), verbose=0),
        model.predict(dataset(7).map(lambda x, y: x), verbose=0),
        model.predict_on_batch(TEXTS),
    ):
        np.testing.assert_allclose(other, probabilities, rtol=1e-5)
    right = (probabilities.argmax(axis=1) == LABELS).mean()
    assert right > 0.95
    for scores in (
        model.evaluate(dataset(), return_dict=True, verbose=0),
        model.evaluate(TEXTS, LABELS, return_dict=True, verbose=0),
        model.test_on_batch(TEXTS, LABELS, return_dict=True),
    ):
        assert scores["accuracy"] == pytest.approx(right)


def test_evaluation_sees_every_row_however_many_steps_a_call_runs():
    model = bigram()
    ones = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)).batch(1)

    class Rows(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="rows")
            self.rows = self.add_weight(shape=(), initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.rows.assign_add(keras.ops.cast(keras.ops.shape(y_pred)[0], "float32"))

        def result(self):
            return self.rows

    model.compile(metrics=[Rows()])
    assert model.evaluate(ones, return_dict=True, verbose=0)["rows"] == 130
    model.compile(metrics=[Rows()], steps_per_execution=7)
    history = model.fit(ones, validation_data=ones, epochs=2, verbose=0).history
    assert history["rows"] == history["val_rows"] == [130, 130]


class CountingBag(NGramBag):
    """Counts the batches that it is asked for."""

    takes_numbers = True
    calls = 0

    def call(self, x):
        if x.dtype != tf.string:
            return super().call(x)

        def count(x):
            CountingBag.calls += 1
            return x

        return super().call(
            tf.ensure_shape(tf.numpy_function(count, [x], tf.string), x.shape)
        )


@pytest.mark.parametrize(
    "cache, calls", [(True, 17 + 17), (1000, 5 * 17 * 2), (False, 5 * 17 * 2)]
)
def test_text_is_prepared_once_if_it_may_be_kept(cache, calls):
    model = Classifier(2, CountingBag(ngrams=2, sparse=False))
    model.adapt(TEXTS)
    CountingBag.calls = 0
    model.fit(dataset(), validation_data=dataset(), epochs=5, cache=cache, verbose=0)
    # What did not fit was tried first, batch by batch, for a while.
    tried = 20 if cache == 1000 else 0
    assert calls <= CountingBag.calls <= calls + tried


def test_what_adapt_just_read_is_not_read_again(tmp_path):
    rows = "".join(f"{text},{label}\n" for text, label in zip(TEXTS, LABELS))
    (tmp_path / "t.csv").write_text("text,label\n" + rows)

    def read():
        return read_csv(tmp_path / "t.csv", text="text", label="label", shuffle=False)

    def fit(data, adapted_to, **weights):
        keras.utils.set_random_seed(3)
        model = Classifier(2, CountingBag(ngrams=2, mode="tf_idf", sparse=False))
        model.adapt(adapted_to)
        CountingBag.calls = 0
        model.fit(data, epochs=2, shuffle=False, verbose=0, **weights)
        return model.get_weights(), CountingBag.calls

    data = read()
    (weights, calls), (wanted, wanted_calls) = fit(data, data), fit(read(), data)
    assert calls == 0 and wanted_calls > 0
    for ours, theirs in zip(weights, wanted):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_vocabulary_set_after_adapting_is_the_one_that_counts(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\ngood,1\nbad,0\n")
    data = read_csv(tmp_path / "t.csv", text="text", label="label")
    model = BagOfNgramsClassifier(2)
    model.adapt(data)
    model.preprocessor.set_vocabulary(["bad", "worse"])
    model.fit(data, epochs=3, verbose=0)
    kernel = model.head.kernel.numpy()[:, 0]
    assert kernel[0] != 0 and kernel[1] == 0


def test_keeping_rows_changes_no_result():
    kept = trained(shuffle=False, cache=True).get_weights()
    streamed = trained(shuffle=False, cache=False).get_weights()
    for one, other in zip(kept, streamed):
        np.testing.assert_array_equal(one, other)


def test_a_seed_fixes_a_shuffled_run():
    one, other = trained(), trained()
    for ours, theirs in zip(one.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    ordered = trained(shuffle=False)
    assert (one.get_weights()[0] != ordered.get_weights()[0]).any()


def test_a_saved_model_answers_and_trains_on(tmp_path):
    model = trained()
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.saving.load_model(path)
    np.testing.assert_array_equal(
        again.predict(TEXTS, verbose=0), model.predict(TEXTS, verbose=0)
    )
    assert again.preprocessor.get_vocabulary() == model.preprocessor.get_vocabulary()
    assert float(again.optimizer.learning_rate) == pytest.approx(0.05)
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations)
    again.fit(TEXTS, LABELS, epochs=1, verbose=0)


SERVE = """
import sys
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
for row in served.serve(tf.constant(sys.argv[2:])).numpy():
    print(*row)
assert "keras_nlp_lite" not in sys.modules
"""


def test_an_export_serves_the_same_in_a_process_that_has_only_tensorflow(tmp_path):
    model = trained()
    model.export(tmp_path / "served")
    asked = [TEXTS[0], "", "not good", "?!", "never seen"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    answer = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path / "served"), *asked],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    rows = np.array([line.split() for line in answer.stdout.splitlines()], float)
    np.testing.assert_allclose(rows, model.predict(asked, verbose=0), rtol=1e-6)


def test_an_interrupted_save_leaves_the_old_file_whole(tmp_path, monkeypatch):
    model = trained()
    path, folder = tmp_path / "model.keras", tmp_path / "served"
    model.save(path)
    model.export(folder)
    before = path.read_bytes()
    old = model.predict(TEXTS, verbose=0)

    def power_cut(*args, **kwargs):
        raise KeyboardInterrupt

    model.fit(TEXTS, LABELS, epochs=1, verbose=0)
    monkeypatch.setattr(SparseLinear, "save_own_variables", power_cut)
    with pytest.raises(KeyboardInterrupt):
        model.save(path)
    monkeypatch.setattr(tf.saved_model, "save", power_cut)
    with pytest.raises(KeyboardInterrupt):
        model.export(folder)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.keras", "served"]
    served = tf.saved_model.load(folder)
    np.testing.assert_allclose(served.serve(tf.constant(TEXTS)), old, rtol=1e-6)


def test_an_export_replaces_only_an_export(tmp_path):
    model = trained()
    model.export(tmp_path / "served")
    model.export(tmp_path / "served")
    (tmp_path / "served").rename(tmp_path / "precious")
    (tmp_path / "precious" / "saved_model.pb").unlink()
    with pytest.raises(ValueError, match="holds no export. Try a new folder"):
        model.export(tmp_path / "precious")
    assert list((tmp_path / "precious").iterdir())


def test_saving_over_a_file_can_be_forbidden(tmp_path):
    model = trained()
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="There is a file already"):
        model.save(tmp_path / "model.keras", overwrite=False)


def test_training_before_adapting_says_to_adapt():
    for model in (BagOfNgramsClassifier(2), AveragedEmbeddingClassifier(2, 100)):
        for run, arguments in (
            (model.fit, (TEXTS, LABELS)),
            (model.evaluate, (TEXTS, LABELS)),
            (model.predict, (TEXTS,)),
            (model.predict_on_batch, (TEXTS,)),
            (model.export, ("never",)),
        ):
            with pytest.raises(
                ValueError, match=r"no vocabulary yet. Call `model.adapt"
            ):
                run(*arguments)


def test_adapting_a_model_again_is_refused_before_anything_is_lost():
    model = trained()
    before = model.predict(TEXTS, verbose=0)
    with pytest.raises(ValueError, match=r"has a vocabulary.*make a new model"):
        model.adapt(["one", "two"])
    np.testing.assert_array_equal(model.predict(TEXTS, verbose=0), before)


@pytest.mark.parametrize(
    "source, said",
    [
        (dataset().map(lambda x, y: x), "Received: string .B., without labels"),
        (
            dataset().unbatch(),
            r"single examples: string \[\], int32 \[\]. Try dataset.b",
        ),
        (dataset().map(lambda x, y: (y, x)), r"Received: int32 \[B\], string \[B\]"),
        (dataset().map(lambda x, y: {"x": x}), "Received"),
        (42, "Received: the single value 42"),
        ("one text", "Texts come several at a time"),
    ],
    ids=["no labels", "unbatched", "swapped", "dictionary", "number", "string"],
)
def test_data_of_another_structure_is_refused_in_a_sentence(source, said):
    with pytest.raises(ValueError, match=said) as error:
        bigram().fit(source, verbose=0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("label", [2, -1, 0.5])
def test_an_unseen_label_is_refused_in_a_sentence(label):
    model = trained()
    wrong = [*LABELS[:-1], label]
    for run in (model.fit, model.evaluate, model.test_on_batch):
        with pytest.raises(ValueError) as error:
            run(TEXTS, wrong)
        assert str(error.value) == (
            "A label must be a whole number from 0 to 1, num_classes in all. "
            f"Received: {label}."
        )


def test_labels_may_be_names_and_an_unseen_name_is_refused():
    model = bigram(class_names=["bore", "joy"])
    names = [["bore", "joy"][label] for label in LABELS]
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    model.fit(TEXTS, names, epochs=4, verbose=0)
    assert model.predict_labels(["a joy", "not good"], verbose=0) == ["joy", "bore"]
    with pytest.raises(ValueError, match="one of bore, joy. Received: meh."):
        model.evaluate(["so so"], ["meh"], verbose=0)


def test_the_classes_of_the_data_are_those_of_the_model():
    named = dataset()
    named.class_names = ["neg", "pos"]
    model = bigram()
    model.fit(named, verbose=0)
    assert model.class_names == ["neg", "pos"]
    other = dataset()
    other.class_names = ["neg", "pos", "unsup"]
    with pytest.raises(
        ValueError, match="3 classes.*with num_classes=2. Try num_classes=3"
    ):
        model.evaluate(other, verbose=0)
    other.class_names = ["bad", "good"]
    with pytest.raises(ValueError, match="The data's classes are not the model's"):
        model.evaluate(other, verbose=0)


def test_odd_texts_are_answered_without_harm():
    odd = [
        "",
        "?!...",
        "word " * 250_000,
        b"\xff\xfe\xfa".decode("utf-8", "surrogateescape"),
    ]
    probabilities = trained().predict(odd, verbose=0)
    assert np.isfinite(probabilities).all()
    model = bigram()
    history = model.fit(odd, [0, 1, 0, 1], epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_weights_per_example_and_class_count():
    model = bigram()
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    only_good = np.array(LABELS, "float32")  # weight 0 for bad ones
    model.fit(TEXTS, LABELS, sample_weight=only_good, epochs=3, verbose=0)
    assert (model.predict(TEXTS, verbose=0)[:, 1] > 0.5).all()
    model = bigram()
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    model.fit(dataset(), class_weight={0: 1.0, 1: 0.0}, epochs=3, verbose=0)
    assert (model.predict(TEXTS, verbose=0)[:, 1] < 0.5).all()


def test_a_share_of_the_rows_can_be_held_out():
    model = bigram()
    history = model.fit(
        TEXTS, LABELS, validation_split=0.2, epochs=2, verbose=0
    ).history
    scores = bigram()
    scores.fit(TEXTS[:104], LABELS[:104], epochs=2, verbose=0)
    wanted = scores.evaluate(TEXTS[104:], LABELS[104:], verbose=0)[0]
    assert history["val_loss"][-1] == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(ValueError, match="splits lists and arrays. Received: "):
        model.fit(dataset(), validation_split=0.2, verbose=0)


def test_monitoring_sees_the_raw_validation_data_while_fit_runs():
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            text, label = next(iter(self.model.validation_source))
            seen.append((text.dtype, label.shape[0], self.model.training_examples))

    model = bigram()
    model.fit(
        dataset(), validation_data=dataset(9), epochs=2, callbacks=[Look()], verbose=0
    )
    assert seen == [(tf.string, 9, 130)] * 2
    assert model.validation_source is None


def test_without_a_preprocessor_it_is_a_keras_model():
    model = bigram()
    rows = tf.sparse.to_dense(model.preprocessor(TEXTS)).numpy()
    model.preprocessor = None
    history = model.fit(rows, np.array(LABELS), epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0]
    assert model.predict(rows, verbose=0).shape == (130, 2)


def test_a_functional_model_is_refused_and_harms_no_other():
    inputs = keras.Input((64,))
    with pytest.raises(ValueError, match="A task is no functional model"):
        Task(inputs=inputs, outputs=keras.layers.Dense(1)(inputs))
    assert bigram().predict(["good"], verbose=0).shape == (1, 2)


class Mean(Task):
    """A task that is no classifier: how long a text is, by its tokens."""

    def __init__(self, preprocessor=None, **kwargs):
        super().__init__(preprocessor=preprocessor, **kwargs)
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        return self.dense(x)


def test_a_task_without_a_loss_of_its_own_asks_for_one():
    model = Mean(NGramBag(num_hash_bins=64, sparse=False))
    with pytest.raises(ValueError, match="has no loss of its own"):
        model.compile()
    model.compile(loss="mse")
    model.fit(TEXTS, np.array(LABELS, "float32"), epochs=2, verbose=0)
    assert model.predict(TEXTS[:3], verbose=0).shape == (3, 1)


def test_a_model_can_be_evaluated_from_a_callback():
    model = bigram()
    seen = []

    class Evaluate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(model.evaluate(TEXTS, LABELS, verbose=0))
            model.predict(TEXTS, verbose=0)

    for steps in (None, 5):
        model.fit(
            dataset().repeat(), steps_per_epoch=17, epochs=2, verbose=0
        ) if steps else model.fit(
            dataset(), epochs=2, callbacks=[Evaluate()], verbose=0
        )
        model.fit(
            dataset().repeat(),
            steps_per_epoch=5,
            epochs=2,
            callbacks=[Evaluate()],
            verbose=0,
        )
    assert len(seen) == 6


class Steps(keras.callbacks.Callback):
    """Notes the number of the last batch of each call."""

    def __init__(self, **attributes):
        super().__init__()
        self.__dict__.update(attributes)
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(batch + 1)


@pytest.mark.parametrize("rows", [3, 50, 97, 130])
def test_a_progress_bar_hardly_overshoots(rows):
    model, steps = bigram(), Steps()
    model.fit(TEXTS[:rows], LABELS[:rows], batch_size=1, callbacks=[steps], verbose=0)
    assert rows <= steps.ends[-1] <= rows + 2
    assert len(steps.ends) <= 8


def test_a_callback_that_counts_batches_hears_of_each():
    model, steps = bigram(), Steps(update_freq=10)
    model.fit(dataset(), callbacks=[steps], verbose=0)
    assert steps.ends == list(range(1, 18))


def test_steps_of_an_epoch_are_never_run_past():
    model, steps = bigram(), Steps()
    model.fit(dataset().repeat(), steps_per_epoch=15, callbacks=[steps], verbose=0)
    assert steps.ends[-1] == 15 == int(model.optimizer.iterations)


def test_validation_from_a_generator_is_left_to_fit():
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(self.model.validation_source)

    history = bigram().fit(
        dataset(),
        validation_data=endless(),
        validation_steps=3,
        callbacks=[Look()],
        verbose=0,
    )
    assert seen == [None] and "val_loss" in history.history


def test_calling_the_model_on_strings_says_what_to_call():
    for text in (["good"], tf.constant(["good"]), "good"):
        with pytest.raises(ValueError, match="For texts, try `model.predict"):
            trained()(text)


def test_saving_goes_to_keras_files():
    with pytest.raises(ValueError, match="goes into a .keras file"):
        trained().save("model.h5")


def test_a_saved_model_loads_in_a_process_that_imports_the_package(tmp_path):
    model = trained()
    model.save(tmp_path / "m.keras")
    program = (
        "import keras, keras_nlp_lite, sys;"
        "model = keras.saving.load_model(sys.argv[1]);"
        "print(*model.predict(['a joy'], verbose=0)[0])"
    )
    other = program.replace(
        "import keras, keras_nlp_lite", "import keras_nlp_lite as knl"
    )
    other = other.replace("keras.saving", "knl.models")
    for code in (program, other):
        answer = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "m.keras")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        row = np.array(answer.stdout.split(), float)
        np.testing.assert_allclose(
            row, model.predict(["a joy"], verbose=0)[0], rtol=1e-5
        )
