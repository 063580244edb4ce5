import numpy as np
import pytest

from keras_nlp_lite.monitoring.calibration import calibration, draw_calibration


def test_each_bin_compares_what_was_said_with_what_was_so():
    rng = np.random.default_rng(0)
    N, C, K = 301, 3, 7
    probabilities = rng.dirichlet(np.ones(C), N)
    labels = rng.integers(C, size=N)
    found = calibration(labels, probabilities, K)
    said, chosen = probabilities.max(1), probabilities.argmax(1)
    apart = 0
    for k in range(K):
        rows = (said >= k / K) & (said < (k + 1) / K)
        assert found.count[k] == rows.sum()
        if rows.any():
            right = np.mean(chosen[rows] == labels[rows])
            assert found.confidence[k] == pytest.approx(said[rows].mean())
            assert found.accuracy[k] == pytest.approx(right)
            apart += rows.mean() * abs(said[rows].mean() - right)
        else:
            assert np.isnan(found.confidence[k]) and np.isnan(found.accuracy[k])
    assert found.error() == pytest.approx(apart)


def test_a_model_that_is_as_right_as_it_says_has_no_error():
    # Four examples said with 0.75, of which three are so.
    found = calibration([0, 0, 0, 1], [[0.75, 0.25]] * 4)
    assert found.error() == pytest.approx(0)


def test_each_class_of_several_labels_is_judged():
    found = calibration(np.array([[1, 0], [1, 1]]), [[0.95, 0.05], [0.95, 0.15]])
    assert found.count.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert found.accuracy[1] == 1 and found.accuracy[0] == 0


def test_certainty_belongs_to_the_last_bin():
    assert calibration([0], [[1.0, 0.0]]).count[-1] == 1


def test_the_picture_shows_more_ink_where_there_are_points():
    some = draw_calibration(calibration([0, 1], [[0.7, 0.3], [0.1, 0.9]]))
    none = draw_calibration(calibration([], np.zeros((0, 2))))
    assert some.dtype == np.uint8 and some.shape == none.shape
    assert (some < 200).sum() > (none < 200).sum()
