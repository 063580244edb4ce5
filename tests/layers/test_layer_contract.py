"""Every layer, put through the contract: one line a layer, or a way to use it.

A new layer adds a line: how to make it, and a batch of any number of rows.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.cached_multi_head_attention import (
    CachedMultiHeadAttention,
)
from keras_nlp_lite.layers.multi_head_attention import MultiHeadAttention
from keras_nlp_lite.layers.multi_segment_packer import MultiSegmentPacker
from keras_nlp_lite.layers.n_gram_bag import NGramBag
from keras_nlp_lite.layers.sparse_linear import SparseLinear
from keras_nlp_lite.layers.start_end_packer import StartEndPacker
from keras_nlp_lite.layers.text_vectorization import TextVectorization
from keras_nlp_lite.layers.token_and_position_embedding import (
    TokenAndPositionEmbedding,
)
from keras_nlp_lite.layers.transformer_encoder import TransformerEncoder
from keras_nlp_lite.tokenizers import WordPieceTokenizer
from tests.layer_contract import check_layer

TEXTS = ["The cat sat.", "", "a dog, a cat and\x85 the dog", "zebra", "!?"]
TOKENS = ["[PAD]", "[UNK]", "the", "cat", "dog", "a", "##t", ".", ","]
T, D = 7, 12  # tokens, features


def texts(rows):
    return tf.constant(TEXTS[:rows], tf.string, shape=[rows])


def text_column(rows):
    return texts(rows)[:, None]


def token_ids(rows):
    ids = np.random.default_rng(1).integers(0, 9, size=(5, T))
    return tf.constant(ids[:rows], tf.int32)


def two_segments(rows):
    return token_ids(rows), token_ids(rows)[:, :4]


def vectors(rows):
    x = np.random.default_rng(2).normal(size=(5, T, D))
    return tf.constant(x[:rows], tf.float32)


def adapted(**settings):
    layer = TextVectorization(**settings)
    layer.adapt(TEXTS)
    return layer


def adapted_bag(**settings):
    bag = NGramBag(**settings)
    bag.adapt((TEXTS, [0, 1, 0, 1, 0]))
    return bag


def sparse_vectors(rows):
    x = np.random.default_rng(3).normal(size=(5, D)) * (np.arange(D) % 3 == 0)
    return tf.sparse.from_dense(tf.constant(x[:rows], tf.float32))


class OnItself:
    """An attention layer of a single input, as the contract wants it."""

    def build(self, shape):
        super().build(shape, shape)

    def call(self, x, mask=None):
        return super().call(x, x, value_mask=mask, use_causal_mask=True)

    def compute_output_spec(self, x, mask=None):
        return super().compute_output_spec(x, x)

    def compute_output_shape(self, shape, *same):
        return shape


@keras.saving.register_keras_serializable(package="tests")
class SelfAttention(OnItself, MultiHeadAttention):
    pass


@keras.saving.register_keras_serializable(package="tests")
class CachedSelfAttention(OnItself, CachedMultiHeadAttention):
    def call(self, x):
        return CachedMultiHeadAttention.call(self, x, x)


def row(make, batch, **settings):
    return {"make": make, "batch": batch, **settings}


PREPROCESSING = {
    "TextVectorization, numbers": row(adapted, texts),
    "TextVectorization, numbers of one length": row(
        lambda: adapted(output_sequence_length=4, ngrams=2), text_column
    ),
    "TextVectorization, ragged": row(lambda: adapted(ragged=True), texts),
    "TextVectorization, dense counts": row(
        lambda: adapted(output_mode="count"), text_column
    ),
    "TextVectorization, sparse tf-idf": row(
        lambda: adapted(output_mode="tf_idf", sparse=True, ngrams=2), texts
    ),
    "NGramBag, sparse": row(lambda: adapted_bag(ngrams=2), texts),
    "NGramBag, sparse log-count ratio": row(
        lambda: adapted_bag(ngrams=(1, 3), mode="log_count_ratio"), text_column
    ),
    "NGramBag, dense tf-idf": row(
        lambda: adapted_bag(mode="tf_idf", sparse=False, split="character"), texts
    ),
    "NGramBag, hashed": row(lambda: NGramBag(ngrams=2, num_hash_bins=13), texts),
    "WordPieceTokenizer, ragged": row(
        lambda: WordPieceTokenizer(TOKENS, lowercase=True), texts
    ),
    "WordPieceTokenizer, dense": row(
        lambda: WordPieceTokenizer(TOKENS, sequence_length=4), texts
    ),
    "WordPieceTokenizer, tokens": row(
        lambda: WordPieceTokenizer(TOKENS, dtype="string", split=False), text_column
    ),
    "StartEndPacker": row(
        lambda: StartEndPacker(5, start_value=1, end_value=2), token_ids
    ),
    "StartEndPacker, left, with mask": row(
        lambda: StartEndPacker(9, 1, padding_side="left", return_padding_mask=True),
        token_ids,
    ),
    "MultiSegmentPacker": row(lambda: MultiSegmentPacker(9, 1, 2), two_segments),
}

MODELING = {
    "SparseLinear, dense rows": row(lambda: SparseLinear(3, "tanh"), vectors),
    # An export whose own input is sparse cannot be called in TensorFlow 2.21.
    "SparseLinear, sparse rows": row(
        lambda: SparseLinear(3), sparse_vectors, exports=False
    ),
    "TokenAndPositionEmbedding": row(
        lambda: TokenAndPositionEmbedding(9, T, D), token_ids
    ),
    "TokenAndPositionEmbedding, with mask": row(
        lambda: TokenAndPositionEmbedding(9, T + 1, D, mask_zero=True), token_ids
    ),
    "MultiHeadAttention": row(lambda: SelfAttention(3, 4), vectors, takes_mask=True),
    "MultiHeadAttention, causal window, gate": row(
        lambda: SelfAttention(3, 4, value_dim=5, sliding_window=3, use_gate=True),
        vectors,
        takes_mask=True,
    ),
    "CachedMultiHeadAttention": row(lambda: CachedSelfAttention(3, 4), vectors),
    "TransformerEncoder": row(
        lambda: TransformerEncoder(10, 3), vectors, takes_mask=True
    ),
    "TransformerEncoder, norm first": row(
        lambda: TransformerEncoder(10, 3, normalize_first=True, activation="gelu"),
        vectors,
        takes_mask=True,
    ),
}


@pytest.mark.parametrize("name", PREPROCESSING)
def test_preprocessing_layer_keeps_the_contract(name):
    check_layer(**PREPROCESSING[name], preprocessing=True)


@pytest.mark.parametrize("name", MODELING)
def test_modeling_layer_keeps_the_contract(name):
    check_layer(**MODELING[name])


# The contract itself: each of these breaks one promise.


class Scaled(keras.layers.Layer):
    """Keeps the contract: a weight for each feature, times the input."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer="ones", name="scale")

    def call(self, x):
        return x * self.scale

    def compute_mask(self, x, mask=None):
        return mask


