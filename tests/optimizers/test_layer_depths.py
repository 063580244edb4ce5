"""Heads lie on top, blocks below in their order, embeddings lowest."""

import keras
import pytest

from keras_nlp_lite import models
from keras_nlp_lite.layers import TransformerEncoder
from keras_nlp_lite.optimizers import layer_depths

SIZE = {
    "vocabulary_size": 23,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 4,
    "intermediate_dim": 6,
    "max_sequence_length": 7,
}
LLAMA = {**SIZE, "num_query_heads": 2, "num_key_value_heads": 1}
for name in ("num_heads", "max_sequence_length"):
    del LLAMA[name]


def depths(model):
    """dict from a weight's path to its depth."""
    variables = model.trainable_variables
    assert len({v.path for v in variables}) == len(variables)
    return dict(zip([v.path for v in variables], layer_depths(variables), strict=True))


def of(found, *parts):
    """The depths of all weights whose path holds one of `parts`."""
    return {depth for path, depth in found.items() if any(p in path for p in parts)}


@pytest.mark.parametrize("name", ["Bert", "Roberta", "DistilBert", "ModernBert"])
def test_a_classifier_on_an_encoder(name):
    backbone = getattr(models, f"{name}Backbone")(**SIZE)
    model = models.TextClassifier(backbone, num_classes=2)
    model.build()
    found = depths(model)
    assert of(found, "text_classifier", "pooled", "final_norm") == {0}
    for block in range(3):
        assert of(found, f"layer_{block}/") == {3 - block}
    assert of(found, "embedding") == {4}
    assert set(found.values()) == {0, 1, 2, 3, 4}


def test_a_language_model_whose_table_is_its_head_keeps_it_lowest():
    model = models.CausalLM(models.GPT2Backbone(**SIZE))
    model.build()
    found = depths(model)
    assert of(found, "token_embedding/embeddings") == {4}
    assert of(found, "final_norm") == {0}


def test_a_table_back_to_scores_is_a_head():
    found = depths(models.LlamaBackbone(**LLAMA))
    assert of(found, "reverse_embeddings") == {0}
    assert of(found, "/embeddings") == {4}
    assert of(found, "layer_0/") == {3}


@pytest.mark.parametrize(("name", "top"), [("Bart", 0), ("Marian", 1)])
def test_a_decoder_stands_above_its_encoder(name, top):
    """Behind BART's last block nothing has weights, behind Marian's there is a bias."""
    model = models.Seq2SeqLM(getattr(models, f"{name}Backbone")(**SIZE))
    model.build()
    found = depths(model)
    for block in range(3):
        assert of(found, f"decoder_layer_{block}/") == {top + 2 - block}
        assert of(found, f"encoder_layer_{block}/") == {top + 5 - block}
    assert of(found, "embedding") == {top + 6}


def test_a_model_without_blocks_goes_by_the_order_of_its_layers():
    model = keras.Sequential(
        [
            keras.layers.Embedding(9, 4),
            keras.layers.Bidirectional(keras.layers.LSTM(3)),
            keras.layers.Dense(5),
            keras.layers.LayerNormalization(),
            keras.layers.Dense(2),
        ]
    )
    model.build((None, 6))
    assert list(dict.fromkeys(depths(model).values())) == [4, 3, 2, 1, 0]


def test_blocks_of_any_keras_model_are_known_by_their_series():
    inputs = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(9, 4)(inputs)
    for _ in range(2):
        x = TransformerEncoder(intermediate_dim=6, num_heads=2)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x[:, 0]))
    found = list(dict.fromkeys(depths(model).values()))
    assert found == [3, 2, 1, 0]


def test_what_is_frozen_changes_nothing_above_it():
    backbone = models.BertBackbone(**SIZE)
    model = models.TextClassifier(backbone, num_classes=2)
    model.build()
    all_of_them = depths(model)
    backbone.freeze(up_to=1)
    some = depths(model)
    assert 0 < len(some) < len(all_of_them)
    assert all(all_of_them[path] == depth for path, depth in some.items())
