import numpy as np
import pytest

from keras_nlp_lite.monitoring.confusion_matrix import (
    confusion_matrix,
    draw_confusion_matrix,
)


def test_rows_are_true_classes_and_columns_predicted_ones():
    labels = [0, 0, 0, 1, 2, 2]
    predictions = [0, 2, 2, 1, 0, 2]
    np.testing.assert_array_equal(
        confusion_matrix(labels, predictions, num_classes=4),
        [[1, 0, 2, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]],
    )


def test_counting_one_by_one_gives_the_same_matrix():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(5, size=(2, 300))
    slow = np.zeros((5, 5), int)
    for label, prediction in zip(labels, predictions, strict=True):
        slow[label, prediction] += 1
    np.testing.assert_array_equal(confusion_matrix(labels, predictions, 5), slow)


@pytest.mark.parametrize("stray", [-1, 3])
def test_a_class_outside_the_matrix_is_named(stray):
    with pytest.raises(ValueError, match=rf"`labels`.*\[0, 3\).*class {stray}"):
        confusion_matrix([0, stray], [0, 0], 3)


def test_labels_without_predictions_are_refused():
    with pytest.raises(ValueError, match="3 labels, 2 predictions"):
        confusion_matrix([0, 1, 1], [0, 1], 2)


@pytest.mark.parametrize("C", [1, 2, 7, 20, 100])
def test_any_number_of_classes_is_drawn_in_color(C):
    image = draw_confusion_matrix(
        np.eye(C, dtype=int), [f"class {i}" for i in range(C)]
    )
    assert image.dtype == np.uint8
    assert image.ndim == 3 and image.shape[2] == 3
    assert max(image.shape) < 600 + 32 * C


def shades(matrix):
    """The colors that fill cells of the drawing; a cell without a share is white."""
    image = draw_confusion_matrix(np.array(matrix), ["a", "b"])
    colors, pixels = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    return {tuple(color) for color in colors[pixels > 3_000].tolist()}


def test_a_cell_is_shaded_by_its_share_of_its_row():
    assert shades([[3, 1], [0, 4]]) == shades([[300, 100], [0, 4]])
    assert shades([[3, 1], [0, 4]]) != shades([[1, 3], [0, 4]])
    assert len(shades([[3, 1], [0, 4]])) == 4  # shares of 3/4, 1/4, 0 and 1


def test_the_right_and_the_wrong_differ_in_color():
    (right,) = shades([[5, 0], [0, 5]]) - {(255, 255, 255)}
    (wrong,) = shades([[0, 5], [5, 0]]) - {(255, 255, 255)}
    assert right[2] > right[0] and wrong[0] > wrong[2]  # blue, red


def test_the_title_says_over_how_many_examples():
    one = draw_confusion_matrix(np.array([[1, 0], [0, 1]]), ["a", "b"])
    two = draw_confusion_matrix(np.array([[2, 0], [0, 2]]), ["a", "b"])
    title = slice(0, 40)
    assert (one[title] != two[title]).any()


def test_names_of_any_length_and_script_find_room():
    matrix = np.ones((3, 3), int)
    cut = draw_confusion_matrix(matrix, ["x" * 20, "b", "c"])
    long = draw_confusion_matrix(matrix, ["x" * 5_000, "b", "c"])
    assert abs(cut.shape[1] - long.shape[1]) < 20
    strange = draw_confusion_matrix(matrix, ["日本語", "two\nlines", ""])
    numbers = draw_confusion_matrix(matrix, ["#0", "two lines", ""])
    np.testing.assert_array_equal(strange, numbers)


def test_counts_in_the_millions_widen_the_cells():
    small = draw_confusion_matrix(np.full((20, 20), 1), ["a"] * 20)
    large = draw_confusion_matrix(np.full((20, 20), 1_234_567), ["a"] * 20)
    assert large.shape[1] > small.shape[1] + 20 * 10


def test_a_name_too_few_is_counted():
    with pytest.raises(ValueError, match=r"2 names for a matrix of shape \[3, 3\]"):
        draw_confusion_matrix(np.eye(3), ["a", "b"])
