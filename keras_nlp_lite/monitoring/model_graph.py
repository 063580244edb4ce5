"""A model's forward pass, for TensorBoard's graph tab."""

import tensorflow as tf


def write_model_graph(model, spec):
    """Writes the graph of the forward pass, by the default writer.

    Args:
        model: keras.Model, built.
        spec: tf.TypeSpec of its prepared input, or a structure of such.
    """

    @tf.function(autograph=False)
    def forward(inputs):
        return model(inputs, training=False)

    tf.summary.graph(forward.get_concrete_function(spec).graph)
