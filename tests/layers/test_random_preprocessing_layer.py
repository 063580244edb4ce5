"""What all layers that draw random numbers promise about their draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.masked_lm_mask_generator import MaskedLMMaskGenerator
from keras_nlp_lite.layers.random_deletion import RandomDeletion
from keras_nlp_lite.layers.random_preprocessing_layer import taken_before
from keras_nlp_lite.layers.random_swap import RandomSwap

B, T, BATCHES = 3, 29, 5
IDS = np.arange(2, 2 + B * T).reshape(B, T)
LAYERS = {
    "MaskedLMMaskGenerator": lambda **k: MaskedLMMaskGenerator(200, 0.3, 1, **k),
    "RandomDeletion": lambda **k: RandomDeletion(0.3, **k),
    "RandomSwap": lambda **k: RandomSwap(0.3, **k),
}


@pytest.fixture(params=LAYERS)
def make(request):
    return LAYERS[request.param]


def rows(outputs):
    """What a layer makes of a batch, as nested lists."""
    return (outputs["token_ids"] if isinstance(outputs, dict) else outputs).numpy()


def as_lists(outputs):
    return [list(row) for row in rows(outputs)]


def same_batches():
    return tf.data.Dataset.from_tensors(IDS).repeat(BATCHES)


def epochs(dataset, count=2):
    return [[as_lists(batch) for batch in dataset] for _ in range(count)]


def all_differ(batches):
    return len({str(batch) for batch in batches}) == len(batches)


def test_each_call_draws_anew(make):
    layer = make(seed=1)
    assert all_differ([as_lists(layer(IDS)) for _ in range(7)])


def test_the_same_seed_gives_the_same_calls_and_another_seed_others(make):
    one, two, other = make(seed=1), make(seed=1), make(seed=2)
    for _ in range(3):
        wanted = as_lists(one(IDS))
        assert as_lists(two(IDS)) == wanted
        assert as_lists(other(IDS)) != wanted


def test_no_two_batches_or_epochs_of_a_dataset_are_alike(make):
    first, second = epochs(same_batches().map(make(seed=1)))
    assert all_differ(first + second)


def test_a_dataset_draws_what_calls_do_and_goes_on_in_the_next_epoch(make):
    layer = make(seed=1)
    wanted = [[as_lists(layer(IDS)) for _ in range(BATCHES)] for _ in range(2)]
    assert epochs(same_batches().map(make(seed=1))) == wanted


def test_parallel_calls_never_share_a_draw(make):
    dataset = same_batches().repeat(5).map(make(seed=1), num_parallel_calls=4)
    assert all_differ([as_lists(batch) for batch in dataset])


def test_numbered_outside_parallel_calls_draw_the_same_in_every_run(make):
    def run(parallel):
        layer = make()
        seeds = tf.data.Dataset.random(7, rerandomize_each_iteration=True).batch(2)
        dataset = tf.data.Dataset.zip(same_batches(), seeds)
        return epochs(
            dataset.map(lambda x, s: layer(x, seed=s), num_parallel_calls=parallel)
        )

    first, second = run(4)
    assert all_differ(first + second)
    assert run(4) == run(None) == [first, second]


def test_without_a_seed_the_global_one_decides(make):
    def calls():
        keras.utils.set_random_seed(3)
        layer = make()
        return [as_lists(layer(IDS)) for _ in range(2)]

    assert calls() == calls()
    assert as_lists(make()(IDS)) != as_lists(make()(IDS))


def test_a_layer_made_inside_a_function_draws_too(make):
    made = []

    @tf.function
    def draw():
        if not made:
            made.append(make(seed=1))
        outputs = made[0](IDS)
        return outputs["token_ids"] if isinstance(outputs, dict) else outputs

    assert as_lists(draw()) == as_lists(make(seed=1)(IDS))


def test_an_export_goes_on_drawing(make, tmp_path):
    inputs = keras.Input([T], dtype="int32")
    outputs = make(seed=1)(inputs)
    keras.Model(inputs, outputs).export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    ids = tf.constant(IDS, tf.int32)
    assert all_differ([as_lists(served.serve(ids)) for _ in range(4)])


def test_its_rows_are_not_to_be_kept_for_another_epoch(make):
    assert make().is_random


def test_a_seed_that_is_no_integer_is_refused(make):
    for seed in (1.5, "1", True):
        with pytest.raises(ValueError, match=f"Received: seed={seed!r}"):
            make(seed=seed)


def test_items_are_taken_in_every_order_equally_often():
    rows, sizes = 2400, np.array([2, 3, 5])
    row = np.repeat(np.arange(0, 2 * rows, 2), 3)  # every other row is empty
    before = taken_before(
        tf.constant(np.tile(sizes, rows)), tf.constant(row), 2 * rows, seed=[3, 1]
    )
    before = before.numpy().reshape(rows, 3)
    orders = np.argsort(before, axis=1)
    earlier = np.cumsum(sizes[orders], axis=1) - sizes[orders]
    np.testing.assert_array_equal(np.take_along_axis(before, orders, 1), earlier)
    _, times = np.unique(orders, axis=0, return_counts=True)
    share = 1 / 6
    deviation = (rows * share * (1 - share)) ** 0.5
    assert len(times) == 6
    assert (abs(times - rows * share) < 5 * deviation).all()


def test_items_of_no_size_are_in_nobodys_way():
    sizes, row = tf.constant([0, 7, 0, 11], tf.int64), tf.zeros(4, tf.int64)
    before = {
        tuple(taken_before(sizes, row, 1, [i, 0]).numpy()[1::2]) for i in range(9)
    }
    assert before == {(0, 7), (11, 0)}
