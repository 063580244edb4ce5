"""Each schedule follows its formula, knows its end, and counts steps, not batches."""

import math

import keras
import numpy as np
import pytest

from keras_nlp_lite.optimizers import AdamW, PlannedDecay, PlannedSchedule
from keras_nlp_lite.optimizers.planned_schedule import SHAPES

STEPS, RISING = 50, 5


def formula(shape, done, cooldown=0.2):
    """Share of the peak in step `done`, counted from 0, in plain Python."""
    if done < RISING:
        return (done + 1) / RISING
    left = (STEPS - done) / (STEPS - RISING)
    return {
        "linear": left,
        "cosine": (1 + math.cos(math.pi * (1 - left))) / 2,
        "inverse_sqrt": math.sqrt(RISING / (done + 1)),
        "constant": 1.0,
        "wsd": min(1.0, (STEPS - done) / (cooldown * STEPS)),
    }[shape]


def rates(schedule, steps):
    return np.array([float(schedule(step)) for step in steps])


@pytest.mark.parametrize("warmup", [RISING, RISING / STEPS])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_follows_its_formula(shape, warmup):
    schedule = PlannedSchedule(3.0, shape, warmup, steps=STEPS)
    wanted = [3.0 * formula(shape, done) for done in range(STEPS)]
    np.testing.assert_allclose(rates(schedule, range(STEPS)), wanted, rtol=2e-6)


@pytest.mark.parametrize("shape", ["linear", "cosine", "wsd"])
def test_it_ends_at_zero_and_stays_there(shape):
    schedule = PlannedSchedule(3.0, shape, steps=STEPS)
    assert (rates(schedule, [STEPS, STEPS + 1, 10 * STEPS]) == 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_plan_says_what_steps_says(shape):
    planned = PlannedSchedule(1.0, shape, RISING / STEPS)
    planned.plan(start=100, steps=STEPS)
    told = PlannedSchedule(1.0, shape, RISING / STEPS, steps=STEPS)
    told.plan(start=7, steps=3)  # which does not change it
    np.testing.assert_array_equal(
        rates(planned, range(100, 100 + STEPS)), rates(told, range(STEPS))
    )


def test_accumulation_counts_steps_not_batches():
    schedule = PlannedSchedule(1.0, "linear", warmup=RISING, accumulate=4)
    schedule.plan(start=40, steps=4 * STEPS)
    plain = PlannedSchedule(1.0, "linear", warmup=RISING, steps=STEPS)
    batches = rates(schedule, range(40, 40 + 4 * STEPS)).reshape(STEPS, 4)
    np.testing.assert_array_equal(batches, np.tile(batches[:, :1], 4))
    np.testing.assert_array_equal(batches[:, 0], rates(plain, range(STEPS)))


@pytest.mark.parametrize("shape", ["inverse_sqrt", "constant"])
def test_without_a_length_what_has_no_end_follows_its_formula(shape):
    schedule = PlannedSchedule(1.0, shape, warmup=RISING)
    wanted = [formula(shape, done) for done in range(STEPS)]
    np.testing.assert_allclose(rates(schedule, range(STEPS)), wanted, rtol=2e-6)


@pytest.mark.parametrize("shape", ["linear", "cosine", "wsd"])
def test_without_a_length_the_others_rise_and_stay(shape):
    schedule = PlannedSchedule(1.0, shape, warmup=RISING)
    wanted = [min(1.0, (done + 1) / RISING) for done in range(STEPS)]
    np.testing.assert_allclose(rates(schedule, range(STEPS)), wanted, rtol=2e-6)


@pytest.mark.parametrize(
    "schedule",
    [PlannedSchedule(0.1, "wsd", 7, 90, 0.3, 2), PlannedDecay(0.1, 0.2)],
    ids=lambda schedule: type(schedule).__name__,
)
def test_it_comes_back_with_its_optimizer(schedule):
    again = AdamW.from_config(AdamW(schedule).get_config())._learning_rate
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    for each in (schedule, again):
        each.plan(start=0, steps=60)
    np.testing.assert_array_equal(
        rates(again, range(0, 60, 7)), rates(schedule, range(0, 60, 7))
    )


def test_a_planned_decay_of_an_older_file_loads():
    config = {
        "class_name": "PlannedDecay",
        "config": {"peak": 0.5, "warmup": 0.06},
        "registered_name": "keras_nlp_lite>PlannedDecay",
    }
    assert keras.saving.deserialize_keras_object(config).peak == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": "cosin"}, "Did you mean 'cosine'"),
        ({"warmup": 1.5}, "warmup=1.5"),
        ({"warmup": -3}, "warmup=-3"),
        ({"steps": 0}, "steps=0"),
        ({"cooldown": 2.0}, "cooldown=2.0"),
        ({"accumulate": 0}, "accumulate=0"),
    ],
)
def test_an_argument_out_of_its_range_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PlannedSchedule(1.0, **arguments)
