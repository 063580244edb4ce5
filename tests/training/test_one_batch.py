"""A sound model learns one batch by heart; for others there is a reason."""

import keras
import numpy as np
import pytest

from keras_nlp_lite.training.one_batch import overfit_one_batch
from tests.tasks.encoders import LABELS, TEXTS
from tests.training.small import classifier, points, regression, same, state_of


def dense(*args, **kwargs):
    return keras.layers.Dense(*args, **kwargs)


def test_a_sound_task_passes_and_is_afterwards_what_it_was():
    model = classifier(dropout=0.9)  # which would keep the loss high
    model.fit(TEXTS, LABELS, epochs=1, verbose=0)
    before = state_of(model), model.train_function
    result = overfit_one_batch(model, (TEXTS, LABELS), steps=150, batch_size=4)
    assert result.passed and result.last <= 0.1 * result.first
    assert same(state_of(model), before[0]) and model.train_function is before[1]
    assert "learned one batch" in str(result)


def test_a_model_that_loses_its_input_fails_and_is_told_so():
    zero = keras.layers.Rescaling(0.0)
    model = regression(zero, dense(1))
    result = overfit_one_batch(model, points(8), steps=20)
    assert not result.passed
    assert any("same for all rows" in finding for finding in result.findings)


def test_weights_without_gradient_are_named():
    stopped = keras.layers.Activation(keras.ops.stop_gradient)
    model = regression(dense(4, name="before"), stopped, dense(1, name="after"))
    result = overfit_one_batch(model, points(8), steps=5)
    missing = [finding for finding in result.findings if "No gradient" in finding]
    assert len(missing) == 1
    assert "before/kernel" in missing[0] and "after" not in missing[0]


def test_dead_weights_are_named():
    model = regression(dense(4, name="dead", activation="relu"), dense(1))
    model.get_layer("dead").bias.assign([-1e3] * 4)
    result = overfit_one_batch(model, points(8), steps=5)
    assert any("is 0 at" in x and "dead/kernel" in x for x in result.findings)


def test_frozen_models_are_told_so():
    model = regression(dense(1))
    model.trainable = False
    with pytest.warns(UserWarning, match="trainable"):
        result = overfit_one_batch(model, points(8), steps=2)
    assert any("No weight is trainable" in x for x in result.findings)


@pytest.mark.parametrize(
    "x, y, finding",
    [
        (np.eye(4, 3), np.ones(4), "same label"),
        (np.ones([4, 3]), np.arange(4.0), "Rows 0 and 1 are equal"),
    ],
)
def test_odd_batches_are_told_so(x, y, finding):
    result = overfit_one_batch(regression(dense(1)), (x, y), steps=2)
    assert any(finding in said for said in result.findings)


def test_a_clean_batch_of_a_sound_model_has_no_findings():
    result = overfit_one_batch(regression(dense(1)), points(8), steps=2)
    assert result.findings == []


def test_a_loss_that_is_nan_fails():
    x, y = points(8)
    result = overfit_one_batch(regression(dense(1)), (x * np.nan, y), steps=3)
    assert not result.passed and "StopOnNaN" in result.findings[0]


def test_data_without_a_batch_is_refused():
    import tensorflow as tf

    empty = tf.data.Dataset.from_tensor_slices(points(8)).batch(4).take(0)
    with pytest.raises(ValueError, match="must hold a batch"):
        overfit_one_batch(regression(dense(1)), empty)
