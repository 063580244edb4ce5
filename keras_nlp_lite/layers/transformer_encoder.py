"""One block of a Transformer encoder: tokens look at one another, then think."""

import keras

from keras_nlp_lite.layers.fused_heads import unmasked
from keras_nlp_lite.layers.multi_head_attention import MultiHeadAttention
from keras_nlp_lite.layers.transformer_block import TransformerBlock, check_masks


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TransformerEncoder(TransformerBlock):
    """Self-attention and a feed-forward half, each with a residual and a norm.

    Shapes: B batch, T tokens, D model width, H heads.

    Args:
        intermediate_dim: Width of the feed-forward half, inside.
        num_heads: H; each is D // H wide.
        dropout: Share of attention weights, and of the features that each half adds,
            that training drops.
        activation: Of the feed-forward half, by name or as a function.
        layer_norm_epsilon: What the norms add to the variance.
        kernel_initializer: Of all kernels.
        bias_initializer: Of all biases.
        normalize_first: Whether a norm stands before each half (as in GPT-2; trains
            without warm-up) or after its residual (as in BERT).
        remat: Whether training keeps the block's input alone and computes the rest
            again for the gradient: less than half of the memory, for more time.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: float [B, T, D]. A Keras mask on it, as `mask_zero` makes it, counts as
            `padding_mask`.
        padding_mask: bool [B, T], True at tokens, False at padding, which no token
            looks at. Replaces the inputs' Keras mask.
        attention_mask: bool [B, T, T], True where token i may look at token j. A token
            must satisfy both masks to be looked at.
        training: Whether to drop.
        return_attention_scores: Whether to return, too, who looked at whom.
        row_splits: int [N + 1]: `inputs` is [1, total, D], the tokens of N texts one
            after the other without padding, as `DropPadding` gives them.
        segment_ids: int [B, T]: several texts in a row; a token looks at those of its
            own segment alone.
        first_only: Whether to compute each row's first token alone, which looks at
            all: float [B, D], zeros for a text of no token. Padding has to stand behind
            the tokens, and no other mask is taken.

    Returns:
        float [B, T, D], which keeps the inputs' Keras mask; with
        `return_attention_scores` also float [B, H, T, T]. A row of nothing but padding
        gives finite numbers.

    Raises:
        ValueError: more heads than features; a mask of the wrong rank.

    Example:

    >>> block = TransformerEncoder(intermediate_dim=32, num_heads=2)
    >>> block(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    Reference: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762.
    """

    def build(self, inputs_shape):
        self.attention = self.build_attention(
            MultiHeadAttention, "attention", inputs_shape, inputs_shape
        )
        self.attention_dropout = self.build_dropout("attention_dropout")
        self.attention_norm = self.build_norm("attention_norm", inputs_shape)
        # Before the dense layers: weights in KerasHub's order fit `set_weights`.
        self.feedforward_norm = self.build_norm("feedforward_norm", inputs_shape)
        self.build_feedforward(inputs_shape)

    def call(
        self,
        inputs,
        padding_mask=None,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
        row_splits=None,
        segment_ids=None,
        first_only=False,
    ):
        check_masks(padding_mask=padding_mask, attention_mask=attention_mask)
        if padding_mask is None:
            padding_mask = getattr(inputs, "_keras_mask", None)
        # Drawn here, not where they are used: a block that is computed a second time
        # must drop the same.
        seeds = self._draw_seeds() if training and self.dropout else None
        if return_attention_scores:
            if row_splits is not None or segment_ids is not None:
                raise ValueError(
                    "Scores are of padded rows of one text. Received: "
                    "`return_attention_scores` with `row_splits` or `segment_ids`."
                )
            return self._block_with_scores(
                unmasked(inputs), seeds, padding_mask, attention_mask, training
            )

        def block(x):
            if first_only:
                return self._block_of_firsts(x, seeds, padding_mask, row_splits)
            masks = {
                "padding_mask": padding_mask,
                "attention_mask": attention_mask,
                "row_splits": row_splits,
                "segment_ids": segment_ids,
            }
            return self._block(x, x, seeds, **masks)

        return self.remembered(block, unmasked(inputs), training)

    def _block_of_firsts(self, x, seeds, padding_mask, row_splits):
        """float [B, D], from [B, T, D], or packed [1, N, D]"""
        if row_splits is None:
            return self._block(x[:, :1], x, seeds, padding_mask=padding_mask)[:, 0]
        # A text of no token has no first: it borrows one, which is not used.
        starts, ends = row_splits[:-1], row_splits[1:]
        places = keras.ops.minimum(starts, keras.ops.shape(x)[1] - 1)
        queries = keras.ops.take(x, places, axis=1)  # [1, B, D]
        one_each = keras.ops.arange(keras.ops.shape(row_splits)[0])
        firsts = self._block(
            queries, x, seeds, row_splits=one_each, key_row_splits=row_splits
        )
        firsts = keras.ops.squeeze(firsts, 0)
        return keras.ops.where((starts < ends)[:, None], firsts, 0)

    def _block(self, x, context, seeds, **masks):
        """float [B, T, D], of tokens x that look at the context, which is x or holds
        them. Without seeds nothing is dropped."""
        of_weights = seeds[0] if seeds else None
        residual = x
        if x is context:
            x = context = self.open_half(self.attention_norm, x)
        else:
            x, context = (self.open_half(self.attention_norm, y) for y in (x, context))
        x = self.attention.attend(x, context, seed=of_weights, **masks)
        x, bias = self.attention.mix_heads(x)
        return self._after_attention(x, bias, residual, seeds)

    def _block_with_scores(self, x, seeds, padding_mask, attention_mask, training):
        """(float [B, T, D], float [B, H, T, T])"""
        residual = x
        x = self.open_half(self.attention_norm, x)
        x, scores = self.attention(
            query=x,
            value=x,
            value_mask=padding_mask,
            attention_mask=attention_mask,
            training=training,
            return_attention_scores=True,
        )
        return self._after_attention(x, None, residual, seeds), scores

    def _after_attention(self, x, bias, residual, seeds):
        """The rest of the block; attention's output projection gave x, without bias."""
        _, of_attended, of_thought = seeds or (None, None, None)
        norms = self.attention_norm, self.feedforward_norm
        x, residual = self.next_half(x, bias, residual, of_attended, *norms)
        return self.think(x, residual, of_thought)

    def _draw_seeds(self):
        """One for each place that drops."""
        places = self.attention, self.attention_dropout, self.feedforward_dropout
        return tuple(place.seed_generator.next() for place in places)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def compute_output_spec(
        self,
        inputs,
        padding_mask=None,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
        row_splits=None,
        segment_ids=None,
        first_only=False,
    ):
        if first_only:
            shape = (inputs.shape[0], inputs.shape[2])
            return keras.KerasTensor(shape, dtype=self.compute_dtype)
        x = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return x
        B, T, _ = inputs.shape
        scores = (B, self.num_heads, T, T)
        return x, keras.KerasTensor(scores, dtype=self.compute_dtype)
