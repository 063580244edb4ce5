"""Layers: from strings to numbers, and from numbers to answers."""

from keras_nlp_lite.layers.alibi_bias import AlibiBias
from keras_nlp_lite.layers.cached_multi_head_attention import (
    CachedMultiHeadAttention,
)
from keras_nlp_lite.layers.drop_padding import DropPadding
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
from keras_nlp_lite.layers.restore_padding import RestorePadding
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

__all__ = [
    "AlibiBias",
    "CachedMultiHeadAttention",
    "DropPadding",
    "FNetEncoder",
    "GatedDecoder",
    "GatedEncoder",
    "GroupQueryAttention",
    "LayerNormalization",
    "MaskedLMHead",
    "MaskedLMMaskGenerator",
    "MultiHeadAttention",
    "MultiSegmentPacker",
    "NGramBag",
    "PositionEmbedding",
    "RandomDeletion",
    "RandomSwap",
    "RestorePadding",
    "ReversibleEmbedding",
    "RotaryEmbedding",
    "SinePositionEncoding",
    "SparseLinear",
    "StartEndPacker",
    "TextVectorization",
    "TokenAndPositionEmbedding",
    "TransformerDecoder",
    "TransformerEncoder",
]
