"""The models, all in one place."""

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
]
