"""What may be said of an argument of a space."""

import keras_tuner
import pytest

from keras_nlp_lite.tuning import fixed
from keras_nlp_lite.tuning.ranges import Choice, Fixed, Range, as_range


def declared(name, said, default=None):
    """What KerasTuner gets to know of an argument, and its first value."""
    hp = keras_tuner.HyperParameters()
    value = as_range(name, said, default).declare(name, hp)
    return hp, value


def test_a_value_is_fixed_and_no_hyperparameter():
    hp, value = declared("a", "tf_idf")
    assert value == "tf_idf" and not hp.space


def test_a_list_is_a_choice_that_begins_with_the_default():
    hp, value = declared("a", [1, 2, 3], default=2)
    assert value == 2 and hp.space[0].values == [1, 2, 3]


def test_a_choice_may_hold_what_keras_tuner_cannot():
    mixed = [None, True, (2, 3), 0.5]
    one = as_range("a", mixed)
    hp = keras_tuner.HyperParameters()
    one.declare("a", hp)
    found = []
    for spelled in hp.space[0].values:
        hp.values["a"] = spelled
        found.append(one.declare("a", hp))
    assert found == mixed
    assert {type(value) for value in hp.space[0].values} == {str}


def test_a_choice_of_true_and_false_gives_those_back():
    _, value = declared("a", [False, True], default=True)
    assert value is True


def test_a_tuple_is_a_range_of_its_own_kind_of_number():
    hp, value = declared("a", (2, 6))
    assert (hp.space[0].min_value, hp.space[0].max_value, value) == (2, 6, 4)
    hp, value = declared("a", (0, 0.5), default=0.1)
    assert value == 0.1 and isinstance(hp.space[0].min_value, float)
    hp, value = declared("a", (1e-4, 1e-2, "log"))
    assert hp.space[0].sampling == "log" and value == pytest.approx(1e-3)
    hp, _ = declared("a", (16, 64, 16))
    assert list(hp.space[0].values) == [16, 32, 48, 64]


def test_a_tuple_can_be_a_value():
    assert as_range("a", fixed((1, 3))) == Fixed((1, 3))
    assert isinstance(as_range("a", (1, 3)), Range)


def test_one_choice_is_none():
    assert as_range("a", [5]) == Fixed(5)
    assert as_range("a", [5, 5, 6]) == Choice((5, 6), 5)


@pytest.mark.parametrize(
    "said", [(3, 1), (1, 2, "exp"), (0.0, 1.0, "log"), (1,), ("a", "b"), (1, 2, 0)]
)
def test_what_is_no_range_is_refused(said):
    with pytest.raises(ValueError, match=r"tuning.fixed\("):
        as_range("a", said)


def test_a_step_that_leaves_its_range_is_refused():
    with pytest.raises(ValueError, match=r"a step of 50 in a range of 32. Try a=\(32,"):
        as_range("a", (32, 64, 50))
    assert as_range("a", (32, 64, 32)).step == 32


def test_a_range_of_whole_ends_and_parts_as_steps_is_one_of_parts():
    hp, _ = declared("a", (0, 1, 0.25))
    assert list(hp.space[0].values) == [0, 0.25, 0.5, 0.75, 1]


def test_parts_are_refused_where_the_default_is_a_whole_number():
    with pytest.raises(ValueError, match=r"`a` takes whole numbers.*Try a=\(16, 64\)"):
        as_range("a", (16.0, 64.0), default=32)
    assert as_range("a", (0, 0.5), default=0.0).high == 0.5


def test_hyperparameters_of_keras_tuner_are_refused_as_values():
    choice = keras_tuner.engine.hyperparameters.Choice("a", [1, 2])
    with pytest.raises(ValueError, match=r"Received: a=Choice.*Try a=\[a, b\]"):
        as_range("a", choice)
    with pytest.raises(ValueError, match="A space takes a value, a list or a tuple"):
        as_range("a", keras_tuner.HyperParameters())


def test_no_choice_is_refused():
    with pytest.raises(ValueError, match=r"A choice needs values. Received: a=\[\]"):
        as_range("a", [])


def test_a_default_outside_the_range_is_not_taken():
    assert as_range("a", (1, 3), default=7).first() == 2
    assert as_range("a", [1, 3], default=7).default == 1
