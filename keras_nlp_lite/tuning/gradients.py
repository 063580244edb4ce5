"""Gradients that TensorFlow writes down while a model is traced, and never forgets."""

import contextlib

from tensorflow.python.framework import ops as graph_ops


@contextlib.contextmanager
def forgotten():
    """Forgets, at its end, the gradients of `tf.custom_gradient` that came meanwhile.

    tf.nn.silu has one, for example. Each is registered in every graph that it is traced
    in, and holds the whole graph: some 20 MB of a small Transformer. Within this, a model
    must have been traced, differentiated and thrown away.
    """
    # Not public; without it, a search only needs more memory.
    registry = getattr(graph_ops, "gradient_registry", None)
    registered = getattr(registry, "_registry", {})
    known = set(registered)
    try:
        yield
    finally:
        for name in registered.keys() - known:
            if name.startswith("CustomGradient-"):
                del registered[name]