class ForgetsASetting(Scaled):
    def __init__(self, start="zeros", **kwargs):
        super().__init__(**kwargs)
        self.shift = start

    def call(self, x):
        return super().call(x) + (1.0 if self.shift == "ones" else 0.0)

    def get_config(self):
        return {"name": self.name}


class ForecastsTheWrongShape(Scaled):
    def compute_output_shape(self, shape):
        return (*shape, 1)


class HasADeadWeight(Scaled):
    def build(self, shape):
        super().build(shape)
        self.dead = self.add_weight(shape=(1,), name="dead")


class HasWildGradients(Scaled):
    def call(self, x):
        return super().call(x) + keras.ops.where(
            self.scale > 0, 0.0, keras.ops.arccos(2 * self.scale)
        )


class ComputesInFull(Scaled):
    def call(self, x):
        return keras.ops.cast(super().call(x), "float32")


class RemembersTheBatchSize(Scaled):
    def call(self, x):
        return super().call(x)[:3]


class DropsTheMask(Scaled):
    def compute_mask(self, x, mask=None):
        return None


class LooksAtPadding(Scaled):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x):
        return super().call(x) + keras.ops.mean(x, axis=1, keepdims=True)


def test_a_layer_that_keeps_its_promises_passes():
    with keras.saving.custom_object_scope({"Scaled": Scaled}):
        check_layer(Scaled, vectors, takes_mask=True)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: ForgetsASetting("ones"),
        ForecastsTheWrongShape,
        HasADeadWeight,
        HasWildGradients,
        ComputesInFull,
        RemembersTheBatchSize,
        DropsTheMask,
        LooksAtPadding,
    ],
)
def test_a_layer_that_breaks_a_promise_is_caught(broken):
    name = type(broken()).__name__
    with (
        keras.saving.custom_object_scope({name: type(broken())}),
        pytest.raises((AssertionError, UserWarning)),
    ):
        check_layer(broken, vectors, takes_mask=True, exports=False)
