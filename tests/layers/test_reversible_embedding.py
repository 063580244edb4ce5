"""ReversibleEmbedding against a look-up and a product in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.reversible_embedding import ReversibleEmbedding

V, D = 11, 5  # vocabulary, width
IDS = np.array([[3, 0, 10, 3], [1, 1, 4, 5]])  # [2, 4]
VECTORS = np.random.default_rng(0).normal(size=(2, 3, D)).astype("float32")


def gradient_of_a_lookup(layer):
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.cast(layer(IDS), "float32"))
    return tape.gradient(total, layer.trainable_variables[0].value)


@pytest.mark.parametrize("tie_weights", [True, False])
def test_it_looks_up_and_leads_back(tie_weights):
    layer = ReversibleEmbedding(V, D, tie_weights=tie_weights)
    layer.build()
    table, *others = layer.get_weights()
    kernel = table.T if tie_weights else others[0]
    assert kernel.shape == (D, V)
    np.testing.assert_array_equal(layer(IDS), table[IDS])
    scores = layer(VECTORS, reverse=True)
    np.testing.assert_allclose(scores, VECTORS @ kernel, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "dtype", ["float32", "mixed_float16", "mixed_bfloat16", "bfloat16"]
)
def test_the_gradient_of_a_lookup_names_its_rows_only(dtype):
    gradient = gradient_of_a_lookup(ReversibleEmbedding(V, D, dtype=dtype))
    assert isinstance(gradient, tf.IndexedSlices)
    np.testing.assert_array_equal(gradient.indices, IDS.ravel())


def test_so_it_does_in_a_graph():
    layer = ReversibleEmbedding(V, D)
    layer.build()
    gradient = tf.function(lambda: gradient_of_a_lookup(layer))()
    assert isinstance(gradient, tf.IndexedSlices)


def test_a_tied_table_learns_from_both_ways():
    layer = ReversibleEmbedding(V, D)
    layer.build()
    table = layer.trainable_variables[0].value

    def gradient(*ways):
        with tf.GradientTape() as tape:
            total = tf.add_n([tf.reduce_sum(way() ** 2) for way in ways])
        return tf.convert_to_tensor(tape.gradient(total, table))

    there, back = lambda: layer(IDS), lambda: layer(VECTORS, reverse=True)
    both = gradient(there) + gradient(back)
    np.testing.assert_allclose(gradient(there, back), both, rtol=1e-5, atol=1e-6)


def test_a_soft_cap_bounds_the_scores():
    layer = ReversibleEmbedding(V, D, embeddings_initializer="ones", logit_soft_cap=0.5)
    scores = np.asarray(layer(100 * VECTORS, reverse=True))
    sums = 100 * VECTORS.sum(axis=-1, keepdims=True)
    wanted = np.broadcast_to(0.5 * np.tanh(sums / 0.5), scores.shape)
    np.testing.assert_allclose(scores, wanted, rtol=1e-5, atol=1e-5)


def test_scores_come_in_a_dtype_of_their_own_and_say_so():
    layer = ReversibleEmbedding(V, D, reverse_dtype="float32", dtype="mixed_bfloat16")
    symbol = keras.Input((3, D), dtype="bfloat16")
    for vectors in (tf.cast(VECTORS, "bfloat16"), symbol):
        scores = layer(vectors, reverse=True)
        assert keras.backend.standardize_dtype(scores.dtype) == "float32"
    looked_up = layer(keras.Input((4,), dtype="int32"))
    assert looked_up.dtype == "bfloat16"


def test_id_zero_is_padding_where_that_is_asked_for():
    layer = ReversibleEmbedding(V, D, mask_zero=True)
    np.testing.assert_array_equal(layer(IDS)._keras_mask, IDS != 0)
    assert getattr(ReversibleEmbedding(V, D)(IDS), "_keras_mask", None) is None


def test_a_saved_model_keeps_its_two_ways(tmp_path):
    embed = ReversibleEmbedding(V, D, tie_weights=False)
    ids = keras.Input((4,), dtype="int32")
    model = keras.Model(ids, embed(embed(ids), reverse=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.weights) == 2
    np.testing.assert_allclose(loaded(IDS), model(IDS), rtol=1e-6)


@pytest.mark.parametrize(
    "setting", [{"input_dim": 0}, {"output_dim": 2.5}, {"logit_soft_cap": -1}]
)
def test_bad_settings_are_refused(setting):
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        ReversibleEmbedding(**{"input_dim": V, "output_dim": D, **setting})
