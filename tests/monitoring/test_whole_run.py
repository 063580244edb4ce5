"""One run with every option, and what its files hold."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.pr_curve import metadata as pr_curve

from keras_nlp_lite import optimizers
from keras_nlp_lite.monitoring import GenerationSample, TensorBoard
from keras_nlp_lite.monitoring.memory_use import memory_use
from tests.monitoring.runs import (
    TRAIN,
    VALIDATION,
    Run,
    TextModel,
    compiled,
    fit,
)
from tests.monitoring.test_tensor_board_scalars import Clock
from tests.monitoring.whole_run import EPOCHS, STEPS, TEXTS, WORDS, train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "one"
    train(folder, profile_batch=(2, 3))
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return Run(folder)


def test_speed_and_padding_come_by_epoch_and_by_step(run):
    for kind, steps in (("epoch", {0, 1}), ("batch", {2, 4, 6, 8})):
        for name in (
            "examples_per_second",
            "tokens_per_second",
            "padding_share",
            "model_gflops_per_second",
            "share_of_matmul_ceiling",
        ):
            found = run.scalars("train", f"{kind}_{name}")
            assert set(found) == steps
            assert all(value > 0 for value in found.values())


def test_padding_is_the_share_of_places_without_a_token(run):
    tokens = sum(len(text.split()) for text in TEXTS)
    wanted = 1 - tokens / (6 * len(TEXTS))
    found = run.scalars("train", "epoch_padding_share")
    assert found == pytest.approx(dict.fromkeys(range(EPOCHS), wanted))


def test_every_layer_tells_its_health(run):
    layers = {tag.partition("/")[2] for tag in run.tags("train") if "_norm/" in tag}
    assert {"all", "head"} <= layers
    assert sum(layer.endswith("/attention/query") for layer in layers) == 2
    looked = set(run.scalars("train", "weight_norm/head"))
    assert looked == set(range(0, EPOCHS * STEPS, 2))


def test_memory_comes_by_epoch(run):
    for name in memory_use():
        assert set(run.scalars("train", f"epoch_{name}")) == {0, 1}


def test_attention_is_drawn_for_each_text_and_layer(folder):
    events = EventAccumulator(str(folder / "train"), {"tensors": 0}).Reload()
    for text in range(2):
        for layer in range(2):
            drawn = events.Tensors(f"attention/text_{text}/layer_{layer}")
            assert [event.step for event in drawn] == [0, 1]


def test_the_projectors_files_stand_where_it_looks(folder):
    # In a run's folder; which holds event files.
    (labels,) = (folder / "train" / "projector").glob("*.labels.tsv")
    assert set(labels.read_text().split("\n")) == {"''", "[UNK]", *WORDS}
    assert (folder / "train" / "projector_config.pbtxt").exists()


def test_predictions_are_judged_in_four_ways(run):
    assert set(run.images("confusion_matrix")) == set(run.images("calibration"))
    assert set(run.texts()) == {0, 1}
    for tag in ("calibration_error", "average_precision/rave"):
        found = run.scalars("validation", tag)
        assert set(found) == {0, 1} and all(0 <= x <= 1 for x in found.values())


def test_of_two_classes_the_second_has_a_curve(folder):
    events = EventAccumulator(str(folder / "validation"), {"tensors": 0}).Reload()
    curves = events.PluginTagToContent(pr_curve.PLUGIN_NAME)
    assert list(curves) == ["precision_recall/rave/pr_curves"]
    (first, _) = events.Tensors("precision_recall/rave/pr_curves")
    counts = tf.make_ndarray(first.tensor_proto)
    assert counts.shape == (6, 101)
    np.testing.assert_array_equal(counts[:4].sum(0), len(TEXTS))


def test_the_graph_of_the_forward_pass_is_there(folder):
    events = EventAccumulator(str(folder / "train")).Reload()
    graph = tf.compat.v1.GraphDef.FromString(events.Graph().SerializeToString())
    nodes = [node.name for node in graph.node]
    nodes += [n.name for f in graph.library.function for n in f.node_def]
    assert any("transformer_encoder" in name for name in nodes)


def test_a_range_of_steps_is_profiled(folder):
    assert list((folder / "train" / "plugins" / "profile").rglob("*.xplane.pb"))


# Options by themselves


@pytest.mark.parametrize(
    ("option", "tag"),
    [
        ("confusion_matrix", "confusion_matrix"),
        ("calibration", "calibration_error"),
        ("precision_recall", "average_precision/1"),
    ],
)
def test_what_is_not_wanted_is_not_written(tmp_path, option, tag):
    assert tag in fit(tmp_path / "with").tags("validation")
    assert tag not in fit(tmp_path / "without", **{option: False}).tags("validation")


def test_tokens_per_second_are_those_of_training_time_alone(tmp_path, monkeypatch):
    ids = np.array([[1, 2, 0], [3, 0, 0], [4, 5, 6], [7, 8, 0]])  # 8 tokens
    model = keras.Sequential([keras.layers.Embedding(9, 2), keras.layers.Flatten()])
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(
        ids,
        np.zeros((4, 1)),
        batch_size=2,
        epochs=2,
        validation_split=0.0,
        validation_data=(ids, np.zeros((4, 1))),
        verbose=0,
        callbacks=[Clock(monkeypatch), TensorBoard(tmp_path)],
    )
    # Two steps of a second each.
    rates = Run(tmp_path).scalars("train", "epoch_tokens_per_second")
    assert rates == {0: 4.0, 1: 4.0}


def test_throughput_may_be_left_out(tmp_path):
    model = keras.Sequential([keras.layers.Embedding(9, 2), keras.layers.Flatten()])
    model.compile("sgd", "mse", run_eagerly=True)
    watch = TensorBoard(tmp_path, throughput=False)
    model.fit(np.ones((2, 3), int), np.ones((2, 1)), verbose=0, callbacks=[watch])
    assert "epoch_tokens_per_second" not in Run(tmp_path).tags("train")


def test_a_rate_for_each_depth_is_written_where_rates_differ(tmp_path):
    model = keras.Sequential(
        [keras.Input([3]), keras.layers.Dense(2), keras.layers.Dense(1)]
    )
    model.compile(optimizers.SGD(0.5, layer_decay=0.5), "mse")
    model.fit(np.ones((2, 3)), np.ones(2), verbose=0, callbacks=[TensorBoard(tmp_path)])
    run = Run(tmp_path)
    rates = {
        tag: run.scalars("train", tag)[0]
        for tag in run.tags("train")
        if "learning_rate" in tag
    }
    assert rates == {
        "epoch_learning_rate": 0.5,
        "epoch_learning_rate_0_layers_below": 0.5,
        "epoch_learning_rate_1_layers_below": 0.25,
    }


class Writing(TextModel):
    def generate(self, sources, ending="!"):
        return [source + ending for source in sources]


@pytest.mark.parametrize("own", [False, True])
def test_samples_are_generated_and_scored(tmp_path, own):
    data = (["Two dogs run"], ["Two dogs run!"])
    given = GenerationSample(data, ending="?") if own else data
    callback = TensorBoard(tmp_path, generate=given)
    model = compiled(Writing())
    history = model.fit(TRAIN, validation_data=VALIDATION, callbacks=[callback]).history
    assert (history["val_bleu"] == [1.0]) is not own
    events = EventAccumulator(str(tmp_path / "generation"), {"tensors": 0}).Reload()
    (event,) = events.Tensors("generation")
    table = tf.make_ndarray(event.tensor_proto).item().decode()
    assert "Two dogs run?" in table if own else "Two dogs run&#33;" in table
    bleu = Run(tmp_path).scalars("validation", "epoch_bleu")
    assert bleu == {0: pytest.approx(history["val_bleu"][0])}


def test_a_callback_with_every_option_can_be_copied(tmp_path):
    first = TensorBoard(
        tmp_path / "first", health=2, projector=True, hparams={"a": 1}, flops=True
    )
    second = copy.deepcopy(first)
    assert second.hparams == {"a": 1}
    assert not (tmp_path / "first").exists()


def test_arithmetic_that_cannot_be_counted_is_refused_before_training(tmp_path):
    class Own(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1], 1))

        def call(self, x):
            return x @ self.scale

    model = keras.Sequential([keras.Input([3]), Own()])
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(ValueError, match="flops=True.*Sequential.*Try flops=False"):
        model.fit(
            np.ones((2, 3)),
            np.ones(2),
            verbose=0,
            callbacks=[TensorBoard(tmp_path, flops=True)],
        )
    assert model.optimizer.iterations == 0
