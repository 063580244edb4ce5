"""BERT in a Hugging Face folder."""

import os

from keras_nlp_lite.backbones.bert_backbone import BertBackbone
from keras_nlp_lite.backbones.checkpoint import read_json, write_json
from keras_nlp_lite.backbones.convert import (
    Tensor,
    activation,
    activation_there,
    linear,
    norm,
    refuse_unless,
)
from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
from keras_nlp_lite.tokenizers.tokenizer_json import word_piece_from_tokenizer_json
from keras_nlp_lite.tokenizers.tokenizer_json_writing import write_tokenizer_json

MODEL_TYPE = "bert"
BACKBONE = BertBackbone
PREFIX = "bert."
# Position numbers, which older versions stored; and heads.
IGNORE = ("embeddings.position_ids", "cls.", "classifier.", "qa_outputs.")


def arguments(config):
    """Arguments of the backbone, from the folder's `config.json`."""
    refuse_unless(config, "position_embedding_type", "absolute")
    return {
        "vocabulary_size": config["vocab_size"],
        "num_layers": config["num_hidden_layers"],
        "num_heads": config["num_attention_heads"],
        "hidden_dim": config["hidden_size"],
        "intermediate_dim": config["intermediate_size"],
        "dropout": config.get("hidden_dropout_prob", 0.1),
        "max_sequence_length": config["max_position_embeddings"],
        "num_segments": config.get("type_vocab_size", 2),
        "activation": activation(config.get("hidden_act", "gelu")),
        "layer_norm_epsilon": config.get("layer_norm_eps", 1e-12),
    }


def config(backbone):
    """What `config.json` says of a backbone."""
    return {
        "architectures": ["BertModel"],
        "vocab_size": backbone.vocabulary_size,
        "num_hidden_layers": backbone.num_layers,
        "num_attention_heads": backbone.num_heads,
        "hidden_size": backbone.hidden_dim,
        "intermediate_size": backbone.intermediate_dim,
        "hidden_dropout_prob": backbone.dropout,
        "attention_probs_dropout_prob": backbone.dropout,
        "max_position_embeddings": backbone.max_sequence_length,
        "type_vocab_size": backbone.num_segments,
        "hidden_act": activation_there(backbone.activation),
        "layer_norm_eps": backbone.layer_norm_epsilon,
        "pad_token_id": 0,
    }


def table(backbone):
    """Names there and variables here."""
    names = [
        Tensor(
            "embeddings.word_embeddings.weight", backbone.token_embedding.embeddings
        ),
        Tensor(
            "embeddings.position_embeddings.weight",
            backbone.position_embedding.position_embeddings,
        ),
        Tensor(
            "embeddings.token_type_embeddings.weight",
            backbone.segment_embedding.embeddings,
        ),
        *norm("embeddings.LayerNorm", backbone.get_layer("embeddings_layer_norm")),
    ]
    for i, block in enumerate(backbone.transformer_layers):
        names += block_table(f"encoder.layer.{i}", block)
    pooler = linear("pooler.dense", backbone.pooled_dense)
    return names + [tensor._replace(optional=True) for tensor in pooler]


def block_table(name, block):
    """Of a block, as BERT and RoBERTa name its parts."""
    attention = block.attention
    return [
        *linear(f"{name}.attention.self.query", attention.query_dense),
        *linear(f"{name}.attention.self.key", attention.key_dense),
        *linear(f"{name}.attention.self.value", attention.value_dense),
        *linear(f"{name}.attention.output.dense", attention.output_dense, inputs=2),
        *norm(f"{name}.attention.output.LayerNorm", block.attention_norm),
        *linear(f"{name}.intermediate.dense", block.widen),
        *linear(f"{name}.output.dense", block.narrow),
        *norm(f"{name}.output.LayerNorm", block.feedforward_norm),
    ]


def load_tokenizer(folder, cls=BertTokenizer, **kwargs):
    """The tokenizer of a folder with `vocab.txt`, or with `tokenizer.json`.

    Args:
        cls: Its class.
        **kwargs: Arguments of the class, in place of what the folder says.
    """
    vocabulary = os.path.join(folder, "vocab.txt")
    if os.path.exists(vocabulary):
        path = os.path.join(folder, "tokenizer_config.json")
        said = read_json(path) if os.path.exists(path) else {}
        lowercase = said.get("do_lower_case", True)
        accents = said.get("strip_accents")  # with the case, unless it is said
        strip_accents = lowercase if accents is None else accents
    elif not os.path.exists(os.path.join(folder, "tokenizer.json")):
        raise ValueError(
            f"A tokenizer needs vocab.txt or tokenizer.json. Received: {folder!r}, "
            "which has neither."
        )
    else:
        vocabulary, lowercase, strip_accents, _ = word_piece_from_tokenizer_json(
            os.path.join(folder, "tokenizer.json")
        )
    settings = {"lowercase": lowercase, "strip_accents": strip_accents}
    return cls(vocabulary, **{**settings, **kwargs})


def save_tokenizer(tokenizer, folder):
    """Writes `vocab.txt`, `tokenizer.json` and `tokenizer_config.json`."""
    with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8") as file:
        file.writelines(f"{token}\n" for token in tokenizer.get_vocabulary())
    write_tokenizer_json(tokenizer, os.path.join(folder, "tokenizer.json"))
    said = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": tokenizer.lowercase,
        "strip_accents": tokenizer.strip_accents,
    }
    write_json(os.path.join(folder, "tokenizer_config.json"), said)


def masked_lm_table(head):
    """Names there and variables here of the head that guesses hidden tokens."""
    name = "cls.predictions"
    return [
        *linear(f"{name}.transform.dense", head.intermediate),
        *norm(f"{name}.transform.LayerNorm", head.norm),
        Tensor(f"{name}.bias", head.bias),
    ]
