"""Llama, Mistral and Qwen2 in a Hugging Face folder."""

import os

from keras_nlp_lite.backbones.checkpoint import read_json
from keras_nlp_lite.backbones.convert import (
    Tensor,
    activation,
    activation_there,
    linear,
    refuse_unless,
)
from keras_nlp_lite.backbones.llama_backbone import LlamaBackbone
from keras_nlp_lite.tokenizers import (
    QwenTokenizer,
    llama_from_folder,
    llama_to_folder,
    qwen_from_folder,
    qwen_to_folder,
)

MODEL_TYPE = "llama"  # written unless `config` says otherwise
BACKBONE = LlamaBackbone
PREFIX = "model."
# A head that is the token embedding; other heads; angles that older versions stored.
IGNORE = ("lm_head.", "score.", "layers.*.self_attn.rotary_emb.")

_LONGEST = {"llama": 2048, "mistral": 131_072, "qwen2": 32_768}  # unless it is said


def arguments(config):
    """Arguments of the backbone, from the folder's `config.json`."""
    family = config["model_type"]
    for name in ("attention_bias", "mlp_bias"):
        refuse_unless(config, name, False)
    heads = config["num_attention_heads"]
    return {
        "vocabulary_size": config["vocab_size"],
        "num_layers": config["num_hidden_layers"],
        "num_query_heads": heads,
        "num_key_value_heads": config.get("num_key_value_heads") or heads,
        "head_dim": config.get("head_dim"),
        "hidden_dim": config["hidden_size"],
        "intermediate_dim": config["intermediate_size"],
        "dropout": config.get("attention_dropout", 0.0),
        "max_sequence_length": config.get("max_position_embeddings", _LONGEST[family]),
        "activation": activation(config.get("hidden_act", "silu")),
        "layer_norm_epsilon": config.get("rms_norm_eps", 1e-6),
        "tie_word_embeddings": config.get("tie_word_embeddings", False),
        "use_qkv_bias": family == "qwen2",
        "sliding_window": _window(config),
        **_rotary(config),
    }


def _window(config):
    """How many tokens a token sees, itself included; None for all."""
    window = config.get("sliding_window", 4096)
    if config["model_type"] == "llama" or window is None:
        return None
    if config["model_type"] == "mistral":
        return window
    if not config.get("use_sliding_window", False):
        return None
    layers = config["num_hidden_layers"]
    first = config.get("max_window_layers", 28)
    kinds = ["full", "sliding"]
    kinds = [f"{kinds[i >= first]}_attention" for i in range(layers)]
    kinds = config.get("layer_types") or kinds
    if len(set(kinds)) > 1:
        raise ValueError(
            "Either all blocks must have a window, or none. Received: "
            f"sliding_window={window}, layer_types={kinds}."
        )
    return window if kinds[0] == "sliding_attention" else None


def _rotary(config):
    """Arguments that tell how positions turn queries and keys."""
    said = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = said.get("rope_type", said.get("type", "default"))
    base = said.get("rope_theta", config.get("rope_theta", 10_000.0))
    arguments = {"rope_max_wavelength": base}
    refuse_unless(said, "partial_rotary_factor", 1.0)
    if kind == "linear":
        arguments["rope_position_scaling_factor"] = said["factor"]
    elif kind == "llama3":
        arguments |= {
            "rope_frequency_adjustment_factor": said["factor"],
            "rope_low_freq_factor": said["low_freq_factor"],
            "rope_high_freq_factor": said["high_freq_factor"],
            "rope_pretraining_sequence_length": said[
                "original_max_position_embeddings"
            ],
        }
    elif kind == "yarn":
        for name, wanted in _YARN.items():
            refuse_unless(said, name, wanted)
        arguments |= {
            "rope_scaling_type": "yarn",
            "rope_position_scaling_factor": said["factor"],
            "rope_pretraining_sequence_length": said.get(
                "original_max_position_embeddings", config["max_position_embeddings"]
            ),
        }
    elif kind != "default":
        raise ValueError(
            "Rotary positions must be plain, linear, llama3 or yarn. Received: "
            f"rope_type={kind!r}."
        )
    return arguments


# What a `RotaryEmbedding` of type "yarn" has, and nobody else is known to change.
_YARN = {
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "attention_factor": None,
    "mscale": None,
    "mscale_all_dim": None,
    "truncate": True,
}


