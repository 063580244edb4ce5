"""BART in a Hugging Face folder."""

from keras_nlp_lite.backbones.bart_backbone import BartBackbone
from keras_nlp_lite.backbones.convert import (
    Tensor,
    activation,
    activation_there,
    linear,
    norm,
    refuse_unless,
)
from keras_nlp_lite.tokenizers import bart_from_folder, bart_to_folder

MODEL_TYPE = "bart"
BACKBONE = BartBackbone
PREFIX = "model."
# Other names of the one table; heads; biases of scores, which are all 0.
IGNORE = (
    "encoder.embed_tokens.",
    "decoder.embed_tokens.",
    "encoder.version",
    "decoder.version",
    "lm_head.",
    "classification_head.",
    "qa_outputs.",
    "final_logits_bias",
)
# Its positions count from behind two that are not used.
_FIRST_POSITION = 2


def arguments(config):
    """Arguments of the backbone, from the folder's `config.json`."""
    return {
        **arguments_of_sides(config),
        "max_sequence_length": config["max_position_embeddings"],
        "activation": activation(config.get("activation_function", "gelu")),
    }


def arguments_of_sides(config):
    """Those that BART and Marian have by the same names."""
    for name in ("attention_heads", "ffn_dim"):
        refuse_unless(config, f"decoder_{name}", config[f"encoder_{name}"])
    refuse_unless(config, "tie_word_embeddings", True)
    of_encoder, of_decoder = config["encoder_layers"], config["decoder_layers"]
    return {
        "vocabulary_size": config["vocab_size"],
        "num_layers": (
            of_encoder if of_encoder == of_decoder else [of_encoder, of_decoder]
        ),
        "num_heads": config["encoder_attention_heads"],
        "hidden_dim": config["d_model"],
        "intermediate_dim": config["encoder_ffn_dim"],
        "dropout": config.get("dropout", 0.1),
        "scale_embedding": config.get("scale_embedding", False),
    }


def config(backbone):
    """What `config.json` says of a backbone."""
    return {
        "architectures": ["BartForConditionalGeneration"],
        **config_of_sides(backbone),
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
        "forced_eos_token_id": 2,
    }


def config_of_sides(backbone):
    """What BART's and Marian's say by the same names."""
    of_encoder, of_decoder = backbone.pair_of_layers()
    return {
        "is_encoder_decoder": True,
        "vocab_size": backbone.vocabulary_size,
        "encoder_layers": of_encoder,
        "decoder_layers": of_decoder,
        "encoder_attention_heads": backbone.num_heads,
        "decoder_attention_heads": backbone.num_heads,
        "d_model": backbone.hidden_dim,
        "encoder_ffn_dim": backbone.intermediate_dim,
        "decoder_ffn_dim": backbone.intermediate_dim,
        "dropout": backbone.dropout,
        "attention_dropout": backbone.dropout,
        "max_position_embeddings": backbone.max_sequence_length,
        "activation_function": activation_there(backbone.activation),
        "scale_embedding": backbone.scale_embedding,
    }


def generation(config):
    """dict of the ids that begin, end and fill up what is written, and of those that
    are never or always written somewhere; None where there is none."""
    return {
        "decoder_start_token_id": config.get("decoder_start_token_id", 2),
        "start_token_id": config.get("bos_token_id", 0),
        "end_token_id": config.get("eos_token_id", 2),
        "pad_token_id": config.get("pad_token_id", 1),
        "bad_words_ids": config.get("bad_words_ids"),
        "forced_bos": config.get("forced_bos_token_id"),
        "forced_eos": config.get("forced_eos_token_id"),
    }


def table(backbone):
    """Names there and variables here."""
    names = [Tensor("model.shared.weight", backbone.token_embedding.embeddings)]
    for side in ("encoder", "decoder"):
        embedding = getattr(backbone, f"{side}_position_embedding")
        names += [
            Tensor(
                f"model.{side}.embed_positions.weight",
                embedding.position_embeddings,
                skip=_FIRST_POSITION,
            ),
            *norm(
                f"model.{side}.layernorm_embedding",
                getattr(backbone, f"{side}_embeddings_norm"),
            ),
        ]
    return names + blocks_table(backbone)


def blocks_table(backbone):
    """Of all blocks, as BART and Marian name their parts."""
    names = []
    for i, block in enumerate(backbone.encoder_transformer_layers):
        name = f"model.encoder.layers.{i}"
        names += _attention(f"{name}.self_attn", block.attention, block.attention_norm)
        names += _feedforward(name, block)
    for i, block in enumerate(backbone.decoder_transformer_layers):
        name = f"model.decoder.layers.{i}"
        names += _attention(f"{name}.self_attn", block.attention, block.attention_norm)
        names += _attention(
            f"{name}.encoder_attn", block.cross_attention, block.cross_norm
        )
        names += _feedforward(name, block)
    return names


def _attention(name, attention, attention_norm):
    return [
        *linear(f"{name}.q_proj", attention.query_dense),
        *linear(f"{name}.k_proj", attention.key_dense),
        *linear(f"{name}.v_proj", attention.value_dense),
        *linear(f"{name}.out_proj", attention.output_dense, inputs=2),
        *norm(f"{name}_layer_norm", attention_norm),
    ]


def _feedforward(name, block):
    return [
        *linear(f"{name}.fc1", block.widen),
        *linear(f"{name}.fc2", block.narrow),
        *norm(f"{name}.final_layer_norm", block.feedforward_norm),
    ]


def load_tokenizer(folder, **kwargs):
    """The tokenizer of a folder.

    Args:
        **kwargs: Arguments of the class, in place of what the folder says.
    """
    return bart_from_folder(folder, **kwargs)


def save_tokenizer(tokenizer, folder):
    """Writes the vocabulary and what says how to read it."""
    bart_to_folder(tokenizer, folder)
