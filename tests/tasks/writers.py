"""Small language models for tests, quickly made."""

import keras
import numpy as np

from keras_nlp_lite.backbones import EncoderDecoderBackbone, GPT2Backbone
from keras_nlp_lite.tasks import (
    CausalLM,
    CausalLMPreprocessor,
    Seq2SeqLM,
    Seq2SeqLMPreprocessor,
)
from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [
    "the",
    "dog",
    "cat",
    "fox",
    "barks",
    "runs",
    "sleeps",
    "one",
    "two",
    "three",
    "eins",
    "zwei",
    "drei",
]
SIZE = {
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 12,
    "intermediate_dim": 20,
    "dropout": 0.0,
}


def tokenizer():
    return BertTokenizer([*SPECIAL, *WORDS])


def shaken(model, seed=0, scale=0.3):
    """The model with weights so large that its answers differ widely."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        noise = rng.normal(scale=scale, size=weight.shape)
        weight.assign_add(keras.ops.cast(noise, weight.dtype))
    return model


def causal_lm(sequence_length=16, **kwargs):
    keras.utils.set_random_seed(1)
    backbone = shaken(GPT2Backbone(len(SPECIAL) + len(WORDS), **SIZE))
    preprocessor = CausalLMPreprocessor(tokenizer(), sequence_length)
    return CausalLM(backbone, preprocessor, **kwargs)


def seq2seq_lm(**kwargs):
    keras.utils.set_random_seed(1)
    backbone = shaken(EncoderDecoderBackbone(len(SPECIAL) + len(WORDS), **SIZE))
    preprocessor = Seq2SeqLMPreprocessor(tokenizer(), 10, 12)
    return Seq2SeqLM(backbone, preprocessor, **kwargs)
