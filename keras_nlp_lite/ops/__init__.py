"""Functions on tensors: attention, fused where it can be."""

from keras_nlp_lite.ops.attention import (
    attention,
    attention_implementation,
    portable_attention,
)

__all__ = ["attention", "attention_implementation", "portable_attention"]
