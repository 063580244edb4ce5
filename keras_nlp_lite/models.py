"""The models, all in one place."""

from keras.saving import load_model

from keras_nlp_lite.tasks import (
    AveragedEmbeddingClassifier,
    BagOfNgramsClassifier,
    Classifier,
    RecurrentClassifier,
    Task,
    TransformerClassifier,
)

__all__ = [
    "AveragedEmbeddingClassifier",
    "BagOfNgramsClassifier",
    "Classifier",
    "RecurrentClassifier",
    "Task",
    "TransformerClassifier",
    "load_model",
]
