"""What becomes of the code that is being traced."""

import tensorflow as tf


def in_xla():
    """Whether XLA is going to compile what is being traced now; False in eager mode.

    A tf.function that was called by itself before is not traced again when one with
    `jit_compile=True` calls it: what was asked in it then is not asked again.
    """
    if tf.executing_eagerly():
        return False
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        context = graph._get_control_flow_context()
        while context is not None:
            if context.IsXLAContext():
                return True
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
    return False
