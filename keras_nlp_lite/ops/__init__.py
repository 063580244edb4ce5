"""Functions on tensors: attention and what stands around it, fused where it can be."""

import contextlib

from keras_nlp_lite.ops import library
from keras_nlp_lite.ops.add_norm import add_norm
from keras_nlp_lite.ops.attention import (
    attention,
    attention_implementation,
)
from keras_nlp_lite.ops.bias_gelu import bias_gelu
from keras_nlp_lite.ops.cached_attention import cached_attention
from keras_nlp_lite.ops.few_rows import few_rows_matmul
from keras_nlp_lite.ops.library import library_path
from keras_nlp_lite.ops.matmul import matmul
from keras_nlp_lite.ops.portable import portable_ops

# So that a graph with compiled ops loads wherever a room of this package is open. An
# environment that asks for something else than there is hears of it in the first call.
with contextlib.suppress(ValueError):
    library.load()

__all__ = [
    "add_norm",
    "attention",
    "attention_implementation",
    "bias_gelu",
    "cached_attention",
    "few_rows_matmul",
    "library_path",
    "matmul",
    "portable_ops",
]
