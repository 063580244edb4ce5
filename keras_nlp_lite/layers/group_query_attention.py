"""Keras's grouped-query attention, fused inside."""

import keras

from keras_nlp_lite.layers.fused_heads import FusedHeads, both, unmasked


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class GroupQueryAttention(FusedHeads, keras.layers.GroupQueryAttention):
    """`keras.layers.GroupQueryAttention` on `ops.attention`: same weights and answers.

    Several query heads share a head of keys and values, which makes the cache of a
    decoder smaller by as much. Nothing is repeated for it here. Masks and dropout go as
    in `MultiHeadAttention`; a query that sees no key gives zeros.

    Shapes: B batch, T queries, S keys, E features, H query heads, G key/value heads.

    Args:
        head_dim: Width of a head.
        num_query_heads: H.
        num_key_value_heads: G, which divides H.
        dropout: Share of attention weights that training drops.
        use_output_bias: Whether the output projection has a bias, too; `use_bias` by
            default.
        **kwargs: The rest of `keras.layers.GroupQueryAttention`.

    Call arguments:
        query: float [B, T, E].
        value: float [B, S, E].
        key: float [B, S, E]; `value` by default.
        query_mask, value_mask, key_mask, attention_mask, return_attention_scores,
            training, use_causal_mask: As in `MultiHeadAttention`.

    Returns:
        float [B, T, E]; with `return_attention_scores` also float [B, H, T, S].

    Example:

    >>> layer = GroupQueryAttention(4, num_query_heads=6, num_key_value_heads=2)
    >>> x = keras.ops.ones((3, 5, 8))
    >>> layer(x, x, use_causal_mask=True).shape
    TensorShape([3, 5, 8])

    Reference: Ainslie et al., "GQA", arXiv:2305.13245.
    """

    def __init__(self, *args, use_output_bias=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.use_output_bias = use_output_bias

    def build(self, query_shape, value_shape, key_shape=None):
        # Keras's own gives all projections a bias, or none.
        D, K = query_shape[-1], self.head_dim
        H, G = self.num_query_heads, self.num_key_value_heads
        self.feature_dim = D
        self._query_dense = self._projection("query", query_shape, H)
        self._key_dense = self._projection("key", key_shape or value_shape, G)
        if self.use_gate:
            self._gate_dense = self._projection("gate", query_shape, H, "sigmoid")
        self._value_dense = self._projection("value", value_shape, G)
        bias = self.use_bias if self.use_output_bias is None else self.use_output_bias
        self._output_dense = keras.layers.EinsumDense(
            "bthk,hkd->btd",
            output_shape=(None, D),
            bias_axes="d" if bias else None,
            name="attention_output",
            **self._get_common_kwargs_for_sublayer(),
        )
        self._output_dense.build((None, None, H, K))
        self._softmax = keras.layers.Softmax(axis=-1, dtype=self.dtype_policy)
        self._dropout_layer = keras.layers.Dropout(
            self.dropout, dtype=self.dtype_policy, seed=self.seed
        )
        self._dot_product_equation = "bthk,bshk->bhts"
        self._combine_equation = "bhts,bshk->bthk"

    def _projection(self, name, inputs_shape, heads, activation=None):
        """EinsumDense, float [B, T, E] to [B, T, heads, head_dim]."""
        dense = keras.layers.EinsumDense(
            "btd,dhk->bthk",
            output_shape=(None, heads, self.head_dim),
            bias_axes="hk" if self.use_bias else None,
            activation=activation,
            name=name,
            **self._get_common_kwargs_for_sublayer(),
        )
        dense.build(inputs_shape)
        return dense

    def get_config(self):
        return {**super().get_config(), "use_output_bias": self.use_output_bias}

    # The names that `MultiHeadAttention` has for the same.
    query_dense = property(lambda self: self._query_dense)
    key_dense = property(lambda self: self._key_dense)
    value_dense = property(lambda self: self._value_dense)
    output_dense = property(lambda self: self._output_dense)
    _key_dim = _value_dim = property(lambda self: self.head_dim)
    _dropout = property(lambda self: self.dropout)
    _sliding_window = property(lambda self: self.sliding_window)
    _inverse_sqrt_key_dim = property(lambda self: self._inverse_sqrt_head_dim)
    _use_gate = property(lambda self: self.use_gate)

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        if return_attention_scores or self._flash_attention:
            return super().call(
                unmasked(query),
                unmasked(value),
                None if key is None else unmasked(key),
                value_mask=value_mask,
                key_mask=key_mask,
                attention_mask=attention_mask,
                return_attention_scores=return_attention_scores,
                training=training,
                use_causal_mask=use_causal_mask,
            )
        attended = self.attend(
            query,
            value,
            key,
            padding_mask=both(value_mask, key_mask),
            attention_mask=attention_mask,
            causal=use_causal_mask,
            training=training,
        )
        x, bias = self.mix_heads(attended)
        return x if bias is None else x + keras.ops.cast(bias, x.dtype)
