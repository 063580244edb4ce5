"""What the gated encoder and decoder blocks share: seeds, dropout, plain products."""

import keras

from keras_nlp_lite.checks import check_fraction, check_positive_int
from keras_nlp_lite.ops.activations import get_activation
from keras_nlp_lite.ops.initializers import another
from keras_nlp_lite.ops.seeds import DrawnSeed


class GatedBlock(keras.layers.Layer):
    """The base of `GatedEncoder` and `GatedDecoder`, whose arguments these are.

    A subclass builds `attention`, and `drop` by `build_dropout`.
    """

    def __init__(
        self,
        intermediate_dim,
        dropout,
        activation,
        layer_norm_epsilon,
        kernel_initializer,
        window,
        remat,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive_int("intermediate_dim", intermediate_dim)
        check_fraction("dropout", dropout)
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.activation = get_activation(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.window = window
        self.remat = remat
        self.supports_masking = True

    def build_dense(self, name, units, inputs_shape):
        """keras.layers.Dense without a bias."""
        dense = keras.layers.Dense(
            units,
            use_bias=False,
            kernel_initializer=another(self.kernel_initializer),
            dtype=self.dtype_policy,
            name=name,
        )
        dense.build(inputs_shape)
        return dense

    def build_dropout(self):
        return keras.layers.Dropout(self.dropout, dtype=self.dtype_policy, name="drop")

    def draw_seeds(self, training):
        """One for each place that drops; None where nothing is dropped.

        Drawn before the block: one that is computed a second time must drop the same.
        """
        if not (training and self.dropout):
            return (None,) * 3
        generators = [self.attention.seed_generator] + 2 * [self.drop.seed_generator]
        return [generator.next() for generator in generators]

    def dropped(self, x, seed):
        """x, with some features dropped if there is a seed."""
        if seed is None:
            return x
        return keras.random.dropout(x, self.dropout, seed=DrawnSeed(seed))

    def get_config(self):
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "activation": keras.activations.serialize(self.activation),
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "window": self.window,
            "remat": self.remat,
        }
