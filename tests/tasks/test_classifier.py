import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers import NGramBag
from keras_nlp_lite.tasks import (
    AveragedEmbeddingClassifier,
    BagOfNgramsClassifier,
    Classifier,
)

TEXTS = [
    "red",
    "green",
    "blue",
    "red and green",
    "green and blue",
    "red green blue",
] * 9
MULTI = np.array(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1]] * 9, "float32"
)
TWO = (MULTI[:, 0] > 0).astype("int32")
THREE = MULTI.argmax(axis=1)


def bag(num_classes, **kwargs):
    keras.utils.set_random_seed(0)
    model = BagOfNgramsClassifier(num_classes, ngrams=1, **kwargs)
    model.adapt(TEXTS)
    return model


@pytest.mark.parametrize(
    "loss, metrics, labels",
    [
        ("auto", "auto", TWO),
        ("binary_crossentropy", ["accuracy", keras.metrics.AUC(name="auc")], TWO),
        (keras.losses.BinaryFocalCrossentropy(), ["accuracy"], TWO),
        ("sparse_categorical_crossentropy", ["accuracy"], TWO),
        (keras.losses.SparseCategoricalCrossentropy(), ["accuracy"], TWO),
        ("categorical_crossentropy", ["accuracy"], np.eye(2, dtype="float32")[TWO]),
        (keras.losses.CategoricalFocalCrossentropy(), ["accuracy"], np.eye(2)[TWO]),
    ],
)
def test_any_classification_loss_trains_the_one_unit(loss, metrics, labels):
    model = bag(2)
    model.compile(keras.optimizers.Adam(0.3), loss, metrics)
    history = model.fit(TEXTS, labels, epochs=15, verbose=0).history
    assert model.count_params() == 4 + 1
    assert history["accuracy"][-1] == 1
    right = model.predict(TEXTS, verbose=0).argmax(axis=1) == TWO
    assert right.all() and model.predict(TEXTS, verbose=0).shape == (54, 2)


