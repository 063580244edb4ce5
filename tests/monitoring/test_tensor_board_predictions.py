import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.monitoring import TensorBoard
from keras_nlp_lite.monitoring.confusion_matrix import draw_confusion_matrix
from tests.monitoring.runs import (
    LABELS,
    REVIEWS,
    TRAIN,
    VALIDATION,
    Run,
    TextModel,
    compiled,
    dataset,
    fit,
    scores_of,
)


def test_the_table_holds_exactly_the_wrong_examples_most_confident_first(tmp_path):
    run = fit(tmp_path, class_names=["negative", "positive"])
    p = scores_of(REVIEWS)
    assert run.rows() == [
        ["bad plot", "positive", "negative", f"{1 - p[5]:.3f}"],
        ["good plot", "negative", "positive", f"{p[4]:.3f}"],
        ["good bad", "positive", "negative", f"{1 - p[2]:.3f}"],
        ["plot", "negative", "positive", f"{p[3]:.3f}"],
    ]


def test_the_image_is_the_confusion_matrix_drawn(tmp_path):
    run = fit(tmp_path, class_names=["negative", "positive"])
    by_hand = np.array([[1, 2], [2, 1]])
    np.testing.assert_array_equal(
        run.images()[0], draw_confusion_matrix(by_hand, ["negative", "positive"])
    )


def test_each_epoch_is_a_step_and_shows_the_model_of_its_end(tmp_path):
    model = compiled(TextModel(), learning_rate=3.0, run_eagerly=False)
    run = fit(tmp_path, model, epochs=3)
    assert set(run.texts()) == set(run.images()) == {0, 1, 2}
    assert len(set(run.texts().values())) == 3


def test_names_come_from_the_model_unless_given(tmp_path):
    model = compiled(TextModel())
    model.class_names = ["pan", "rave"]
    assert fit(tmp_path / "own", model).rows()[0][1] == "rave"
    given = fit(tmp_path / "given", model, class_names=["no", "yes"])
    assert given.rows()[0][1] == "yes"


def test_classes_without_a_name_are_numbered(tmp_path):
    assert fit(tmp_path / "none").rows()[0][1] == "1"
    assert fit(tmp_path / "one", class_names=["no"]).rows()[0][1:3] == ["1", "no"]


@pytest.mark.parametrize("kind", ["tuple", "dataset"])
def test_given_validation_data_goes_before_the_models_own(tmp_path, kind):
    data = (["bad bad", "good"], np.array([1, 1]))
    if kind == "dataset":
        data = dataset(*data)
    callback = TensorBoard(tmp_path / "given", validation_data=data)
    compiled(TextModel()).fit(TRAIN, validation_data=VALIDATION, callbacks=[callback])
    assert [row[0] for row in Run(tmp_path / "given").rows()] == ["bad bad"]


