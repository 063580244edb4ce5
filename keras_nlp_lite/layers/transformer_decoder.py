"""One block of a Transformer decoder: a token looks at those before it, then thinks."""

import keras

from keras_nlp_lite.layers.cached_multi_head_attention import (
    CachedMultiHeadAttention,
)
from keras_nlp_lite.layers.fused_heads import unmasked
from keras_nlp_lite.layers.transformer_block import TransformerBlock, check_masks


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TransformerDecoder(TransformerBlock):
    """Causal self-attention, attention to an encoder if there is one, feed-forward.

    Called with one input it is a block of a language model; called with two, one of an
    encoder-decoder. Which of them, the first call decides.

    To write token by token, hand in caches: keys and values of what was written are
    taken from there, and those of the new tokens put there.

    Shapes: B batch, T tokens, E tokens of the encoder, S length of the cache, D model
    width, H heads, K width of a head.

    Args:
        intermediate_dim, num_heads, dropout, activation, layer_norm_epsilon,
            kernel_initializer, bias_initializer, normalize_first, remat: As in
            `TransformerEncoder`.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        decoder_sequence: float [B, T, D].
        encoder_sequence: float [B, E, D]; None for a block without cross-attention.
        decoder_padding_mask: bool [B, T], True at tokens; with a cache [B, S]. By
            default the Keras mask of `decoder_sequence`, where there is no cache.
        decoder_attention_mask: bool [B, T, T], True where token i may look at token j;
            with a cache [B, T, S].
        encoder_padding_mask: bool [B, E]; by default the encoder's Keras mask.
        encoder_attention_mask: bool [B, T, E].
        self_attention_cache: float [B, 2, S, H, K], keys and values.
        self_attention_cache_update_index: int, the column of the first of the T tokens.
        cross_attention_cache: float [B, 2, E, H, K]; or a pair of float [B, E, H, K].
        cross_attention_cache_update_index: int, 0 to fill the cross-attention's cache;
            None to read from it, for which no `encoder_sequence` is needed.
        use_causal_mask: Whether a token looks at none that comes later.
        training: Whether to drop.
        row_splits: int [N + 1]: `decoder_sequence` is [1, total, D], the tokens of N
            texts one after the other, as `DropPadding` gives them.
        segment_ids: int [B, T]: several texts in a row, which do not see one another.
        encoder_row_splits, encoder_segment_ids: The same of the encoder: text n looks
            at the encoder's text n.
        starts: int [B]: with a cache, the column where each row's text begins; what
            stands before is padding. In place of masks of the decoder.
        ancestors, beams: As in `ops.cached_attention`, for beam search: rows are
            B * beams, and the `beams` rows of an item share its cross-attention's cache.

    Returns:
        float [B, T, D]; with `self_attention_cache` a tuple of that, the new cache, and
        of a block with cross-attention its cache, too.

    Raises:
        ValueError: cross-attention without an encoder, or an encoder without it; masks
            of the wrong rank; one cache without the other.

    Example:

    >>> block = TransformerDecoder(intermediate_dim=32, num_heads=2)
    >>> block(keras.ops.ones((3, 5, 8)), keras.ops.ones((3, 7, 8))).shape
    TensorShape([3, 5, 8])

    Reference: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762.
    """

    def build(self, decoder_sequence_shape, encoder_sequence_shape=None):
        shape = decoder_sequence_shape
        self.attention = self.build_attention(
            CachedMultiHeadAttention, "self_attention", shape, shape
        )
        self.attention_norm = self.build_norm("self_attention_layer_norm", shape)
        self.attention_dropout = self.build_dropout("self_attention_dropout")
        self.cross_attention = None
        if encoder_sequence_shape is not None:
            self.cross_attention = self.build_attention(
                CachedMultiHeadAttention,
                "cross_attention",
                shape,
                encoder_sequence_shape,
            )
            self.cross_norm = self.build_norm("cross_attention_layer_norm", shape)
            self.cross_dropout = self.build_dropout("cross_attention_dropout")
        self.build_feedforward(
            shape, "feedforward_intermediate_dense", "feedforward_output_dense"
        )
        self.feedforward_norm = self.build_norm("feedforward_layer_norm", shape)

    def call(
        self,
        decoder_sequence,
        encoder_sequence=None,
        decoder_padding_mask=None,
        decoder_attention_mask=None,
        encoder_padding_mask=None,
        encoder_attention_mask=None,
        self_attention_cache=None,
        self_attention_cache_update_index=None,
        cross_attention_cache=None,
        cross_attention_cache_update_index=None,
        use_causal_mask=True,
        training=None,
        row_splits=None,
        segment_ids=None,
        encoder_row_splits=None,
        encoder_segment_ids=None,
        starts=None,
        ancestors=None,
        beams=1,
    ):
        self._check_encoder(
            encoder_sequence, self_attention_cache, cross_attention_cache
        )
        check_masks(
            decoder_padding_mask=decoder_padding_mask,
            decoder_attention_mask=decoder_attention_mask,
            encoder_padding_mask=encoder_padding_mask,
            encoder_attention_mask=encoder_attention_mask,
        )
        if encoder_padding_mask is None:
            encoder_padding_mask = getattr(encoder_sequence, "_keras_mask", None)
        x = unmasked(decoder_sequence)
        encoder = None if encoder_sequence is None else unmasked(encoder_sequence)
        if self_attention_cache is not None:
            index = self_attention_cache_update_index
            x, residual, cache = self._look_back(
                x,
                self_attention_cache,
                index,
                _mask(decoder_padding_mask, decoder_attention_mask),
                use_causal_mask,
                {"starts": starts, "ancestors": ancestors, "beams": beams},
            )
            if self.cross_attention is None:
                return self.think(x, residual, None), cache
            if cross_attention_cache_update_index is not None:
                cross_attention_cache = self._filled(cross_attention_cache, encoder)
            x, residual = self._look_across(
                x,
                residual,
                cross_attention_cache,
                encoder_padding_mask,
                encoder_attention_mask,
                beams,
            )
            return self.think(x, residual, None), cache, cross_attention_cache

        if decoder_padding_mask is None:
            decoder_padding_mask = getattr(decoder_sequence, "_keras_mask", None)
        masks = {
            "padding_mask": decoder_padding_mask,
            "attention_mask": decoder_attention_mask,
            "causal": use_causal_mask,
            "row_splits": row_splits,
            "segment_ids": segment_ids,
        }
        of_encoder = {
            "padding_mask": encoder_padding_mask,
            "attention_mask": encoder_attention_mask,
            "row_splits": row_splits,
            "key_row_splits": encoder_row_splits,
            "segment_ids": segment_ids if encoder_segment_ids is not None else None,
            "key_segment_ids": encoder_segment_ids,
        }
        # Drawn here, not where they are used: a block that is computed a second time
        # must drop the same.
        seeds = self._draw_seeds() if training and self.dropout else 5 * (None,)

        def block(inputs):
            return self._block(seeds, masks, of_encoder, *inputs)

        inputs = (x,) if encoder is None else (x, encoder)
        return self.remembered(block, inputs, training)

    # For training: all tokens at once

    def _block(self, seeds, masks, of_encoder, x, encoder=None):
        """float [B, T, D]. Where a seed is None, nothing is dropped."""
        of_weights, of_attended, of_cross, of_crossed, of_thought = seeds
        residual, x = x, self.open_half(self.attention_norm, x)
        x = self.attention.attend(x, x, seed=of_weights, **masks)
        x, bias = self.attention.mix_heads(x)
        x, residual = self._after_attention(x, bias, residual, of_attended)
        if self.cross_attention is not None:
            x = self.cross_attention.attend(x, encoder, seed=of_cross, **of_encoder)
            x, bias = self.cross_attention.mix_heads(x)
            x, residual = self._after_cross(x, bias, residual, of_crossed)
        return self.think(x, residual, of_thought)

    def _after_attention(self, x, bias, residual, seed=None):
        crosses = self.cross_attention is not None
        before = self.cross_norm if crosses else self.feedforward_norm
        return self.next_half(x, bias, residual, seed, self.attention_norm, before)

    def _after_cross(self, x, bias, residual, seed=None):
        norms = self.cross_norm, self.feedforward_norm
        return self.next_half(x, bias, residual, seed, *norms)

    def _draw_seeds(self):
        """One for each place that drops."""
        places = [self.attention, self.attention_dropout]
        if self.cross_attention is not None:
            places += [self.cross_attention, self.cross_dropout]
        seeds = [place.seed_generator.next() for place in places]
        seeds += (4 - len(seeds)) * [None]
        return [*seeds, self.feedforward_dropout.seed_generator.next()]

    # For writing: some tokens, and a cache of those before

    def _look_back(self, x, cache, index, mask, causal, options):
        """(x, residual) of the next half, and the cache."""
        residual, x = x, self.open_half(self.attention_norm, x)
        if mask is None and causal and index is not None:
            x, cache = self.attention.attend_cached(x, cache, index, **options)
            x, bias = self.attention.mix_heads(x)
        else:
            if options["starts"] is not None or options["ancestors"] is not None:
                raise ValueError(
                    "`starts` and `ancestors` stand in place of masks, where tokens "
                    "look back only. Received: one of them with a mask, without "
                    "`use_causal_mask` or without an index."
                )
            if causal:
                mask = _with_past(mask, x, cache, index)
            x, cache = self.attention(
                x,
                x,
                attention_mask=mask,
                cache=cache,
                cache_update_index=index,
            )
            bias = None
        return *self._after_attention(x, bias, residual), cache

    def _look_across(self, x, residual, cache, padding_mask, attention_mask, beams):
        """(x, residual) of the next half."""
        if isinstance(cache, (tuple, list)):
            k, v = cache
        else:
            k, v = cache[:, 0], cache[:, 1]
        if attention_mask is None:
            x = self.cross_attention.attend_to(x, k, v, padding_mask, beams)
            x, bias = self.cross_attention.mix_heads(x)
        else:
            x, _ = self.cross_attention(
                x,
                x,
                attention_mask=_mask(padding_mask, attention_mask),
                cache=keras.ops.stack([k, v], axis=1),
            )
            bias = None
        return self._after_cross(x, bias, residual)

    def _filled(self, cache, encoder):
        """The cross-attention's cache, in the form in which it came."""
        new = self.cross_attention.keys_and_values(encoder)
        if isinstance(cache, (tuple, list)):
            return new
        return keras.ops.cast(keras.ops.stack(new, axis=1), cache.dtype)

    def _check_encoder(self, encoder, cache, cross_cache):
        crosses = self.cross_attention is not None
        if encoder is not None and not crosses:
            raise ValueError(
                "This block was built without cross-attention. Received: an "
                "`encoder_sequence`. Try a new block, with both from the first call on."
            )
        if crosses and encoder is None and cross_cache is None:
            raise ValueError(
                "This block was built with cross-attention. Received: no "
                "`encoder_sequence`, and no `cross_attention_cache` in its place."
            )
        if crosses and (cache is None) != (cross_cache is None):
            raise ValueError(
                "Of a block with cross-attention, both caches go together. Received: "
                "one of `self_attention_cache` and `cross_attention_cache`."
            )

    def compute_output_shape(self, decoder_sequence_shape, *shapes, **more_shapes):
        return decoder_sequence_shape

    def compute_output_spec(
        self,
        decoder_sequence,
        encoder_sequence=None,
        *args,
        self_attention_cache=None,
        cross_attention_cache=None,
        **kwargs,
    ):
        x = keras.KerasTensor(decoder_sequence.shape, dtype=self.compute_dtype)
        caches = self_attention_cache, cross_attention_cache
        caches = [cache for cache in caches if cache is not None]
        return (x, *caches) if caches else x


def _mask(padding_mask, attention_mask):
    """bool [B, 1 or T, S], or None."""
    if padding_mask is None:
        return attention_mask
    padding_mask = keras.ops.cast(padding_mask, "bool")[:, None]
    if attention_mask is None:
        return padding_mask
    return keras.ops.logical_and(padding_mask, attention_mask)


def _with_past(mask, x, cache, index):
    """bool [B, T, S]: the mask, and of each token only what is written by then."""
    T, S = keras.ops.shape(x)[1], keras.ops.shape(cache)[2]
    tokens = keras.ops.arange(T)[:, None] + (0 if index is None else index)
    past = (keras.ops.arange(S) <= tokens)[None]
    return past if mask is None else keras.ops.logical_and(mask, past)
