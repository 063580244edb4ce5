import numpy as np
import pytest

from keras_nlp_lite.monitoring.precision_recall import (
    average_precision,
    precision_recall,
)


def example(N=203):
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=N)
    scores = np.round(rng.random(N), 2).astype("float32")  # many are equal
    return labels, scores


def test_counts_are_those_of_each_threshold():
    labels, scores = example()
    K = 11
    curve = precision_recall(labels, scores, K)
    for k in range(K):
        found = np.round(scores, 5) >= np.float32(k / (K - 1))
        true, false = (found & (labels == 1)).sum(), (found & (labels == 0)).sum()
        missed, left = (
            ((~found) & (labels == 1)).sum(),
            ((~found) & (labels == 0)).sum(),
        )
        assert curve[:4, k].tolist() == [true, false, left, missed]
        precision = true / (true + false) if true + false else 1
        assert curve[4, k] == pytest.approx(precision)
        assert curve[5, k] == pytest.approx(true / (true + missed))


def test_average_precision_adds_up_the_steps_of_recall():
    labels, scores = example()
    area = last = 0.0
    for threshold in np.unique(scores)[::-1]:
        found = scores >= threshold
        true = (found & (labels == 1)).sum()
        recall = true / labels.sum()
        area += (recall - last) * true / found.sum()
        last = recall
    assert average_precision(labels, scores) == pytest.approx(area)


def test_a_class_that_no_row_has_has_no_area():
    assert np.isnan(average_precision([0, 0], [0.1, 0.9]))
    assert precision_recall([0, 0], [0.1, 0.9])[5].tolist() == [0.0] * 101


def test_the_best_order_has_area_1():
    assert average_precision([0, 1, 1], [0.1, 0.3, 0.2]) == 1.0
