"""Keras's layer normalization, as one pass over the tokens."""

import keras

from keras_nlp_lite.ops import add_norm


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` of the last axis on `ops.add_norm`.

    Arguments, weights and outputs are Keras's. Other axes run Keras's own code.

    Args:
        axis, epsilon, center, scale, **kwargs: As in Keras.

    Call arguments:
        inputs: float [..., D].

    Returns:
        float [..., D].

    Example:

    >>> LayerNormalization()(keras.ops.ones((2, 3, 8))).shape
    TensorShape([2, 3, 8])

    Reference: Ba et al., "Layer Normalization", arXiv:1607.06450.
    """

    def call(self, inputs):
        if self.axis not in (-1, [-1], [len(inputs.shape) - 1]) or not self.scale:
            return super().call(inputs)
        inputs = keras.ops.cast(inputs, self.compute_dtype)  # Keras leaves it as it is
        return add_norm(inputs, self.gamma, self.beta, epsilon=self.epsilon)
