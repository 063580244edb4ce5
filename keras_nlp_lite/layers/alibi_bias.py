"""Positions as a handicap: the farther a key, the lower its score."""

import keras
import numpy as np

from keras_nlp_lite.checks import check_positive


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class AlibiBias(keras.layers.Layer):
    """Lowers attention scores in proportion to the distance from the last key.

    Key j of S loses (S - 1 - j) times its head's slope. Under a causal mask that is as
    good as the distance from the query: the two differ by one number for all of the
    query's keys, and softmax does not see it.

    Of a power of two of heads, head h has the slope `2 ** (-alibi_bias_max * h / H)`,
    h from 1 to H. Other numbers of heads take the slopes of the next lower power,
    then every second one of the next higher.

    Shapes: B batch, H heads, T queries, S keys.

    Args:
        alibi_bias_max: The last head's slope is two to minus this.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        attention_scores: float [B, H, T, S], before softmax.

    Returns:
        float [B, H, T, S]. Nothing is learned.

    Raises:
        ValueError: scores that are not four-dimensional or do not tell H;
            `alibi_bias_max` is not above 0.

    Example:

    >>> biased = AlibiBias()(keras.ops.zeros((1, 2, 1, 4)))
    >>> print(keras.ops.convert_to_numpy(biased[0, 0, 0]))  # slope 1/16
    [-0.1875 -0.125  -0.0625  0.    ]

    Reference: Press et al., "Train Short, Test Long", arXiv:2108.12409.
    """

    def __init__(self, alibi_bias_max=8, **kwargs):
        super().__init__(**kwargs)
        check_positive("alibi_bias_max", alibi_bias_max)
        self.alibi_bias_max = alibi_bias_max

    def call(self, attention_scores):
        shape = tuple(attention_scores.shape)
        if len(shape) != 4 or shape[1] is None:
            raise ValueError(
                "`attention_scores` must have shape [batch, heads, queries, keys] and a "
                f"known number of heads. Received: shape={shape}."
            )
        S = keras.ops.shape(attention_scores)[-1]
        distances = keras.ops.cast(S - 1 - keras.ops.arange(S), "float32")
        # In float32, where all distances differ; half precision merges those above 256.
        bias = (
            -alibi_slopes(shape[1], self.alibi_bias_max)[:, None, None] * distances
        )  # [H, 1, S]
        return attention_scores + keras.ops.cast(bias, self.compute_dtype)

    def compute_output_shape(self, scores_shape):
        return scores_shape

    def get_config(self):
        return {**super().get_config(), "alibi_bias_max": self.alibi_bias_max}


def alibi_slopes(H, alibi_bias_max=8):
    """float32 [H], by how much a key's score falls with each token of distance."""
    lower = 1 << (H.bit_length() - 1)  # the power of two at or below H
    steps = np.arange(1, lower + 1) / lower
    between = (np.arange(H - lower) + 0.5) / lower
    slopes = 2.0 ** (-alibi_bias_max * np.concatenate([steps, between]))
    return slopes.astype("float32")
