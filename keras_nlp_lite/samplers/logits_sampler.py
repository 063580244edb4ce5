"""Samplers that choose by logits, without the softmax of a whole vocabulary."""

import functools

import keras
import tensorflow as tf

from keras_nlp_lite.ops.seeds import DrawnSeed
from keras_nlp_lite.samplers.arguments import check_seed
from keras_nlp_lite.samplers.sampler import Sampler
from keras_nlp_lite.samplers.truncation import smallest_set

# How many tokens a draw from a smallest set considers, before it sorts the vocabulary:
# a sort of 50,000 tokens takes ten times as long as to find the 256 likeliest.
FEW = (256, 2048)


class LogitsSampler(Sampler):
    """A sampler whose subclasses override `choose`.

    Who overrides `get_next_token` or `compute_probabilities` in a subclass of theirs is
    asked as any other sampler is.
    """

    def choose(self, logits):
        """The choice: from float32 [R, V], the temperature applied, int [R]."""
        raise NotImplementedError

    def get_next_token(self, probabilities):
        return self.choose(tf.math.log(probabilities))

    def _next_token(self, logits):
        mine = type(self)
        plain = (
            mine.get_next_token is LogitsSampler.get_next_token
            and mine.compute_probabilities is Sampler.compute_probabilities
        )
        if plain:
            return self.choose(logits / self.temperature)
        return super()._next_token(logits)


class DrawingSampler(LogitsSampler):
    """A sampler that draws.

    Args:
        seed: int, `keras.random.SeedGenerator` or None. Samplers made with the same
            seed draw the same; each draw of one of them is another.
        **kwargs: As of `Sampler`.
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        check_seed(seed)
        self.seed = seed
        generator = keras.random.SeedGenerator
        self.seed_generator = seed if isinstance(seed, generator) else generator(seed)

    def draw(self, logits, ids=None, seed=None):
        """A token of each row, int32 [R]: a place in logits, float [R, K], or its id."""
        seed = self.seed_generator if seed is None else DrawnSeed(seed)
        place = keras.random.categorical(logits, 1, dtype="int32", seed=seed)  # [R, 1]
        if ids is not None:
            place = tf.gather(ids, place, batch_dims=1)
        return tf.squeeze(place, 1)

    def draw_from_smallest_set(self, log_probs, mass, order=None):
        """As `smallest_set` says, with all tokens considered."""
        # Drawn here, since another seed would be drawn in each branch.
        seed = self.seed_generator.next()
        V = log_probs.shape[1]
        sizes = [k for k in FEW if V is None or k < V]

        def among(k, *more):
            kept, ids, enough = smallest_set(log_probs, mass, k, order)
            drawn = functools.partial(self.draw, kept, ids, seed)
            if not more:
                return drawn()
            return tf.cond(tf.reduce_all(enough), drawn, lambda: among(*more))

        return among(*sizes, V or tf.shape(log_probs)[1])

    def get_config(self):
        seed = self.seed
        if isinstance(seed, keras.random.SeedGenerator):
            seed = seed.get_config()["seed"]
        return {**super().get_config(), "seed": seed}
