"""A `TextClassifier` from nothing: a tokenizer learned from the texts, an encoder."""

import keras
import tensorflow as tf

from keras_nlp_lite import tokenizers
from keras_nlp_lite.checks import check_choice
from keras_nlp_lite.data.raw_batches import raw_batches
from keras_nlp_lite.layers.drop_padding import DropPadding
from keras_nlp_lite.layers.layer_normalization import LayerNormalization
from keras_nlp_lite.layers.restore_padding import RestorePadding
from keras_nlp_lite.layers.token_and_position_embedding import (
    TokenAndPositionEmbedding,
)
from keras_nlp_lite.layers.transformer_encoder import TransformerEncoder
from keras_nlp_lite.models import TextClassifier, TextClassifierPreprocessor

# Arguments of a space that are neither the task's nor the optimizer's.
ENCODER = (
    "tokenizer",
    "vocabulary_size",
    "num_layers",
    "hidden_dim",
    "num_heads",
    "feedforward_ratio",
    "encoder_dropout",
    "activation",
    "normalize_first",
)


class Vocabularies:
    """Tokenizers learned from one corpus, each once.

    Args:
        corpus: Training data as `fit` takes it; None for none yet.
    """

    def __init__(self, corpus=None):
        self.corpus = corpus
        self._learned = {}

    def tokenizer(self, kind, vocabulary_size):
        """A tokenizer with special tokens.

        Args:
            kind: "wordpiece", "bpe", or a tokenizer, which is taken as it is.
            vocabulary_size: The most tokens.

        Raises:
            ValueError: nothing to learn from.
        """
        if not isinstance(kind, str):
            return kind
        check_choice("tokenizer", kind, ("wordpiece", "bpe"))
        if self.corpus is None:
            raise ValueError(
                "A tokenizer is learned from texts. Received: none. Try "
                "space(..., corpus=train), or tokenizer= with one that is trained."
            )
        key = kind, vocabulary_size
        if key not in self._learned:
            self._learned[key] = _learn(kind, vocabulary_size, _texts(self.corpus))
        if kind == "bpe":
            return tokenizers.RobertaTokenizer(*self._learned[key])
        return tokenizers.BertTokenizer(self._learned[key], lowercase=True)


def _learn(kind, size, texts):
    if kind == "bpe":
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        return tokenizers.compute_byte_pair_vocabulary(
            texts, size, special_tokens=special
        )
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return tokenizers.compute_word_piece_vocabulary(
        texts, size, lowercase=True, reserved_tokens=special
    )


def _texts(corpus):
    """Dataset of string, whatever `fit` takes."""
    data = raw_batches(*(corpus if isinstance(corpus, tuple) else (corpus,)))
    return data.map(lambda x, *_: tf.concat(tf.nest.flatten(x), axis=0))


def scratch_classifier(vocabularies, settings):
    """A `TextClassifier` whose encoder has random weights.

    Args:
        vocabularies: `Vocabularies`.
        settings: dict of the arguments of `ENCODER`, of "sequence_length", and of
            `TextClassifier`'s.
    """
    settings = dict(settings)
    tokenizer, size, *sizes = (settings.pop(name) for name in ENCODER)
    tokenizer = vocabularies.tokenizer(tokenizer, size)
    length = settings.pop("sequence_length")
    return TextClassifier(
        _encoder(tokenizer.vocabulary_size(), length, *sizes),
        preprocessor=TextClassifierPreprocessor(tokenizer, sequence_length=length),
        **settings,
    )


def _encoder(
    vocabulary_size,
    sequence_length,
    num_layers,
    width,
    num_heads,
    feedforward_ratio,
    dropout,
    activation,
    normalize_first,
):
    """A functional model of this package's layers, from ids to float [B, T, D]."""
    if width % num_heads:
        raise ValueError(
            "`hidden_dim` must split evenly over `num_heads`. Received: "
            f"hidden_dim={width}, num_heads={num_heads}."
        )
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name)
        for name in ("token_ids", "padding_mask")
    }
    (ids,), positions, mask, row_splits, text_ids, where = DropPadding(
        sequence_length=sequence_length, name="drop_padding"
    )([inputs["token_ids"]], inputs["padding_mask"])
    x = TokenAndPositionEmbedding(
        vocabulary_size, sequence_length, width, name="embeddings"
    )(ids, positions=positions)
    if not normalize_first:
        x = LayerNormalization(name="embeddings_norm")(x)
    x = keras.layers.Dropout(dropout, name="embeddings_dropout")(x)
    for i in range(num_layers):
        x = TransformerEncoder(
            feedforward_ratio * width,
            num_heads,
            dropout=dropout,
            activation=activation,
            normalize_first=normalize_first,
            name=f"transformer_layer_{i}",
        )(x, padding_mask=mask, row_splits=row_splits, segment_ids=text_ids)
    if normalize_first:
        x = LayerNormalization(name="final_norm")(x)
    x = RestorePadding(name="restore_padding")(x, inputs["padding_mask"], where)
    return keras.Model(inputs, x, name="encoder")
