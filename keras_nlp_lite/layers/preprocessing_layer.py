"""What every layer that turns strings into numbers has in common."""

import keras

from keras_nlp_lite.tokenizers.strings import accept_raw_inputs, as_strings, on_cpu

__all__ = ["PreprocessingLayer", "as_strings", "on_cpu"]


class PreprocessingLayer(keras.layers.Layer):
    """A layer without weights whose input may be strings, lists or ragged tensors.

    Inputs arrive as they were given. Subclasses call `as_strings` first and do their
    string work under `on_cpu()`: TensorFlow has string ops for no other device.

    Args:
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        accept_raw_inputs(self)

    def build(self, *args, **kwargs):
        """There is nothing to build; Keras asks all the same."""
