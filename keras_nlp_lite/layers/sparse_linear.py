"""A linear layer for bags of features, most of which are absent from any one text."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class SparseLinear(keras.layers.Layer):
    """Weighs the features that are there: logistic regression's layer.

    Costs as much as the features that are present, not as many as there could be. Its
    weights start at zero: the problem is convex, and the weight of a feature that
    training never sees then says nothing.

    Shapes: B batch, V features, U units.

    Args:
        units: U.
        activation: Keras activation, by name or as a function; None for none.
        use_bias: Whether each unit has a bias.
        kernel_initializer: Of the weights [V, U].
        kernel_regularizer: Of the weights [V, U].
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        x: float [B, V], sparse or dense.

    Returns:
        float [B, U], dense.
    """

    def __init__(
        self,
        units,
        activation=None,
        use_bias=True,
        kernel_initializer="zeros",
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_jit = False  # XLA has no sparse matmul
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: units={units}.")
        self.units = units
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, x_shape):
        if x_shape[-1] is None:
            raise ValueError(
                "SparseLinear must know how many features there are. Received: "
                f"shape={x_shape}. Adapt the layer that makes the features first."
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(x_shape[-1], self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            autocast=False,  # TensorFlow has no sparse matmul in half precision
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.units,), initializer="zeros", autocast=False
            )

    def call(self, x):
        x = keras.ops.cast(x, self.variable_dtype)
        if isinstance(x, tf.SparseTensor):
            # keras.ops.matmul would look the columns up as embeddings, with five times
            # the ops and four times the time for a batch of reviews.
            y = tf.sparse.sparse_dense_matmul(x, self.kernel.value)  # [B, U]
        else:
            y = keras.ops.matmul(x, self.kernel)
        if self.use_bias:
            y = keras.ops.add(y, self.bias)
        return self.activation(keras.ops.cast(y, self.compute_dtype))

    def compute_output_shape(self, x_shape):
        return (*x_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
