"""Refusals that the samplers share."""

import keras
import tensorflow as tf


def check_count(name, value, *, none_ok=False):
    """Refuses all but integers of at least 0 (and None where that has a meaning)."""
    if value is None and none_ok:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        wanted = "an integer of at least 0" + (", or None" if none_ok else "")
        raise ValueError(f"`{name}` must be {wanted}. Received: {name}={value!r}.")


def check_share(name, value):
    """Refuses what does not lie in (0, 1]."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and 0 < value <= 1):
        raise ValueError(
            f"`{name}` must be a number above 0, and at most 1. Received: "
            f"{name}={value!r}."
        )


def check_words(name, words):
    """Refuses what is no list of lists of token ids, unless it is None."""
    if words is None:
        return
    sequence = (list, tuple)
    if isinstance(words, sequence) and all(
        isinstance(word, sequence) and _are_ids(word) for word in words
    ):
        return
    raise ValueError(
        f"`{name}` must be a list of lists of token ids, none of them empty, such as "
        f"[[5], [7, 2]]. Received: {name}={words!r}."
    )


def check_one_sequence(sampler, num_return_sequences):
    """Refuses several continuations of a search that draws nothing at random."""
    if num_return_sequences != 1:
        raise ValueError(
            f"{sampler} finds one continuation. Received: "
            f"num_return_sequences={num_return_sequences}. Try RandomSampler, or "
            "BeamSampler with as many beams."
        )


def check_seed(seed):
    """Refuses what `keras.random` would not take."""
    if seed is None or isinstance(seed, keras.random.SeedGenerator):
        return
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(
            "`seed` must be an integer, a keras.random.SeedGenerator or None. "
            f"Received: seed={seed!r}."
        )


def row_tensor(name, x, dtype, *, rank, default_shape=None):
    """x as a tensor of this dtype and rank; a scalar is spread over `default_shape`."""
    x = tf.cast(x, dtype)
    if x.shape.rank == 0 and default_shape is not None:
        return tf.fill(default_shape, x)
    if x.shape.rank != rank:
        wanted = "[texts]" if rank == 1 else "[texts, columns]"
        raise ValueError(
            f"`{name}` must have shape {wanted}. Received: shape={x.shape}."
        )
    return x


def _are_ids(word):
    integers = all(isinstance(x, int) and not isinstance(x, bool) for x in word)
    return bool(word) and integers and min(word) >= 0
