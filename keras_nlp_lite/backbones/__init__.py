"""Backbones: token ids to features."""

from keras_nlp_lite.backbones.backbone import Backbone
from keras_nlp_lite.backbones.bert_backbone import BertBackbone
from keras_nlp_lite.backbones.distil_bert_backbone import DistilBertBackbone
from keras_nlp_lite.backbones.modern_bert_backbone import ModernBertBackbone
from keras_nlp_lite.backbones.roberta_backbone import RobertaBackbone
from keras_nlp_lite.backbones.sizes import sizes

__all__ = [
    "Backbone",
    "BertBackbone",
    "DistilBertBackbone",
    "ModernBertBackbone",
    "RobertaBackbone",
    "sizes",
]
