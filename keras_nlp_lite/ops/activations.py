"""Activations that Keras has no name for."""

import keras


def get_activation(name):
    """`keras.activations.get`, which knows "gelu_approximate", too."""
    return (
        gelu_approximate if name == "gelu_approximate" else keras.activations.get(name)
    )


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
def gelu_approximate(x):
    """GELU by its tanh formula, as the first BERT had it; off by at most 5e-4.

    Reference: Hendrycks & Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415.
    """
    return keras.activations.gelu(x, approximate=True)
