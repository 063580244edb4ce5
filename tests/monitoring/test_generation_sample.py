"""GenerationSample: what it asks of a model, what it says in the logs and writes."""

import html
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard import plugin_util
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_nlp_lite.metrics import Bleu, RougeL
from keras_nlp_lite.monitoring import GenerationSample
from keras_nlp_lite.monitoring.generation_sample import generation_table

SOURCES = ["A man sleeps on a bench.", "Two dogs.", "A child plays with a red ball."]
REFERENCES = [
    "Ein Mann schläft auf einer Bank.",
    "Zwei Hunde.",
    "Ein Kind spielt mit einem roten Ball.",
]
STEPS = 2  # batches in an epoch


class Translator(keras.Model):
    """Knows the beginning of each translation: another word after every step."""

    def __init__(self, as_bytes=False):
        super().__init__()
        self.number = keras.layers.Dense(1)
        self.as_bytes = as_bytes
        self.calls = []

    def call(self, x):
        return self.number(x)

    def generate(self, sources, max_length=100):
        assert all(isinstance(source, str) for source in sources)
        self.calls.append(list(sources))
        known = dict(zip(SOURCES, REFERENCES))
        words = min(int(self.optimizer.iterations.numpy()), max_length)
        texts = [" ".join(known.get(s, s).split()[:words]) for s in sources]
        return tf.constant(texts) if self.as_bytes else texts


def fit(*callbacks, epochs=3, model=None, **arguments):
    model = model or Translator()
    model.compile("sgd", "mse", run_eagerly=True)
    x = np.zeros([STEPS, 1])
    arguments = {"verbose": 0, **arguments}
    model.fit(x, x, 1, epochs=epochs, callbacks=[*callbacks], **arguments)
    return model


def expected_bleu(epoch, max_length=100):
    words = min(STEPS * (epoch + 1), max_length)
    texts = [" ".join(reference.split()[:words]) for reference in REFERENCES]
    bleu = Bleu(tokenize="13a", smooth_method="exp", dtype="float64")
    return float(bleu(REFERENCES, texts))


def tables(log_dir):
    """{step: Markdown}."""
    events = EventAccumulator(str(log_dir / "generation"), {"tensors": 0}).Reload()
    return {
        event.step: tf.make_ndarray(event.tensor_proto).ravel()[0].decode()
        for event in events.Tensors("generation")
    }


def shown_rows(table):
    """The table's rows as TensorBoard shows them."""
    shown = plugin_util.markdown_to_safe_html(table)
    rows = re.findall(r"<tr>(.*?)</tr>", shown, re.DOTALL)
    cells = [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in rows]
    return [[html.unescape(cell) for cell in row] for row in cells if row]


DATASET = tf.data.Dataset.from_tensor_slices((SOURCES, REFERENCES)).batch(2)
SEVERAL = tf.ragged.constant([[reference] for reference in REFERENCES])


@pytest.mark.parametrize(
    "data",
    [
        (SOURCES, REFERENCES),
        (np.array(SOURCES), np.array(REFERENCES, object)),
        (tf.constant(SOURCES), [[reference] for reference in REFERENCES]),
        DATASET,
        DATASET.map(lambda *pair: (*pair, 1.0)),
        tf.data.Dataset.from_tensor_slices((SOURCES, SEVERAL)).batch(2),
    ],
)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_the_score_of_each_epoch_is_in_the_logs(data, as_bytes):
    model = fit(GenerationSample(data), model=Translator(as_bytes))
    scores = model.history.history["val_bleu"]
    assert scores == pytest.approx([expected_bleu(epoch) for epoch in range(3)])
    assert 0 == scores[0] < scores[1] < scores[2] < 1  # two words have no four-gram


def test_arguments_reach_generate():
    model = fit(GenerationSample(DATASET, max_length=3))
    scores = model.history.history["val_bleu"]
    assert scores == pytest.approx([expected_bleu(e, max_length=3) for e in range(3)])


def test_every_so_many_epochs_there_is_a_score():
    model = fit(GenerationSample(DATASET, every_epochs=2), epochs=5)
    scores = model.history.history["val_bleu"]
    assert scores == pytest.approx([expected_bleu(1), expected_bleu(3)])


def test_callbacks_that_come_after_it_see_the_score(tmp_path):
    best = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "{epoch}-{val_bleu:.3f}.weights.h5"),
        monitor="val_bleu",
        mode="max",
        save_best_only=True,
        save_weights_only=True,
    )
    # Five epochs complete the longest reference: the next is no better.
    patient = keras.callbacks.EarlyStopping("val_bleu", mode="max", patience=1)
    board = keras.callbacks.TensorBoard(tmp_path / "run")
    model = fit(GenerationSample(DATASET), best, patient, board, epochs=20)
    scores = model.history.history["val_bleu"]
    assert scores[-2:] == [1, 1] and len(scores) == 5
    names = sorted(path.name for path in tmp_path.glob("*.h5"))
    wanted = [f"{n}-{score:.3f}.weights.h5" for n, score in enumerate(scores[:4], 1)]
    assert names == wanted
    events = EventAccumulator(str(tmp_path / "run" / "validation")).Reload()
    assert [event.step for event in events.Tensors("epoch_bleu")] == [0, 1, 2, 3, 4]


