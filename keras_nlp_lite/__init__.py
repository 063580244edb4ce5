"""Text models for Keras on TensorFlow: strings in, answers out.

The rooms of the package open on first use, so that `import keras_nlp_lite`
costs next to nothing and a script pays only for what it touches.
"""

import importlib

from keras_nlp_lite.version import __version__

_ROOMS = ("data", "layers", "models", "monitoring", "tasks", "tokenizers")

__all__ = ["__version__", *_ROOMS]


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"keras_nlp_lite has no {name!r}. It has: {', '.join(_ROOMS)}."
    )


def __dir__():
    return sorted(__all__)
