"""What the Transformer's encoder and decoder blocks share: halves, norms, dropout."""

import keras

from keras_nlp_lite.checks import check_fraction, check_positive_int
from keras_nlp_lite.ops import add_norm, bias_gelu
from keras_nlp_lite.ops.activations import gelu_approximate
from keras_nlp_lite.ops.initializers import another
from keras_nlp_lite.ops.product import has_product, product
from keras_nlp_lite.ops.seeds import DrawnSeed


class TransformerBlock(keras.layers.Layer):
    """The base of `TransformerEncoder` and `TransformerDecoder`, whose arguments these are.

    A subclass builds its attention, then the feed-forward half's layers by
    `build_feedforward` and its norms by `norm`.
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

    # Building

    def build_attention(self, cls, name, inputs_shape, context_shape):
        """An attention layer of a class, from inputs to a context, either [B, T, D]."""
        D = inputs_shape[-1]
        if self.num_heads > D:
            raise ValueError(
                "The model width must be at least `num_heads`. Received: inputs of "
                f"width {D}, num_heads={self.num_heads}."
            )
        attention = cls(
            num_heads=self.num_heads,
            key_dim=D // self.num_heads,
            dropout=self.dropout,
            **self._initializers(),
            dtype=self.dtype_policy,
            name=name,
        )
        attention.build(inputs_shape, context_shape)
        return attention

    def build_feedforward(self, inputs_shape, widen="widen", narrow="narrow"):
        """The two layers of the feed-forward half, by these names."""
        self.widen = self._dense(widen, self.intermediate_dim, self.activation)
        self.widen.build(inputs_shape)
        self.narrow = self._dense(narrow, inputs_shape[-1])
        self.narrow.build((*inputs_shape[:-1], self.intermediate_dim))
        self.feedforward_dropout = self.build_dropout("feedforward_dropout")

    def build_dropout(self, name):
        return keras.layers.Dropout(self.dropout, dtype=self.dtype_policy, name=name)

    def build_norm(self, name, inputs_shape):
        norm = keras.layers.LayerNormalization(
            epsilon=self.layer_norm_epsilon, dtype=self.dtype_policy, name=name
        )
        norm.build(inputs_shape)
        return norm

    def _dense(self, name, units, activation=None):
        return keras.layers.Dense(
            units,
            activation=activation,
            **self._initializers(),
            dtype=self.dtype_policy,
            name=name,
        )

    def _initializers(self):
        return {
            "kernel_initializer": another(self.kernel_initializer),
            "bias_initializer": another(self.bias_initializer),
        }

    # Computing. Bias, dropout, residual and norm go over the tokens once, together.

    def open_half(self, norm, x):
        """What a half works on, from what it adds to."""
        return self.normalize(norm, x) if self.normalize_first else x

    def next_half(self, x, bias, residual, seed, after, before):
        """(x, residual) of the next half, where one that is not the last has ended.

        Args:
            x: float [B, T, D], what the half gives, without the bias of its last layer.
            bias: float [D], or None.
            residual: float [B, T, D].
            seed: int [2] to drop with, or None.
            after: The half's norm, if norms come after residuals.
            before: The next half's norm, if they come before.
        """
        if self.normalize_first:
            return self.normalize(before, x, residual, bias, seed, return_sum=True)
        x = self.normalize(after, x, residual, bias, seed)
        return x, x

    def think(self, x, residual, seed):
        """float [B, T, D]: the feed-forward half, which ends the block."""
        x = self._activated(x)  # [B, T, intermediate_dim]
        bias = None
        if has_product(self.narrow, x):
            x, bias = product(self.narrow, x)  # [B, T, D]
        else:
            x = self.narrow(x)
        if not self.normalize_first:
            return self.normalize(self.feedforward_norm, x, residual, bias, seed)
        if bias is not None:
            x = x + keras.ops.cast(bias, x.dtype)
        if seed is not None:
            x = keras.random.dropout(x, self.dropout, seed=DrawnSeed(seed))
        return residual + x

    def normalize(self, norm, x, residual=None, bias=None, seed=None, return_sum=False):
        """`ops.add_norm` with a norm's weights."""
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

    def _activated(self, x):
        if not has_product(self.widen, x):
            return self.widen(x)  # whose activation is this one
        x, bias = product(self.widen, x)
        if self.activation is keras.activations.gelu:
            return bias_gelu(x, bias)
        if self.activation is gelu_approximate:
            return bias_gelu(x, bias, approximate=True)
        return self.activation(x + keras.ops.cast(bias, x.dtype))

    def remembered(self, block, x, training):
        """block(x), of whose inside training keeps nothing if `remat` says so."""
        return keras.remat(block)(x) if self.remat and training else block(x)

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


def check_masks(**masks):
    """Refuses masks that broadcasting would take for something else.

    Args:
        **masks: By their names, which end in "padding_mask" or "attention_mask".
    """
    for name, mask in masks.items():
        wanted = 2 if name.endswith("padding_mask") else 3
        if mask is not None and len(mask.shape) != wanted:
            words = "[batch, tokens" + (", tokens]" if wanted == 3 else "]")
            raise ValueError(
                f"`{name}` must have shape {words}. Received: shape={mask.shape}."
            )