def test_nothing_is_printed_but_the_score_in_the_progress_bar(capsys):
    fit(GenerationSample(DATASET), epochs=1)
    assert capsys.readouterr().out == ""
    fit(GenerationSample(DATASET), epochs=2, verbose=2)
    assert f"val_bleu: {expected_bleu(1):.4f}" in capsys.readouterr().out


def test_a_large_set_is_sampled_once_and_comes_in_order_of_length():
    rows = [f"{'long ' * (i % 7)}text {i}" for i in range(500)]
    data = tf.data.Dataset.from_tensor_slices((rows, rows)).batch(64)
    first, second = (
        fit(GenerationSample(data, max_rows=70), epochs=2).calls for _ in range(2)
    )
    assert first == second  # the same in every run, ...
    assert first[:3] == first[3:]  # ... and in every epoch
    assert [len(batch) for batch in first[:3]] == [32, 32, 6]
    sample = [text for batch in first[:3] for text in batch]
    assert len(set(sample)) == 70 and set(sample) < set(rows)
    assert sample == sorted(sample, key=len)
    numbers = [int(text.split()[-1]) for text in sample]
    assert min(numbers) < 50 and max(numbers) > 450  # from all of it


def test_of_a_dataset_without_end_the_beginning_is_enough(monkeypatch):
    monkeypatch.setattr(
        "keras_nlp_lite.monitoring.generation_sample._MOST_TEXTS_READ", 3
    )
    model = fit(GenerationSample(DATASET.repeat()), epochs=1)
    assert sorted(model.calls[0]) == sorted(SOURCES)


def test_texts_are_written_for_tensorboard(tmp_path):
    fit(GenerationSample(DATASET, log_dir=tmp_path), epochs=2)
    written = tables(tmp_path)
    assert set(written) == {0, 1}
    assert f"val_bleu: {expected_bleu(1):.4f}" in html.unescape(written[1])
    pairs = sorted(zip(SOURCES, REFERENCES), key=lambda pair: len(pair[0]))
    wanted = [[s, " ".join(r.split()[:4]), r] for s, r in pairs]
    assert shown_rows(written[1]) == wanted


def test_prompts_without_references_are_shown_and_not_scored(tmp_path):
    for i, data in enumerate(
        [SOURCES, tf.data.Dataset.from_tensor_slices(SOURCES).batch(2)]
    ):
        model = fit(GenerationSample(data, log_dir=tmp_path / str(i)), epochs=1)
        assert "val_bleu" not in model.history.history
        rows = shown_rows(tables(tmp_path / str(i))[0])
        assert [row[0] for row in rows] == sorted(SOURCES, key=len)
        assert {len(row) for row in rows} == {2}


def test_another_metric_is_reported_as_keras_would():
    model = fit(GenerationSample(DATASET, metric=RougeL()), epochs=2)
    history = model.history.history
    assert history["val_precision"] == [pytest.approx(1)] * 2
    assert history["val_recall"][0] < history["val_recall"][1]
    assert "val_bleu" not in history


def test_it_serves_one_fit_after_another(tmp_path):
    callback = GenerationSample(DATASET, log_dir=tmp_path)
    for _ in range(2):
        scores = fit(callback, epochs=2).history.history["val_bleu"]
        assert scores == pytest.approx([expected_bleu(0), expected_bleu(1)])


def test_a_table_shows_ten_rows_of_all_lengths_and_obeys_no_markup():
    sources = [f"<b>{i}</b> | *x*" for i in range(100)]
    texts = ["y" * 1000] * 100
    rows = shown_rows(generation_table(sources, texts, [[s, "no"] for s in sources]))
    assert [row[0] for row in rows] == [sources[i] for i in range(0, 100, 11)]
    assert {row[1] for row in rows} == {"y" * 299 + "…"}
    assert all(row[2] == row[0] for row in rows)


class Mute(keras.Model):
    def __init__(self):
        super().__init__()
        self.number = keras.layers.Dense(1)

    def call(self, x):
        return self.number(x)


class Nested(Translator):
    def generate(self, sources):
        return [[source, source] for source in sources]


@pytest.mark.parametrize(
    ("callback", "model", "sentence"),
    [
        (GenerationSample(DATASET), Mute, "method `generate`. Received: Mute"),
        (GenerationSample(DATASET), Nested, r"shape \[3, 2\] of str"),
        (GenerationSample(SOURCES), None, "log_dir=None, and no references"),
        (GenerationSample(DATASET, metric=None), None, "and some references"),
        (GenerationSample((SOURCES, REFERENCES[:2])), None, "3 and 2 texts"),
        (GenerationSample([]), None, "Received: no text"),
        (GenerationSample([1, 2]), None, "Received: 1 instead of a text"),
        (GenerationSample("a text"), None, "Received: str"),
        (GenerationSample(("one", "two")), None, "'one' instead of several"),
    ],
)
def test_what_does_not_fit_is_refused_when_training_starts(callback, model, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit(callback, model=model and model(), epochs=1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"every_epochs": 0}, "`every_epochs` must be an integer of at least 1"),
        ({"max_rows": 1.5}, "`max_rows` must be an integer of at least 1"),
        ({"metric": "blue"}, "'bleu', a Keras metric or None. Received: 'blue'"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        GenerationSample(DATASET, **arguments)