def config(backbone):
    """What `config.json` says of a backbone: of the family that has what it has."""
    _, head_dim = backbone.cache_width()
    window = backbone.sliding_window
    said = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": backbone.vocabulary_size,
        "num_hidden_layers": backbone.num_layers,
        "num_attention_heads": backbone.num_query_heads,
        "num_key_value_heads": backbone.num_key_value_heads,
        "head_dim": head_dim,
        "hidden_size": backbone.hidden_dim,
        "intermediate_size": backbone.intermediate_dim,
        "attention_dropout": backbone.dropout,
        "max_position_embeddings": backbone.max_sequence_length,
        "hidden_act": activation_there(backbone.activation),
        "rms_norm_eps": backbone.layer_norm_epsilon,
        "tie_word_embeddings": backbone.tie_word_embeddings,
        "rope_theta": backbone.rope_max_wavelength,
        "rope_parameters": {
            "rope_theta": backbone.rope_max_wavelength,
            **_scaling(backbone),
        },
    }
    if backbone.use_qkv_bias:
        said |= {
            "model_type": "qwen2",
            "architectures": ["Qwen2ForCausalLM"],
            "use_sliding_window": window is not None,
            "sliding_window": window,
        }
        if window is not None:
            said["max_window_layers"] = 0  # all blocks from the first on
    elif window is not None:
        said |= {
            "model_type": "mistral",
            "architectures": ["MistralForCausalLM"],
            "sliding_window": window,
        }
    return said


def _scaling(backbone):
    """dict, how rotary positions are stretched, as `config.json` says it."""
    factor = backbone.rope_position_scaling_factor
    trained_on = backbone.rope_pretraining_sequence_length
    if backbone.rope_frequency_adjustment_factor is not None:
        return {
            "rope_type": "llama3",
            "factor": backbone.rope_frequency_adjustment_factor,
            "low_freq_factor": backbone.rope_low_freq_factor,
            "high_freq_factor": backbone.rope_high_freq_factor,
            "original_max_position_embeddings": trained_on,
        }
    kind = backbone.rope_scaling_type
    if kind not in ("linear", "yarn"):
        raise ValueError(
            "Rotary positions can be written if they are plain, linear, llama3 or yarn. "
            f"Received: rope_scaling_type={kind!r}."
        )
    if kind == "linear" and factor == 1:
        return {"rope_type": "default"}
    said = {"rope_type": kind, "factor": factor}
    if kind == "yarn":
        said["original_max_position_embeddings"] = trained_on
    return said


def generation(config):
    """dict of the ids that begin, end and fill up a text; None where there is none.

    Of several ends, as Llama 3's chat models have, "end_token_id" is a list.
    """
    return {
        "start_token_id": config.get("bos_token_id"),
        "end_token_id": config.get("eos_token_id"),
        "pad_token_id": config.get("pad_token_id"),
    }


def table(backbone):
    """Names there and variables here."""
    embedding = backbone.token_embedding
    names = [
        Tensor("model.embed_tokens.weight", embedding.embeddings),
        Tensor("model.norm.weight", backbone.final_norm.scale),
    ]
    bias = backbone.use_qkv_bias
    for i, block in enumerate(backbone.transformer_layers):
        name, attention = f"model.layers.{i}", block.attention
        names += [
            Tensor(f"{name}.input_layernorm.weight", block.attention_norm.scale),
            *linear(f"{name}.self_attn.q_proj", attention.query_dense, bias),
            *linear(f"{name}.self_attn.k_proj", attention.key_dense, bias),
            *linear(f"{name}.self_attn.v_proj", attention.value_dense, bias),
            *linear(
                f"{name}.self_attn.o_proj", attention.output_dense, False, inputs=2
            ),
            Tensor(
                f"{name}.post_attention_layernorm.weight", block.feedforward_norm.scale
            ),
            *linear(f"{name}.mlp.gate_proj", block.gate, False),
            *linear(f"{name}.mlp.up_proj", block.widen, False),
            *linear(f"{name}.mlp.down_proj", block.narrow, False),
        ]
    if not backbone.tie_word_embeddings:
        # A folder of the model without its head has none.
        scores = embedding.reverse_embeddings
        names.append(Tensor("lm_head.weight", scores, inputs=1, optional=True))
    return names


def load_tokenizer(folder, **kwargs):
    """The tokenizer of a folder with `tokenizer.model` or `tokenizer.json`.

    Args:
        **kwargs: Arguments of the class, in place of what the folder says.
    """
    config = read_json(os.path.join(folder, "config.json"))
    qwen = config.get("model_type") == "qwen2"
    return (qwen_from_folder if qwen else llama_from_folder)(folder, **kwargs)


def save_tokenizer(tokenizer, folder):
    """Writes `tokenizer.model` or `tokenizer.json`, whichever it has; and its config."""
    qwen = isinstance(tokenizer, QwenTokenizer)
    (qwen_to_folder if qwen else llama_to_folder)(tokenizer, folder)
