"""How much arithmetic a model's training asks for."""

import math
from typing import NamedTuple

import keras

# Layers whose kernels are multiplied by each position of their input, once.
_PRODUCTS = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.LSTMCell,
    keras.layers.GRUCell,
    keras.layers.SimpleRNNCell,
)
_LOOKUPS = ("Embedding", "PositionEmbedding", "ReversibleEmbedding")


class ModelFlops(NamedTuple):
    """Floating-point operations of a training step: multiplications and additions.

    Forward and backward: three times those of the forward pass.
    """

    per_row: float
    per_token: float
    per_pair: float  # of tokens in one row, which look at each other

    def of(self, counts):
        """float, of batches of so many rows, tokens and pairs (`TokenCounts`)."""
        return (
            self.per_row * counts.rows
            + self.per_token * counts.tokens
            + self.per_pair * counts.pairs
        )


def model_flops(model):
    """Counts a model's floating-point operations, by its weights.

    Counted are products: each kernel of a dense layer, a convolution or a recurrent
    cell with each token, or with each row where the layer was built on vectors [B, D];
    and in attention each token with each token of its row, whether masks hide it or
    not. Norms, activations and lookups are not; nor are padding, nor what a model
    leaves out because nobody looks at it or does twice to save memory. So it is what
    the model asks for, and not what the device did.

    Args:
        model: keras.Model, built.

    Returns:
        ModelFlops; None if the model holds weights of a layer that is not known here,
        or reads two texts of different length, as encoder-decoders do.

    Example:

    >>> model = keras.Sequential([keras.Input([3]), keras.layers.Dense(5)])
    >>> model_flops(model)  # 3 times 2 * 3 * 5
    ModelFlops(per_row=90.0, per_token=0.0, per_pair=0.0)
    """
    forward = {"per_row": 0.0, "per_token": 0.0, "per_pair": 0.0}
    layers = list(model._flatten_layers())
    if any("context_shape" in _build_shapes(layer) for layer in layers) or any(
        getattr(layer, "cross_attention", None) is not None for layer in layers
    ):
        return None
    writes = callable(getattr(model, "generate", None))
    for layer in layers:
        kernels = [v for v in layer._trainable_variables if len(v.shape) > 1]
        products = sum(2.0 * math.prod(v.shape) for v in kernels if _is_kernel(v))
        if isinstance(layer, _PRODUCTS):
            forward[_unit(layer)] += products
        elif isinstance(layer, keras.layers.Embedding):
            if writes and hasattr(layer, "reverse_dtype"):  # the way back to words
                forward["per_token"] += 2.0 * layer.input_dim * layer.output_dim
        elif kernels and type(layer).__name__ not in _LOOKUPS:
            return None
        if hasattr(layer, "_num_heads") or hasattr(layer, "num_query_heads"):
            forward["per_pair"] += _attention(layer)
    return ModelFlops(**{name: 3 * flops for name, flops in forward.items()})


def _is_kernel(variable):
    return variable.name.endswith("kernel")


def _unit(layer):
    if type(layer).__name__.endswith("Cell"):
        return "per_token"
    shape = _build_shapes(layer).get("input_shape") or (None, None)
    return "per_token" if len(shape) > 2 else "per_row"


def _build_shapes(layer):
    return layer.get_build_config() or {}


def _attention(layer):
    """Operations of one pair of tokens: a product of keys, and one of values."""
    if hasattr(layer, "num_query_heads"):
        return 2.0 * layer.num_query_heads * 2 * layer.head_dim
    return 2.0 * layer._num_heads * (layer._key_dim + layer._value_dim)
