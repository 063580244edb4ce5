import keras
import pytest

from keras_nlp_lite import models
from keras_nlp_lite.monitoring.matmul_ceiling import matmul_ceiling
from keras_nlp_lite.monitoring.model_flops import model_flops
from keras_nlp_lite.monitoring.token_counts import TokenCounts
from tests.tasks.encoders import backbone, preprocessor


def test_a_transformer_costs_its_products_forward_and_twice_that_backward():
    D, F, H, layers = 6, 10, 2, 3
    model = models.TransformerClassifier(
        2,
        max_tokens=20,
        sequence_length=7,
        embedding_dim=D,
        intermediate_dim=F,
        num_heads=H,
        num_layers=layers,
    )
    model.adapt(["good"])
    flops = model_flops(model)
    of_token = layers * (4 * D * D + 2 * D * F)  # multiplications and additions
    assert flops.per_token == 3 * 2 * of_token
    assert flops.per_pair == 3 * 2 * layers * 2 * D
    assert flops.per_row == 3 * 2 * D  # the head
    counts = TokenCounts(rows=2, tokens=5, places=99, pairs=13)
    total = 2 * flops.per_row + 5 * flops.per_token + 13 * flops.per_pair
    assert flops.of(counts) == total


def test_an_encoder_of_a_preset_is_counted():
    model = models.TextClassifier(backbone(), 2, preprocessor=preprocessor())
    D, F, layers = 16, 24, 2
    flops = model_flops(model)
    assert flops.per_token == 3 * 2 * layers * (4 * D * D + 2 * D * F)
    assert flops.per_row == 3 * 2 * (D * D + D * 2)  # pooled, then two logits


def test_a_recurrent_model_costs_both_its_kernels_at_each_token():
    model = keras.Sequential([keras.Input([5, 3]), keras.layers.LSTM(4)])
    assert model_flops(model).per_token == 3 * 2 * (3 * 16 + 4 * 16)


def test_a_language_model_goes_back_to_its_vocabulary():
    encoder = backbone(models.GPT2Backbone)
    alone = model_flops(encoder)
    task = models.CausalLM(encoder)
    V, D = encoder.token_embedding.embeddings.shape
    assert model_flops(task).per_token == alone.per_token + 3 * 2 * V * D


class Own(keras.layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 2))

    def call(self, x):
        return x @ self.kernel


def test_a_layer_that_is_not_known_leaves_no_count():
    model = keras.Sequential([keras.Input([3]), Own()])
    assert model_flops(model) is None


def test_the_ceiling_is_measured_once():
    assert matmul_ceiling("float32") == matmul_ceiling("float32") > 1e8


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_weights_are_multiplied_too(frozen):
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(5)])
    model.trainable = not frozen
    assert model_flops(model).per_row == 90
