"""Some tokens of each row left out, as augmentation."""

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.layers.random_augmentation_layer import RandomAugmentationLayer
from keras_nlp_lite.layers.random_preprocessing_layer import split_seed, taken_before


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class RandomDeletion(RandomAugmentationLayer):
    """Deletes each token with the same probability, up to so many a row.

    Shapes: B batch, T tokens, N tokens that are left, different in each row.

    Args:
        rate: Probability of each token to be deleted, from 0 to 1.
        max_deletions: At most so many a row; where more were chosen, some of them, at
            random. None for no limit.
        skip_list: Ids or tokens that are never deleted.
        skip_fn: TensorFlow function from a scalar token to a scalar bool, True for a
            token that is never deleted. Called once for each different token of a batch.
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
        Ragged [B, N], or [N] without a B, of the inputs' dtype.

    Raises:
        ValueError: a rate outside 0 to 1; more than one way to skip; ids to skip in an
            input of tokens.

    Example:

    >>> words = [["not", "a", "good", "film"], ["a", "joy"]]
    >>> RandomDeletion(1.0, skip_list=["not", "joy"])(words).to_list()
    [[b'not'], [b'joy']]

    Reference: Wei and Zou, "EDA: Easy Data Augmentation Techniques for Boosting
    Performance on Text Classification Tasks", arXiv:1901.11196.
    """

    def __init__(
        self,
        rate,
        max_deletions=None,
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
        if max_deletions != 0:
            check_positive_int("max_deletions", max_deletions, none_ok=True)
        self.max_deletions = max_deletions

    def augment(self, rows, may_change, seed):
        choice, order = split_seed(seed, 2)
        gone = may_change & (
            tf.random.stateless_uniform(tf.shape(may_change), choice) < self.rate
        )
        B = tf.size(rows.lengths, tf.int64)
        row = tf.repeat(tf.range(B), rows.lengths)
        if self.max_deletions is not None:
            earlier = taken_before(tf.cast(gone, tf.int64), row, B, order)
            gone &= earlier < self.max_deletions
        deleted = tf.math.unsorted_segment_sum(tf.cast(gone, tf.int64), row, B)
        return tf.boolean_mask(rows.values, ~gone), rows.lengths - deleted

    def get_config(self):
        return {**super().get_config(), "max_deletions": self.max_deletions}
