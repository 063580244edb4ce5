"""MaskedLMHead against a gather, two products and a norm in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.masked_lm_head import MaskedLMHead
from keras_nlp_lite.layers.reversible_embedding import ReversibleEmbedding

B, T, M, D, E, V = 2, 5, 3, 7, 4, 11  # E: the embedding's width
PLACES = np.array([[4, 0, 4], [1, 2, 3]])  # [B, M]
HIDDEN = np.random.default_rng(0).normal(size=(B, T, D)).astype("float32")


def by_hand(weights, kernel, activation=np.tanh):
    """float64 [B, M, V]; weights of the dense layer, the norm, and the last bias."""
    dense, dense_bias, scale, shift, bias = weights
    x = np.take_along_axis(HIDDEN.astype("float64"), PLACES[..., None], axis=1)
    x = activation(x @ dense + dense_bias)
    variance = x.var(axis=-1, keepdims=True)
    x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(variance + 1e-5)
    return (x * scale + shift) @ kernel + bias


def shuffled(layer, seed=1):
    """Gives it weights that nothing makes by itself: no zeros, no ones."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    return layer.get_weights()


def test_it_gathers_then_projects_to_the_vocabulary():
    head = MaskedLMHead(V, intermediate_activation="tanh")
    head(HIDDEN, mask_positions=PLACES)
    kernel, bias, *others = shuffled(head)
    got = head(HIDDEN, mask_positions=PLACES)
    assert got.shape == (B, M, V)
    np.testing.assert_allclose(got, by_hand([*others, bias], kernel), 1e-4, 1e-4)


def test_with_an_embedding_it_leads_back_through_the_table():
    embed = ReversibleEmbedding(V, E)
    head = MaskedLMHead(token_embedding=embed, intermediate_activation="tanh")
    assert head.vocabulary_size == V
    head(HIDDEN, mask_positions=PLACES)
    bias, table, *others = shuffled(head)
    got = head(HIDDEN, mask_positions=PLACES)
    np.testing.assert_allclose(got, by_hand([*others, bias], table.T), 1e-4, 1e-4)


def test_probabilities_add_up_to_one():
    sums = MaskedLMHead(V, activation="softmax")(HIDDEN, mask_positions=PLACES)
    np.testing.assert_allclose(tf.reduce_sum(sums, axis=-1), np.ones((B, M)), rtol=1e-6)


def test_a_tied_table_gets_one_gradient_from_reading_and_guessing():
    embed = ReversibleEmbedding(V, E)
    head = MaskedLMHead(token_embedding=embed)
    ids = np.random.default_rng(0).integers(0, V, size=(B, T))
    head(embed(ids), mask_positions=PLACES)

    def gradient(read, guess):
        with tf.GradientTape() as tape:
            hidden = embed(ids) if read else tf.stop_gradient(embed(ids))
            scores = head(hidden, mask_positions=PLACES)
            if not guess:  # the same scores, from a table that holds still
                still = tf.stop_gradient(tf.transpose(embed.embeddings.value))
                x = tf.gather(hidden, PLACES, batch_dims=1)
                scores = head.norm(head.intermediate(x)) @ still + head.bias
            total = tf.reduce_sum(scores**2)
        return tf.convert_to_tensor(tape.gradient(total, embed.embeddings.value))

    shared = gradient(read=True, guess=True)
    parts = gradient(read=True, guess=False) + gradient(read=False, guess=True)
    np.testing.assert_allclose(shared, parts, rtol=1e-4, atol=1e-5)
    assert len({id(w) for w in [*embed.weights, *head.weights]}) == len(head.weights)


def test_tokens_that_are_not_masked_have_no_say():
    head = MaskedLMHead(V)
    before = head(HIDDEN, mask_positions=PLACES)
    loud = HIDDEN.copy()
    loud[0, 1:4], loud[1, [0, 4]] = 1e4, -1e4
    np.testing.assert_array_equal(head(loud, mask_positions=PLACES), before)


@pytest.mark.parametrize("place", [-1, T])
def test_a_position_outside_its_row_reads_no_other_row(place):
    head = MaskedLMHead(V)
    places = PLACES.copy()
    places[0 if place == T else 1, 0] = place  # would lie in the other row
    with tf.device("CPU"), pytest.raises(tf.errors.InvalidArgumentError):
        head(HIDDEN, mask_positions=places)


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"]
)
@pytest.mark.parametrize("tied", [False, True])
def test_it_builds_and_learns_in_half_precision(dtype, tied):
    embed = ReversibleEmbedding(V, E, dtype=dtype) if tied else None
    head = MaskedLMHead(V, embed, dtype=dtype)
    with tf.GradientTape() as tape:
        scores = head(HIDDEN, mask_positions=PLACES)
        total = tf.reduce_mean(tf.cast(scores, "float32") ** 2)
    assert scores.dtype.name == dtype.removeprefix("mixed_")
    for gradient in tape.gradient(total, [w.value for w in head.trainable_weights]):
        assert np.isfinite(tf.cast(gradient, "float32")).all()


def test_a_mask_of_the_tokens_is_none_of_the_guesses():
    hidden = tf.constant(HIDDEN)
    hidden._keras_mask = tf.ones((B, T), tf.bool)
    scores = MaskedLMHead(V)(hidden, mask_positions=PLACES)
    assert getattr(scores, "_keras_mask", None) is None


def test_a_saved_model_still_shares_its_table(tmp_path):
    ids = keras.Input((T,), dtype="int32")
    places = keras.Input((M,), dtype="int32")
    embed = ReversibleEmbedding(V, E, name="embed")
    head = MaskedLMHead(token_embedding=embed, name="head")
    model = keras.Model([ids, places], head(embed(ids), mask_positions=places))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    shared = loaded.get_layer("head").token_embedding
    assert shared is loaded.get_layer("embed")
    x = [np.arange(B * T).reshape(B, T), PLACES]
    np.testing.assert_allclose(loaded(x), model(x), rtol=1e-5, atol=1e-6)


def test_kernels_of_equal_size_start_out_different():
    head = MaskedLMHead(D, kernel_initializer=keras.initializers.GlorotUniform())
    head(HIDDEN, mask_positions=PLACES)
    kernel, dense = head.kernel.numpy(), head.intermediate.kernel.numpy()
    assert kernel.shape == dense.shape
    assert (kernel != dense).mean() > 0.9


def test_sizes_that_contradict_one_another_are_refused():
    with pytest.raises(ValueError, match="vocabulary_size=12, .*input_dim=11"):
        MaskedLMHead(12, ReversibleEmbedding(V, E))


def test_a_head_that_knows_no_vocabulary_is_refused():
    with pytest.raises(ValueError, match="One of .*vocabulary_size=None"):
        MaskedLMHead()
    with pytest.raises(ValueError, match="vocabulary_size=0"):
        MaskedLMHead(0)


def test_positions_of_another_rank_are_refused():
    with pytest.raises(ValueError, match=r"\[batch, masked\].*shape=\(3,\)"):
        MaskedLMHead(V)(HIDDEN, mask_positions=PLACES[0])
