"""A learned vector for each place in the row."""

import keras

from keras_nlp_lite.checks import check_positive_int


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class PositionEmbedding(keras.layers.Layer):
    """Gives each token the vector of its position, to be added to the token's own.

    Shapes: B batch, T tokens, L `sequence_length`, D features.

    Args:
        sequence_length: L, the most tokens that a row may have.
        initializer: Of the table [L, D].
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: float [B, T, D], T at most L. Only its shape counts.
        start_index: int, the position of the first token; a decoder that is at its
            n-th step passes n. `start_index + T` is at most L.
        positions: int [T] or [B, T], each below L, in place of start_index,
            start_index + 1, ...

    Returns:
        float [B, T, D], which keeps the inputs' Keras mask.

    Raises:
        ValueError: a last position beyond L.

    Example:

    >>> tokens = keras.ops.ones((2, 3, 8))
    >>> positions = PositionEmbedding(sequence_length=9)
    >>> (tokens + positions(tokens)).shape
    TensorShape([2, 3, 8])
    >>> positions.count_params()  # 9 * 8
    72

    Reference: Devlin et al., "BERT", arXiv:1810.04805.
    """

    def __init__(self, sequence_length, initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        check_positive_int("sequence_length", sequence_length)
        self.sequence_length = sequence_length
        self.initializer = keras.initializers.get(initializer)
        self.supports_masking = True

    def build(self, inputs_shape):
        self.position_embeddings = self.add_weight(
            name="embeddings",
            shape=(self.sequence_length, inputs_shape[-1]),
            initializer=self.initializer,
        )

    def call(self, inputs, start_index=0, positions=None):
        shape = keras.ops.shape(inputs)
        table = keras.ops.convert_to_tensor(self.position_embeddings)
        if positions is not None:
            found = keras.ops.take(table, positions, axis=0)  # [T, D] or [B, T, D]
            return keras.ops.broadcast_to(found, shape)
        T, D = shape[-2:]
        self._check_length(start_index, T)
        # A slice, not a lookup: contiguous, and its gradient is no scatter.
        found = keras.ops.slice(table, (start_index, 0), (T, D))
        return keras.ops.broadcast_to(found, shape)

    def _check_length(self, start_index, T):
        known = isinstance(start_index, int) and isinstance(T, int)
        if known and self.sequence_length < start_index + T:
            raise ValueError(
                "The last token must stand within `sequence_length`. Received: "
                f"{T} tokens, start_index={start_index}, "
                f"sequence_length={self.sequence_length}."
            )

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {
            **super().get_config(),
            "sequence_length": self.sequence_length,
            "initializer": keras.initializers.serialize(self.initializer),
        }
