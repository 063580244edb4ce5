"""Positions as rotations: what two tokens see of them is how far apart they are."""

import math

import keras
import numpy as np

from keras_nlp_lite.checks import check_choice, check_positive, check_positive_int


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class RotaryEmbedding(keras.layers.Layer):
    """Turns pairs of features by angles that grow with the token's position.

    Applied to queries and keys, it makes their products depend on the distance between
    tokens and on nothing else about where they stand. Feature i forms a pair with
    feature i + K/2, as in LLaMA, and turns by `max_wavelength ** (-2i / K)` radians
    with each token.

    Shapes: B batch, T tokens, H heads, K features; K is even.

    Args:
        max_wavelength: The slowest pair turns once in a little under
            2 * pi * `max_wavelength` tokens.
        scaling_factor: How many times longer than in training rows may be.
        rope_type: What `scaling_factor` does. "linear" divides all speeds by it,
            "dynamic" by its power K / (K - 2). "yarn" divides those of slow pairs only
            and also lengthens the vectors, by a factor of
            0.1 * ln(scaling_factor) + 1. "llama3" divides those of slow pairs, too, with
            a passage that is linear in the turns, not in the pairs.
        beta_fast: Pairs that turn more often than this in the original context keep
            their speed. For "yarn" and "llama3", as the next two.
        beta_slow: Pairs that turn less often than this are slow. In between, there is
            a linear passage.
        original_max_position_embeddings: The original context, in tokens.
        truncate: Whether the passage begins and ends at whole numbers of pairs.
        sequence_axis: Which axis of the inputs is T.
        feature_axis: Which axis of the inputs is K.
        denominator_dim: What divides 2i in the exponent, K by default. "yarn" always
            takes K.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: float [B, T, K], [B, T, H, K] or any other order that `sequence_axis`
            and `feature_axis` tell.
        start_index: int, the position of the first token; a decoder that is at its
            n-th step passes n.
        positions: int [T] or [B, T], in tokens, in place of start_index,
            start_index + 1, ... B is the first axis that is neither T nor K.

    Returns:
        float, of the inputs' shape, with their Keras mask. Angles are float32 whatever
        the layer's dtype: near position 4096, neighbouring bfloat16 values lie 32
        radians apart.

    Raises:
        ValueError: an odd or unknown K; axes that the inputs do not have; a setting out
            of range.

    Example:

    >>> query = keras.ops.ones((1, 2, 3, 4))  # [B, T, H, K]
    >>> turned = RotaryEmbedding()(query)
    >>> print(keras.ops.convert_to_numpy(turned[0, :, 0]).round(2))
    [[ 1.    1.    1.    1.  ]
     [-0.3   0.99  1.38  1.01]]

    References: Su et al., "RoFormer", arXiv:2104.09864; for "linear", Chen et al.,
    arXiv:2306.15595; for "yarn", Peng et al., arXiv:2309.00071.
    """

    def __init__(
        self,
        max_wavelength=10000,
        scaling_factor=1.0,
        rope_type="linear",
        beta_fast=32.0,
        beta_slow=1.0,
        original_max_position_embeddings=4096,
        truncate=True,
        sequence_axis=1,
        feature_axis=-1,
        denominator_dim=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_positive("max_wavelength", max_wavelength)
        check_positive("scaling_factor", scaling_factor)
        check_choice("rope_type", rope_type, ("linear", "dynamic", "yarn", "llama3"))
        check_positive("beta_fast", beta_fast)
        check_positive("beta_slow", beta_slow)
        check_positive_int(
            "original_max_position_embeddings", original_max_position_embeddings
        )
        check_positive_int("denominator_dim", denominator_dim, none_ok=True)
        self.max_wavelength = max_wavelength
        self.scaling_factor = scaling_factor
        self.rope_type = rope_type
        self.beta_fast = beta_fast
        self.beta_slow = beta_slow
        self.original_max_position_embeddings = original_max_position_embeddings
        self.truncate = truncate
        self.sequence_axis = sequence_axis
        self.feature_axis = feature_axis
        self.denominator_dim = denominator_dim
        self.supports_masking = True

    def call(self, inputs, start_index=0, positions=None):
        axes = self._axes(inputs)  # of B, T and K
        if positions is None:
            T = keras.ops.shape(inputs)[axes[1]]
            positions = keras.ops.add(keras.ops.arange(T), start_index)
        positions = keras.ops.cast(positions, "float32")
        if len(positions.shape) == 1:
            positions = positions[None]  # [1, T]
        speeds = self._speeds(inputs.shape[axes[2]])  # [K/2], in radians per token
        angles = positions[..., None] * speeds  # [B or 1, T, K/2]
        angles = _spread(angles, axes, rank=len(inputs.shape))

        stretch = 1.0
        if self.rope_type == "yarn":
            stretch = 0.1 * math.log(self.scaling_factor) + 1
        cos = keras.ops.cast(stretch * keras.ops.cos(angles), self.compute_dtype)
        sin = keras.ops.cast(stretch * keras.ops.sin(angles), self.compute_dtype)
        x, y = keras.ops.split(inputs, 2, axis=axes[2])
        return keras.ops.concatenate([x * cos - y * sin, y * cos + x * sin], axes[2])

    def _axes(self, inputs):
        """Which axes of the inputs are B, T and K, counted from 0."""
        rank = len(inputs.shape)
        named = (self.sequence_axis, self.feature_axis)
        found = [axis % rank for axis in named if -rank <= axis < rank]
        others = [axis for axis in range(rank) if axis not in found]
        if len(set(found)) < 2 or not others:
            raise ValueError(
                "`sequence_axis` and `feature_axis` must be two axes of the inputs, "
                "which must have a third for the batch. Received: "
                f"sequence_axis={self.sequence_axis}, feature_axis={self.feature_axis}, "
                f"inputs of shape {tuple(inputs.shape)}."
            )
        width = inputs.shape[found[1]]
        if width is None or width % 2:
            raise ValueError(
                "The features must be known and even in number, to turn in pairs. "
                f"Received: {width} features, inputs of shape {tuple(inputs.shape)}."
            )
        return others[0], *found

    def _speeds(self, width):
        """By how many radians each pair turns with each token, float32 [K/2]."""
        # In NumPy: they are constants, and float64 costs nothing here.
        steps = np.arange(0, width, 2)
        divisor = self.denominator_dim or width
        if self.rope_type == "yarn":
            divisor = width
        speeds = self.max_wavelength ** (-steps / divisor)
        if self.rope_type == "linear":
            speeds = speeds / self.scaling_factor
        elif self.rope_type == "dynamic":
            speeds = speeds / self.scaling_factor ** (width / max(1, width - 2))
        else:
            slow = self._slowness(speeds)  # [K/2], from 0 to 1
            speeds = speeds * (1 - slow) + speeds / self.scaling_factor * slow
        return speeds.astype("float32")

    def _slowness(self, speeds):
        """What share of the slowing each pair takes, from 0 to 1, [K/2]."""
        if self.rope_type == "llama3":
            turns = self.original_max_position_embeddings * speeds / (2 * math.pi)
            passage = max(self.beta_fast - self.beta_slow, 0.001)
            return np.clip((self.beta_fast - turns) / passage, 0, 1)
        width = 2 * len(speeds)

        def pair_that_turns(times):
            wavelength = self.original_max_position_embeddings / (2 * math.pi * times)
            return width * math.log(wavelength) / (2 * math.log(self.max_wavelength))

        first = pair_that_turns(self.beta_fast)
        last = pair_that_turns(self.beta_slow)
        if self.truncate:
            first, last = math.floor(first), math.ceil(last)
        first, last = max(first, 0), min(last, width - 1)
        passage = max(last - first, 0.001)  # a jump is a steep passage
        return np.clip((np.arange(width // 2) - first) / passage, 0, 1)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {
            **super().get_config(),
            "max_wavelength": self.max_wavelength,
            "scaling_factor": self.scaling_factor,
            "rope_type": self.rope_type,
            "beta_fast": self.beta_fast,
            "beta_slow": self.beta_slow,
            "original_max_position_embeddings": self.original_max_position_embeddings,
            "truncate": self.truncate,
            "sequence_axis": self.sequence_axis,
            "feature_axis": self.feature_axis,
            "denominator_dim": self.denominator_dim,
        }


def _spread(x, axes, rank):
    """Sets the three axes of x among `rank` ones: the small table is moved, so that
    inputs of any order stay where they are."""
    x = keras.ops.transpose(x, np.argsort(axes).tolist())
    for axis in range(rank):
        if axis not in axes:
            x = keras.ops.expand_dims(x, axis)
    return x