def test_a_class_the_model_does_not_know_gets_a_row_of_its_own(tmp_path):
    data = dataset(["good", "plot"], [1, 2])
    callback = TensorBoard(tmp_path / "given", validation_data=data)
    compiled(TextModel()).fit(TRAIN, callbacks=[callback])
    run = Run(tmp_path / "given")
    assert run.rows()[0][:3] == ["plot", "2", "1"]
    by_hand = np.array([[0, 0, 0], [0, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(
        run.images()[0], draw_confusion_matrix(by_hand, ["0", "1", "2"])
    )


def plain_model(shape):
    """A Keras model that offers callbacks nothing: strings to P(class 1) [B, 1]."""
    vectorize = keras.layers.TextVectorization(
        vocabulary=["good", "bad", "plot"], output_mode="multi_hot"
    )
    texts = keras.Input(shape, dtype="string")
    score = keras.layers.Dense(1, activation="sigmoid")
    model = keras.Model(texts, score(vectorize(texts)))
    score.set_weights([np.array([[0], [2], [-4], [0.5]]), np.zeros(1)])
    return compiled(model, loss="binary_crossentropy")


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("label_shape", [(-1,), (-1, 1)])
def test_a_single_column_is_the_probability_of_class_1(tmp_path, shape, label_shape):
    texts = np.array(REVIEWS, object).reshape(-1, *shape)
    labels = np.array(LABELS).reshape(label_shape)
    callback = TensorBoard(tmp_path, validation_data=(texts, labels))
    data = tf.data.Dataset.from_tensors((texts.tolist(), np.array(LABELS)[:, None]))
    plain_model(shape).fit(data, verbose=0, callbacks=[callback])
    rows = Run(tmp_path).rows()
    assert [row[0] for row in rows] == ["bad plot", "good plot", "good bad", "plot"]
    assert [row[3] for row in rows[:2]] == [
        f"{1 - scores_of(['bad plot'])[0]:.3f}",
        f"{scores_of(['good plot'])[0]:.3f}",
    ]


def test_one_hot_labels_are_classes_unless_the_model_has_many(tmp_path):
    one_hot = np.eye(2, dtype=int)[LABELS]
    callback = TensorBoard(tmp_path, validation_data=(REVIEWS, one_hot))
    compiled(TextModel()).fit(TRAIN, callbacks=[callback])
    run = Run(tmp_path)
    assert run.rows()[0][0] == "bad plot"
    assert set(run.images()) == {0}


def test_a_multi_label_model_gets_a_table_and_no_matrix(tmp_path):
    model = TextModel("sigmoid")  # class 0 is always at 0.5, so never predicted
    model.multi_label = True
    compiled(model, loss="binary_crossentropy")
    data = dataset(["good", "bad", "plot"], [[0, 1], [1, 1], [0, 0]])
    callback = TensorBoard(tmp_path, class_names=["long", "liked"])
    model.fit(data, validation_data=data, callbacks=[callback])
    run = Run(tmp_path)
    bad, plot = scores_of(["bad", "plot"])
    assert run.rows() == [
        ["bad", "long, liked", "none", f"liked: {bad:.3f}"],
        ["plot", "none", "liked", f"liked: {plot:.3f}"],
    ]
    assert "confusion_matrix" not in run.tags("validation")


def test_reviews_full_of_markup_and_broken_bytes_reach_the_model_and_the_table(
    tmp_path,
):
    texts = [b"good <b>|\n`x`", b"good \xff"]
    run = fit(tmp_path, validation_data=dataset(texts, [0, 0]))
    shown = {row[0] for row in run.rows()}
    assert shown == {"good &#60;b&#62;&#124; &#96;x&#96;", "good �"}


def test_more_than_100_classes_get_no_matrix(tmp_path):
    data = dataset(["good"], [0])
    run = fit(tmp_path, compiled(TextModel(columns=101)), validation_data=data)
    assert "misclassified" in run.tags("validation")
    assert "confusion_matrix" not in run.tags("validation")


def test_only_the_sample_is_predicted_in_batches_of_256(tmp_path):
    n = 2_000
    labels = [0] * (n // 2) + [1] * (n // 2)  # sorted by class
    data = dataset(["plot"] * n, labels, batch=100)
    model = compiled(TextModel())
    run = fit(tmp_path, model, epochs=2, validation_data=data, examples=600)
    assert model.predicted_batches == [256, 256, 88] * 2
    wrong = int(run.texts()[0].split()[0])  # "plot" is taken for class 1
    assert 250 < wrong < 350 and " of 600 " in run.texts()[0]


def test_zero_examples_predict_nothing(tmp_path):
    model = compiled(TextModel())
    run = fit(tmp_path, model, examples=0)
    assert model.predicted_batches == []
    assert not {"misclassified", "confusion_matrix"} & run.tags("validation")


def test_zero_misclassified_leave_the_matrix_alone(tmp_path):
    tags = fit(tmp_path, misclassified=0).tags("validation")
    assert "confusion_matrix" in tags and "misclassified" not in tags
