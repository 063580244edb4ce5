"""The models, all in one place."""

from keras.saving import load_model

from keras_nlp_lite.backbones import (
    Backbone,
    BertBackbone,
    DistilBertBackbone,
    ModernBertBackbone,
    RobertaBackbone,
    sizes,
)
from keras_nlp_lite.tasks import (
    AveragedEmbeddingClassifier,
    BagOfNgramsClassifier,
    Classifier,
    MaskedLM,
    MaskedLMPreprocessor,
    RecurrentClassifier,
    Task,
    TextClassifier,
    TextClassifierPreprocessor,
    TextEmbedder,
    TextEmbedderPreprocessor,
    TokenClassifier,
    TokenClassifierPreprocessor,
    TransformerClassifier,
)

__all__ = [
    "AveragedEmbeddingClassifier",
    "Backbone",
    "BagOfNgramsClassifier",
    "BertBackbone",
    "Classifier",
    "DistilBertBackbone",
    "MaskedLM",
    "MaskedLMPreprocessor",
    "ModernBertBackbone",
    "RecurrentClassifier",
    "RobertaBackbone",
    "Task",
    "TextClassifier",
    "TextClassifierPreprocessor",
    "TextEmbedder",
    "TextEmbedderPreprocessor",
    "TokenClassifier",
    "TokenClassifierPreprocessor",
    "TransformerClassifier",
    "load_model",
    "sizes",
]
