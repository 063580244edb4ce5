"""Layers: from strings to numbers, and from numbers to answers."""

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

__all__ = [
    "CachedMultiHeadAttention",
    "MultiHeadAttention",
    "MultiSegmentPacker",
    "NGramBag",
    "SparseLinear",
    "StartEndPacker",
    "TextVectorization",
    "TokenAndPositionEmbedding",
    "TransformerEncoder",
]
