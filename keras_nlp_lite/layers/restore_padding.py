"""Padding comes back where it was."""

import keras

from keras_nlp_lite.ops.packing import restore_padding


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class RestorePadding(keras.layers.Layer):
    """Undoes `DropPadding`: every token back to its place, zeros at padding.

    Shapes: B batch, T tokens, N tokens in all that are no padding, D width.

    Args:
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: float [1, N, D], or [B, T, D] where nothing was dropped.
        padding_mask: bool or int [B, T], as `DropPadding` got it.
        where: As `DropPadding` gave it, None where nothing was dropped.

    Returns:
        float [B, T, D].

    Example:

    >>> RestorePadding()(keras.ops.ones((2, 3, 8)), keras.ops.ones((2, 3))).shape
    TensorShape([2, 3, 8])
    """

    def call(self, inputs, padding_mask, where=None):
        if where is None:
            return inputs
        return restore_padding(inputs, where, keras.ops.shape(padding_mask))

    def compute_output_spec(self, inputs, padding_mask, where=None):
        shape = (*padding_mask.shape, inputs.shape[-1])
        return keras.KerasTensor(shape, dtype=inputs.dtype)
