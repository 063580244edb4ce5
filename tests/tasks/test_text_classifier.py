"""What a classifier on an encoder promises; Task's own promises are in test_task.py."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.models import (
    BertBackbone,
    DistilBertBackbone,
    ModernBertBackbone,
    RobertaBackbone,
    TextClassifier,
)
from keras_nlp_lite.monitoring import TensorBoard
from keras_nlp_lite.optimizers import AdamW, PlannedDecay
from tests.tasks.encoders import (
    LABELS,
    TEXTS,
    backbone,
    external,
    ids,
    preprocessor,
    without_segments,
)

PAIRS = (TEXTS, TEXTS[::-1])


def quick(num_classes=2, **kwargs):
    """A classifier on a small external encoder."""
    encoder = external()
    keras.utils.set_random_seed(6)
    given = {"preprocessor": without_segments(), "pooling": "mean", **kwargs}
    return TextClassifier(encoder, num_classes, **given)


def bert(num_classes=2, **kwargs):
    encoder = backbone(dtype=kwargs.pop("of_backbone", None))
    keras.utils.set_random_seed(6)
    given = {"preprocessor": preprocessor(), **kwargs}
    return TextClassifier(encoder, num_classes, **given)


@pytest.fixture(scope="module")
def trained():
    model = bert(class_names=["bad", "good"])
    model.compile(AdamW(PlannedDecay(0.01)), steps_per_execution=2)
    model.fit(TEXTS, LABELS, batch_size=4, epochs=11, verbose=0)
    return model


@pytest.fixture(scope="module")
def trained_on_pairs():
    model = bert()
    model.compile(keras.optimizers.Adam(1e-3))
    data = tf.data.Dataset.from_tensor_slices((PAIRS, LABELS)).batch(5)
    model.fit(data, epochs=2, validation_data=(PAIRS, LABELS), verbose=0)
    return model


# Learning and answering


def test_it_learns_and_its_metrics_agree_with_its_answers(trained):
    probabilities = trained.predict(TEXTS, verbose=0)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    right = (probabilities.argmax(axis=1) == LABELS).mean()
    assert right > 0.9
    scores = trained.evaluate(TEXTS, LABELS, verbose=0, return_dict=True)
    assert scores["accuracy"] == pytest.approx(right)
    of_labels = probabilities[np.arange(len(LABELS)), LABELS]
    assert scores["loss"] == pytest.approx(-np.log(of_labels).mean(), rel=1e-4)
    names = trained.predict_labels([TEXTS[0], TEXTS[2]], verbose=0)
    assert names == ["good", "bad"]


def test_it_gives_logits_and_answers_probabilities():
    model = quick()
    x = model.preprocess(tf.constant(TEXTS))[0]
    logits = model(x)
    np.testing.assert_allclose(
        model.predict(TEXTS, verbose=0), keras.ops.softmax(logits), rtol=1e-5
    )
    several = quick(3, multi_label=True)
    np.testing.assert_allclose(
        several.predict(TEXTS, verbose=0), keras.ops.sigmoid(several(x)), rtol=1e-5
    )


@pytest.mark.parametrize("multi_label", [False, True])
def test_an_activation_that_was_chosen_is_what_everyone_gets(multi_label, tmp_path):
    soft = "sigmoid" if multi_label else "softmax"
    labels = np.eye(2, dtype="float32")[LABELS] if multi_label else LABELS
    plain = quick(multi_label=multi_label)
    linear = quick(multi_label=multi_label, activation="linear")
    chosen = quick(multi_label=multi_label, activation=soft)
    logits, probabilities = (
        linear.predict(TEXTS, verbose=0),
        chosen.predict(TEXTS, verbose=0),
    )
    assert np.abs(logits.sum(axis=1) - 1).max() > 0.1
    np.testing.assert_allclose(
        probabilities, plain.predict(TEXTS, verbose=0), rtol=1e-5
    )
    for model in (plain, linear, chosen):
        model.compile(keras.optimizers.Adam(0.05), run_eagerly=True)
        model.fit(TEXTS, labels, shuffle=False, epochs=3, verbose=0)
    results = [
        model.evaluate(TEXTS, labels, verbose=0) for model in (plain, linear, chosen)
    ]
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-4)
    assert linear.predict_labels(TEXTS, verbose=0) == plain.predict_labels(
        TEXTS, verbose=0
    )
    linear.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        again.predict(TEXTS, verbose=0), linear.predict(TEXTS, verbose=0)
    )


def learned(loss, labels):
    """Weights after two steps. Without a graph: tracing takes longer than they do."""
    model = quick()
    model.compile("sgd", loss, run_eagerly=True)
    model.fit(TEXTS, labels, shuffle=False, epochs=2, verbose=0)
    return model.get_weights()


@pytest.fixture(scope="module")
def learned_by_its_own_loss():
    return learned("auto", LABELS)


@pytest.mark.parametrize(
    "loss, labels",
    [
        ("sparse_categorical_crossentropy", LABELS),
        ("SparseCategoricalCrossentropy", LABELS),
        (keras.losses.sparse_categorical_crossentropy, LABELS),
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), LABELS),
        ("categorical_crossentropy", np.eye(2)[LABELS]),
        ("auto", np.eye(2)[LABELS]),
    ],
)
def test_a_loss_is_told_of_the_logits(loss, labels, learned_by_its_own_loss):
    for ours, theirs in zip(learned(loss, labels), learned_by_its_own_loss):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_losses_and_metrics_that_would_mistake_the_outputs_are_refused():
    loss = keras.losses.SparseCategoricalCrossentropy()
    with pytest.raises(ValueError, match="take logits.*from_logits=False. Try"):
        quick().compile(loss=loss)
    quick(activation="softmax").compile(loss=loss)
    metric = keras.metrics.AUC(from_logits=True)
    with pytest.raises(ValueError, match="probabilities. Received: AUC with from_log"):
        quick().compile(metrics=[metric])
    quick(activation="linear").compile(metrics=[metric])


def test_metrics_see_probabilities():
    model = quick(2, multi_label=True)
    model.compile(metrics=[keras.metrics.MeanAbsoluteError(name="mae")])
    truth = np.eye(2, dtype="float32")[LABELS]
    wanted = np.abs(model.predict(TEXTS, verbose=0) - truth).mean()
    scores = model.evaluate(TEXTS, truth, verbose=0, return_dict=True)
    assert scores["mae"] == pytest.approx(wanted, rel=1e-5)


def test_with_many_labels_every_class_is_asked_on_its_own():
    words = ["joy", "film", "dull"]
    truth = np.array([[w in text.split() for w in words] for text in TEXTS], "float32")
    model = quick(3, multi_label=True, class_names=words, dropout=0.0)
    model.compile(keras.optimizers.Adam(0.05))
    history = model.fit(TEXTS, truth, epochs=40, verbose=0).history
    assert history["accuracy"][-1] > 0.95
    assert model.predict_labels(["joy film", "dull"], verbose=0) == [
        ["joy", "film"],
        ["dull"],
    ]


def test_labels_may_be_names_that_the_data_knows():
    named = tf.data.Dataset.from_tensor_slices(
        (TEXTS, [["bad", "good"][label] for label in LABELS])
    ).batch(4)
    named.class_names = ["bad", "good"]
    model, wanted = quick(), quick()
    model.fit(named, verbose=0)
    wanted.fit(TEXTS, LABELS, batch_size=4, shuffle=False, verbose=0)
    assert model.class_names == ["bad", "good"]
    for ours, theirs in zip(model.get_weights(), wanted.get_weights()):
        np.testing.assert_array_equal(ours, theirs)


# From tokens to a text


def test_bert_is_classified_by_its_pooled_output():
    model = bert()
    assert model.pooled_dense is None
    pooled = model.backbone(ids())["pooled_output"]
    np.testing.assert_allclose(model(ids()), model.output_dense(pooled), rtol=1e-5)
    first = model.backbone(ids())["sequence_output"][:, 0]
    bare = bert(projection=False)
    np.testing.assert_allclose(bare(ids()), bare.output_dense(first), rtol=1e-5)


@pytest.mark.parametrize(
    "kind, activation",
    [
        (DistilBertBackbone, keras.ops.relu),
        (RobertaBackbone, keras.ops.tanh),
        (ModernBertBackbone, None),
    ],
)
def test_each_family_has_the_projection_of_its_classifiers(kind, activation):
    model = TextClassifier(backbone(kind), 5, hidden_dim=9)
    prepared = ids()
    first = model.backbone({k: prepared[k] for k in ("token_ids", "padding_mask")})
    x = first[:, 0]
    if activation:
        kernel, bias = model.pooled_dense.kernel, model.pooled_dense.bias
        assert kernel.shape == (16, 9)
        x = activation(x @ kernel + bias)
    np.testing.assert_allclose(model(prepared), model.output_dense(x), rtol=1e-5)
    assert (model.pooled_dropout is not None) == (kind is RobertaBackbone)


def test_a_projection_can_be_asked_for_and_left_out():
    assert quick().pooled_dense is None
    assert quick(projection=True, hidden_dim=7).pooled_dense.units == 7
    for projection in (False, None):
        model = TextClassifier(backbone(RobertaBackbone), 2, projection=projection)
        assert model.pooled_dense is None


@pytest.mark.parametrize("setting", [{"pooling": "mean"}, {"projection": False}])
def test_weights_that_no_answer_depends_on_do_not_train(setting, recwarn):
    model = bert(**setting)
    before = [x.copy() for x in model.backbone.pooled_dense.get_weights()]
    model.fit(TEXTS[:4], LABELS[:4], verbose=0)
    for ours, theirs in zip(model.backbone.pooled_dense.get_weights(), before):
        np.testing.assert_array_equal(ours, theirs)
    assert not [w for w in recwarn if "Gradients do not exist" in str(w.message)]
    # They are still the backbone's, and another task may train them.
    assert model.count_params() == model.backbone.count_params() + 2 * 16 + 2
    other = TextClassifier(model.backbone, 2)
    assert len(other.trainable_variables) == len(model.trainable_variables) + 2


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_pooling_looks_at_all_tokens_and_at_no_padding(pooling):
    model = TextClassifier(external(), 3, pooling=pooling)
    prepared = ids(rows=3, length=7, padding=3)
    taken = {k: prepared[k] for k in ("token_ids", "padding_mask")}
    features = np.array(model.backbone(taken))
    reduce = {"mean": np.mean, "max": np.max}[pooling]
    kept = [4, 7, 7]
    pooled = np.stack([reduce(x[:n], axis=0) for x, n in zip(features, kept)])
    np.testing.assert_allclose(
        model(prepared), model.output_dense(pooled), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
@pytest.mark.parametrize("kind", [BertBackbone, RobertaBackbone])
def test_a_row_of_nothing_but_padding_gives_numbers_and_gradients(pooling, kind):
    model = TextClassifier(backbone(kind), 3, pooling=pooling)
    nothing = {name: 0 * x for name, x in ids().items()}
    with tf.GradientTape() as tape:
        loss = keras.ops.sum(keras.ops.square(model(nothing, training=True)))
    assert np.isfinite(loss)
    for gradient in tape.gradient(loss, [v.value for v in model.trainable_variables]):
        if gradient is not None:
            assert np.isfinite(tf.convert_to_tensor(gradient)).all()


# The encoder


@pytest.mark.parametrize("outputs", ["tokens", "texts"])
def test_any_keras_model_serves_as_encoder(outputs, tmp_path):
    model = TextClassifier(
        external(outputs), 2, without_segments(), pooling="max", dropout=0.0
    )
    model.compile(keras.optimizers.Adam(0.05))
    history = model.fit(TEXTS, LABELS, batch_size=4, epochs=12, verbose=0).history
    assert history["accuracy"][-1] > 0.9
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        again.predict(TEXTS, verbose=0), model.predict(TEXTS, verbose=0)
    )


def test_a_keras_mask_tells_padding_where_the_input_does_not():
    encoder = keras.Sequential(
        [
            keras.Input([None], dtype="int32"),
            keras.layers.Embedding(16, 6, mask_zero=True),
        ]
    )
    model = TextClassifier(encoder, 2, pooling="mean")
    short, long = np.array([[5, 6, 7]]), np.array([[5, 6, 7, 0, 0]])
    np.testing.assert_allclose(model(short), model(long), rtol=1e-5)
    history = model.fit(long, np.array([1]), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert model.predict(long, verbose=0).shape == (1, 2)


def test_a_frozen_backbone_stays_as_it_is_while_the_head_learns():
    model = bert()
    model.backbone.trainable = False
    model.compile(keras.optimizers.Adam(0.1))
    assert len(model.trainable_variables) == 2
    encoder, head = model.backbone.get_weights(), model.output_dense.get_weights()
    model.fit(TEXTS, LABELS, verbose=0)
    for before, after in zip(encoder, model.backbone.get_weights()):
        np.testing.assert_array_equal(before, after)
    assert (head[0] != model.output_dense.get_weights()[0]).any()


def test_what_one_task_trains_the_other_has():
    one = quick(dropout=0.0)
    one.compile(keras.optimizers.Adam(0.05))
    one.fit(TEXTS, LABELS, epochs=12, verbose=0)
    encoder = [w.copy() for w in one.backbone.get_weights()]
    other = TextClassifier(one.backbone, 3, without_segments(), pooling="mean")
    assert other.backbone is one.backbone  # a warm start: another head, same encoder
    for before, after in zip(encoder, other.backbone.get_weights()):
        np.testing.assert_array_equal(before, after)
    before = one.predict(TEXTS, verbose=0)
    other.compile(keras.optimizers.Adam(0.05))
    other.fit(TEXTS, [i % 3 for i in range(len(TEXTS))], epochs=2, verbose=0)
    assert (one.predict(TEXTS, verbose=0) != before).any()
    one.fit(TEXTS, LABELS, epochs=1, verbose=0)  # which still can


# Training


class Rates(keras.callbacks.Callback):
    """Notes the learning rate of each step."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_train_batch_begin(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


