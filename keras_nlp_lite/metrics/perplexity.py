"""How many tokens a language model hesitates between."""

import keras
from keras import ops

from keras_nlp_lite.metrics.inputs import check_float


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Perplexity(keras.metrics.Metric):
    """The exponent of the mean cross-entropy over all tokens seen.

    A model that spreads its belief evenly over n tokens has perplexity n; one that is
    certain, and right, has 1. Every token weighs the same, whatever the batch it came
    in. Perplexities compare only where tokenizer and context agree.

    Shapes: B batch, T tokens, V vocabulary.

    Args:
        from_logits: Whether `y_pred` holds logits; otherwise it holds probabilities.
        mask_token_id: The id of a token in `y_true` that does not count, such as
            padding; None counts all.
        dtype: Of the sums and the result, floating point.
        name: str.
        **kwargs: The rest of `keras.metrics.Metric`.

    Call arguments:
        y_true: int [B, T], token ids.
        y_pred: float [B, T, V].
        sample_weight: float [B, T] or None; a weight for each token, on top of
            `mask_token_id`.

    Returns:
        A scalar; 0 before any token counted.

    Raises:
        ValueError: `dtype` is not floating point.

    Example:

    >>> perplexity = Perplexity(mask_token_id=0)
    >>> ids, beliefs = [[2, 1, 0]], [[[0.5, 0, 0.5], [0.5, 0.5, 0], [1, 0, 0]]]
    >>> print(f"{perplexity(ids, beliefs):.3f}")
    2.000
    """

    def __init__(
        self,
        from_logits=False,
        mask_token_id=None,
        dtype="float32",
        name="perplexity",
        **kwargs,
    ):
        check_float(dtype)
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.from_logits = from_logits
        self.mask_token_id = mask_token_id
        self._entropy = self._sum("aggregate_crossentropy")  # nats
        self._tokens = self._sum("number_of_samples")

    def _sum(self, name):
        # bfloat16 and float16 stop counting in the hundreds or thousands.
        dtype = "float64" if self.dtype == "float64" else "float32"
        return self.add_weight(shape=(), initializer="zeros", dtype=dtype, name=name)

    def update_state(self, y_true, y_pred, sample_weight=None):
        dtype = self._entropy.dtype
        y_true = ops.cast(y_true, "int32")  # [B, T]
        counts = ops.ones_like(y_true, dtype="bool")
        if self.mask_token_id is not None:
            counts = ops.not_equal(y_true, self.mask_token_id)
        weight = ops.cast(counts, dtype)
        if sample_weight is not None:
            weight *= ops.cast(sample_weight, dtype)
        entropy = ops.sparse_categorical_crossentropy(
            # A mask such as -100 is no place in the vocabulary.
            ops.where(counts, y_true, 0),
            ops.cast(y_pred, dtype),
            from_logits=self.from_logits,
        )  # [B, T]
        # Not by the product alone: what does not count may be infinite.
        entropy = ops.where(weight == 0, 0.0, entropy * weight)
        self._entropy.assign_add(ops.sum(entropy))
        self._tokens.assign_add(ops.sum(weight))

    def result(self):
        tokens = ops.convert_to_tensor(self._tokens)
        mean = self._entropy / ops.where(tokens == 0, 1.0, tokens)
        return ops.cast(ops.where(tokens == 0, 0.0, ops.exp(mean)), self.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "mask_token_id": self.mask_token_id,
        }