def test_sparse_loss_of_two_columns_equals_the_binary_loss():
    one, two = bag(2), bag(2)
    one.compile("sgd", "binary_crossentropy")
    two.compile("sgd", "sparse_categorical_crossentropy")
    for model in (one, two):
        model.fit(TEXTS, TWO, shuffle=False, epochs=3, verbose=0)
    for ours, theirs in zip(one.get_weights(), two.get_weights()):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_three_classes_have_three_units_and_columns():
    model = bag(3, class_names=["red", "green", "blue"])
    model.compile(keras.optimizers.Adam(0.3))
    model.fit(TEXTS, THREE, epochs=20, verbose=0)
    assert model.count_params() == 3 * 4 + 3
    probabilities = model.predict(TEXTS[:3], verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert model.predict_labels(TEXTS[:3], verbose=0) == ["red", "green", "blue"]
    one_hot = bag(3)
    one_hot.compile(loss="categorical_crossentropy", metrics=["accuracy"])
    one_hot.fit(TEXTS, np.eye(3)[THREE], verbose=0)


def test_with_many_labels_every_class_is_asked_on_its_own():
    model = bag(3, multi_label=True, class_names=["r", "g", "b"])
    model.compile(keras.optimizers.Adam(0.3))
    history = model.fit(TEXTS, MULTI, epochs=20, verbose=0).history
    assert history["accuracy"][-1] == 1
    assert model.predict_labels(["green and blue", "red"], verbose=0) == [
        ["g", "b"],
        ["r"],
    ]


@pytest.mark.parametrize("multi_label", [False, True])
def test_what_is_saved_is_what_was_made(tmp_path, multi_label):
    labels = MULTI if multi_label else THREE
    model = Classifier(
        3,
        NGramBag(ngrams=2, mode="tf_idf", sparse=False),
        keras.Sequential([keras.layers.Dense(5, "relu")]),
        multi_label=multi_label,
        class_names=["r", "g", "b"],
    )
    model.adapt(TEXTS)
    model.fit(TEXTS, labels, epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert type(again) is Classifier and again.class_names == ["r", "g", "b"]
    np.testing.assert_array_equal(
        again.predict(TEXTS, verbose=0), model.predict(TEXTS, verbose=0)
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("sparse", [False, True])
def test_mixed_precision_trains_and_answers_in_float32(policy, sparse):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = bag(2)
        if not sparse:
            model = Classifier(2, NGramBag(sparse=False), keras.layers.Dense(7, "relu"))
            model.adapt(TEXTS)
        model.compile(keras.optimizers.Adam(0.1))
        history = model.fit(TEXTS, TWO, epochs=12, verbose=0).history
        assert history["accuracy"][-1] == 1
        assert model.predict(TEXTS, verbose=0).dtype == np.float32
    finally:
        keras.config.set_dtype_policy(before)


def test_xla_compiles_the_step_when_asked():
    model = Classifier(2, NGramBag(sparse=False), keras.layers.Dense(7, "relu"))
    model.adapt(TEXTS)
    model.compile(keras.optimizers.Adam(0.1), jit_compile=True)
    assert model.jit_compile
    history = model.fit(TEXTS, TWO, epochs=12, verbose=0).history
    assert history["accuracy"][-1] == 1


@pytest.mark.parametrize("num_classes, said", [(1, "at least 2 classes"), (0, "of at")])
def test_too_few_classes_are_refused(num_classes, said):
    with pytest.raises(ValueError, match=said):
        Classifier(num_classes)


def test_one_hot_labels_train_with_the_loss_of_our_own_choice():
    for labels, classes in ((TWO, 2), (THREE, 3)):
        by_number, one_hot = bag(classes), bag(classes)
        by_number.fit(TEXTS, labels, shuffle=False, verbose=0)
        one_hot.fit(TEXTS, np.eye(classes)[labels], shuffle=False, verbose=0)
        for ours, theirs in zip(by_number.get_weights(), one_hot.get_weights()):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "labels, said",
    [(7 * MULTI, "A label must be 0 or 1. Received: 7"), (THREE, "0 or 1 for each of")],
)
def test_labels_that_are_not_many_are_refused(labels, said):
    with pytest.raises(ValueError, match=said):
        bag(3, multi_label=True).fit(TEXTS, labels, verbose=0)


def test_an_encoder_or_head_of_another_shape_is_refused():
    for parts, said in (
        ({"encoder": keras.layers.Reshape((4, 1))}, "a vector for each text.*pooling"),
        ({"head": keras.layers.Dense(2)}, "must give 1 logits a text. Received: 2"),
    ):
        model = Classifier(2, NGramBag(sparse=False), **parts)
        with pytest.raises(ValueError, match=said):
            model.adapt(["red green blue and"])


def test_dtype_reaches_the_layers_inside():
    model = AveragedEmbeddingClassifier(2, 50, dtype="mixed_bfloat16")
    inside = [*model.encoder.layers, model.head]
    assert {layer.compute_dtype for layer in inside} == {"bfloat16"}
    model.adapt(TEXTS)
    model.fit(TEXTS, TWO, verbose=0)
    assert model.predict(TEXTS, verbose=0).dtype == np.float32


def test_xla_is_for_gpus_and_for_layers_that_it_can_compile(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["GPU"])
    inside = keras.Sequential([keras.layers.Dense(3)])
    inside.layers[0].supports_jit = False
    for model, wanted in (
        (bag(2), False),
        (Classifier(2, NGramBag(sparse=False), inside), False),
        (AveragedEmbeddingClassifier(2, 50), True),
    ):
        model.compile()
        assert model.jit_compile == wanted, type(model).__name__
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    model = AveragedEmbeddingClassifier(2, 50)
    model.compile()
    assert not model.jit_compile


def test_names_must_be_as_many_as_classes():
    with pytest.raises(ValueError, match="Received: 1 classes.*Try num_classes=1"):
        Classifier(2, class_names=["only"])
