import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.metrics import EditDistance


def distance(a, b):
    """The textbook's table, row by row."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
    return row[-1]


def random_tokens(rng, rows):
    return [rng.integers(0, 4, rng.integers(0, 9)).tolist() for _ in range(rows)]


def test_it_is_the_fewest_edits_over_the_tokens_of_the_references():
    rng = np.random.default_rng(0)
    true, predicted = random_tokens(rng, 40), random_tokens(rng, 40)
    edits = sum(map(distance, true, predicted))
    found = [tf.ragged.constant(rows, tf.int32) for rows in (true, predicted)]
    np.testing.assert_allclose(EditDistance()(*found), edits / sum(map(len, true)))
    np.testing.assert_allclose(EditDistance(normalize=False)(*found), edits / 40)


@pytest.mark.parametrize("wrap", [lambda x: x, tf.ragged.constant])
def test_words_and_numbers_in_lists_and_ragged_tensors_agree(wrap):
    true = [[1, 2, 3], [4]], [["a", "b", "c"], ["d"]]
    predicted = [[1, 3], [4, 5, 5]], [["a", "c"], ["d", "e", "e"]]
    for y_true, y_pred in zip(true, predicted):
        np.testing.assert_allclose(EditDistance()(wrap(y_true), wrap(y_pred)), 3 / 4)


def test_a_single_text_is_a_batch_of_one():
    np.testing.assert_allclose(EditDistance()(["a", "b", "c", "d"], ["a", "c"]), 0.5)
    np.testing.assert_allclose(
        EditDistance()(np.array([7, 8]), np.array([7, 8, 9], "int32")), 0.5
    )


def test_token_0_counts_as_any_other():
    np.testing.assert_allclose(EditDistance()([0, 1, 0], [1, 0, 0, 0]), 2 / 3)


def test_a_text_may_be_empty():
    true, predicted = [["a", "b"], [], ["c"]], [[], ["x"], ["c"]]
    found = [tf.ragged.constant(rows, tf.string) for rows in (true, predicted)]
    np.testing.assert_allclose(EditDistance()(*found), 3 / 3)


def test_tokens_of_another_rank_are_refused():
    with pytest.raises(ValueError, match=r"`y_true` must be .*rank 1 or 2.*\(\)"):
        EditDistance()("a text", ["a"])
    with pytest.raises(ValueError, match=r"`y_pred` must be .*\(1, 1, 1\)"):
        EditDistance()([["a"]], [[["a"]]])


def test_unequally_many_texts_are_refused():
    with pytest.raises(ValueError, match="same number of samples.*2 in `y_true`, 1 in"):
        EditDistance()([["a"], ["b"]], [["a"]])


def test_texts_may_be_a_list_of_tensors_of_unlike_length():
    true = [np.array([1, 2, 3]), np.array([3, 4])]
    predicted = [tf.constant([1, 2]), tf.constant([3, 5, 6])]
    np.testing.assert_allclose(EditDistance()(true, predicted), 3 / 5)
