"""Fronts and weights of several objectives."""

import numpy as np

from keras_nlp_lite.tuning import pareto_front
from keras_nlp_lite.tuning.pareto import weighted

DIRECTIONS = ["max", "min", "max"]


def points(number=60):
    return np.random.default_rng(0).normal(size=(number, 3)).round(1)  # with ties


def beaten(values, i):
    """By definition, point by point."""
    signs = np.array([-1, 1, -1])
    costs = values * signs
    return any(
        all(other <= one for other, one in zip(costs[j], costs[i]))
        and any(other < one for other, one in zip(costs[j], costs[i]))
        for j in range(len(values))
    )


def test_the_front_is_those_that_nobody_beats():
    values = points()
    wanted = [not beaten(values, i) for i in range(len(values))]
    assert pareto_front(values, DIRECTIONS).tolist() == wanted
    assert 1 < sum(wanted) < len(values)


def test_equal_points_are_both_on_the_front():
    assert pareto_front([[1, 2], [1, 2]], ["max", "min"]).all()


def test_whatever_the_weights_the_best_is_on_the_front():
    values = points()
    front = pareto_front(values, DIRECTIONS)
    rng = np.random.default_rng(1)
    found = set()
    for _ in range(50):
        best = weighted(values, DIRECTIONS, rng.dirichlet(np.ones(3))).argmin()
        assert front[best]
        found.add(tuple(values[best]))
    assert len(found) > 2  # different weights look for different ends of it


def test_an_objective_that_is_the_same_for_all_decides_nothing():
    values = np.array([[0.5, 3.0], [0.9, 3.0]])
    scores = weighted(values, ["max", "min"], np.array([0.1, 0.9]))
    assert scores.argmin() == 1 and np.isfinite(scores).all()
