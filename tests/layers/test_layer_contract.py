"""Every layer, put through the contract: one line a layer, or a way to use it.

A new layer adds a line: how to make it, and a batch of any number of rows.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.alibi_bias import AlibiBias
from keras_nlp_lite.layers.cached_multi_head_attention import (
    CachedMultiHeadAttention,
)
from keras_nlp_lite.layers.f_net_encoder import FNetEncoder
from keras_nlp_lite.layers.gated_decoder import GatedDecoder
from keras_nlp_lite.layers.gated_encoder import GatedEncoder
from keras_nlp_lite.layers.group_query_attention import GroupQueryAttention
from keras_nlp_lite.layers.layer_normalization import LayerNormalization
from keras_nlp_lite.layers.masked_lm_head import MaskedLMHead
from keras_nlp_lite.layers.masked_lm_mask_generator import MaskedLMMaskGenerator
from keras_nlp_lite.layers.multi_head_attention import MultiHeadAttention
from keras_nlp_lite.layers.multi_segment_packer import MultiSegmentPacker
from keras_nlp_lite.layers.n_gram_bag import NGramBag
from keras_nlp_lite.layers.position_embedding import PositionEmbedding
from keras_nlp_lite.layers.random_deletion import RandomDeletion
from keras_nlp_lite.layers.random_swap import RandomSwap
from keras_nlp_lite.layers.reversible_embedding import ReversibleEmbedding
from keras_nlp_lite.layers.rotary_embedding import RotaryEmbedding
from keras_nlp_lite.layers.sine_position_encoding import SinePositionEncoding
from keras_nlp_lite.layers.sparse_linear import SparseLinear
from keras_nlp_lite.layers.start_end_packer import StartEndPacker
from keras_nlp_lite.layers.text_vectorization import TextVectorization
from keras_nlp_lite.layers.token_and_position_embedding import (
    TokenAndPositionEmbedding,
)
from keras_nlp_lite.layers.transformer_decoder import TransformerDecoder
from keras_nlp_lite.layers.transformer_encoder import TransformerEncoder
from keras_nlp_lite.tokenizers import BytePairTokenizer, WordPieceTokenizer
from keras_nlp_lite.tokenizers.byte_pair_alphabet import ALPHABET
from tests.layer_contract import check_layer

TEXTS = ["The cat sat.", "", "a dog, a cat and\x85 the dog", "zebra", "!?"]
TOKENS = ["[PAD]", "[UNK]", "the", "cat", "dog", "a", "##t", ".", ","]
MERGES = ["c a", "ca t", "Ġ d", "o g", "Ġd og"]
BYTE_PAIRS = ["<a>", *ALPHABET, *(merge.replace(" ", "") for merge in MERGES)]
T, D = 7, 12  # tokens, features


def texts(rows):
    return tf.constant(TEXTS[:rows], tf.string, shape=[rows])


def text_column(rows):
    return texts(rows)[:, None]


def token_ids(rows):
    ids = np.random.default_rng(1).integers(0, 9, size=(5, T))
    return tf.constant(ids[:rows], tf.int32)


def ragged_token_ids(rows):
    lengths = tf.constant([T, 0, 4, 1, 2][:rows], tf.int32)
    return tf.RaggedTensor.from_tensor(token_ids(rows), lengths)


def words(rows):
    table = np.array(["a", "cat", "the", "sat", "dog"])[np.arange(5 * T) % 5]
    return tf.constant(table.reshape(5, T)[:rows], tf.string)


@keras.saving.register_keras_serializable(package="tests")
def is_a(token):
    return token == "a"


@keras.saving.register_keras_serializable(package="tests")
def is_three(token):
    return token == 3


def two_segments(rows):
    return token_ids(rows), token_ids(rows)[:, :4]


def vectors(rows):
    x = np.random.default_rng(2).normal(size=(5, T, D))
    return tf.constant(x[:rows], tf.float32)


def vectors_and_places(rows):
    places = np.random.default_rng(4).integers(0, T, size=(5, 4))
    return vectors(rows), tf.constant(places[:rows], tf.int32)


def vectors_and_encoded(rows):
    encoded = np.random.default_rng(6).normal(size=(5, 4, D))
    return vectors(rows), tf.constant(encoded[:rows], tf.float32)


def scores(rows):
    x = np.random.default_rng(5).normal(size=(5, 6, 3, T))  # heads, queries, keys
    return tf.constant(x[:rows], tf.float32)


def adapted(**settings):
    layer = TextVectorization(**settings)
    layer.adapt(TEXTS)
    return layer


def adapted_bag(**settings):
    bag = NGramBag(**settings)
    bag.adapt((TEXTS, [0, 1, 0, 1, 0]))
    return bag


def byte_pairs(**settings):
    vocabulary = {token: id for id, token in enumerate(BYTE_PAIRS)}
    return BytePairTokenizer(vocabulary, MERGES, **settings)


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


@keras.saving.register_keras_serializable(package="tests")
class GroupedSelfAttention(OnItself, GroupQueryAttention):
    pass


@keras.saving.register_keras_serializable(package="tests")
class DecoderOfAPair(TransformerDecoder):
    """Takes its two inputs as one, as the contract wants them."""

    def build(self, shapes):
        super().build(*shapes)

    def call(self, pair):
        return super().call(*pair)

    def compute_output_spec(self, pair):
        return super().compute_output_spec(*pair)

    def compute_output_shape(self, shapes):
        return super().compute_output_shape(*shapes)


@keras.saving.register_keras_serializable(package="tests")
class HeadOfAPair(MaskedLMHead):
    """Takes its two inputs as one, as the contract wants them."""

    def build(self, shapes):
        super().build(*shapes)

    def call(self, pair):
        return super().call(*pair)

    def compute_output_shape(self, shapes):
        return super().compute_output_shape(*shapes)


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
    "BytePairTokenizer, ragged": row(
        lambda: byte_pairs(unsplittable_tokens=["<a>"]), texts
    ),
    "BytePairTokenizer, dense": row(
        lambda: byte_pairs(sequence_length=4, add_prefix_space=True), texts
    ),
    "BytePairTokenizer, tokens": row(lambda: byte_pairs(dtype="string"), text_column),
    "StartEndPacker": row(
        lambda: StartEndPacker(5, start_value=1, end_value=2), token_ids
    ),
    "StartEndPacker, left, with mask": row(
        lambda: StartEndPacker(9, 1, padding_side="left", return_padding_mask=True),
        token_ids,
    ),
    "MultiSegmentPacker": row(lambda: MultiSegmentPacker(9, 1, 2), two_segments),
    "MaskedLMMaskGenerator": row(
        lambda: MaskedLMMaskGenerator(9, 0.3, 1, 3, seed=4), token_ids
    ),
    "MaskedLMMaskGenerator, words": row(
        lambda: MaskedLMMaskGenerator(9, 0.3, 1, continuation_token_ids=[6], seed=4),
        token_ids,
    ),
    # An export takes no ragged input: Keras 3.15 writes a dense one into its signature.
    "MaskedLMMaskGenerator, ragged": row(
        lambda: MaskedLMMaskGenerator(9, 0.3, 1, seed=4),
        ragged_token_ids,
        exports=False,
    ),
    "RandomDeletion": row(lambda: RandomDeletion(0.4, 2, [0], seed=4), token_ids),
    "RandomDeletion, of words": row(
        lambda: RandomDeletion(0.4, skip_fn=is_a, seed=4), words
    ),
    "RandomSwap": row(lambda: RandomSwap(0.4, seed=4), token_ids),
    "RandomSwap, ragged": row(
        lambda: RandomSwap(0.4, skip_py_fn=is_three, seed=4),
        ragged_token_ids,
        exports=False,
    ),
    "RandomSwap, of words": row(
        lambda: RandomSwap(0.9, 3, ["a", "cat"], seed=4), words
    ),
}

MODELING = {
    # It declines XLA, which has no sparse matmul, before it sees its inputs.
    "SparseLinear, dense rows": row(
        lambda: SparseLinear(3, "tanh"), vectors, jit=False
    ),
    # An export whose own input is sparse cannot be called in TensorFlow 2.21.
    "SparseLinear, sparse rows": row(
        lambda: SparseLinear(3), sparse_vectors, exports=False, jit=False
    ),
    "TokenAndPositionEmbedding": row(
        lambda: TokenAndPositionEmbedding(9, T, D), token_ids
    ),
    "TokenAndPositionEmbedding, with mask": row(
        lambda: TokenAndPositionEmbedding(9, T + 1, D, mask_zero=True), token_ids
    ),
    "PositionEmbedding": row(lambda: PositionEmbedding(T + 2), vectors),
    "SinePositionEncoding": row(SinePositionEncoding, vectors),
    "RotaryEmbedding": row(RotaryEmbedding, vectors, takes_mask=True),
    "RotaryEmbedding, yarn, heads first": row(
        lambda: RotaryEmbedding(500, 4.0, "yarn", sequence_axis=2, feature_axis=1),
        scores,
    ),
    "AlibiBias": row(AlibiBias, scores),
    "ReversibleEmbedding": row(lambda: ReversibleEmbedding(9, D), token_ids),
    "MaskedLMHead": row(lambda: HeadOfAPair(11), vectors_and_places),
    "MaskedLMHead, tied": row(
        lambda: HeadOfAPair(
            token_embedding=ReversibleEmbedding(11, 5), activation="softmax"
        ),
        vectors_and_places,
    ),
    # Not `takes_mask`: it mixes in padding, as its paper does.
    "FNetEncoder": row(lambda: FNetEncoder(10), vectors),
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
    "TransformerEncoder, remat": row(
        lambda: TransformerEncoder(10, 3, remat=True, dropout=0.2),
        vectors,
        takes_mask=True,
    ),
    "GroupQueryAttention": row(
        lambda: GroupedSelfAttention(4, 6, 2), vectors, takes_mask=True
    ),
    "TransformerDecoder": row(
        lambda: TransformerDecoder(10, 3, normalize_first=True, activation="gelu"),
        vectors,
        takes_mask=True,
    ),
    "TransformerDecoder, remat": row(
        lambda: TransformerDecoder(10, 3, remat=True, dropout=0.2),
        vectors,
        takes_mask=True,
    ),
    "TransformerDecoder, with an encoder": row(
        lambda: DecoderOfAPair(10, 3), vectors_and_encoded
    ),
    "GatedDecoder": row(lambda: GatedDecoder(10, 3), vectors, takes_mask=True),
    "GatedDecoder, alibi, window, shared keys": row(
        lambda: GatedDecoder(
            10, 4, 2, positions="alibi", window=2, use_qkv_bias=True, dropout=0.2
        ),
        vectors,
        takes_mask=True,
    ),
    "GatedEncoder": row(lambda: GatedEncoder(10, 3), vectors, takes_mask=True),
    "GatedEncoder, window": row(
        lambda: GatedEncoder(10, 2, window=2, attention_norm=False, activation="silu"),
        vectors,
        takes_mask=True,
    ),
    "LayerNormalization": row(LayerNormalization, vectors, takes_mask=True),
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


class OverflowsInHalf(Scaled):
    def call(self, x):
        return x * (self.scale * 1e5) / 1e5


class KeepsWeightsInFull(Scaled):
    def build(self, shape):
        self.scale = self.add_weight(
            shape=shape[-1:], initializer="ones", dtype="float32"
        )

    def call(self, x):
        return keras.ops.cast(super().call(x), self.compute_dtype)


class HasNoXLA(Scaled):
    def call(self, x):
        lengths = tf.strings.length(tf.strings.as_string(x))
        return super().call(x) + keras.ops.cast(0 * lengths, x.dtype)


class GrowsWildInTraining(Scaled):
    def call(self, x, training=False):
        return super().call(x) * (float("inf") if training else 1.0)


class StandsStillInTraining(Scaled):
    def call(self, x, training=False):
        return super().call(x) if not training else x + 0 * self.scale


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
        OverflowsInHalf,
        KeepsWeightsInFull,
        HasNoXLA,
        GrowsWildInTraining,
        StandsStillInTraining,
        RemembersTheBatchSize,
        DropsTheMask,
        LooksAtPadding,
    ],
)
def test_a_layer_that_breaks_a_promise_is_caught(broken):
    name = type(broken()).__name__
    with (
        keras.saving.custom_object_scope({name: type(broken())}),
        pytest.raises((AssertionError, UserWarning, tf.errors.InvalidArgumentError)),
    ):
        check_layer(broken, vectors, takes_mask=True, exports=False)
