"""Sampling from the few likeliest tokens."""

import keras

from keras_nlp_lite.samplers.arguments import check_count
from keras_nlp_lite.samplers.logits_sampler import DrawingSampler
from keras_nlp_lite.samplers.truncation import top_k


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TopKSampler(DrawingSampler):
    """Draws from the k likeliest tokens.

    Args:
        k: How many; 0 for all.
        seed: As of `RandomSampler`.
        **kwargs: As of `Sampler`.

    Raises:
        ValueError: `k` is below 0; as `Sampler`.

    Example:

    >>> def next(prompt, cache, index):
    ...     return keras.ops.array([[0.3, 0.2, 0.0]]), None, cache
    >>> texts = TopKSampler(k=2, seed=7)(next, [[0] * 50])
    >>> sorted(set(texts.numpy()[0].tolist()))
    [0, 1]

    Reference: Fan et al., "Hierarchical Neural Story Generation", arXiv:1805.04833.
    """

    def __init__(self, k=5, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        check_count("k", k)
        self.k = k

    def choose(self, logits):
        return self.draw(*top_k(logits, self.k)) if self.k else self.draw(logits)

    def get_config(self):
        return {**super().get_config(), "k": self.k}
