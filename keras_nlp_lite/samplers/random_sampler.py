"""Sampling: each token as often as the model finds it likely."""

import keras

from keras_nlp_lite.samplers.logits_sampler import DrawingSampler


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class RandomSampler(DrawingSampler):
    """Draws from all tokens.

    Args:
        seed: int, `keras.random.SeedGenerator` or None. Samplers made with the same
            seed draw the same; each call of one of them draws anew.
        **kwargs: As of `Sampler`.

    Raises:
        ValueError: as `Sampler`.

    Example:

    >>> def next(prompt, cache, index):
    ...     return keras.ops.zeros((1, 3)), None, cache
    >>> first, second = RandomSampler(seed=7), RandomSampler(seed=7)
    >>> bool((first(next, [[0] * 9]) == second(next, [[0] * 9])).numpy().all())
    True
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(seed, **kwargs)

    def choose(self, logits):
        return self.draw(logits)
