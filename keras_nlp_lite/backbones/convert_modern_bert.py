"""ModernBERT in a Hugging Face folder."""

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
from keras_nlp_lite.backbones.modern_bert_backbone import ModernBertBackbone
from keras_nlp_lite.tokenizers.roberta_tokenizer import ModernBertTokenizer
from keras_nlp_lite.tokenizers.tokenizer_json import byte_pair_from_tokenizer_json
from keras_nlp_lite.tokenizers.tokenizer_json_writing import write_tokenizer_json

MODEL_TYPE = "modernbert"
BACKBONE = ModernBertBackbone
PREFIX = "model."
IGNORE = ("head.", "decoder.", "classifier.")


def arguments(config):
    """Arguments of the backbone, from the folder's `config.json`."""
    for name in ("attention_bias", "mlp_bias", "norm_bias"):
        refuse_unless(config, name, False)
    local_base, global_base = _bases(config)
    return {
        "vocabulary_size": config["vocab_size"],
        "num_layers": config["num_hidden_layers"],
        "num_heads": config["num_attention_heads"],
        "hidden_dim": config["hidden_size"],
        "intermediate_dim": config["intermediate_size"],
        "dropout": config.get("mlp_dropout", 0.0),
        "max_sequence_length": config["max_position_embeddings"],
        "activation": activation(config.get("hidden_activation", "gelu")),
        "layer_norm_epsilon": config.get("norm_eps", 1e-5),
        "local_window": config.get("local_attention", 128) // 2,
        "global_every": _global_every(config),
        "local_wavelength": local_base,
        "global_wavelength": global_base,
    }


def _bases(config):
    """How long the slowest rotations are, of local and of global blocks."""
    if "rope_parameters" in config:
        of = config["rope_parameters"]
        kinds = of["sliding_attention"], of["full_attention"]
        for kind in kinds:
            if kind.get("rope_type", "default") != "default":
                raise ValueError(
                    "Only plain rotary positions are known here. Received: "
                    f"rope_type={kind['rope_type']!r}."
                )
        return tuple(kind["rope_theta"] for kind in kinds)
    of_global = config.get("global_rope_theta", 160_000.0)
    of_local = config.get("local_rope_theta", 10_000.0)
    return (of_global if of_local is None else of_local), of_global


def _global_every(config):
    if "layer_types" not in config:
        return config.get("global_attn_every_n_layers", 3)
    kinds = [kind == "full_attention" for kind in config["layer_types"]]
    every = kinds.index(True, 1) if True in kinds[1:] else len(kinds)
    if kinds != [i % every == 0 for i in range(len(kinds))]:
        raise ValueError(
            "Global blocks must come at an even pace, from the first on. Received: "
            f"layer_types={config['layer_types']}."
        )
    return every


def config(backbone):
    """What `config.json` says of a backbone."""
    kinds = "full_attention", "sliding_attention"
    bases = backbone.global_wavelength, backbone.local_wavelength
    return {
        "architectures": ["ModernBertModel"],
        "vocab_size": backbone.vocabulary_size,
        "num_hidden_layers": backbone.num_layers,
        "num_attention_heads": backbone.num_heads,
        "hidden_size": backbone.hidden_dim,
        "intermediate_size": backbone.intermediate_dim,
        "mlp_dropout": backbone.dropout,
        "attention_dropout": backbone.dropout,
        "embedding_dropout": backbone.dropout,
        "max_position_embeddings": backbone.max_sequence_length,
        "hidden_activation": activation_there(backbone.activation),
        "norm_eps": backbone.layer_norm_epsilon,
        "local_attention": 2 * backbone.local_window,
        "layer_types": [
            kinds[i % backbone.global_every != 0] for i in range(backbone.num_layers)
        ],
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": base}
            for kind, base in zip(kinds, bases)
        },
        "attention_bias": False,
        "mlp_bias": False,
        "norm_bias": False,
        "pad_token_id": 0,
    }


def table(backbone):
    """Names there and variables here."""
    names = [
        Tensor("embeddings.tok_embeddings.weight", backbone.token_embedding.embeddings),
        *norm("embeddings.norm", backbone.get_layer("embeddings_layer_norm"), False),
        *norm("final_norm", backbone.get_layer("final_norm"), False),
    ]
    for i, block in enumerate(backbone.transformer_layers):
        name, attention = f"layers.{i}", block.attention
        projections = (
            attention.query_dense.kernel,
            attention.key_dense.kernel,
            attention.value_dense.kernel,
        )
        if i > 0:  # the first follows the embeddings' norm
            names += norm(f"{name}.attn_norm", block.attention_norm, False)
        names += [
            Tensor(f"{name}.attn.Wqkv.weight", inputs=1, parts=projections),
            *linear(f"{name}.attn.Wo", attention.output_dense, False, inputs=2),
            *norm(f"{name}.mlp_norm", block.feedforward_norm, False),
            *linear(f"{name}.mlp.Wi", block.widen, False),
            *linear(f"{name}.mlp.Wo", block.narrow, False),
        ]
    return names


def load_tokenizer(folder, **kwargs):
    """The tokenizer of a folder with `tokenizer.json`.

    Args:
        **kwargs: Arguments of the class, in place of what the folder says.
    """
    vocabulary, merges, added = byte_pair_from_tokenizer_json(
        os.path.join(folder, "tokenizer.json"), normalizer={"type": "NFC"}
    )
    special = ModernBertTokenizer().special_token_names
    whole = [token for token in added if token not in special]
    kwargs = {"unsplittable_tokens": whole, **kwargs}
    return ModernBertTokenizer(vocabulary, merges, **kwargs)


def save_tokenizer(tokenizer, folder):
    """Writes `tokenizer.json` and `tokenizer_config.json`."""
    write_tokenizer_json(tokenizer, os.path.join(folder, "tokenizer.json"))
    said = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "cls_token": tokenizer.start_token,
        "sep_token": tokenizer.end_token,
        "pad_token": tokenizer.pad_token,
        "mask_token": tokenizer.mask_token,
        "unk_token": tokenizer.unk_token,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    write_json(os.path.join(folder, "tokenizer_config.json"), said)


def masked_lm_table(head):
    """Names there and variables here of the head that guesses hidden tokens; its other
    biases stay zero."""
    return [
        *linear("head.dense", head.intermediate, bias=False),
        *norm("head.norm", head.norm, bias=False),
        Tensor("decoder.bias", head.bias),
    ]
