"""The random numbers that are still to come, everywhere but in variables of a model."""

import random

import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state
from tensorflow.python.eager import context
from tensorflow.python.ops import stateful_random_ops


def get_random_state():
    """The state of Python's, NumPy's, Keras's and TensorFlow's own generators.

    Returns:
        dict, as `pack` takes it.

    Example:

    >>> state = get_random_state()
    >>> drawn = random.random(), np.random.rand()
    >>> set_random_state(state)
    >>> drawn == (random.random(), np.random.rand())
    True
    """
    version, words, gauss = random.getstate()
    state = {
        "python": (version, np.array(words, "uint32"), gauss),
        "numpy": np.random.get_state(),
    }
    keras_seeds = global_state.get_global_attribute("global_seed_generator")
    if keras_seeds is not None:
        state["keras"] = np.asarray(keras_seeds.state)
    # Asked for by its public name, it would come into being.
    if stateful_random_ops.global_generator is not None:
        state["tensorflow"] = stateful_random_ops.global_generator.state.numpy()
    return state


def set_random_state(state):
    """Lets all generators go on where they were when `state` was taken."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(map(int, words)), gauss))
    np.random.set_state(state["numpy"])
    if "keras" in state:
        from keras.src.random.seed_generator import global_seed_generator

        global_seed_generator().state.assign(state["keras"])
    if "tensorflow" in state:
        tf.random.get_global_generator().state.assign(state["tensorflow"])


def is_seeded():
    """Whether somebody gave TensorFlow a seed, as `keras.utils.set_random_seed` does."""
    return context.global_seed() is not None
