"""Keras's multi-head attention, fused inside."""

import keras

from keras_nlp_lite.ops import attention


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class MultiHeadAttention(keras.layers.MultiHeadAttention):
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
    ):
        # T and S, where a query's number stands against a key's.
        lengths = None
        if use_causal_mask or self._sliding_window is not None:
            lengths = _lengths(query, value)
        query, value, key = (unmasked(x) for x in (query, value, key))
        if not self._can_fuse(query, attention_mask, return_attention_scores):
            return super().call(
                query,
                value,
                key,
                value_mask=value_mask,
                key_mask=key_mask,
                attention_mask=attention_mask,
                return_attention_scores=return_attention_scores,
                training=training,
                use_causal_mask=use_causal_mask,
            )
        attended = self._attend(
            self._query_dense(query),  # [B, T, H, key_dim]
            self._key_dense(value if key is None else key),  # [B, S, H, key_dim]
            self._value_dense(value),  # [B, S, H, value_dim]
            padding_mask=_both(value_mask, key_mask),
            attention_mask=attention_mask,
            causal=use_causal_mask,
            lengths=lengths,
            training=training,
        )
        if self._use_gate:
            attended = attended * self._gate_dense(query)
        return self._output_dense(attended)

    def _can_fuse(self, query, attention_mask, return_attention_scores):
        return (
            len(query.shape) == 3
            and self._attention_axes in (None, (1,))
            and (attention_mask is None or len(attention_mask.shape) in (2, 3, 4))
            and not self._flash_attention
            and not return_attention_scores
        )

    def _attend(
        self,
        q,
        k,
        v,
        *,
        padding_mask=None,
        attention_mask=None,
        causal=False,
        lengths=None,
        training=False,
    ):
        """float [B, T, H, value_dim] from float [B, T, H, key_dim] and so on.

        Args:
            lengths: (T, S) if queries and keys have to be brought to one length before
                their numbers are compared.
        """
        if attention_mask is not None and _hides_keys_only(attention_mask):
            keys = keras.ops.shape(k)[:2]
            of_keys = keras.ops.reshape(attention_mask, (-1, attention_mask.shape[-1]))
            hidden = keras.ops.broadcast_to(of_keys, keys)
            padding_mask, attention_mask = _both(padding_mask, hidden), None
        bias = None
        if attention_mask is not None:
            bias = _bias(attention_mask)
        if lengths is not None:
            # Keras counts from the first query and key, `ops.attention` from the last.
            # With padding behind the shorter ones, these are one.
            q, k, v, padding_mask, bias = _align(lengths, q, k, v, padding_mask, bias)
        width = max(self._key_dim, self._value_dim)
        window = self._sliding_window
        dropping = bool(training) and self._dropout > 0
        out = attention(
            _widen(q, width),
            _widen(k, width),
            _widen(v, width),
            causal=causal,
            window=None if window is None else window - 1,
            padding_mask=padding_mask,
            bias=bias,
            scale=self._inverse_sqrt_key_dim,
            dropout=self._dropout if dropping else 0.0,
            seed=self._dropout_layer.seed_generator if dropping else None,
        )
        out = out if lengths is None else out[:, : lengths[0]]
        return out if width == self._value_dim else out[..., : self._value_dim]


def unmasked(x):
    """The same values without a Keras mask, which projections would complain about;
    the caller's tensor keeps it."""
    if getattr(x, "_keras_mask", None) is None:
        return x
    return keras.ops.reshape(x, keras.ops.shape(x))


def _both(mask, other):
    mask, other = (x if x is None else keras.ops.cast(x, "bool") for x in (mask, other))
    if mask is None or other is None:
        return other if mask is None else mask
    return keras.ops.logical_and(mask, other)


def _hides_keys_only(attention_mask):
    """Whether it says the same of every query and head, [B, 1, S] or [B, 1, 1, S]."""
    between = attention_mask.shape[1:-1]
    known = attention_mask.shape[-1] is not None
    return known and len(between) > 0 and all(size == 1 for size in between)


def _bias(attention_mask):
    """float32 [B, H, T, S], each or 1: 0 at what may be seen, else -infinity."""
    seen = keras.ops.cast(attention_mask, "bool")
    if len(seen.shape) == 3:
        seen = seen[:, None]
    return keras.ops.where(seen, 0.0, float("-inf"))


def _lengths(query, value):
    """(T, S), or None if they are known to be one."""
    T, S = query.shape[1], value.shape[1]
    if query is value or (T is not None and T == S):
        return None
    return keras.ops.shape(query)[1], keras.ops.shape(value)[1]


def _align(lengths, q, k, v, padding_mask, bias):
    """All of them as long as the longer of queries and keys; keys behind are hidden."""
    T, S = lengths
    length = keras.ops.maximum(T, S)
    B = keras.ops.shape(k)[0]
    if padding_mask is None:
        padding_mask = keras.ops.ones((B, S), "bool")
    behind = (length - T, length - S)
    if bias is not None:
        rows, columns = (
            0 if n == 1 else more for n, more in zip(bias.shape[-2:], behind)
        )
        outer = [(0, 0)] * (len(bias.shape) - 2)
        bias = keras.ops.pad(bias, [*outer, (0, rows), (0, columns)])
    q, k, v = (
        keras.ops.pad(x, [(0, 0), (0, more), (0, 0), (0, 0)])
        for x, more in zip((q, k, v), (behind[0], behind[1], behind[1]))
    )
    return q, k, v, keras.ops.pad(padding_mask, [(0, 0), (0, behind[1])]), bias


def _widen(x, width):
    """Zeros behind each head's features, which change no product."""
    more = width - x.shape[-1]
    return keras.ops.pad(x, [(0, 0)] * 3 + [(0, more)]) if more else x