def rates_of(model, *data, **arguments):
    rates = Rates()
    model.fit(*data, callbacks=[rates], verbose=0, **arguments)
    return np.array(rates.rates)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_the_rate_rises_and_falls_over_exactly_what_fit_does(policy):
    model = quick(dtype=policy)
    model.compile()
    scaled = type(model.optimizer).__name__ == "LossScaleOptimizer"
    assert scaled == (policy == "mixed_float16")
    peak = model.peak_learning_rate
    steps = 5 * 7  # epochs of 28 rows, 4 a step
    wanted = PlannedDecay(peak)
    wanted.plan(0, steps)
    planned = [float(wanted(i)) for i in range(steps)]
    if not scaled:  # a loss scale too high at first skips steps, and the plan waits
        rates = rates_of(model, TEXTS, LABELS, batch_size=4, epochs=5)
        np.testing.assert_allclose(rates, planned, rtol=1e-5)
    rates = rates_of(model, TEXTS, LABELS, batch_size=4, epochs=5)
    assert rates[-1] < rates.max() / 4 and rates.max() > 0.9 * peak
    assert float(model.optimizer.learning_rate) == pytest.approx(peak)


def test_the_plan_counts_the_steps_that_were_asked_for_and_those_done():
    wanted = PlannedDecay(5e-5)
    wanted.plan(0, 12)
    planned = [float(wanted(i)) for i in range(12)]
    endless = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)).batch(4).repeat()
    rates = rates_of(quick(), endless, epochs=4, steps_per_epoch=3)
    np.testing.assert_allclose(rates, planned, rtol=1e-5)
    rates = rates_of(quick(), endless, epochs=4, steps_per_epoch=3, initial_epoch=2)
    np.testing.assert_allclose(rates, planned[6:], rtol=1e-5)


