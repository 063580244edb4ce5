"""What a mask that numbers the texts of its rows says of them."""

import numpy as np
import pytest

from keras_nlp_lite.ops.packing import drop_padding, text_positions

T = 11
ROWS = {
    "full": [1, 1, 1, 2, 2, 3, 4, 4, 4, 4, 4],
    "padding behind": [1, 1, 2, 2, 2, 3, 0, 0, 0, 0, 0],
    "padding before": [0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3],
    "gaps": [1, 0, 1, 0, 0, 2, 2, 0, 2, 3, 0],
    "one text": [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    "empty": [0] * T,
    "every token a text": list(range(1, T + 1)),
    "a number left out": [1, 1, 3, 3, 0, 3, 3, 4, 0, 0, 0],
}
NUMBERS = np.array(list(ROWS.values()), "int32")
COLUMNS = np.broadcast_to(np.arange(T), NUMBERS.shape)


def texts():
    """(row, columns of its tokens) of each text, by a loop."""
    for row, numbers in enumerate(NUMBERS):
        for number in range(1, max(1, numbers.max()) + 1):
            yield row, np.flatnonzero(numbers == number)


def test_each_number_of_a_row_is_a_text_of_its_own():
    (columns,), row_splits, where = drop_padding(NUMBERS, COLUMNS)
    wanted = list(texts())
    assert len(row_splits) == len(wanted) + 1
    np.testing.assert_array_equal(where, np.flatnonzero(NUMBERS))
    for (_, tokens), start, end in zip(
        wanted, row_splits, row_splits[1:], strict=False
    ):
        np.testing.assert_array_equal(columns[0, start:end], tokens)


def test_a_token_stands_as_far_as_it_is_from_where_its_text_begins():
    wanted = COLUMNS.copy()
    for row, tokens in texts():
        if tokens.size and NUMBERS[row, tokens[0]] > 1:
            wanted[row, tokens] -= tokens[0]
    np.testing.assert_array_equal(text_positions(NUMBERS), wanted)


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "uint8"])
def test_a_mask_of_zero_and_one_says_that_each_row_is_one_text(dtype):
    mask = (NUMBERS > 0).astype(dtype)
    _, row_splits, _ = drop_padding(mask)
    np.testing.assert_array_equal(row_splits, np.cumsum([0, *(NUMBERS > 0).sum(1)]))
    np.testing.assert_array_equal(text_positions(mask), COLUMNS)


def test_a_batch_of_no_rows_has_no_positions():
    assert text_positions(np.zeros((0, T), "int32")).shape == (0, T)
