"""Positions as waves: nothing to learn, and no longest row."""

import keras
import numpy as np

from keras_nlp_lite.checks import check_positive


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class SinePositionEncoding(keras.layers.Layer):
    """Gives each token the sines and cosines of its position, to be added to it.

    Features 2i and 2i + 1 are the sine and the cosine of one angle, which grows by
    `max_wavelength ** (-2i / D)` radians with each token.

    Shapes: B batch, T tokens, D features.

    Args:
        max_wavelength: The slowest pair repeats after a little under
            2 * pi * `max_wavelength` tokens.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: float [B, T, D]. Only its shape counts.
        start_index: int, the position of the first token; a decoder that is at its
            n-th step passes n.
        positions: int [T] or [B, T], in tokens, in place of start_index,
            start_index + 1, ...

    Returns:
        float [B, T, D], which keeps the inputs' Keras mask. Computed in float32 and
        rounded at the end: in half precision, distant neighbours would share an angle.

    Raises:
        ValueError: `max_wavelength` is not above 0.

    Example:

    >>> waves = SinePositionEncoding()(keras.ops.zeros((1, 3, 4)))
    >>> print(keras.ops.convert_to_numpy(waves).round(2))
    [[[ 0.    1.    0.    1.  ]
      [ 0.84  0.54  0.01  1.  ]
      [ 0.91 -0.42  0.02  1.  ]]]

    Reference: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762,
    section 3.5.
    """

    def __init__(self, max_wavelength=10000, **kwargs):
        super().__init__(**kwargs)
        check_positive("max_wavelength", max_wavelength)
        self.max_wavelength = max_wavelength
        self.supports_masking = True

    def call(self, inputs, start_index=0, positions=None):
        shape = keras.ops.shape(inputs)
        T, D = shape[-2], inputs.shape[-1]
        if positions is None:
            positions = keras.ops.add(keras.ops.arange(T), start_index)
        positions = keras.ops.cast(positions, "float32")  # [T] or [B, T]
        speeds = self.max_wavelength ** (-np.arange(0, D, 2) / D)  # radians per token
        angles = positions[..., None] * speeds.astype("float32")
        waves = keras.ops.stack([keras.ops.sin(angles), keras.ops.cos(angles)], axis=-1)
        # Interleaved; if D is odd, the last cosine is one too many.
        waves = keras.ops.reshape(waves, (*keras.ops.shape(positions), 2 * len(speeds)))
        waves = keras.ops.cast(waves[..., :D], self.compute_dtype)
        return keras.ops.broadcast_to(waves, shape)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {**super().get_config(), "max_wavelength": self.max_wavelength}
