"""Greedy search: always the likeliest token."""

import keras
import tensorflow as tf

from keras_nlp_lite.samplers.arguments import check_one_sequence
from keras_nlp_lite.samplers.logits_sampler import LogitsSampler


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class GreedySampler(LogitsSampler):
    """Takes the likeliest token at each step; of several, the one of the lowest id.

    Args:
        **kwargs: As of `Sampler`.

    Raises:
        ValueError: more than one continuation is asked for; as `Sampler`.

    Example:

    >>> def next(prompt, cache, index):
    ...     return keras.ops.array([[0.1, 2.0, 0.7]]), None, cache
    >>> GreedySampler()(next, [[2, 0, 0]], index=1).numpy()
    array([[2, 1, 1]], dtype=int32)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        check_one_sequence("GreedySampler", self.num_return_sequences)

    def choose(self, logits):
        return tf.argmax(logits, axis=-1, output_type=tf.int32)
