"""How many tokens to change until one text is another."""

import keras
import tensorflow as tf

from keras_nlp_lite.metrics.inputs import as_tensor, check_equally_many, check_float


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class EditDistance(keras.metrics.Metric):
    """Levenshtein distance: the fewest insertions, deletions and replacements.

    Of words it is the word error rate, of characters the character error rate. Every
    token counts, whatever its id: give ragged tokens, without padding.

    Runs on the CPU, and not in XLA: compile a model with this metric and
    `jit_compile=False`.

    Shapes: B batch, T tokens, different in each text.

    Args:
        normalize: Whether to divide the edits of all texts by the tokens of all
            references, so that each token weighs the same; otherwise by the number of
            texts.
        dtype: Of the sums and the result, floating point.
        name: str.
        **kwargs: The rest of `keras.metrics.Metric`.

    Call arguments:
        y_true: string or int [B, T], ragged or nested lists; or [T], a single text.
        y_pred: The same, with lengths of its own.
        sample_weight: Not used.

    Returns:
        A scalar of at least 0; above 1 where a text is longer than its reference and
        has little of it. 0 before any text.

    Raises:
        ValueError: `dtype` is not floating point; texts have another rank, or are not
            equally many.

    Example:

    >>> distance = EditDistance()
    >>> print(distance("the cat sat on the mat".split(), "the cat is on mat".split()))
    tf.Tensor(0.33333334, shape=(), dtype=float32)
    """

    def __init__(
        self,
        normalize=True,
        dtype="float32",
        name="edit_distance",
        **kwargs,
    ):
        check_float(dtype)
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.normalize = normalize
        self._edits = self._count("aggregate_unnormalized_edit_distance")
        self._divisor = self._count(
            "aggregate_reference_length" if normalize else "number_of_samples"
        )

    def _count(self, name):
        # As integers, which no number of texts rounds.
        return self.add_weight(shape=(), initializer="zeros", dtype="int64", name=name)

    def update_state(self, y_true, y_pred, sample_weight=None):
        with tf.device("CPU:0"):  # there is no other kernel
            y_true, y_pred = _rows("y_true", y_true), _rows("y_pred", y_pred)
            check_equally_many(y_true, y_pred)
            edits = tf.edit_distance(
                y_pred.to_sparse(), y_true.to_sparse(), normalize=False
            )  # [B]
            divisor = tf.size(y_true.values) if self.normalize else y_true.nrows()
        self._edits.assign_add(tf.cast(tf.reduce_sum(edits), "int64"))
        self._divisor.assign_add(tf.cast(divisor, "int64"))

    def result(self):
        edits, divisor = (
            tf.cast(tf.convert_to_tensor(count), tf.float64)
            for count in (self._edits, self._divisor)
        )
        return tf.cast(tf.math.divide_no_nan(edits, divisor), self.dtype)

    def get_config(self):
        return {**super().get_config(), "normalize": self.normalize}


def _rows(name, x):
    """Tokens as string or int64, ragged [B, T]."""
    x = as_tensor(x)
    if x.dtype != tf.string:
        x = tf.cast(x, tf.int64)
    if x.shape.rank == 1:
        x = x[tf.newaxis]
    if x.shape.rank != 2:
        raise ValueError(
            f"`{name}` must be of rank 1 or 2: the tokens of a text, or of several. "
            f"Received: {name} of shape {x.shape}."
        )
    return x if isinstance(x, tf.RaggedTensor) else tf.RaggedTensor.from_tensor(x)
