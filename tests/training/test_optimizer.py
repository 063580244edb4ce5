"""One line gives an optimizer that trains, counts, saves and loads."""

import json

import keras
import numpy as np
import pytest

from keras_nlp_lite import models
from keras_nlp_lite.tokenizers import BertTokenizer
from keras_nlp_lite.training.optimizer import optimizer

TEXTS = ["good film", "bad film", "good plot", "bad plot"] * 4
LABELS = [1, 0, 1, 0] * 4


def classifier(chosen):
    """A tiny BERT on words, compiled."""
    keras.utils.set_random_seed(3)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = BertTokenizer(vocabulary=[*special, "good", "bad", "film", "plot"])
    backbone = models.BertBackbone(
        vocabulary_size=9,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=8,
        dropout=0.0,
        max_sequence_length=6,
    )
    preprocessor = models.TextClassifierPreprocessor(tokenizer, sequence_length=6)
    model = models.TextClassifier(
        backbone, num_classes=2, preprocessor=preprocessor, dropout=0.0
    )
    model.compile(optimizer=chosen)
    return model


def plain(chosen):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
    model.compile(chosen, "mse")
    model.build((None, 3))
    return model


def fitted(model, rows=16, **kwargs):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 3)), rng.normal(size=(rows, 1))
    model.fit(x, y, shuffle=False, verbose=0, **{"batch_size": 4, **kwargs})
    return model


@pytest.mark.parametrize("name", ["adafactor", "lion", "muon"])
def test_it_lowers_the_loss(name):
    model = plain(optimizer(name, 0.03, steps=64, clip=1.0))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3))
    y = x[:, :1] - x[:, 1:2]
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, batch_size=8, epochs=8, verbose=0)
    assert model.evaluate(x, y, verbose=0) < 0.5 * before


def test_a_tasks_fit_plans_its_schedule():
    """The rate rises and falls over all epochs, in steps of two batches."""
    chosen = optimizer("adamw", 0.01, warmup=0.25, layer_decay=0.9, accumulate=2)
    rates = []

    class Rates(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    classifier(chosen).fit(
        TEXTS, LABELS, batch_size=2, epochs=2, verbose=0, callbacks=[Rates()]
    )
    wanted = np.repeat([0.5, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6], 2)
    np.testing.assert_allclose(rates, 0.01 * wanted, rtol=1e-5)


def test_accumulated_batches_equal_a_big_one():
    settings = {"steps": 4, "warmup": 2, "clip": 0.1, "ema": 0.9, "weight_decay": 0.1}
    small = plain(optimizer("adamw", 0.05, accumulate=4, **settings))
    large = plain(optimizer("adamw", 0.05, **settings))
    fitted(small, rows=64)
    fitted(large, rows=64, batch_size=16)
    for x, y in zip(small.get_weights(), large.get_weights(), strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=1e-6)


def test_fit_ends_with_the_average():
    chosen = optimizer("sgd", 0.1, schedule="constant", ema=0.5)
    model = fitted(plain(chosen))
    averages = chosen._model_variables_moving_average
    for weight, average in zip(model.get_weights(), averages, strict=True):
        np.testing.assert_array_equal(weight, average)


def test_a_saved_model_goes_on_equally(tmp_path):
    """In the middle of the batches of a step, too: there were five."""
    chosen = optimizer(
        "adamw", 0.01, schedule="constant", layer_decay=0.8, ema=0.9, accumulate=2
    )
    model = classifier(chosen)
    model.fit(TEXTS[:10], LABELS[:10], batch_size=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == chosen.get_config()
    for each in (model, loaded):
        each.fit(TEXTS, LABELS, batch_size=4, shuffle=False, verbose=0)
    for x, y in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


def test_its_config_is_json():
    chosen = optimizer("muon", 0.01, schedule="wsd", ema=0.99, clip=1.0, accumulate=3)
    config = keras.saving.serialize_keras_object(chosen)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert again.get_config() == chosen.get_config()


def test_under_float16_the_head_learns_at_the_full_rate():
    """Keras wraps the optimizer; depths are known inside the wrap, too."""
    model = plain(optimizer("sgd", 0.1, schedule="constant", layer_decay=1e-9))
    wrapped = keras.optimizers.LossScaleOptimizer(model.optimizer, initial_scale=8.0)
    model.compile(wrapped, "mse")
    before = model.get_weights()
    after = fitted(model).get_weights()
    low, high = (np.abs(after[i] - before[i]).max() for i in (0, 2))
    assert low < 1e-8 and high > 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("adamm", 0.1), "Did you mean 'adam"),
        (("adamw", -0.1), "learning_rate=-0.1"),
        (("adamw", 0.1, "linear"), "positional"),
    ],
)
def test_a_wrong_argument_is_refused(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        optimizer(*arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schedule", "lineal"),
        ("warmup", 1.5),
        ("clip", 0),
        ("accumulate", 0),
        ("layer_decay", 0.0),
    ],
)
def test_a_setting_out_of_its_range_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"{value!r}"):
        optimizer("adamw", 0.1, **{name: value})
