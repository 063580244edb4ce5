"""Sampling from the tokens that are not much less likely than the likeliest."""

import keras

from keras_nlp_lite.samplers.arguments import check_share
from keras_nlp_lite.samplers.logits_sampler import DrawingSampler
from keras_nlp_lite.samplers.truncation import min_p


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class MinPSampler(DrawingSampler):
    """Draws from the tokens at least `min_p` times as likely as the likeliest.

    Args:
        min_p: Above 0, at most 1.
        seed: As of `RandomSampler`.
        **kwargs: As of `Sampler`.

    Raises:
        ValueError: `min_p` out of range; as `Sampler`.

    Example:

    >>> def next(prompt, cache, index):
    ...     return keras.ops.log([[0.6, 0.3, 0.1]]), None, cache
    >>> texts = MinPSampler(min_p=0.4, seed=7)(next, [[0] * 50])
    >>> sorted(set(texts.numpy()[0].tolist()))
    [0, 1]

    Reference: Nguyen et al., "Min-p Sampling", arXiv:2407.01082.
    """

    def __init__(self, min_p=0.05, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        check_share("min_p", min_p)
        self.min_p = min_p

    def choose(self, logits):
        return self.draw(min_p(logits, self.min_p))

    def get_config(self):
        return {**super().get_config(), "min_p": self.min_p}
