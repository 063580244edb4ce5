"""From encoders that have read much to an encoder-decoder that has yet to write."""

import os
import types

from keras_nlp_lite.backbones import families
from keras_nlp_lite.backbones.backbone import Backbone
from keras_nlp_lite.backbones.bert_backbone import BertBackbone
from keras_nlp_lite.backbones.checkpoint import Checkpoint, read_json
from keras_nlp_lite.backbones.convert import load
from keras_nlp_lite.backbones.hub import local_folder
from keras_nlp_lite.backbones.roberta_backbone import RobertaBackbone
from keras_nlp_lite.backbones.warm_started_backbone import WarmStartedBackbone

# In which both encoders must agree: features of one go through the other's kind of
# block, and one config tells of both.
_SAME = (
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
    "activation",
    "layer_norm_epsilon",
    "num_segments",
)


def warm_start(encoder, decoder=None, tie=False, head=None):
    """An encoder-decoder with the weights of two encoders.

    Only the decoder's attention to the encoder is new, and its head, if there is none
    to begin with. It has yet to be trained, for which a fraction of the pairs of texts
    is enough that training from scratch takes.

    Args:
        encoder: A `BertBackbone` or `RobertaBackbone`, or the preset of one: a folder,
            or "hf://organisation/name".
        decoder: Another, which may have another vocabulary; by default the encoder once
            more.
        tie: Whether decoder and encoder share one set of weights, embeddings included,
            from then on; half of the parameters for about the same quality.
        head: A `MaskedLMHead` that was trained on the decoder, as `MaskedLM` has one.
            By default that of the decoder's Hugging Face folder, if it holds one.

    Returns:
        A `WarmStartedBackbone`. It has copies, and changes neither encoder.

    Raises:
        ValueError: a backbone of another class; encoders that differ in more than their
            vocabulary and their number of blocks; `tie` with two encoders.

    Example:

    >>> from keras_nlp_lite.backbones.sizes import sizes
    >>> bert = BertBackbone(vocabulary_size=90, **sizes["tiny"])
    >>> both, tied = warm_start(bert), warm_start(bert, tie=True)
    >>> bert.count_params(), both.count_params(), tied.count_params()
    (490624, 1114202, 640090)

    Reference: Rothe et al., "Leveraging Pre-trained Checkpoints for Sequence Generation
    Tasks", arXiv:1907.12461.
    """
    if tie and decoder is not None and decoder is not encoder:
        raise ValueError(
            "`tie=True` makes both sides of one encoder. Received: a `decoder`, too. Try "
            "without it."
        )
    preset = encoder if decoder is None else decoder
    encoder = _backbone("encoder", encoder)
    decoder = encoder if decoder is None else _backbone("decoder", decoder)
    same, others = _same(encoder), _same(decoder)
    if same != others:
        found = [
            f"{x}={same[x]} and {others[x]}" for x in _SAME if same[x] != others[x]
        ]
        raise ValueError(
            "Encoder and decoder must agree in all but their vocabulary and their number "
            f"of blocks. Received: {', '.join(found)}."
        )
    model = WarmStartedBackbone(
        encoder.vocabulary_size,
        [encoder.num_layers, decoder.num_layers],
        dropout=encoder.dropout,
        **same,
        dtype=encoder.dtype_policy,
        decoder_vocabulary_size=None if tie else decoder.vocabulary_size,
        share_sides=tie,
        use_pooler=isinstance(encoder, BertBackbone),
        padding_free=encoder.padding_free,
        remat=encoder.remat,
    )
    _copy_side(encoder, model, "encoder")
    _copy_side(decoder, model, "decoder")
    if model.pooled_dense is not None:
        _copy(encoder.pooled_dense, model.pooled_dense)
    if head is not None:
        _copy(head.intermediate, model.logits_dense)
        _copy(head.norm, model.logits_norm)
        model.final_logits_bias.assign(head.bias)
    elif isinstance(preset, (str, os.PathLike)):
        _load_head(model, local_folder(preset))
    return model


def _backbone(name, encoder):
    if isinstance(encoder, (str, os.PathLike)):
        encoder = Backbone.from_preset(encoder)
    if not isinstance(encoder, (BertBackbone, RobertaBackbone)):
        raise ValueError(
            f"`{name}` must be a BertBackbone or a RobertaBackbone, or its preset. "
            f"Received: {type(encoder).__name__}."
        )
    return encoder


def _same(encoder):
    """dict of what both must have; RoBERTa has no segments."""
    return {name: getattr(encoder, name, 0) for name in _SAME}


def _copy_side(source, model, side):
    """Gives one side of the model the weights of an encoder."""
    tokens = "encoder_token_embedding" if side == "encoder" else "token_embedding"
    _copy(source.token_embedding, getattr(model, tokens))
    embeddings = getattr(source, "embeddings", source)  # RoBERTa's are one layer
    _copy(embeddings.position_embedding, getattr(model, f"{side}_position_embedding"))
    if model.num_segments:
        _copy(source.segment_embedding, getattr(model, f"{side}_segment_embedding"))
    norm = source.get_layer("embeddings_layer_norm")
    _copy(norm, getattr(model, f"{side}_embeddings_norm"))
    blocks = getattr(model, f"{side}_transformer_layers")
    for block, other in zip(source.transformer_layers, blocks, strict=True):
        for part in _PARTS_OF_BLOCK:
            _copy(getattr(block, part), getattr(other, part))


_PARTS_OF_BLOCK = ("attention", "attention_norm", "widen", "narrow", "feedforward_norm")


def _copy(layer, other):
    other.set_weights(layer.get_weights())


def _load_head(model, folder):
    """Gives the model the head of a Hugging Face folder that guesses hidden tokens."""
    config = read_json(os.path.join(folder, "config.json"))
    if "registered_name" in config:
        return
    head = types.SimpleNamespace(
        intermediate=model.logits_dense,
        norm=model.logits_norm,
        bias=model.final_logits_bias,
    )
    table = families.of(config, folder).masked_lm_table(head)
    checkpoint = Checkpoint(folder)
    if any(tensor.name in checkpoint.shapes for tensor in table):
        load(checkpoint, table, ignore=("",))  # the rest is the backbone's
