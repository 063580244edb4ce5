"""What every preprocessing layer that draws random numbers has in common."""

import numpy as np
import tensorflow as tf

from keras_nlp_lite.layers.preprocessing_layer import PreprocessingLayer, on_cpu


class RandomPreprocessingLayer(PreprocessingLayer):
    """A preprocessing layer that draws anew at each call, and again at each epoch.

    Each call takes the next seed of a sequence that begins with `seed`. The place in
    the sequence is a TensorFlow variable, so that it moves on inside `Dataset.map`,
    too, from batch to batch and from epoch to epoch; an export takes it along. With
    `num_parallel_calls` the batches take their seeds in whatever order their threads
    run. To have the same draws in every run there, too, number them outside:

        seeds = tf.data.Dataset.random(7, rerandomize_each_iteration=True).batch(2)
        dataset = tf.data.Dataset.zip(dataset, seeds)
        dataset = dataset.map(lambda x, seed: layer(x, seed=seed), num_parallel_calls=4)

    Subclasses take `seed=None` as a call argument and begin with `next_seed(seed)`.

    Args:
        seed: int, where the sequence begins. None begins anywhere: where
            `keras.utils.set_random_seed` decides, if it was called.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Raises:
        ValueError: `seed` is no integer.
    """

    is_random = True  # rows that it made may not be kept for another epoch

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise ValueError(
                f"`seed` must be an integer or None. Received: seed={seed!r}."
            )
        self.seed = seed
        start = int(np.random.randint(2**32, dtype="uint32")) if seed is None else seed
        # A layer may be made while a graph is traced, which would own the variable.
        with tf.init_scope(), on_cpu():
            self._seeds = tf.random.Generator.from_seed(start, alg="philox")

    def next_seed(self, seed=None):
        """The seed of this call.

        Args:
            seed: The one that the call was given, int [2], or None.

        Returns:
            int [2], for TensorFlow's stateless random ops.
        """
        return self._seeds.make_seeds(1)[:, 0] if seed is None else seed

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


def split_seed(seed, count):
    """Independent seeds out of one: a list of `count` int [2]."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, count))


def taken_before(sizes, rows, num_rows, seed):
    """Takes each row's items in random order: how much lies before each of them.

    Shapes: B rows, N items of all of them.

    Args:
        sizes: int64 [N], 0 for items that cannot be taken.
        rows: int64 [N], ascending, the row of each item.
        num_rows: int64, B.
        seed: int [2].

    Returns:
        int64 [N], the sizes together of the items of its row that were taken earlier.

    Example:

    >>> sizes, rows = tf.constant([5, 0, 3], tf.int64), tf.constant([0, 0, 1], tf.int64)
    >>> taken_before(sizes, rows, 2, seed=[1, 2]).numpy()[[0, 2]]
    array([0, 0])
    """
    bits = tf.random.stateless_uniform(
        tf.shape(rows), seed, minval=None, maxval=None, dtype=tf.uint32
    )
    # One sort for both: by row, and mixed within the row.
    order = tf.argsort(rows * 2**32 + tf.cast(bits, tf.int64))
    before = tf.cumsum(tf.gather(sizes, order), exclusive=True)
    row_starts = tf.cumsum(
        tf.math.unsorted_segment_sum(sizes, rows, num_rows), exclusive=True
    )
    before -= tf.gather(row_starts, rows)  # sorting left each row where it was
    return tf.gather(before, tf.math.invert_permutation(order))
