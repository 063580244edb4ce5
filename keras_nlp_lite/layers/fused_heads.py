"""Attention's heads: projections, fused attention, and the way back."""

import keras

from keras_nlp_lite.ops import attention
from keras_nlp_lite.ops.cached_attention import cached_attention
from keras_nlp_lite.ops.product import heads, mix


class FusedHeads:
    """What `ops.attention` inside Keras's two attention layers is the same in both.

    The names with an underscore are those of `keras.layers.MultiHeadAttention`.
    """

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
        key_segment_ids=None,
        alibi_slopes=None,
        training=False,
        seed=None,
        rotate=None,
    ):
        """What the heads give, before the output projection.

        Args:
            query, value, key, attention_mask, row_splits, segment_ids: As in `call`.
            key_row_splits, key_segment_ids: Of the keys, where they are not the queries.
            alibi_slopes: float [H], as in `ops.attention`.
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
            q, k, v = heads(query, of_query, of_key, self._value_dense)
        else:
            query, value = unmasked(query), unmasked(value)
            (q,) = heads(query, of_query)  # [B, T, H, key_dim]
            if key is None:
                k, v = heads(value, of_key, self._value_dense)
            else:
                (k,) = heads(unmasked(key), of_key)  # [B, S, H, key_dim]
                (v,) = heads(value, self._value_dense)  # [B, S, H, value_dim]
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
            key_segment_ids=key_segment_ids,
            alibi_slopes=alibi_slopes,
            seed=seed,
        )
        return self._gated(attended, query)

    def attend_cached(
        self,
        query,
        cache,
        index,
        *,
        starts=None,
        ancestors=None,
        beams=1,
        alibi_slopes=None,
        rotate=None,
    ):
        """What the heads give for tokens that look at themselves and at a cache.

        Args:
            query: float [B, T, E], the tokens of columns `index` to `index` + T.
            cache: float [B, 2, S, H, D], keys and values, written up to `index`.
            index: int, the column. At 0, as an integer of Python, no cache is read.
            starts: int [B], the column where each row's text begins; what stands before
                is padding. All 0 by default.
            ancestors, beams: As in `ops.cached_attention`.
            alibi_slopes, rotate: As in `attend`.

        Returns:
            (float [B, T, H, D], the cache with these tokens in their columns).
        """
        query = unmasked(query)
        q, k, v = heads(query, self._query_dense, self._key_dense, self._value_dense)
        if rotate is not None:
            q, k = rotate(q), rotate(k)
        window = self._sliding_window
        options = {
            "scale": self._inverse_sqrt_key_dim,
            "window": None if window is None else window - 1,
            "alibi_slopes": alibi_slopes,
        }
        if isinstance(index, int) and index == 0:
            seen = None
            if starts is not None:
                seen = keras.ops.arange(keras.ops.shape(k)[1]) >= starts[:, None]
            out = attention(q, k, v, causal=True, padding_mask=seen, **options)
            new = keras.ops.cast(keras.ops.stack([k, v], axis=1), cache.dtype)
            cache = keras.ops.slice_update(cache, (0, 0, 0, 0, 0), new)
        else:
            out, cache = cached_attention(
                q,
                k,
                v,
                cache,
                index,
                starts=starts,
                ancestors=ancestors,
                beams=beams,
                **options,
            )
        return self._gated(out, query), cache

    def keys_and_values(self, value):
        """(k, v), each float [B, S, H, D]: for `attend_to`, once for many queries."""
        return heads(unmasked(value), self._key_dense, self._value_dense)

    def attend_to(self, query, k, v, padding_mask=None, beams=1):
        """What the heads give for queries that look at what `keys_and_values` gave.

        Args:
            query: float [B * beams, T, E]; the beams of an item look at one row.
            k, v: float [B, S, H, D].
            padding_mask: bool [B, S].

        Returns:
            float [B * beams, T, H, D].
        """
        query = unmasked(query)
        (q,) = heads(query, self._query_dense)
        shape, rows = keras.ops.shape(q), keras.ops.shape(k)[0]
        if beams > 1:  # which, unlike tokens, come in no order
            q = keras.ops.reshape(q, (rows, -1, *q.shape[2:]))
        out = attention(
            q, k, v, padding_mask=padding_mask, scale=self._inverse_sqrt_key_dim
        )
        return self._gated(keras.ops.reshape(out, shape) if beams > 1 else out, query)

    @property
    def seed_generator(self):
        """Where the seeds of dropout come from; None if nothing is ever dropped."""
        return getattr(self._dropout_layer, "seed_generator", None)

    def mix_heads(self, attended):
        """(float [B, T, E], float [E] or None): the output projection, and its bias.

        Apart, for who has more to add to each token.
        """
        return mix(self._output_dense, attended)

    def _gated(self, attended, query):
        return attended * self._gate_dense(query) if self._use_gate else attended

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
        key_segment_ids=None,
        alibi_slopes=None,
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
            padding_mask, attention_mask = both(padding_mask, hidden), None
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
            key_segment_ids=key_segment_ids,
            alibi_slopes=alibi_slopes,
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


def unmasked(x):
    """The same values without a Keras mask, which projections would complain about;
    the caller's tensor keeps it."""
    if getattr(x, "_keras_mask", None) is None:
        return x
    return keras.ops.reshape(x, keras.ops.shape(x))


def both(mask, other):
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
