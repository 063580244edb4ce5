"""A test of all learning rates, of which nothing remains but the curve."""

import xml.etree.ElementTree as ET

import keras
import numpy as np
import pytest

from keras_nlp_lite.optimizers import AdamW, PlannedDecay
from keras_nlp_lite.training.learning_rate_finder import (
    LearningRateCurve,
    Rising,
    find_learning_rate,
    suggested,
)
from tests.tasks.encoders import LABELS, TEXTS
from tests.training.small import classifier, points, regression, same, state_of

SVG = "{http://www.w3.org/2000/svg}"


def test_rates_rise_by_one_factor_from_the_lowest_to_the_highest():
    rising = Rising(1e-6, 1e-1, 6)
    rates = [float(rising(step)) for step in range(6)]
    np.testing.assert_allclose(rates, 10.0 ** np.arange(-6, 0), rtol=1e-5)


def test_the_suggestion_is_where_the_loss_falls_fastest():
    rates = np.logspace(-6, 0, 121)
    for center in (-4.0, -2.5):
        curve = 2 - np.tanh(2 * (np.log10(rates) - center)) + 9 * (rates > 0.1)
        noise = np.random.default_rng(0).normal(size=121) * 0.05
        assert np.log10(suggested(rates, curve + noise)) == pytest.approx(
            center, abs=0.35
        )


def test_the_suggestion_stays_a_decade_below_the_lowest_loss():
    rates = np.logspace(-6, 0, 121)
    curve = 2 - (np.log10(rates) > -1)  # falls once, and stays
    assert suggested(rates, curve) <= 0.1 * rates[-1]


@pytest.mark.parametrize("sign", [0, 1])
def test_a_loss_that_does_not_fall_gives_no_suggestion(sign):
    rates = np.logspace(-6, 0, 100)
    noise = np.random.default_rng(0).normal(size=100) * 0.05
    assert suggested(rates, 1 + sign * np.arange(100) / 20 + noise) is None


def test_a_linear_model_learns_well_at_the_suggestion_and_diverges_far_above():
    x, y = points(64)
    keras.utils.set_random_seed(1)  # the rows come in random order
    model = regression(keras.layers.Dense(1), graph=True)
    curve = find_learning_rate(model, (x, y), highest=100.0)
    losses = {}
    for factor in (1, 100):
        keras.utils.set_random_seed(1)
        model = regression(
            keras.layers.Dense(1),
            optimizer=keras.optimizers.SGD(factor * curve.suggestion),
        )
        losses[factor] = model.fit(x, y, epochs=8, verbose=0).history["loss"]
    assert losses[1][-1] < 0.5 * losses[1][0]
    assert not losses[100][-1] < losses[100][0]


def test_divergence_ends_the_test():
    model = regression(keras.layers.Dense(1), graph=True)
    curve = find_learning_rate(model, points(64), highest=1e6, steps=80)
    assert len(curve.rates) == len(curve.losses) < 80
    assert np.isfinite(curve.losses).all()


@pytest.fixture(scope="module")
def after_fit():
    """A task with a schedule, trained for an epoch, and what it was then."""
    model = classifier()
    model.compile(AdamW(PlannedDecay(0.003)), steps_per_execution=2)
    model.fit(TEXTS, LABELS, epochs=1, verbose=0)
    return model


def test_a_task_with_a_schedule_is_afterwards_what_it_was(after_fit):
    model = after_fit
    before = state_of(model), model.optimizer, model.train_function
    attributes = {k: v for k, v in vars(model).items() if not k.startswith("_")}
    curve = find_learning_rate(model, (TEXTS, LABELS), steps=20, batch_size=4)
    assert len(curve.rates) == 20  # of 7 batches
    assert model.optimizer is before[1] and model.train_function is before[2]
    assert same(state_of(model), before[0])
    assert vars(model).keys() >= attributes.keys()
    assert all(vars(model)[name] is value for name, value in attributes.items())


def test_a_model_that_was_tested_trains_as_one_that_was_not():
    losses = []
    for tested in (False, True):
        model = regression(
            keras.layers.Dropout(0.5, seed=7), keras.layers.Dense(1), graph=True
        )
        if tested:
            find_learning_rate(model, points(), steps=3)
        history = model.fit(*points(), epochs=2, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
    assert losses[0] == losses[1]


def test_an_interrupted_test_leaves_the_model_as_it_was(after_fit):
    before = state_of(after_fit), after_fit.train_function

    def broken():
        yield TEXTS[:4], LABELS[:4]
        raise RuntimeError("no more")

    with pytest.raises(Exception, match="no more"):
        find_learning_rate(after_fit, broken(), steps=5)
    assert same(state_of(after_fit), before[0])
    assert after_fit.train_function is before[1]


def test_the_copy_keeps_the_optimizers_settings():
    x, y = points(16)
    seen = []

    class Watched(keras.optimizers.SGD):
        def apply(self, *args, **kwargs):
            seen.append((self.momentum, self.clipnorm))
            return super().apply(*args, **kwargs)

    optimizer = Watched(0.1, momentum=0.5, clipnorm=3.0)
    model = regression(keras.layers.Dense(1), optimizer=optimizer)
    find_learning_rate(model, (x, y), steps=2)
    assert set(seen) == {(0.5, 3.0)}
    assert float(optimizer.learning_rate) == pytest.approx(0.1)


def test_the_picture_is_an_svg_with_a_point_for_each_finite_loss(tmp_path):
    curve = find_learning_rate(
        regression(keras.layers.Dense(1)), points(), highest=0.01, steps=10
    )
    curve.plot(tmp_path / "curve.svg")
    root = ET.parse(tmp_path / "curve.svg").getroot()
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert tags[0] == "svg" and 1 <= tags.count("circle") <= 10
    for circle in root.iter(f"{SVG}circle"):
        assert 0 <= float(circle.get("cx")) <= float(root.get("width"))
        assert 0 <= float(circle.get("cy")) <= float(root.get("height"))
    with pytest.raises(ValueError, match=r"path='curve.png'. Try 'curve.svg'"):
        curve.plot("curve.png")


@pytest.mark.parametrize("suggestion", [2e-5, 3e-2, None])
def test_the_picture_names_the_suggestion_where_it_lies(suggestion):
    rates = np.logspace(-6, 0, 13)
    curve = LearningRateCurve(rates, np.linspace(2, 1, 13), suggestion)
    root = ET.fromstring(curve._repr_svg_())
    named = [text for text in root.iter(f"{SVG}text") if "suggested" in text.text]
    red = [line for line in root.iter(f"{SVG}line") if line.get("stroke") == "#b22218"]
    if suggestion is None:
        assert not named and not red
        return
    assert [text.text for text in named] == [f"suggested: {suggestion:.1e}"]
    points = [float(circle.get("cx")) for circle in root.iter(f"{SVG}circle")]
    at = np.interp(np.log10(suggestion), np.log10(rates), points)
    assert float(red[0].get("x1")) == pytest.approx(at, abs=0.2)
    room = 150  # pixels, more than the words take
    x, anchor = float(named[0].get("x")), named[0].get("text-anchor")
    end = x + room if anchor == "start" else x - room
    assert 0 < end < float(root.get("width")) and abs(x - at) < 10


def test_rates_that_do_not_rise_are_refused():
    with pytest.raises(ValueError, match="lowest=1.0, highest=0.1"):
        find_learning_rate(None, None, 1.0, 0.1)


def test_a_model_without_a_loss_is_refused():
    model = keras.Sequential([keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="model.compile"):
        find_learning_rate(model, points())