def test_data_of_unknown_length_trains_at_the_peak():
    data = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)).batch(4)
    unknown = data.filter(lambda x, y: True)
    model = quick()
    rates_of(model, data)
    rates = rates_of(model, unknown)
    np.testing.assert_allclose(rates[:7], [5e-5] * 7, rtol=1e-5)


def test_prepared_tensors_are_planned_for_too():
    model = quick(preprocessor=None)
    x, y = ids(rows=28), np.array(LABELS)
    one, other = (
        rates_of(model, x, y, batch_size=4, epochs=2, validation_split=0.5),
        rates_of(model, tf.data.Dataset.from_tensor_slices((x, y)).batch(7), epochs=2),
    )
    assert len(one) == len(other) == 8
    np.testing.assert_allclose(one, other, rtol=1e-5)
    assert one[-1] < one[0]


def test_rows_kept_in_memory_and_several_steps_a_call_change_no_result():
    weights = []
    for steps, cache in ((1, False), (1, True), (3, True)):
        model = quick()
        model.compile(keras.optimizers.Adam(0.01), steps_per_execution=steps)
        model.fit(
            *(TEXTS, LABELS),
            batch_size=4,
            epochs=3,
            shuffle=False,
            cache=cache,
            verbose=0,
        )
        weights.append(model.get_weights())
    for other in weights[1:]:
        for ours, theirs in zip(other, weights[0]):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_answers_in_float32(policy):
    model = bert(of_backbone=policy)
    assert model.dtype_policy.name == policy
    model.compile(keras.optimizers.Adam(1e-3))
    history = model.fit(TEXTS, LABELS, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert model(ids()).dtype == "float32"
    assert model.predict(TEXTS, verbose=0).dtype == np.float32


# Pairs


def test_pairs_are_the_same_from_any_source(trained_on_pairs):
    model = trained_on_pairs
    data = tf.data.Dataset.from_tensor_slices((PAIRS, LABELS)).batch(9)
    wanted = model.predict(PAIRS, verbose=0)
    assert wanted.shape == (28, 2)
    for other in (
        model.predict(tuple(map(np.array, PAIRS)), verbose=0),
        model.predict(data, verbose=0),
        model.predict(data.map(lambda x, y: (x,)), verbose=0),
        model.predict_on_batch(PAIRS),
    ):
        np.testing.assert_allclose(other, wanted, rtol=1e-5)
    # Which text comes first, and that there are two, makes a difference.
    assert (model.predict(PAIRS[::-1], verbose=0) != wanted).any()
    assert (model.predict(PAIRS[0], verbose=0) != wanted).any()
    scores = [
        model.evaluate(PAIRS, LABELS, verbose=0),
        model.evaluate(data, verbose=0),
        model.test_on_batch(PAIRS, LABELS),
    ]
    np.testing.assert_allclose(scores[1:], [scores[0]] * 2, rtol=1e-4)


def test_pairs_can_be_held_out_and_come_from_a_generator():
    model = quick()
    history = model.fit(PAIRS, LABELS, validation_split=0.25, verbose=0).history
    assert "val_loss" in history
    batches = (((PAIRS[0][:3], PAIRS[1][:3]), np.array(LABELS[:3])) for _ in range(2))
    model.fit(batches, steps_per_epoch=2, verbose=0)
    assert model.num_texts == 2


def test_monitoring_bears_with_pairs(tmp_path):
    for data in (PAIRS, TEXTS):
        quick().fit(
            *(data, LABELS),
            validation_data=(data, LABELS),
            callbacks=[TensorBoard(tmp_path / "runs")],
            verbose=0,
        )
    assert list((tmp_path / "runs").rglob("events*"))


def test_only_one_or_two_texts_are_judged_together():
    with pytest.raises(ValueError, match=r"Received: \(string \[B\], .*string \[B\]\)"):
        quick().predict((TEXTS, TEXTS, TEXTS), verbose=0)


# Keeping


def test_a_saved_model_answers_and_trains_on_as_it_would_have(tmp_path):
    # Without dropout, since Keras keeps no state of random numbers.
    model = quick(class_names=["bad", "good"], dropout=0.0)
    model.fit(TEXTS, LABELS, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert again.class_names == ["bad", "good"]
    for one in (model, again):
        one.fit(TEXTS, LABELS, epochs=2, shuffle=False, verbose=0)
    for ours, theirs in zip(again.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    bias, kernel = again.output_dense.bias, again.output_dense.kernel
    decays = again.optimizer._use_weight_decay
    assert decays(kernel) and not decays(bias)


def test_a_preset_keeps_the_head(trained, tmp_path):
    trained.save_to_preset(tmp_path / "preset")
    again = TextClassifier.from_preset(tmp_path / "preset")
    assert again.class_names == ["bad", "good"]
    np.testing.assert_array_equal(
        again.predict(TEXTS, verbose=0), trained.predict(TEXTS, verbose=0)
    )


def test_a_preset_gives_its_encoder_to_another_head(trained, tmp_path):
    trained.save_to_preset(tmp_path / "preset")
    other = TextClassifier.from_preset(
        tmp_path / "preset", num_classes=5, class_names=None
    )
    assert other.predict(TEXTS, verbose=0).shape == (28, 5)
    for ours, theirs in zip(other.backbone.weights, trained.backbone.weights):
        np.testing.assert_array_equal(ours, theirs)


def test_a_saved_encoder_answers_the_same(trained, tmp_path):
    trained.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert type(again) is TextClassifier and type(again.backbone) is BertBackbone
    np.testing.assert_array_equal(
        again.predict(TEXTS, verbose=0), trained.predict(TEXTS, verbose=0)
    )


SERVE = """
import sys
import tensorflow as tf
import tensorflow_text
served = tf.saved_model.load(sys.argv[1])
texts = tf.constant(sys.argv[2:])
inputs = served.signatures["serving_default"].structured_input_signature[1]
answers = served.serve(*[texts[:: 1 - 2 * i] for i in range(len(inputs))])
named = {name: texts[:: 1 - 2 * i] for i, name in enumerate(sorted(inputs))}
again = served.signatures["serving_default"](**named)["output_0"]
assert tf.reduce_all(answers == again)
print(*sorted(inputs))
for row in answers.numpy():
    print(*row)
assert "keras_nlp_lite" not in sys.modules
"""


@pytest.mark.parametrize("which", ["trained", "trained_on_pairs"])
def test_an_export_serves_the_same_in_a_process_without_this_package(
    which, request, tmp_path
):
    model = request.getfixturevalue(which)
    model.export(tmp_path / "served")
    asked = ["it is a joy", "", "not a dull film and", "words unseen?"]
    answer = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path / "served"), *asked],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=tmp_path,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    names, *rows = answer.stdout.splitlines()
    pairs = which == "trained_on_pairs"
    assert names == ("text_1 text_2" if pairs else "text")
    wanted = model.predict((asked, asked[::-1]) if pairs else asked, verbose=0)
    np.testing.assert_allclose(
        np.array([row.split() for row in rows], float), wanted, rtol=1e-4, atol=1e-6
    )


# Refusals


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"num_classes": 1}, "at least 2 classes. Received: num_classes=1"),
        ({"class_names": ["one"]}, "Received: 1 classes"),
        ({"dropout": 1.0}, "Received: dropout=1.0"),
        ({"hidden_dim": 0}, "Received: hidden_dim=0"),
        ({"pooling": "first"}, "Received: pooling='first'"),
        ({"projection": "tanh"}, "Received: projection='tanh'"),
        ({"num_texts": 3}, "Received: num_texts=3"),
        ({"backbone": keras.layers.Dense(3)}, "a Keras model. Received: Dense"),
        ({"backbone": keras.Sequential()}, "knows its inputs. Received: Sequential"),
    ],
    ids=str,
)
def test_arguments_that_cannot_be_are_refused_in_a_sentence(arguments, said):
    with pytest.raises(ValueError, match=said) as error:
        TextClassifier(**{"backbone": external(), "num_classes": 2, **arguments})
    assert "\n" not in str(error.value)


