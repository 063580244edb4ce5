"""RandomSwap: what it swaps, how often, and what it leaves in its place."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.random_swap import RandomSwap

ROWS = [[5, 6, 7, 8, 9], [], [10, 11, 12], [13]]


def swapped(row, calls, rate=0.3, max_swaps=None, **settings):
    """int [calls, tokens]: a row after each of many calls."""
    return RandomSwap(rate, max_swaps, seed=1, **settings)([row] * calls).numpy()


def test_a_row_keeps_its_tokens():
    layer = RandomSwap(0.6, seed=1)
    for _ in range(20):
        rows = layer(tf.ragged.constant(ROWS)).to_list()
        assert [sorted(row) for row in rows] == ROWS


def test_one_swap_moves_two_tokens_at_most_and_each_pair_equally_often():
    calls, T = 2000, 5
    rows = swapped(list(range(T)), calls, rate=1.0, max_swaps=1)
    moved = rows != np.arange(T)
    assert set(moved.sum(axis=1).tolist()) == {0, 2}  # 0: both places were the same
    pairs = [tuple(np.flatnonzero(m)) for m in moved]
    share = {pair: pairs.count(pair) / calls for pair in set(pairs)}
    assert len(share) == 1 + T * (T - 1) // 2
    for pair, found in share.items():
        wanted = 2 / T**2 if pair else 1 / T
        assert abs(found - wanted) < 5 * math.sqrt(wanted * (1 - wanted) / calls)


def test_each_token_brings_about_a_swap_at_the_rate():
    calls, T, rate = 2000, 3, 0.2
    rows = swapped([1, 2, 3], calls, rate=rate)
    # k swaps, k of a binomial distribution, and by chance the row as it was.
    step = swap_matrix(T)
    wanted = sum(
        math.comb(T, k)
        * rate**k
        * (1 - rate) ** (T - k)
        * np.linalg.matrix_power(step, k)[0, 0]
        for k in range(T + 1)
    )
    found = (rows == [1, 2, 3]).all(axis=1).mean()
    assert abs(found - wanted) < 5 * math.sqrt(wanted * (1 - wanted) / calls)


def swap_matrix(T):
    """Probabilities from each permutation of T to each after one swap; 0 is identity."""
    orders = list(itertools.permutations(range(T)))
    step = np.zeros((len(orders), len(orders)))
    for a, order in enumerate(orders):
        for i, j in itertools.product(range(T), repeat=2):
            after = list(order)
            after[i], after[j] = after[j], after[i]
            step[a, orders.index(tuple(after))] += 1 / T**2
    return step


def test_a_rate_or_a_most_of_zero_swaps_nothing():
    assert RandomSwap(0.0)(ROWS).to_list() == ROWS
    assert RandomSwap(1.0, 0)(ROWS).to_list() == ROWS
    assert RandomSwap(1.0)(tf.zeros([0, 4], tf.int32)).to_list() == []


def test_lists_arrays_and_tensors_give_the_same():
    rows = np.arange(2, 16).reshape(2, 7)
    wanted = RandomSwap(0.4, seed=1)(rows.tolist()).to_list()
    assert wanted != rows.tolist()
    for dtype in ("int32", "int64"):
        mixed = RandomSwap(0.4, seed=1)(rows.astype(dtype))
        assert mixed.to_list() == wanted
        assert mixed.dtype == dtype
    ragged = tf.RaggedTensor.from_tensor(rows)
    assert RandomSwap(0.4, seed=1)(ragged).to_list() == wanted
    alone = RandomSwap(0.4, seed=2)(rows[0]).numpy().tolist()
    assert alone == RandomSwap(0.4, seed=2)(rows[:1]).to_list()[0]


@pytest.mark.parametrize(
    "skip",
    [
        {"skip_list": ["a", "é"]},
        {"skip_fn": lambda token: tf.strings.length(token, "UTF8_CHAR") == 1},
        {"skip_py_fn": lambda token: len(token) == 1},
    ],
)
def test_words_to_skip_stay_in_their_place(skip):
    row = ["an", "é", "old", "a", "film"]
    layer = RandomSwap(0.9, seed=1, **skip)
    dataset = tf.data.Dataset.from_tensors(tf.constant([row] * 30)).map(layer)
    seen = [[word.decode() for word in r] for batch in dataset for r in batch.numpy()]
    assert {(r[1], r[3]) for r in seen} == {("é", "a")}
    assert len({tuple(r) for r in seen}) == 6  # the other three, in every order


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rate": -0.5}, "from 0 to 1. Received: rate=-0.5"),
        ({"max_swaps": -1}, "max_swaps=-1"),
        ({"max_swaps": 1.5}, "max_swaps=1.5"),
        ({"skip_fn": tf.abs, "skip_py_fn": abs}, "Received: skip_fn, skip_py_fn"),
    ],
)
def test_bad_settings_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        RandomSwap(**{"rate": 0.5, **settings})


def test_the_config_makes_the_same_layer():
    layer = RandomSwap(0.4, 2, [6, 7], seed=3, name="s")
    copy = RandomSwap.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy(ROWS).to_list() == layer(ROWS).to_list()
