"""GPT-2 in a Hugging Face folder."""

from keras_nlp_lite.backbones.convert import (
    Tensor,
    activation,
    activation_there,
    norm,
    refuse_unless,
)
from keras_nlp_lite.backbones.gpt2_backbone import GPT2Backbone
from keras_nlp_lite.tokenizers import gpt2_from_folder, gpt2_to_folder

MODEL_TYPE = "gpt2"
BACKBONE = GPT2Backbone
PREFIX = "transformer."
# Heads, of which the language model's is the token embedding; and the causal masks,
# which older versions stored.
IGNORE = ("lm_head.", "score.", "h.*.attn.bias", "h.*.attn.masked_bias")


def arguments(config):
    """Arguments of the backbone, from the folder's `config.json`."""
    refuse_unless(config, "scale_attn_weights", True)
    refuse_unless(config, "scale_attn_by_inverse_layer_idx", False)
    refuse_unless(config, "add_cross_attention", False)
    refuse_unless(config, "tie_word_embeddings", True)
    return {
        "vocabulary_size": config["vocab_size"],
        "num_layers": config["n_layer"],
        "num_heads": config["n_head"],
        "hidden_dim": config["n_embd"],
        "intermediate_dim": config.get("n_inner") or 4 * config["n_embd"],
        "dropout": config.get("resid_pdrop", 0.1),
        "max_sequence_length": config["n_positions"],
        "activation": activation(config.get("activation_function", "gelu_new")),
        "layer_norm_epsilon": config.get("layer_norm_epsilon", 1e-5),
    }


def config(backbone):
    """What `config.json` says of a backbone."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": backbone.vocabulary_size,
        "n_layer": backbone.num_layers,
        "n_head": backbone.num_heads,
        "n_embd": backbone.hidden_dim,
        "n_inner": backbone.intermediate_dim,
        "resid_pdrop": backbone.dropout,
        "embd_pdrop": backbone.dropout,
        "attn_pdrop": backbone.dropout,
        "n_positions": backbone.max_sequence_length,
        "activation_function": activation_there(backbone.activation),
        "layer_norm_epsilon": backbone.layer_norm_epsilon,
        # The last token, as OpenAI's vocabulary has it.
        "bos_token_id": backbone.vocabulary_size - 1,
        "eos_token_id": backbone.vocabulary_size - 1,
    }


def generation(config):
    """dict of the ids that begin, end and fill up a text; None where there is none."""
    end = config.get("eos_token_id", 50_256)
    return {
        "start_token_id": config.get("bos_token_id", 50_256),
        "end_token_id": end,
        "pad_token_id": config.get("pad_token_id"),
    }


def table(backbone):
    """Names there and variables here."""
    places = backbone.position_embedding.position_embeddings
    names = [
        Tensor("wte.weight", backbone.token_embedding.embeddings),
        Tensor("wpe.weight", places),
        *norm("ln_f", backbone.final_norm),
    ]
    for i, block in enumerate(backbone.transformer_layers):
        name, attention = f"h.{i}", block.attention
        projections = (
            attention.query_dense,
            attention.key_dense,
            attention.value_dense,
        )
        names += [
            *norm(f"{name}.ln_1", block.attention_norm),
            *_linear(f"{name}.attn.c_attn", *projections),
            *_linear(f"{name}.attn.c_proj", attention.output_dense, inputs=2),
            *norm(f"{name}.ln_2", block.feedforward_norm),
            *_linear(f"{name}.mlp.c_fc", block.widen),
            *_linear(f"{name}.mlp.c_proj", block.narrow),
        ]
    return names


def _linear(name, *layers, inputs=1):
    """The two `Tensor`s of layers that lie one beside the other there."""
    kernels = tuple(layer.kernel for layer in layers)
    biases = tuple(layer.bias for layer in layers)
    return [
        Tensor(f"{name}.weight", inputs=inputs, parts=kernels, turned=True),
        Tensor(f"{name}.bias", inputs=0, parts=biases),
    ]


def load_tokenizer(folder, **kwargs):
    """The tokenizer of a folder with `vocab.json` and `merges.txt`, or with
    `tokenizer.json`.

    Args:
        **kwargs: Arguments of the class, in place of what the folder says.
    """
    return gpt2_from_folder(folder, **kwargs)


def save_tokenizer(tokenizer, folder):
    """Writes `vocab.json`, `merges.txt`, `tokenizer.json` and its config."""
    gpt2_to_folder(tokenizer, folder)
