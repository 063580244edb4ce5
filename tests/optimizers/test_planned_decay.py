"""A planned rate rises, falls, and ends at zero with the plan."""

import keras
import numpy as np
import pytest

from keras_nlp_lite.optimizers import AdamW, PlannedDecay


def rates(schedule, steps):
    return np.array([float(schedule(step)) for step in steps])


def test_it_rises_to_the_peak_and_falls_to_zero():
    schedule = PlannedDecay(0.5, warmup=0.2)
    schedule.plan(start=0, steps=50)
    rate = rates(schedule, range(51))
    assert np.argmax(rate) == 9 and rate[9] == 0.5
    assert (np.diff(rate[:10]) > 0).all() and (np.diff(rate[10:]) < 0).all()
    assert rate[50] == 0


def test_without_a_plan_it_stays_at_its_peak():
    assert (rates(PlannedDecay(0.3), [0, 7, 10**6]) == np.float32(0.3)).all()


def test_a_second_plan_begins_where_the_first_ended():
    schedule = PlannedDecay(1.0, warmup=0.1)
    schedule.plan(start=0, steps=20)
    first = rates(schedule, range(20))
    schedule.plan(start=20, steps=20)
    np.testing.assert_array_equal(rates(schedule, range(20, 40)), first)


def test_a_traced_step_follows_a_new_plan():
    schedule = PlannedDecay(1.0, warmup=0.0)
    weight = keras.Variable([0.0])
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(AdamW(schedule), "mse")
    x = np.ones((1, 1))
    model.train_on_batch(x, x)
    schedule.plan(start=0, steps=1)  # over: the rate is zero
    before = model.get_weights()
    model.train_on_batch(x, x)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert float(weight.value[0]) == 0


def test_a_share_that_is_none_is_refused():
    with pytest.raises(ValueError, match="warmup=1.5"):
        PlannedDecay(1.0, warmup=1.5)
