"""Sampling from the tokens that surprise about as much as is to be expected."""

import keras
import tensorflow as tf

from keras_nlp_lite.samplers.arguments import check_share
from keras_nlp_lite.samplers.logits_sampler import DrawingSampler
from keras_nlp_lite.samplers.truncation import typicality


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TypicalSampler(DrawingSampler):
    """Draws from the most typical tokens whose probabilities together reach the mass.

    A token is the more typical, the closer its surprise, -log p, is to the mean one.
    The likeliest token may be too expected to be among them.

    Args:
        mass: Above 0, at most 1; 1 is no limit.
        seed: As of `RandomSampler`.
        **kwargs: As of `Sampler`.

    Raises:
        ValueError: `mass` out of range; as `Sampler`.

    Example:

    >>> def next(prompt, cache, index):
    ...     return keras.ops.log([[0.4, 0.2, 0.2, 0.2]]), None, cache
    >>> texts = TypicalSampler(mass=0.5, seed=7)(next, [[0] * 50])
    >>> sorted(set(texts.numpy()[0].tolist()))
    [1, 2, 3]

    Reference: Meister et al., "Locally Typical Sampling", arXiv:2202.00666.
    """

    def __init__(self, mass=0.9, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        check_share("mass", mass)
        self.mass = mass

    def choose(self, logits):
        if self.mass == 1:
            return self.draw(logits)
        log_probs = tf.nn.log_softmax(logits)
        return self.draw_from_smallest_set(log_probs, self.mass, typicality(log_probs))

    def get_config(self):
        return {**super().get_config(), "mass": self.mass}
