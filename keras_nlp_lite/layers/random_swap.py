"""Some tokens of each row in each other's place, as augmentation."""

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.layers.random_augmentation_layer import RandomAugmentationLayer
from keras_nlp_lite.layers.random_preprocessing_layer import split_seed


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class RandomSwap(RandomAugmentationLayer):
    """Swaps two tokens of a row, again and again.

    How often is drawn for each row: once for each token with probability `rate`. Which
    two is drawn for each swap; they may be the same, and a later swap may undo an
    earlier one.

    Shapes: B batch, T tokens.

    Args:
        rate: Probability of each token to bring about a swap, from 0 to 1.
        max_swaps: At most so many a row; None for no limit.
        skip_list: Ids or tokens that stay in their place.
        skip_fn: TensorFlow function from a scalar token to a scalar bool, True for a
            token that stays. Called once for each different token of a batch.
        skip_py_fn: The same in Python: from an int or a str to True or False. It works
            in `Dataset.map`; an export runs only in the process that holds it.
        seed: int, where the sequence of draws begins; None for anywhere. Each call goes
            on with it, in `Dataset.map` too, so that no two epochs are alike; with its
            `num_parallel_calls`, draws come in the same order in every run only by the
            call argument.
        name: Of the layer.
        dtype: An integer type or "string", for empty lists; other outputs have the
            dtype of the inputs.
        **kwargs: The rest of `keras.layers.Layer`.

    Call arguments:
        inputs: int or string [T], or dense or ragged [B, T]; lists do.
        seed: int [2], in place of the layer's next one.

    Returns:
        Ragged [B, T], for dense inputs too, or [T] without a B, of the inputs' dtype.

    Raises:
        ValueError: a rate outside 0 to 1; more than one way to skip; ids to skip in an
            input of tokens.

    Example:

    >>> words = [["not", "a", "good", "film"], ["a", "joy"]]
    >>> swapped = RandomSwap(0.5, skip_list=["a"], seed=1)(words).to_list()
    >>> [sorted(row) for row in swapped]
    [[b'a', b'film', b'good', b'not'], [b'a', b'joy']]
    >>> swapped[0][1], swapped[1]
    (b'a', [b'a', b'joy'])

    Reference: Wei and Zou, "EDA: Easy Data Augmentation Techniques for Boosting
    Performance on Text Classification Tasks", arXiv:1901.11196.
    """

    def __init__(
        self,
        rate,
        max_swaps=None,
        skip_list=None,
        skip_fn=None,
        skip_py_fn=None,
        seed=None,
        name=None,
        dtype="int32",
        **kwargs,
    ):
        super().__init__(
            rate, skip_list, skip_fn, skip_py_fn, seed, name, dtype, **kwargs
        )
        if max_swaps != 0:
            check_positive_int("max_swaps", max_swaps, none_ok=True)
        self.max_swaps = max_swaps

    def augment(self, rows, may_change, seed):
        often, which = split_seed(seed, 2)
        B = tf.size(rows.lengths, tf.int64)
        row = tf.repeat(tf.range(B), rows.lengths)

        def count(flags):  # bool, over all tokens -> int64 [B]
            return tf.math.unsorted_segment_sum(tf.cast(flags, tf.int64), row, B)

        hit = tf.random.stateless_uniform(tf.shape(may_change), often) < self.rate
        swaps = count(may_change & hit)
        if self.max_swaps is not None:
            swaps = tf.minimum(swaps, self.max_swaps)
        movable = tf.where(may_change)[:, 0]  # places in `values`, row by row
        movables = count(may_change)
        first = tf.cumsum(movables, exclusive=True)  # in `movable`, of each row
        rounds = tf.reduce_max(tf.concat([swaps, [0]], 0))
        pairs = tf.random.stateless_uniform(tf.stack([rounds, B, 2]), which)
        pairs = tf.cast(pairs * tf.cast(movables, tf.float32)[:, tf.newaxis], tf.int64)
        pairs += first[:, tf.newaxis]

        def swap(turn, order):
            here = tf.gather(movable, tf.boolean_mask(pairs[turn], turn < swaps))
            there = here[:, ::-1]
            order = tf.tensor_scatter_nd_update(
                order, here[..., tf.newaxis], tf.gather(order, there)
            )
            return turn + 1, order

        # Numbers move about, not the tokens, which may be strings.
        _, order = tf.while_loop(
            lambda turn, order: turn < rounds,
            swap,
            [tf.constant(0, tf.int64), tf.range(tf.size(row, tf.int64))],
            shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])],
        )
        return tf.gather(rows.values, order), rows.lengths

    def get_config(self):
        return {**super().get_config(), "max_swaps": self.max_swaps}
