"""The loss of language models."""

import keras

from keras_nlp_lite.checks import check_fraction


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of token ids, some of whose weight goes to all other tokens.

    The target is 1 - e for the right token, and e spread over all V. In float32.

    Args:
        label_smoothing: e, from 0 to 1.
        reduction: As in Keras; by default the mean over what has weight.
        **kwargs: The rest of `keras.losses.Loss`.

    Call arguments:
        y_true: int [..., T].
        y_pred: float logits [..., T, V].

    Example:

    >>> loss = SmoothedCrossentropy(label_smoothing=0.1)
    >>> round(float(loss([[1]], [[[0.0, 2.0, 0.0]]])), 4)
    0.3729

    Reference: Szegedy et al., "Rethinking the Inception Architecture",
    arXiv:1512.00567.
    """

    def __init__(
        self,
        label_smoothing=0.0,
        reduction="mean_with_sample_weight",
        name="smoothed_crossentropy",
        **kwargs,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        check_fraction("label_smoothing", label_smoothing)
        self.label_smoothing = label_smoothing
        self.from_logits = True

    def call(self, y_true, y_pred):
        y_pred = keras.ops.cast(y_pred, "float32")
        y_true = keras.ops.cast(y_true, "int32")
        loss = keras.losses.sparse_categorical_crossentropy(
            y_true, y_pred, from_logits=True
        )
        if not self.label_smoothing:
            return loss
        # -log p(right) = log-sum-exp - right, and the mean of -log p is
        # log-sum-exp - mean: their difference needs no second softmax.
        right = keras.ops.take_along_axis(y_pred, y_true[..., None], axis=-1)
        others = keras.ops.mean(y_pred, axis=-1)
        return loss + self.label_smoothing * (right[..., 0] - others)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
