"""Padding leaves and comes back; what lies between sees tokens alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers import DropPadding, RestorePadding
from keras_nlp_lite.ops.packing import drop_padding, restore_padding
from tests.marks import where_padding_is_dropped

B, T, D = 3, 7, 5
IDS = np.arange(B * T).reshape(B, T).astype("int32")
MASKS = {
    "behind": np.arange(T) < np.array([[3], [7], [0]]),
    "before": np.arange(T) >= np.array([[3], [7], [0]]),
    "anywhere": np.random.default_rng(0).random((B, T)) < 0.5,
    "all": np.zeros((B, T), bool),
}

# Several texts in a row, and where their tokens stand in them.
NUMBERED = np.array(
    [[1, 1, 2, 2, 2, 3, 3], [0, 1, 0, 2, 2, 0, 0], [1, 0, 1, 0, 0, 0, 0]]
)
POSITIONS = np.array(
    [[0, 1, 0, 1, 2, 0, 1], [0, 1, 2, 0, 1, 5, 6], [0, 1, 2, 3, 4, 5, 6]]
)


def counted(mask):
    """What is taken for tokens: of nothing but padding, the first place."""
    mask = mask.copy()
    mask[0, 0] |= not mask.any()
    return mask


@pytest.mark.parametrize("name", MASKS)
def test_packed_rows_are_the_tokens_in_order(name):
    mask = counted(MASKS[name])
    (packed,), row_splits, where = drop_padding(mask, IDS)
    np.testing.assert_array_equal(packed[0], IDS[mask])
    np.testing.assert_array_equal(row_splits, np.cumsum([0, *mask.sum(1)]))
    np.testing.assert_array_equal(where, np.flatnonzero(mask))


@pytest.mark.parametrize("name", MASKS)
def test_restored_rows_stand_where_they_stood(name):
    mask = counted(MASKS[name])
    x = np.random.default_rng(1).normal(size=(B, T, D)).astype("float32")
    (packed,), _, where = drop_padding(mask, x)
    np.testing.assert_array_equal(
        restore_padding(packed, where, (B, T)), x * mask[..., None]
    )


def test_the_way_back_has_the_gradient_of_the_tokens_alone():
    mask = MASKS["anywhere"]
    x = tf.Variable(np.random.default_rng(1).normal(size=(B, T, D)))
    with tf.GradientTape() as tape:
        (packed,), _, where = drop_padding(mask, x)
        loss = tf.reduce_sum(restore_padding(packed, where, (B, T)) ** 2)
    gradient = tf.convert_to_tensor(tape.gradient(loss, x))
    np.testing.assert_allclose(gradient, 2 * x * mask[..., None])


@where_padding_is_dropped
@pytest.mark.parametrize("name", MASKS)
def test_the_layer_drops_padding_and_counts_columns(name):
    mask = counted(MASKS[name])
    (ids,), positions, left, row_splits, text_ids, where = DropPadding()([IDS], mask)
    np.testing.assert_array_equal(ids[0], IDS[mask])
    np.testing.assert_array_equal(positions[0], np.nonzero(mask)[1])
    np.testing.assert_array_equal(row_splits, np.cumsum([0, *mask.sum(1)]))
    np.testing.assert_array_equal(where, np.flatnonzero(mask))
    assert left is None and text_ids is None


@pytest.mark.parametrize(
    "layer",
    [
        lambda: DropPadding(enabled=False),
        lambda: DropPadding(dtype="float64"),  # for which no kernel is compiled
    ],
)
def test_where_nothing_can_be_dropped_everything_passes(layer):
    mask = tf.constant(MASKS["behind"])
    passed = layer()([tf.constant(IDS)], mask)
    (ids,), positions, left, row_splits, text_ids, where = passed
    np.testing.assert_array_equal(ids, IDS)
    np.testing.assert_array_equal(positions, np.tile(np.arange(T), (B, 1)))
    np.testing.assert_array_equal(left, mask)
    np.testing.assert_array_equal(text_ids, np.ones((B, T)))
    assert row_splits is None and where is None


def test_under_xla_everything_passes():
    drop = DropPadding()

    @tf.function(jit_compile=True)
    def traced(ids, mask):
        (same,), positions, left, row_splits, text_ids, where = drop([ids], mask)
        assert row_splits is None and where is None
        return same, positions, left, text_ids

    mask = tf.constant(NUMBERED)
    for got, wanted in zip(
        traced(tf.constant(IDS), mask),
        (IDS, POSITIONS, NUMBERED, np.maximum(NUMBERED, 1)),
        strict=True,
    ):
        np.testing.assert_array_equal(got, wanted)


@where_padding_is_dropped
def test_the_layer_counts_the_tokens_of_each_text_of_a_row():
    tokens = NUMBERED > 0
    _, positions, _, row_splits, _, where = DropPadding()([IDS], NUMBERED)
    np.testing.assert_array_equal(positions[0], POSITIONS[tokens])
    np.testing.assert_array_equal(row_splits, [0, 2, 5, 7, 8, 10, 12])
    np.testing.assert_array_equal(where, np.flatnonzero(tokens))


def test_a_row_that_passes_may_not_be_too_long():
    mask = MASKS["behind"]
    DropPadding(enabled=False, sequence_length=T)([IDS], mask)
    with pytest.raises(ValueError, match="Received: 7 tokens, sequence_length=6"):
        DropPadding(enabled=False, sequence_length=T - 1)([IDS], mask)


def test_in_a_functional_model_padding_leaves_and_comes_back(tmp_path):
    ids = keras.Input((None,), dtype="int32")
    mask = keras.Input((None,), dtype="bool")
    (packed,), _, _, _, _, where = DropPadding()([ids], mask)
    x = keras.layers.Embedding(B * T, D)(packed)
    model = keras.Model([ids, mask], RestorePadding()(x, mask, where))
    table = model.layers[-2].get_weights() or model.get_weights()
    for name in ("behind", "anywhere"):
        got = model([IDS, MASKS[name]])
        wanted = table[0][IDS]
        kept = MASKS[name]
        np.testing.assert_array_equal(got.numpy()[kept], wanted[kept])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again([IDS, kept]), model([IDS, kept]))
