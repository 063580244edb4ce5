"""What a preprocessor is made of."""

import keras


def with_parts(layer):
    """A layer and all within it; nothing for a function."""
    return layer._flatten_layers() if isinstance(layer, keras.layers.Layer) else ()
