"""One block of a Transformer encoder: tokens look at one another, then think."""

import keras

from keras_nlp_lite.checks import check_fraction, check_positive_int
from keras_nlp_lite.layers.multi_head_attention import MultiHeadAttention


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
    ):
        _check_masks(padding_mask, attention_mask)
        x = residual = inputs
        if self.normalize_first:
            x = self.attention_norm(x)
        x, scores = self._attend(
            x, padding_mask, attention_mask, training, return_attention_scores
        )
        x = residual + self.attention_dropout(x, training=training)
        if not self.normalize_first:
            x = self.attention_norm(x)

        residual = x
        if self.normalize_first:
            x = self.feedforward_norm(x)
        x = self.narrow(self.widen(x))  # [B, T, intermediate_dim], then [B, T, D]
        x = residual + self.feedforward_dropout(x, training=training)
        if not self.normalize_first:
            x = self.feedforward_norm(x)
        return (x, scores) if return_attention_scores else x

    def _attend(self, x, padding_mask, attention_mask, training, return_scores):
        """(float [B, T, D], float [B, H, T, T] or None)"""
        attended = self.attention(
            query=x,
            value=x,
            value_mask=padding_mask,  # if None, the Keras mask of x
            attention_mask=attention_mask,
            training=training,
            return_attention_scores=return_scores,
        )
        return attended if return_scores else (attended, None)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def compute_output_spec(
        self,
        inputs,
        padding_mask=None,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
    ):
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
            "kernel_initializer": _copy(self.kernel_initializer),
            "bias_initializer": _copy(self.bias_initializer),
        }


def _copy(initializer):
    """Another of its kind: one by itself gives equal kernels equal numbers."""
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer.clone()
    return initializer


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
