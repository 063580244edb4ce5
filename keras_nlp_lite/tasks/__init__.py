"""Task models: strings in, answers out."""

from keras_nlp_lite.tasks.averaged_embedding_classifier import (
    AveragedEmbeddingClassifier,
)
from keras_nlp_lite.tasks.bag_of_ngrams_classifier import BagOfNgramsClassifier
from keras_nlp_lite.tasks.classifier import Classifier
from keras_nlp_lite.tasks.recurrent_classifier import RecurrentClassifier
from keras_nlp_lite.tasks.task import Task
from keras_nlp_lite.tasks.transformer_classifier import TransformerClassifier

__all__ = [
    "AveragedEmbeddingClassifier",
    "BagOfNgramsClassifier",
    "Classifier",
    "RecurrentClassifier",
    "Task",
    "TransformerClassifier",
]
