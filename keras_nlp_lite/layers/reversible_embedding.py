"""An embedding that also leads back, from vectors to scores over the vocabulary."""

import keras

from keras_nlp_lite.checks import check_positive, check_positive_int
from keras_nlp_lite.ops.few_rows import few_rows_matmul
from keras_nlp_lite.ops.matmul import is_step, matmul, takes_many_rows


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class ReversibleEmbedding(keras.layers.ReversibleEmbedding):
    """`keras.layers.ReversibleEmbedding` that checks its sizes and tells its dtype.

    Arguments, weights and outputs are Keras's. What differs: sizes that no table can
    have are refused at once, and in a functional model the scores are known to be of
    `reverse_dtype`.

    The gradient of a lookup names the rows that were looked up and costs as much as
    they do. The way back touches every row, so that a tied table that is used both ways
    in one step has a dense gradient.

    Shapes: B batch, T tokens, V `input_dim`, D `output_dim`.

    Args:
        input_dim: V, the vocabulary's size; ids run from 0 to V - 1.
        output_dim: D.
        tie_weights: Whether the way back uses the table [V, D] itself; otherwise it has
            weights [D, V] of its own.
        embeddings_initializer: Of the table, and of the weights of the way back.
        embeddings_regularizer: Of the table.
        embeddings_constraint: Of the table.
        mask_zero: Whether id 0 is padding. Layers that follow then see a mask.
        reverse_dtype: What the way back computes in; the layer's compute dtype by
            default.
        logit_soft_cap: c, which turns each score s into c * tanh(s / c); None leaves it
            as it is.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Embedding`.

    Call arguments:
        inputs: int [B, T], or with `reverse` float [B, T, D].
        reverse: Whether to go from vectors to scores.

    Returns:
        float [B, T, D], or with `reverse` float [B, T, V].

    Raises:
        ValueError: a size below 1; a `logit_soft_cap` that is not above 0.

    Example:

    >>> embed = ReversibleEmbedding(input_dim=50, output_dim=8)
    >>> vectors = embed(keras.ops.array([[3, 1, 4], [1, 5, 0]]))
    >>> embed(vectors, reverse=True).shape
    TensorShape([2, 3, 50])

    Reference: Press and Wolf, "Using the Output Embedding to Improve Language Models",
    arXiv:1608.05859.
    """

    def __init__(
        self,
        input_dim,
        output_dim,
        tie_weights=True,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero=False,
        reverse_dtype=None,
        logit_soft_cap=None,
        **kwargs,
    ):
        check_positive_int("input_dim", input_dim)
        check_positive_int("output_dim", output_dim)
        if logit_soft_cap is not None:
            check_positive("logit_soft_cap", logit_soft_cap)
        super().__init__(
            input_dim,
            output_dim,
            tie_weights=tie_weights,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            reverse_dtype=reverse_dtype,
            logit_soft_cap=logit_soft_cap,
            **kwargs,
        )

    def call(self, inputs, reverse=False):
        if not reverse:
            return super().call(inputs)
        tied = self.tie_weights
        table = self.embeddings if tied else self.reverse_embeddings
        if self._is_step(inputs) and not takes_many_rows():
            return self._capped(few_rows_matmul(inputs, table, transpose=tied))
        dtype = self.reverse_dtype or self.compute_dtype
        kernel = keras.ops.cast(keras.ops.transpose(table) if tied else table, dtype)
        return self._capped(matmul(keras.ops.cast(inputs, dtype), kernel))

    def _int8_call(self, inputs, reverse=False):  # which Keras calls in place of `call`
        if not reverse or not self._is_step(inputs):
            return super()._int8_call(inputs, reverse)
        tied = self.tie_weights
        table = self._embeddings if tied else self.reverse_embeddings
        scale = self.embeddings_scale if tied else self.reverse_embeddings_scale
        scale = 1 / keras.ops.cast(keras.ops.reshape(scale, (-1,)), "float32")
        logits = few_rows_matmul(inputs, table, transpose=tied, scale=scale)
        return self._capped(logits)

    def _is_step(self, inputs):
        """Whether it is one of generation, for which the table is read as it lies."""
        return is_step(inputs) and self.reverse_dtype is None

    def _capped(self, logits):
        if self.logit_soft_cap is None:
            return logits
        return keras.ops.tanh(logits / self.logit_soft_cap) * self.logit_soft_cap

    def quantize(self, mode=None, type_check=True, config=None):
        # Keras refuses subclasses, which might compute something else.
        type_check = type_check and type(self) is not ReversibleEmbedding
        return super().quantize(mode, type_check=type_check, config=config)

    def compute_output_spec(self, inputs, reverse=False):
        forecast = super().compute_output_spec(inputs, reverse)
        if not reverse or self.reverse_dtype is None:
            return forecast
        return keras.KerasTensor(forecast.shape, dtype=self.reverse_dtype)
