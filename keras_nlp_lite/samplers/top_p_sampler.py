"""Sampling from the nucleus: as many tokens as hold most of the probability."""

import keras
import tensorflow as tf

from keras_nlp_lite.samplers.arguments import check_count, check_share
from keras_nlp_lite.samplers.logits_sampler import DrawingSampler
from keras_nlp_lite.samplers.truncation import smallest_set, top_k


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TopPSampler(DrawingSampler):
    """Draws from the fewest tokens whose probabilities together reach p.

    Args:
        p: Above 0, at most 1; 1 is no limit.
        k: At most how many tokens; None or 0 is no such limit. Where k tokens do not
            reach p, all of them are in the draw.
        seed: As of `RandomSampler`.
        **kwargs: As of `Sampler`.

    Raises:
        ValueError: `p` or `k` out of range; as `Sampler`.

    Example:

    >>> def next(prompt, cache, index):
    ...     return keras.ops.log([[0.6, 0.3, 0.1]]), None, cache
    >>> texts = TopPSampler(p=0.7, seed=7)(next, [[0] * 50])
    >>> sorted(set(texts.numpy()[0].tolist()))
    [0, 1]

    Reference: Holtzman et al., "The Curious Case of Neural Text Degeneration",
    arXiv:1904.09751.
    """

    def __init__(self, p=0.1, k=None, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        check_share("p", p)
        check_count("k", k, none_ok=True)
        self.p = p
        self.k = k

    def choose(self, logits):
        # Sums of float32 may reach 1 before the last token.
        if self.p == 1:
            return self.draw(*top_k(logits, self.k)) if self.k else self.draw(logits)
        log_probs = tf.nn.log_softmax(logits)
        if self.k:
            return self.draw(*smallest_set(log_probs, self.p, self.k)[:2])
        return self.draw_from_smallest_set(log_probs, self.p)

    def get_config(self):
        return {**super().get_config(), "p": self.p, "k": self.k}
