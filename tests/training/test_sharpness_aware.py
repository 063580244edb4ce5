"""A sharpness-aware step is the two-step formula, whatever the precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import models
from keras_nlp_lite.training.sharpness_aware import sharpness_aware

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3)).astype("float32")
Y = RNG.normal(size=(6, 1)).astype("float32")


def line(optimizer, jit_compile=False):
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", jit_compile=jit_compile)
    return model


def gradient(kernel, bias):
    """Of the mean squared error of a line."""
    error = X @ kernel + bias - Y
    return [2 * X.T @ error / len(X), 2 * error.mean(axis=0)]


def by_hand(weights, radius, rate, steps):
    for _ in range(steps):
        here = gradient(*weights)
        norm = np.sqrt(sum((g**2).sum() for g in here))
        worst = [w + radius * g / norm for w, g in zip(weights, here, strict=True)]
        there = gradient(*worst)
        weights = [w - rate * g for w, g in zip(weights, there, strict=True)]
    return weights


@pytest.mark.parametrize("jit_compile", [False, True])
def test_its_steps_are_the_two_step_formula(jit_compile):
    model = sharpness_aware(line(keras.optimizers.SGD(0.1), jit_compile), radius=0.5)
    wanted = by_hand(model.get_weights(), radius=0.5, rate=0.1, steps=4)
    plain = by_hand(model.get_weights(), radius=1e-9, rate=0.1, steps=4)
    model.fit(X, Y, batch_size=6, epochs=4, verbose=0)
    for found, x, y in zip(model.get_weights(), wanted, plain, strict=True):
        np.testing.assert_allclose(found, x, rtol=1e-5, atol=1e-6)
        assert np.abs(found - y).max() > 1e-2  # another way than the plain one


def test_its_loss_is_that_of_where_it_stands():
    model = sharpness_aware(line(keras.optimizers.SGD(0.1)), radius=0.5)
    before = model.evaluate(X, Y, verbose=0)
    history = model.fit(X, Y, batch_size=6, verbose=0)
    np.testing.assert_allclose(history.history["loss"], [before], rtol=1e-6)


def test_loss_scaling_changes_nothing_and_an_overflow_moves_nothing():
    scaled = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1), initial_scale=2.0**8
    )
    model = sharpness_aware(line(scaled), radius=0.5)
    wanted = by_hand(model.get_weights(), radius=0.5, rate=0.1, steps=1)
    model.fit(X, Y, batch_size=6, verbose=0)
    for found, x in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_allclose(found, x, rtol=1e-5, atol=1e-6)
    before = model.get_weights()
    model.fit(1e30 * X, Y, batch_size=6, verbose=0)
    for x, y in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_weight_without_gradient_and_a_gradient_of_zero_are_no_trouble():
    model = line(keras.optimizers.SGD(0.1))
    model.set_weights([np.zeros((3, 1)), np.zeros(1)])
    sharpness_aware(model).fit(X, 0 * Y, batch_size=6, verbose=0)
    assert all((w == 0).all() for w in model.get_weights())


def test_a_task_trains_by_it():
    backbone = models.BertBackbone(
        vocabulary_size=20,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=8,
        dropout=0.0,
        max_sequence_length=5,
        dtype="mixed_bfloat16",
    )
    model = models.TextClassifier(backbone, num_classes=2)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    sharpness_aware(model, radius=0.1)
    ids = RNG.integers(1, 20, (8, 5)).astype("int32")
    x = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 0 * ids + 1}
    labels = ids[:, 0] % 2
    data = tf.data.Dataset.from_tensor_slices((x, labels)).batch(8)
    losses = model.fit(data, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_a_model_with_a_step_of_its_own_is_refused():
    class Other(keras.Sequential):
        def train_step(self, data):
            return {}

    with pytest.raises(ValueError, match="Received: Other"):
        sharpness_aware(Other([keras.layers.Dense(1)]))
    with pytest.raises(ValueError, match="radius=0"):
        sharpness_aware(line("sgd"), radius=0)
