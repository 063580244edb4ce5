"""RoBERTa in a Hugging Face folder."""

import os

from keras_nlp_lite.backbones.checkpoint import write_json
from keras_nlp_lite.backbones.convert import (
    Tensor,
    activation,
    activation_there,
    linear,
    norm,
    refuse_unless,
)
from keras_nlp_lite.backbones.convert_bert import block_table
from keras_nlp_lite.backbones.roberta_backbone import RobertaBackbone
from keras_nlp_lite.tokenizers.roberta_tokenizer import RobertaTokenizer
from keras_nlp_lite.tokenizers.tokenizer_json import byte_pair_from_tokenizer_json
from keras_nlp_lite.tokenizers.tokenizer_json_writing import write_tokenizer_json

MODEL_TYPE = "roberta"
BACKBONE = RobertaBackbone
PREFIX = "roberta."
IGNORE = (
    "embeddings.position_ids",
    "lm_head.",
    "classifier.",
    "qa_outputs.",
    "pooler.",
)
# Its positions count from behind the padding's, which is at 1.
_FIRST_POSITION = 2


def arguments(config):
    """Arguments of the backbone, from the folder's `config.json`."""
    refuse_unless(config, "pad_token_id", 1)  # from which positions count
    refuse_unless(config, "position_embedding_type", "absolute")
    return {
        "vocabulary_size": config["vocab_size"],
        "num_layers": config["num_hidden_layers"],
        "num_heads": config["num_attention_heads"],
        "hidden_dim": config["hidden_size"],
        "intermediate_dim": config["intermediate_size"],
        "dropout": config.get("hidden_dropout_prob", 0.1),
        "max_sequence_length": config["max_position_embeddings"] - _FIRST_POSITION,
        "activation": activation(config.get("hidden_act", "gelu")),
        "layer_norm_epsilon": config.get("layer_norm_eps", 1e-5),
    }


def config(backbone):
    """What `config.json` says of a backbone."""
    return {
        "architectures": ["RobertaModel"],
        "vocab_size": backbone.vocabulary_size,
        "num_hidden_layers": backbone.num_layers,
        "num_attention_heads": backbone.num_heads,
        "hidden_size": backbone.hidden_dim,
        "intermediate_size": backbone.intermediate_dim,
        "hidden_dropout_prob": backbone.dropout,
        "attention_probs_dropout_prob": backbone.dropout,
        "max_position_embeddings": backbone.max_sequence_length + _FIRST_POSITION,
        "type_vocab_size": 1,
        "hidden_act": activation_there(backbone.activation),
        "layer_norm_eps": backbone.layer_norm_epsilon,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
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
            skip=_FIRST_POSITION,
        ),
        # Its one segment, which every token has.
        Tensor(
            "embeddings.token_type_embeddings.weight",
            embeddings.position_embedding.embeddings,
            added=True,
        ),
        *norm("embeddings.LayerNorm", backbone.get_layer("embeddings_layer_norm")),
    ]
    for i, block in enumerate(backbone.transformer_layers):
        names += block_table(f"encoder.layer.{i}", block)
    return names


def load_tokenizer(folder, **kwargs):
    """The tokenizer of a folder with `vocab.json` and `merges.txt`, or with
    `tokenizer.json`.

    Args:
        **kwargs: Arguments of the class, in place of what the folder says.
    """
    vocabulary = os.path.join(folder, "vocab.json")
    merges = os.path.join(folder, "merges.txt")
    if not os.path.exists(vocabulary):
        whole = os.path.join(folder, "tokenizer.json")
        vocabulary, merges, _ = byte_pair_from_tokenizer_json(whole)
    return RobertaTokenizer(vocabulary, merges, **kwargs)


def save_tokenizer(tokenizer, folder):
    """Writes `vocab.json`, `merges.txt`, `tokenizer.json` and its config."""
    tokenizer.save_assets(folder)
    os.rename(
        os.path.join(folder, "vocabulary.json"), os.path.join(folder, "vocab.json")
    )
    write_tokenizer_json(tokenizer, os.path.join(folder, "tokenizer.json"))
    said = {"tokenizer_class": "RobertaTokenizer"}
    write_json(os.path.join(folder, "tokenizer_config.json"), said)


def masked_lm_table(head):
    """Names there and variables here of the head that guesses hidden tokens."""
    return [
        *linear("lm_head.dense", head.intermediate),
        *norm("lm_head.layer_norm", head.norm),
        Tensor("lm_head.bias", head.bias),
    ]
