"""Marian in a Hugging Face folder."""

from keras_nlp_lite.backbones.convert import Tensor, activation
from keras_nlp_lite.backbones.convert_bart import (
    arguments_of_sides,
    blocks_table,
    config_of_sides,
)
from keras_nlp_lite.backbones.marian_backbone import MarianBackbone
from keras_nlp_lite.tokenizers import marian_from_folder, marian_to_folder

MODEL_TYPE = "marian"
BACKBONE = MarianBackbone
PREFIX = "model."
# Other names of the tables; waves, which older versions stored.
IGNORE = (
    "shared.",
    "encoder.embed_tokens.",
    "decoder.embed_tokens.",
    "encoder.embed_positions.",
    "decoder.embed_positions.",
    "lm_head.",
)


def arguments(config):
    """Arguments of the backbone, from the folder's `config.json`."""
    one_table = config.get("share_encoder_decoder_embeddings", True)
    return {
        **arguments_of_sides(config),
        "max_sequence_length": config.get("max_position_embeddings", 1024),
        "decoder_vocabulary_size": (
            None
            if one_table
            else config.get("decoder_vocab_size", config["vocab_size"])
        ),
        "activation": activation(config.get("activation_function", "gelu")),
    }


def config(backbone):
    """What `config.json` says of a backbone."""
    own = backbone.decoder_vocabulary_size
    # The last token, as all of them have it; what is written begins with it, too.
    padding = min(own or backbone.vocabulary_size, backbone.vocabulary_size) - 1
    return {
        "architectures": ["MarianMTModel"],
        **config_of_sides(backbone),
        "decoder_vocab_size": own or backbone.vocabulary_size,
        "share_encoder_decoder_embeddings": own is None,
        "eos_token_id": 0,
        "forced_eos_token_id": 0,
        "pad_token_id": padding,
        "decoder_start_token_id": padding,
        "bad_words_ids": [[padding]],
    }


def generation(config):
    """dict of the ids that begin, end and fill up what is written, and of those that
    are never or always written somewhere; None where there is none."""
    padding = config.get("pad_token_id", 58_100)
    return {
        "decoder_start_token_id": config.get("decoder_start_token_id", padding),
        "start_token_id": config.get("bos_token_id"),
        "end_token_id": config.get("eos_token_id", 0),
        "pad_token_id": padding,
        # Nothing taught it not to write padding.
        "bad_words_ids": config.get("bad_words_ids", [[padding]]),
        "forced_bos": config.get("forced_bos_token_id"),
        "forced_eos": config.get("forced_eos_token_id"),
    }


def table(backbone):
    """Names there and variables here."""
    embeddings = backbone.token_embedding.embeddings
    if backbone.decoder_vocabulary_size is None:
        names = [Tensor("model.shared.weight", embeddings)]
    else:
        names = [
            Tensor(
                "model.encoder.embed_tokens.weight",
                backbone.encoder_token_embedding.embeddings,
            ),
            Tensor("model.decoder.embed_tokens.weight", embeddings),
        ]
    bias = Tensor(
        "final_logits_bias",
        backbone.final_logits_bias,
        inputs=1,  # [1, V] there
        optional=True,
    )
    return [*names, *blocks_table(backbone), bias]


def load_tokenizer(folder, **kwargs):
    """The tokenizer of a folder.

    Args:
        **kwargs: Arguments of the class, in place of what the folder says.
    """
    return marian_from_folder(folder, **kwargs)


def save_tokenizer(tokenizer, folder):
    """Writes both vocabularies and what says how to read them."""
    marian_to_folder(tokenizer, folder)
