"""Keras's multi-head attention, fused inside."""

import keras

from keras_nlp_lite.layers.fused_heads import FusedHeads, both, unmasked


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class MultiHeadAttention(FusedHeads, keras.layers.MultiHeadAttention):
    """`keras.layers.MultiHeadAttention` on `ops.attention`: same weights, same answers.

    Arguments, weights and outputs are Keras's: weights go from one to the other with
    `set_weights`, and an import is all that has to change. What differs:

    - Padding, causal masks and sliding windows reach the attention as what they are;
      no [T, S] mask is made of them. An explicit `attention_mask` becomes a bias.
    - Dropout of the weights does not keep attention from being fused. It drops other
      ones than Keras's does, drawn from the same seed generator.
    - A query that sees no key gives zeros, from which the output projection makes its
      bias; Keras gives the mean of all values, or zeros if `dropout` is set.
    - The query's Keras mask passes on to the output and changes nothing inside: what
      stands at padding is for nobody to see.

    Keras's own code runs where there is more to do: scores to return, several attention
    axes, or `flash_attention=True`.

    Shapes: B batch, T queries, S keys, E features, H heads.

    Args:
        num_heads: H.
        key_dim: Width of a head's queries and keys.
        value_dim: Width of a head's values; `key_dim` by default.
        dropout: Share of attention weights that training drops.
        use_bias, output_shape, attention_axes, sliding_window, flash_attention,
            kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
            activity_regularizer, kernel_constraint, bias_constraint, use_gate, seed:
            As in Keras.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        query: float [B, T, E].
        value: float [B, S, E].
        key: float [B, S, E]; `value` by default.
        query_mask: Accepted and without effect, as in Keras.
        value_mask, key_mask: bool [B, S], False at keys that nobody sees; the Keras
            masks of `value` and `key` by default.
        attention_mask: bool, broadcasts to [B, T, S] or [B, H, T, S], True where a
            query may see a key. One of [B, 1, S] is as cheap as a `value_mask`.
        return_attention_scores: Whether to return, too, who saw whom.
        training: Whether to drop.
        use_causal_mask: Whether query i sees keys up to i only.
        row_splits: int [N + 1]: `query` is [1, total, E], the tokens of N texts one
            after the other without padding, text n from row_splits[n] to
            row_splits[n + 1]. For self-attention alone.
        segment_ids: int [B, T]; a query sees keys of its own segment only. For
            self-attention alone.

    Returns:
        float [B, T, E], or [B, T, *output_shape]; with `return_attention_scores` also
        float [B, H, T, S].

    Example:

    >>> layer = MultiHeadAttention(num_heads=2, key_dim=4, dropout=0.1)
    >>> x = keras.ops.ones((3, 5, 8))
    >>> layer(x, x, use_causal_mask=True).shape
    TensorShape([3, 5, 8])
    """

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
        row_splits=None,
        segment_ids=None,
    ):
        if not self._can_fuse(query, attention_mask, return_attention_scores):
            _refuse_packing(row_splits, segment_ids, "scores or other axes")
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
            row_splits=row_splits,
            segment_ids=segment_ids,
            training=training,
        )
        return self._output_dense(attended)

    def _can_fuse(self, query, attention_mask, return_attention_scores):
        return (
            len(query.shape) == 3
            and self._attention_axes in (None, (1,))
            and (attention_mask is None or len(attention_mask.shape) in (2, 3, 4))
            and not self._flash_attention
            and not return_attention_scores
        )


def _refuse_packing(row_splits, segment_ids, received):
    if row_splits is not None or segment_ids is not None:
        raise ValueError(
            "`row_splits` and `segment_ids` are for fused self-attention. Received: "
            f"{received}."
        )
