"""Small encoders, preprocessors and texts for the tests of the tasks on encoders."""

import keras
import numpy as np

from keras_nlp_lite import models
from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer, DistilBertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["a", "bore", "joy", "not", "dull", "fine", "film", "and", "it", "is", "##s"]
VOCABULARY = [*SPECIAL, *WORDS]
SIZE = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 24}

TEXTS = [
    text
    for i in range(7)
    for text in (
        "it is a joy" + " film" * i,
        "a fine film" + " it is" * i,
        "dull" + " and it" * i,
        "it is a bore" + " film" * i,
    )
]
LABELS = [1, 1, 0, 0] * 7


def backbone(kind=models.BertBackbone, **kwargs):
    keras.utils.set_random_seed(5)
    settings = {"max_sequence_length": 13, "dropout": 0.0, **SIZE, **kwargs}
    return kind(len(VOCABULARY), **settings)


def preprocessor(
    kind=models.TextClassifierPreprocessor, tokenizer=BertTokenizer, length=11
):
    return kind(tokenizer(VOCABULARY), sequence_length=length)


def without_segments():
    return preprocessor(tokenizer=DistilBertTokenizer)


def external(outputs="tokens", width=6):
    """A plain Keras model from token ids; quicker to trace than a Transformer."""
    keras.utils.set_random_seed(5)
    inputs = {
        "token_ids": keras.Input([None], dtype="int32", name="token_ids"),
        "padding_mask": keras.Input([None], dtype="bool", name="padding_mask"),
    }
    x = keras.layers.Embedding(len(VOCABULARY), width)(inputs["token_ids"])
    if outputs == "texts":
        x = keras.layers.GlobalMaxPooling1D()(x)
    return keras.Model(inputs, x)


def ids(rows=3, length=7, padding=3):
    """Prepared tensors; row 0 ends with padding."""
    rng = np.random.default_rng(0)
    mask = np.ones([rows, length], "int32")
    mask[0, length - padding :] = 0
    tokens = rng.integers(5, len(VOCABULARY), size=[rows, length]) * mask
    return {
        "token_ids": tokens.astype("int32"),
        "padding_mask": mask,
        "segment_ids": 0 * mask,
    }
