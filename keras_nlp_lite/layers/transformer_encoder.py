"""One block of a Transformer encoder: tokens look at one another, then think."""

import keras

from keras_nlp_lite.checks import check_fraction, check_positive_int
from keras_nlp_lite.layers.multi_head_attention import MultiHeadAttention, unmasked
from keras_nlp_lite.ops import add_norm, bias_gelu, matmul
from keras_nlp_lite.ops.activations import gelu_approximate
from keras_nlp_lite.ops.initializers import another
from keras_nlp_lite.ops.seeds import DrawnSeed


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TransformerEncoder(keras.layers.Layer):
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

    def __init__(
        self,
        intermediate_dim,
        num_heads,
        dropout=0,
        activation="relu",
        layer_norm_epsilon=1e-05,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        normalize_first=False,
        remat=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive_int("intermediate_dim", intermediate_dim)
        check_positive_int("num_heads", num_heads)
        check_fraction("dropout", dropout)
        self.intermediate_dim = intermediate_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.activation = keras.activations.get(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.normalize_first = normalize_first
        self.remat = remat
        self.supports_masking = True

    def build(self, inputs_shape):
        D = inputs_shape[-1]
        if self.num_heads > D:
            raise ValueError(
                "The model width must be at least `num_heads`. Received: inputs of "
                f"width {D}, num_heads={self.num_heads}."
            )
        self.attention = MultiHeadAttention(
            num_heads=self.num_heads,
            key_dim=D // self.num_heads,
            dropout=self.dropout,
            **self._initializers(),
            dtype=self.dtype_policy,
            name="attention",
        )
        self.attention.build(inputs_shape, inputs_shape)
        self.attention_dropout = self._dropout("attention_dropout")
        self.attention_norm = self._norm("attention_norm", inputs_shape)
        # Before the dense layers: weights in KerasHub's order fit `set_weights`.
        self.feedforward_norm = self._norm("feedforward_norm", inputs_shape)
        self.widen = self._dense("widen", self.intermediate_dim, self.activation)
        self.widen.build(inputs_shape)
        self.narrow = self._dense("narrow", D)
        self.narrow.build((*inputs_shape[:-1], self.intermediate_dim))
        self.feedforward_dropout = self._dropout("feedforward_dropout")

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
        _check_masks(padding_mask, attention_mask)
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

        x = unmasked(inputs)
        return keras.remat(block)(x) if self.remat and training else block(x)

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
        residual, itself = x, x is context
        if self.normalize_first:
            x = self._normalize(self.attention_norm, x)
            context = x if itself else self._normalize(self.attention_norm, context)
        x = self.attention.attend(x, context, seed=of_weights, **masks)
        x, bias = self.attention.mix_heads(x)
        return self._think(x, bias, residual, seeds)

    def _block_with_scores(self, x, seeds, padding_mask, attention_mask, training):
        """(float [B, T, D], float [B, H, T, T])"""
        residual = x
        if self.normalize_first:
            x = self._normalize(self.attention_norm, x)
        x, scores = self.attention(
            query=x,
            value=x,
            value_mask=padding_mask,
            attention_mask=attention_mask,
            training=training,
            return_attention_scores=True,
        )
        return self._think(x, None, residual, seeds), scores

    def _think(self, x, bias, residual, seeds):
        """What follows attention, whose output projection gave x, the bias not added."""
        _, of_attended, of_thought = seeds or (None, None, None)
        # Bias, dropout, residual and norm go over the tokens once, together.
        if self.normalize_first:
            x, residual = self._normalize(
                self.feedforward_norm, x, residual, bias, of_attended, return_sum=True
            )
        else:
            norm = self.attention_norm
            x = residual = self._normalize(norm, x, residual, bias, of_attended)
        # A layer with quantized weights knows its own way to multiply.
        if self.widen.quantization_mode is None:
            x = self._activate(matmul(x, self.widen.kernel))  # [B, T, intermediate_dim]
        else:
            x = self.widen(x)
        if self.narrow.quantization_mode is None:
            x, bias = matmul(x, self.narrow.kernel), self.narrow.bias  # [B, T, D]
        else:
            x, bias = self.narrow(x), None
        if not self.normalize_first:
            norm = self.feedforward_norm
            return self._normalize(norm, x, residual, bias, of_thought)
        if bias is not None:
            x = x + keras.ops.cast(bias, x.dtype)
        if of_thought is not None:
            x = keras.random.dropout(x, self.dropout, seed=DrawnSeed(of_thought))
        return residual + x

    def _activate(self, x):
        """The activation of x plus the bias."""
        if self.activation is keras.activations.gelu:
            return bias_gelu(x, self.widen.bias)
        if self.activation is gelu_approximate:
            return bias_gelu(x, self.widen.bias, approximate=True)
        return self.activation(x + keras.ops.cast(self.widen.bias, x.dtype))

    def _normalize(
        self, norm, x, residual=None, bias=None, seed=None, return_sum=False
    ):
        return add_norm(
            x,
            norm.gamma,
            norm.beta,
            residual=residual,
            bias=bias,
            epsilon=self.layer_norm_epsilon,
            dropout=0.0 if seed is None else self.dropout,
            seed=seed,
            return_sum=return_sum,
        )

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

    def get_config(self):
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "activation": keras.activations.serialize(self.activation),
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "normalize_first": self.normalize_first,
            "remat": self.remat,
        }

    def _dense(self, name, units, activation=None):
        return keras.layers.Dense(
            units,
            activation=activation,
            **self._initializers(),
            dtype=self.dtype_policy,
            name=name,
        )

    def _dropout(self, name):
        return keras.layers.Dropout(self.dropout, dtype=self.dtype_policy, name=name)

    def _norm(self, name, inputs_shape):
        norm = keras.layers.LayerNormalization(
            epsilon=self.layer_norm_epsilon, dtype=self.dtype_policy, name=name
        )
        norm.build(inputs_shape)
        return norm

    def _initializers(self):
        return {
            "kernel_initializer": another(self.kernel_initializer),
            "bias_initializer": another(self.bias_initializer),
        }


def _check_masks(padding_mask, attention_mask):
    """Refuses masks that broadcasting would take for something else."""
    if padding_mask is not None and len(padding_mask.shape) != 2:
        raise ValueError(
            "`padding_mask` must have shape [batch, tokens]. Received: "
            f"shape={padding_mask.shape}."
        )
    if attention_mask is not None and len(attention_mask.shape) != 3:
        raise ValueError(
            "`attention_mask` must have shape [batch, tokens, tokens]. Received: "
            f"shape={attention_mask.shape}."
        )
