"""RandomDeletion: what it deletes, how often, and what it leaves alone."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.random_deletion import RandomDeletion

ROWS = [[5, 6, 7, 8, 9], [], [10, 11, 12]]


def kept_places(row, max_deletions=None, rate=0.3, calls=600, seed=1, **settings):
    """bool [calls, tokens]: which tokens of a row (all different) stay, call by call."""
    layer = RandomDeletion(rate, max_deletions, seed=seed, **settings)
    kept = layer([row] * calls).to_list()
    return np.array([[token in left for token in row] for left in kept])


def test_what_is_left_stands_in_its_order():
    layer = RandomDeletion(0.4, seed=1)
    for _ in range(20):
        rows = layer(tf.ragged.constant(ROWS)).to_list()
        assert len(rows) == len(ROWS)
        for row, left in zip(ROWS, rows):
            assert left == [token for token in row if token in left]


def test_each_token_is_deleted_at_the_rate():
    rate, calls = 0.3, 600
    gone = 1 - kept_places(list(range(11)), rate=rate, calls=calls)
    deviation = math.sqrt(rate * (1 - rate) / calls)
    assert (abs(gone.mean(axis=0) - rate) < 5 * deviation).all()
    # Independently of one another: the count's variance is the binomial one, of which
    # a sample's variance strays by a factor of about sqrt(2 / calls).
    variance = 11 * rate * (1 - rate)
    assert abs(gone.sum(axis=1).var() / variance - 1) < 5 * math.sqrt(2 / calls)


def test_rates_of_zero_and_one_delete_nothing_and_all():
    assert RandomDeletion(0.0)(ROWS).to_list() == ROWS
    assert RandomDeletion(1.0)(ROWS).to_list() == [[], [], []]


def test_no_more_than_the_most_are_deleted_and_each_token_equally_often():
    calls, most = 600, 2
    gone = ~kept_places(list(range(7)), most, rate=0.9, calls=calls)
    assert gone.sum(axis=1).max() == most
    # P(fewer than 2 of 7 at rate 0.9) is below 1e-5: in all calls 2 of 7.
    share = most / 7
    deviation = math.sqrt(share * (1 - share) / calls)
    assert (abs(gone.mean(axis=0) - share) < 5 * deviation).all()
    assert RandomDeletion(1.0, 0)(ROWS).to_list() == ROWS


def test_lists_arrays_and_tensors_give_the_same():
    rows = np.arange(2, 16).reshape(2, 7)
    wanted = RandomDeletion(0.4, seed=1)(rows.tolist()).to_list()
    for dtype in ("int32", "int64"):
        left = RandomDeletion(0.4, seed=1)(rows.astype(dtype))
        assert left.to_list() == wanted
        assert left.dtype == dtype
    ragged = tf.RaggedTensor.from_tensor(rows)
    assert RandomDeletion(0.4, seed=1)(ragged).to_list() == wanted


def test_a_row_alone_comes_back_alone():
    alone = RandomDeletion(0.4, seed=1)(ROWS[0]).numpy().tolist()
    assert alone == RandomDeletion(0.4, seed=1)([ROWS[0]]).to_list()[0]
    assert RandomDeletion(0.4)([]).dtype == tf.int32
    assert RandomDeletion(0.4, dtype="string")([]).dtype == tf.string


WORDS = [["ein", "é", "a", "film"], ["a"], [], ["no", "a", "joy"]]


@pytest.mark.parametrize(
    "skip",
    [
        {"skip_list": ["a", "é"]},
        {"skip_fn": lambda token: tf.strings.length(token, "UTF8_CHAR") == 1},
        {"skip_py_fn": lambda token: len(token) == 1},
    ],
)
def test_words_to_skip_are_never_deleted(skip):
    wanted = [["é", "a"], ["a"], [], ["a"]]
    left = RandomDeletion(1.0, **skip)(WORDS).to_list()
    assert [[word.decode() for word in row] for row in left] == wanted
    dataset = tf.data.Dataset.from_tensors(tf.ragged.constant(WORDS))
    for batch in dataset.map(RandomDeletion(1.0, **skip)):
        assert batch.to_list() == left


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
@pytest.mark.parametrize(
    "skip",
    [
        {"skip_list": [6, 12, 6]},
        {"skip_fn": lambda token: token % 6 == 0},
        {"skip_py_fn": lambda token: token % 6 == 0},
    ],
)
def test_ids_to_skip_are_never_deleted(skip, dtype):
    rows = tf.ragged.constant(ROWS, dtype=dtype)
    assert RandomDeletion(1.0, **skip)(rows).to_list() == [[6], [], [12]]


def test_tokens_to_skip_do_not_count_among_those_that_may_be_deleted():
    gone = ~kept_places([1, 2, 3, 4], 1, rate=1.0, calls=50, skip_list=[2, 3])
    assert gone[:, [0, 3]].sum(axis=1).tolist() == [1] * 50


def test_skip_functions_are_asked_once_for_each_different_token():
    asked = []
    RandomDeletion(0.5, skip_py_fn=lambda t: asked.append(t) or False)([[3, 4], [4, 4]])
    assert asked == [3, 4]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rate": 1.1}, "from 0 to 1. Received: rate=1.1"),
        ({"rate": None}, "rate=None"),
        ({"max_deletions": -1}, "max_deletions=-1"),
        ({"skip_list": [1], "skip_fn": tf.abs}, "Received: skip_list, skip_fn"),
        ({"skip_list": [1, "a"]}, r"skip_list=\[1, 'a'\]"),
        ({"dtype": "float32"}, "dtype='float32'"),
    ],
)
def test_bad_settings_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        RandomDeletion(**{"rate": 0.5, **settings})


def test_ids_to_skip_among_words_are_refused():
    with pytest.raises(ValueError, match=r"skip_list=\[1\] for .* dtype string"):
        RandomDeletion(0.5, skip_list=[1])(WORDS)
    with pytest.raises(ValueError, match=r"skip_list=\['a'\] for .* dtype int32"):
        RandomDeletion(0.5, skip_list=["a"])(ROWS)


def test_the_config_makes_the_same_layer():
    layer = RandomDeletion(0.4, 2, [6, 7], seed=3, name="d")
    copy = RandomDeletion.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy(ROWS).to_list() == layer(ROWS).to_list()
