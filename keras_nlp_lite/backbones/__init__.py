"""Backbones: token ids to features."""

from keras_nlp_lite.backbones.backbone import Backbone
from keras_nlp_lite.backbones.bart_backbone import BartBackbone
from keras_nlp_lite.backbones.bert_backbone import BertBackbone
from keras_nlp_lite.backbones.distil_bert_backbone import DistilBertBackbone
from keras_nlp_lite.backbones.encoder_decoder_backbone import (
    EncoderDecoderBackbone,
)
from keras_nlp_lite.backbones.gpt2_backbone import GPT2Backbone
from keras_nlp_lite.backbones.llama_backbone import LlamaBackbone
from keras_nlp_lite.backbones.marian_backbone import MarianBackbone
from keras_nlp_lite.backbones.modern_bert_backbone import ModernBertBackbone
from keras_nlp_lite.backbones.roberta_backbone import RobertaBackbone
from keras_nlp_lite.backbones.seq2seq_backbone import Seq2SeqBackbone
from keras_nlp_lite.backbones.sizes import sizes
from keras_nlp_lite.backbones.warm_start import warm_start
from keras_nlp_lite.backbones.warm_started_backbone import WarmStartedBackbone

__all__ = [
    "Backbone",
    "BartBackbone",
    "BertBackbone",
    "DistilBertBackbone",
    "EncoderDecoderBackbone",
    "GPT2Backbone",
    "LlamaBackbone",
    "MarianBackbone",
    "ModernBertBackbone",
    "RobertaBackbone",
    "Seq2SeqBackbone",
    "WarmStartedBackbone",
    "sizes",
    "warm_start",
]
