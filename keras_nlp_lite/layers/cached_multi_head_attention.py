"""Multi-head attention that remembers keys and values, to write token by token."""

import keras

from keras_nlp_lite.layers.fused_heads import unmasked
from keras_nlp_lite.layers.multi_head_attention import MultiHeadAttention


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class CachedMultiHeadAttention(MultiHeadAttention):
    """`MultiHeadAttention` that may take keys and values from a cache.

    A model that writes a text token by token would project all tokens before again and
    again. Here it hands in a cache, a query of one token (or some), and gets back the
    cache with this token in its place. Three ways to call it:

    - without a cache: attention over `key` and `value`, as for training;
    - with a cache and an index: `key` and `value` are projected and written into the
      cache from the index on, and attention runs over all of it;
    - with a cache alone: attention over the cache; `key` and `value` are not looked at.

    No gradient flows through the writing: a cache is for answers, not for training.

    Shapes: B batch, T queries, S length of the cache, E features, H heads, D width of a
    head, which must be one for keys and values where a cache is used.

    Args:
        num_heads: H.
        key_dim: D.
        **kwargs: As in `MultiHeadAttention`.

    Call arguments:
        query: float [B, T, E].
        value: float [B, S, E], or as many tokens as are to be written into the cache.
        key: Like `value`, which is the default.
        attention_mask: bool, broadcasts to [B, T, S], True where a query may see a key.
            It has to hide what is not yet written; nothing else does. One of [B, 1, S]
            is as cheap as a padding mask. Keras masks are not looked at.
        cache: float [B, 2, S, H, D], keys and values; all zeros to begin with.
        cache_update_index: int, the place of the first token of `value`. With its
            tokens it must lie within S: what would stand behind is moved to the end.
        training: Whether to drop.

    Returns:
        float [B, T, E]; with `cache`, also the new cache.

    Raises:
        ValueError: An index without a cache.

    Example:

    >>> layer = CachedMultiHeadAttention(num_heads=2, key_dim=4)
    >>> token = keras.ops.ones((3, 1, 8))
    >>> seen = keras.ops.arange(5)[None, None] <= 2
    >>> cache = keras.ops.zeros((3, 2, 5, 2, 4))
    >>> y, cache = layer(
    ...     token, token, attention_mask=seen, cache=cache, cache_update_index=2
    ... )
    >>> y.shape
    TensorShape([3, 1, 8])
    """

    def call(
        self,
        query,
        value,
        key=None,
        attention_mask=None,
        cache=None,
        cache_update_index=None,
        training=None,
    ):
        if cache is None and cache_update_index is not None:
            raise ValueError(
                "`cache_update_index` needs a `cache`. Received: "
                f"cache_update_index={cache_update_index}, cache=None."
            )
        if cache is None:
            return super().call(
                query, value, key, attention_mask=attention_mask, training=training
            )
        k, v = cache[:, 0], cache[:, 1]  # [B, S, H, D]
        if cache_update_index is not None:
            start = (0, cache_update_index, 0, 0)
            new_k = self._key_dense(unmasked(value if key is None else key))
            new_v = self._value_dense(unmasked(value))
            k = keras.ops.slice_update(k, start, keras.ops.cast(new_k, k.dtype))
            v = keras.ops.slice_update(v, start, keras.ops.cast(new_v, v.dtype))
            cache = keras.ops.stack([k, v], axis=1)
        query = unmasked(query)
        attended = self._attend(
            self._query_dense(query),
            keras.ops.cast(k, self.compute_dtype),
            keras.ops.cast(v, self.compute_dtype),
            attention_mask=attention_mask,
            seed=self.seed_generator.next() if training and self._dropout else None,
        )
        return self._output_dense(self._gated(attended, query)), cache

    def compute_output_spec(self, query, value, key=None, cache=None, **options):
        outputs = super().compute_output_spec(query, value, key)
        if cache is None:
            return outputs
        return outputs, keras.KerasTensor(cache.shape, dtype=self.compute_dtype)