def test_an_encoder_that_gives_no_features_is_refused():
    image = keras.Input([3, 5, 7])
    with pytest.raises(ValueError, match=r"Received: one that gives \(None, 3, 5, 7\)"):
        TextClassifier(keras.Model(image, keras.layers.ReLU()(image)), 2)


@pytest.mark.parametrize(
    "prepares, said",
    [
        (without_segments, "takes segment_ids, too. Received: a DistilBertTokenizer"),
        (lambda: preprocessor(length=14), "Received: 14, max_sequence_length=13"),
    ],
    ids=["segments", "length"],
)
def test_a_preprocessor_that_does_not_fit_the_backbone_is_refused(prepares, said):
    model = TextClassifier(backbone(), 2, prepares())
    for run, data in (
        (model.predict, (TEXTS,)),
        (model.fit, (TEXTS, LABELS)),
        (model.predict_on_batch, (TEXTS,)),
        (model.export, ("never",)),
    ):
        with pytest.raises(ValueError, match=said):
            run(*data)


def test_a_vocabulary_larger_than_the_backbones_is_refused():
    small = BertBackbone(9, 1, 1, 4, 4, max_sequence_length=13)
    with pytest.raises(ValueError, match="Received: 16, vocabulary_size=9"):
        TextClassifier(small, 2, preprocessor()).predict(TEXTS)


@pytest.mark.parametrize(
    "data, said",
    [
        ((TEXTS,), "without labels"),
        ((TEXTS, [2] * 28), "from 0 to 1, num_classes in all. Received: 2."),
        ((TEXTS, ["joy"] * 28), "need the classes' names"),
        ((np.ones([28, 3]), LABELS), "Strings come first"),
        (("one text", [1]), "Texts come several at a time"),
        (((TEXTS, TEXTS[1:]), LABELS), "equally many. Received: 28, 27, 28"),
    ],
    ids=["no labels", "label", "names", "numbers", "string", "lengths"],
)
def test_data_that_cannot_be_is_refused_in_a_sentence(data, said):
    with pytest.raises(ValueError, match=said) as error:
        quick().fit(*data, verbose=0)
    assert "\n" not in str(error.value)


def test_calling_the_model_on_strings_says_what_to_call():
    for text in ("good", ["good"], tf.constant(["good"]), (["good"], ["fine"])):
        with pytest.raises(ValueError, match="For texts, try `model.predict"):
            quick()(text)
