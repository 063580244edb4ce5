"""TokenAndPositionEmbedding against two table look-ups in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.token_and_position_embedding import (
    TokenAndPositionEmbedding,
)

V, L, D = 11, 7, 5  # vocabulary, positions, width
IDS = np.array([[3, 0, 10, 0], [1, 1, 4, 5]])  # [2, 4]


@pytest.fixture
def embed():
    layer = TokenAndPositionEmbedding(V, L, D)
    layer.build(IDS.shape)
    return layer


def tables(layer):
    return [np.asarray(w) for w in layer.get_weights()]


def test_a_token_is_its_vector_plus_its_positions(embed):
    tokens, positions = tables(embed)
    assert tokens.shape == (V, D)
    assert positions.shape == (L, D)
    np.testing.assert_allclose(embed(IDS), tokens[IDS] + positions[:4], rtol=1e-6)


def test_positions_may_start_later_or_be_given(embed):
    tokens, positions = tables(embed)
    later = embed(IDS, start_index=3)
    np.testing.assert_allclose(later, tokens[IDS] + positions[3:7], rtol=1e-6)
    for given in (np.array([6, 0, 2, 2]), np.array([[6, 0, 2, 2], [1, 2, 3, 4]])):
        chosen = embed(IDS, positions=given)
        np.testing.assert_allclose(chosen, tokens[IDS] + positions[given], rtol=1e-6)


def test_more_tokens_than_positions_are_refused(embed):
    with pytest.raises(ValueError, match=f"8 tokens, sequence_length={L}"):
        embed(np.ones((2, L + 1), int))


def test_padding_is_masked_where_that_is_asked_for():
    pooled = keras.Sequential(
        [
            TokenAndPositionEmbedding(V, L, D, mask_zero=True),
            keras.layers.GlobalAveragePooling1D(),
        ]
    )
    bare = pooled.layers[0](IDS)
    np.testing.assert_array_equal(bare._keras_mask, IDS != 0)
    wanted = [np.asarray(row)[ids != 0].mean(axis=0) for row, ids in zip(bare, IDS)]
    np.testing.assert_allclose(pooled(IDS), wanted, rtol=1e-5, atol=1e-7)
    assert getattr(TokenAndPositionEmbedding(V, L, D)(IDS), "_keras_mask", None) is None


@pytest.mark.parametrize("tie_weights", [True, False])
def test_vectors_lead_back_to_scores_over_the_vocabulary(tie_weights):
    layer = TokenAndPositionEmbedding(V, L, D, tie_weights=tie_weights)
    vectors = layer(IDS)
    scores = layer.token_embedding(vectors, reverse=True)
    kernel = tables(layer)[0].T if tie_weights else tables(layer)[1]
    np.testing.assert_allclose(scores, vectors @ kernel, rtol=1e-5, atol=1e-6)
    assert layer.count_params() == (V + L) * D + (0 if tie_weights else V * D)


def test_tables_of_equal_size_start_out_different():
    initializer = keras.initializers.RandomUniform()
    layer = TokenAndPositionEmbedding(L, L, D, embeddings_initializer=initializer)
    layer.build((1, 2))
    tokens, positions = tables(layer)
    assert (tokens != positions).mean() > 0.9


def test_a_length_unknown_when_tracing_is_fine(embed):
    traced = tf.function(embed, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    for T in (4, 1):
        ids = tf.constant(IDS[:, :T], tf.int32)
        np.testing.assert_allclose(traced(ids), embed(ids), rtol=1e-6)


def test_bad_settings_are_refused():
    for name in ("vocabulary_size", "sequence_length", "embedding_dim"):
        sizes = {"vocabulary_size": V, "sequence_length": L, "embedding_dim": D}
        with pytest.raises(ValueError, match=f"{name}=0"):
            TokenAndPositionEmbedding(**{**sizes, name: 0})


def test_the_config_makes_the_same_layer():
    layer = TokenAndPositionEmbedding(
        V, L, D, tie_weights=False, embeddings_initializer="ones", mask_zero=True
    )
    copy = TokenAndPositionEmbedding.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    np.testing.assert_array_equal(copy(IDS), np.full((2, 4, D), 2.0))
