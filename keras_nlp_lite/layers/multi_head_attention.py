"""Keras's multi-head attention, fused inside."""

import keras

from keras_nlp_lite.ops import attention, matmul


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
            padding_mask=_both(value_mask, key_mask),
            attention_mask=attention_mask,
            causal=use_causal_mask,
            row_splits=row_splits,
            segment_ids=segment_ids,
            training=training,
        )
        return self._output_dense(attended)

    def attend(
        self,
        query,
        value,
        key=None,
        *,
        padding_mask=None,
        attention_mask=None,
        causal=False,
        row_splits=None,
        key_row_splits=None,
        segment_ids=None,
        training=False,
        seed=None,
        rotate=None,
    ):
        """What the heads give, before the output projection.

        Args:
            query, value, key, attention_mask, row_splits, segment_ids: As in `call`.
            key_row_splits: `row_splits` of the keys, where they are not the queries.
            padding_mask: bool [B, S], False at keys that nobody sees.
            causal: Whether query i sees keys up to i only.
            training: Whether to drop, drawing a seed.
            seed: int [2], drawn before: to drop with, whatever `training` is.
            rotate: Function of float [B, T, H, key_dim], for queries and keys.

        Returns:
            float [B, T, H, value_dim].
        """
        if seed is None and training and self._dropout > 0:
            seed = self.seed_generator.next()
        lengths = None
        if causal or self._sliding_window is not None:
            # T and S, where a query's number stands against a key's.
            lengths = _lengths(query, value)
        of_query, of_key = self._query_dense, self._key_dense
        if query is value and key is None:
            query = unmasked(query)
            q, k, v = _project(query, of_query, of_key, self._value_dense)
        else:
            query, value = unmasked(query), unmasked(value)
            (q,) = _project(query, of_query)  # [B, T, H, key_dim]
            if key is None:
                k, v = _project(value, of_key, self._value_dense)
            else:
                (k,) = _project(unmasked(key), of_key)  # [B, S, H, key_dim]
                (v,) = _project(value, self._value_dense)  # [B, S, H, value_dim]
        if rotate is not None:
            q, k = rotate(q), rotate(k)
        attended = self._attend(
            q,
            k,
            v,
            padding_mask=padding_mask,
            attention_mask=attention_mask,
            causal=causal,
            lengths=lengths,
            row_splits=row_splits,
            key_row_splits=key_row_splits,
            segment_ids=segment_ids,
            seed=seed,
        )
        return self._gated(attended, query)

    @property
    def seed_generator(self):
        """Where the seeds of dropout come from; None if nothing is ever dropped."""
        return getattr(self._dropout_layer, "seed_generator", None)

    def mix_heads(self, attended):
        """(float [B, T, E], float [E] or None): the output projection, and its bias.

        Apart, for who has more to add to each token.
        """
        if self._output_dense.quantization_mode is not None:
            return self._output_dense(attended), None
        kernel = keras.ops.convert_to_tensor(self._output_dense.kernel)
        rows = keras.ops.shape(attended)[:-2]
        width = kernel.shape[0] * kernel.shape[1]
        attended = keras.ops.reshape(attended, (*rows, width))
        mixed = matmul(attended, keras.ops.reshape(kernel, (width, -1)))
        return mixed, self._output_dense.bias

    def _gated(self, attended, query):
        return attended * self._gate_dense(query) if self._use_gate else attended

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
        row_splits=None,
        key_row_splits=None,
        segment_ids=None,
        seed=None,
    ):
        """float [B, T, H, value_dim] from float [B, T, H, key_dim] and so on.

        Args:
            lengths: (T, S) if queries and keys have to be brought to one length before
                their numbers are compared.
            seed: int [2] to drop with, or None.
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
        q, k, v = (_widen(x, width) for x in (q, k, v))
        if row_splits is not None:
            # [total, H, width]; not x[0], whose gradient is a copy.
            q, k, v = (keras.ops.squeeze(x, 0) for x in (q, k, v))
        out = attention(
            q,
            k,
            v,
            row_splits=row_splits,
            key_row_splits=key_row_splits,
            segment_ids=segment_ids,
            causal=causal,
            window=None if window is None else window - 1,
            padding_mask=padding_mask,
            bias=bias,
            scale=self._inverse_sqrt_key_dim,
            dropout=0.0 if seed is None else self._dropout,
            seed=seed,
        )
        out = out if row_splits is None else keras.ops.expand_dims(out, 0)
        out = out if lengths is None else out[:, : lengths[0]]
        return out if width == self._value_dim else out[..., : self._value_dim]


def _project(x, *layers):
    """What each layer makes of x, float [B, T, heads, width], by a single product:
    several narrow ones keep a device less busy, forward and twice backward."""
    if any(layer.quantization_mode is not None for layer in layers):
        return tuple(layer(x) for layer in layers)
    kernels = [keras.ops.convert_to_tensor(layer.kernel) for layer in layers]
    sizes = [kernel.shape[1] * kernel.shape[2] for kernel in kernels]
    together = matmul(
        x,
        keras.ops.concatenate(
            [keras.ops.reshape(k, (-1, size)) for k, size in zip(kernels, sizes)], 1
        ),
    )
    if layers[0].bias is not None:
        bias = [keras.ops.reshape(layer.bias, (-1,)) for layer in layers]
        together = keras.ops.add(
            together, keras.ops.cast(keras.ops.concatenate(bias), x.dtype)
        )
    ends = [sum(sizes[:i]) for i in range(1, len(sizes))]
    parts = keras.ops.split(together, ends, axis=-1) if ends else [together]
    rows = keras.ops.shape(x)[:-1]
    return tuple(
        keras.ops.reshape(part, (*rows, *kernel.shape[1:]))
        for part, kernel in zip(parts, kernels)
    )


def _refuse_packing(row_splits, segment_ids, received):
    if row_splits is not None or segment_ids is not None:
        raise ValueError(
            "`row_splits` and `segment_ids` are for fused self-attention. Received: "
            f"{received}."
        )


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
