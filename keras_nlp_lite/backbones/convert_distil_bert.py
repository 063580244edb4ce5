"""DistilBERT in a Hugging Face folder."""

from keras_nlp_lite.backbones import convert_bert
from keras_nlp_lite.backbones.convert import (
    Tensor,
    activation,
    activation_there,
    linear,
    norm,
)
from keras_nlp_lite.backbones.distil_bert_backbone import DistilBertBackbone
from keras_nlp_lite.tokenizers.bert_tokenizer import DistilBertTokenizer

MODEL_TYPE = "distilbert"
BACKBONE = DistilBertBackbone
PREFIX = "distilbert."
IGNORE = (
    "embeddings.position_ids",
    "vocab_",
    "pre_classifier.",
    "classifier.",
    "qa_outputs.",
)


def arguments(config):
    """Arguments of the backbone, from the folder's `config.json`."""
    return {
        "vocabulary_size": config["vocab_size"],
        "num_layers": config["n_layers"],
        "num_heads": config["n_heads"],
        "hidden_dim": config["dim"],
        "intermediate_dim": config["hidden_dim"],
        "dropout": config.get("dropout", 0.1),
        "max_sequence_length": config["max_position_embeddings"],
        "activation": activation(config.get("activation", "gelu")),
    }


def config(backbone):
    """What `config.json` says of a backbone."""
    return {
        "architectures": ["DistilBertModel"],
        "vocab_size": backbone.vocabulary_size,
        "n_layers": backbone.num_layers,
        "n_heads": backbone.num_heads,
        "dim": backbone.hidden_dim,
        "hidden_dim": backbone.intermediate_dim,
        "dropout": backbone.dropout,
        "attention_dropout": backbone.dropout,
        "max_position_embeddings": backbone.max_sequence_length,
        "activation": activation_there(backbone.activation),
        "pad_token_id": 0,
    }


def table(backbone):
    """Names there and variables here."""
    embeddings = backbone.embeddings
    names = [
        Tensor(
            "embeddings.word_embeddings.weight", embeddings.token_embedding.embeddings
        ),
        Tensor(
            "embeddings.position_embeddings.weight",
            embeddings.position_embedding.embeddings,
        ),
        *norm("embeddings.LayerNorm", backbone.get_layer("embeddings_layer_norm")),
    ]
    for i, block in enumerate(backbone.transformer_layers):
        name, attention = f"transformer.layer.{i}", block.attention
        names += [
            *linear(f"{name}.attention.q_lin", attention.query_dense),
            *linear(f"{name}.attention.k_lin", attention.key_dense),
            *linear(f"{name}.attention.v_lin", attention.value_dense),
            *linear(f"{name}.attention.out_lin", attention.output_dense, inputs=2),
            *norm(f"{name}.sa_layer_norm", block.attention_norm),
            *linear(f"{name}.ffn.lin1", block.widen),
            *linear(f"{name}.ffn.lin2", block.narrow),
            *norm(f"{name}.output_layer_norm", block.feedforward_norm),
        ]
    return names


def load_tokenizer(folder, **kwargs):
    """The tokenizer of a folder."""
    return convert_bert.load_tokenizer(folder, DistilBertTokenizer, **kwargs)


def masked_lm_table(head):
    """Names there and variables here of the head that guesses hidden tokens."""
    return [
        *linear("vocab_transform", head.intermediate),
        *norm("vocab_layer_norm", head.norm),
        Tensor("vocab_projector.bias", head.bias),
    ]
