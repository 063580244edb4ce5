"""Task models: strings in, answers out."""

from keras_nlp_lite.tasks.averaged_embedding_classifier import (
    AveragedEmbeddingClassifier,
)
from keras_nlp_lite.tasks.bag_of_ngrams_classifier import BagOfNgramsClassifier
from keras_nlp_lite.tasks.causal_lm import CausalLM
from keras_nlp_lite.tasks.causal_lm_preprocessor import CausalLMPreprocessor
from keras_nlp_lite.tasks.classifier import Classifier
from keras_nlp_lite.tasks.masked_lm import MaskedLM
from keras_nlp_lite.tasks.masked_lm_preprocessor import MaskedLMPreprocessor
from keras_nlp_lite.tasks.recurrent_classifier import RecurrentClassifier
from keras_nlp_lite.tasks.seq2seq_lm import Seq2SeqLM
from keras_nlp_lite.tasks.seq2seq_lm_preprocessor import Seq2SeqLMPreprocessor
from keras_nlp_lite.tasks.task import Task
from keras_nlp_lite.tasks.text_classifier import TextClassifier
from keras_nlp_lite.tasks.text_classifier_preprocessor import (
    TextClassifierPreprocessor,
)
from keras_nlp_lite.tasks.text_embedder import TextEmbedder
from keras_nlp_lite.tasks.text_embedder_preprocessor import TextEmbedderPreprocessor
from keras_nlp_lite.tasks.token_classifier import TokenClassifier
from keras_nlp_lite.tasks.token_classifier_preprocessor import (
    TokenClassifierPreprocessor,
)
from keras_nlp_lite.tasks.transformer_classifier import TransformerClassifier

__all__ = [
    "AveragedEmbeddingClassifier",
    "BagOfNgramsClassifier",
    "CausalLM",
    "CausalLMPreprocessor",
    "Classifier",
    "MaskedLM",
    "MaskedLMPreprocessor",
    "RecurrentClassifier",
    "Seq2SeqLM",
    "Seq2SeqLMPreprocessor",
    "Task",
    "TextClassifier",
    "TextClassifierPreprocessor",
    "TextEmbedder",
    "TextEmbedderPreprocessor",
    "TokenClassifier",
    "TokenClassifierPreprocessor",
    "TransformerClassifier",
]
