"""A block of an encoder without attention: a Fourier transform mixes the tokens."""

import keras

from keras_nlp_lite.checks import check_fraction, check_positive_int
from keras_nlp_lite.ops.initializers import another


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class FNetEncoder(keras.layers.Layer):
    """Fourier mixing and a feed-forward half, each with a residual and a norm.

    Mixing has no weights and takes T log T instead of T * T steps. It mixes in padding,
    too, as the paper does: pad all batches to one length, in training and after.

    Shapes: B batch, T tokens, D model width.

    Args:
        intermediate_dim: Width of the feed-forward half, inside.
        dropout: Share of the features that the feed-forward half adds, that training
            drops.
        activation: Of the feed-forward half, by name or as a function.
        layer_norm_epsilon: What the norms add to the variance.
        kernel_initializer: Of both kernels.
        bias_initializer: Of both biases.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: float [B, T, D].
        training: Whether to drop.

    Returns:
        float [B, T, D], which keeps the inputs' Keras mask.

    Raises:
        ValueError: a setting out of range.

    Example:

    >>> block = FNetEncoder(intermediate_dim=32)
    >>> block(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    Reference: Lee-Thorp et al., "FNet: Mixing Tokens with Fourier Transforms",
    arXiv:2105.03824.
    """

    def __init__(
        self,
        intermediate_dim,
        dropout=0,
        activation="relu",
        layer_norm_epsilon=1e-05,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive_int("intermediate_dim", intermediate_dim)
        check_fraction("dropout", dropout)
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.activation = keras.activations.get(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.supports_masking = True

    def build(self, inputs_shape):
        # Not autocast: the sums that it takes may be too large for float16.
        self.mixing_norm = self._norm("mixing_norm", inputs_shape, autocast=False)
        # Before the dense layers: weights in KerasHub's order fit `set_weights`.
        self.feedforward_norm = self._norm("feedforward_norm", inputs_shape)
        self.widen = self._dense("widen", self.intermediate_dim, self.activation)
        self.widen.build(inputs_shape)
        self.narrow = self._dense("narrow", inputs_shape[-1])
        self.narrow.build((*inputs_shape[:-1], self.intermediate_dim))
        self.feedforward_dropout = keras.layers.Dropout(
            self.dropout, dtype=self.dtype_policy, name="feedforward_dropout"
        )

    def call(self, inputs, training=None):
        x = keras.ops.cast(inputs, "float32")
        # Over tokens and features; the mixed value at (0, 0) is the sum of all T * D.
        mixed, _ = keras.ops.fft2((x, keras.ops.zeros_like(x)))  # the real part
        x = self.mixing_norm(x + mixed)

        added = self.narrow(self.widen(x))  # [B, T, intermediate_dim], then [B, T, D]
        added = self.feedforward_dropout(added, training=training)
        return self.feedforward_norm(x + added)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "activation": keras.activations.serialize(self.activation),
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }

    def _dense(self, name, units, activation=None):
        return keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=another(self.kernel_initializer),
            bias_initializer=another(self.bias_initializer),
            dtype=self.dtype_policy,
            name=name,
        )

    def _norm(self, name, inputs_shape, **settings):
        norm = keras.layers.LayerNormalization(
            epsilon=self.layer_norm_epsilon,
            dtype=self.dtype_policy,
            name=name,
            **settings,
        )
        norm.build(inputs_shape)
        return norm
