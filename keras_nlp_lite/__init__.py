"""Text models for Keras on TensorFlow: strings in, answers out.

The rooms of the package open on first use, so that `import keras_nlp_lite` costs next
to nothing and a script pays only for what it touches.
"""

import contextlib
import gc
import importlib
import sys

from keras_nlp_lite.version import __version__

_ROOMS = (
    "backbones",
    "data",
    "layers",
    "metrics",
    "models",
    "monitoring",
    "ops",
    "optimizers",
    "samplers",
    "tasks",
    "tokenizers",
    "training",
    "tuning",
)

# "tuning" takes an extra: `import *` does not ask for it.
__all__ = ["__version__", *(room for room in _ROOMS if room != "tuning")]


def __getattr__(name):
    if name in _ROOMS:
        with _unscanned():
            return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"keras_nlp_lite has no {name!r}. It has: {', '.join(_ROOMS)}."
    )


def __dir__():
    return sorted({*__all__, *_ROOMS})


@contextlib.contextmanager
def _unscanned():
    """Imports TensorFlow without the garbage collector walking over it.

    It makes a million objects that live as long as the process. Scanned again and again
    while they are made, while a model trains and as the process ends, they cost about
    two seconds; set aside, none. Whoever imported TensorFlow before has paid already.
    """
    if "tensorflow" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        if "tensorflow" in sys.modules:
            gc.freeze()
    finally:
        gc.enable()


if "keras" in sys.modules:
    # Keras can load a saved model whose classes it has seen; where it is here already,
    # they cost next to nothing.
    importlib.import_module(f"{__name__}.models")
