"""Texts to what an embedder's backbone takes."""

import keras

from keras_nlp_lite.tasks.text_classifier_preprocessor import (
    TextClassifierPreprocessor,
)


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TextEmbedderPreprocessor(TextClassifierPreprocessor):
    """`TextClassifierPreprocessor`, for rows of 256 tokens unless told otherwise.

    Args:
        tokenizer, sequence_length, truncate, **kwargs: As there.
    """

    def __init__(
        self, tokenizer, sequence_length=256, truncate="round_robin", **kwargs
    ):
        super().__init__(tokenizer, sequence_length, truncate, **kwargs)
