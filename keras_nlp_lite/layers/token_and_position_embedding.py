"""What a token means plus where it stands."""

import keras

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.ops.initializers import another


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TokenAndPositionEmbedding(keras.layers.Layer):
    """Looks up a vector for each token and one for its position, and adds them.

    Shapes: B batch, T tokens, V vocabulary, L `sequence_length`, D `embedding_dim`.

    Args:
        vocabulary_size: V; ids run from 0 to V - 1.
        sequence_length: L, the most tokens that a row may have.
        embedding_dim: D.
        tie_weights: Whether `token_embedding(x, reverse=True)`, from vectors back to
            scores over the vocabulary, uses the embedding's own weights; otherwise it
            has weights [D, V] of its own.
        embeddings_initializer: Of both tables.
        mask_zero: Whether id 0 is padding. Layers that follow then see a mask.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: int [B, T], T at most L.
        start_index: int, the position of the first token; a decoder that is at its
            n-th step passes n.
        positions: int [T] or [B, T], in place of start_index, start_index + 1, ...

    Returns:
        float [B, T, D].

    Raises:
        ValueError: more than L tokens in a row.

    Example:

    >>> embed = TokenAndPositionEmbedding(
    ...     vocabulary_size=50, sequence_length=9, embedding_dim=8
    ... )
    >>> embed(keras.ops.array([[3, 1, 4], [1, 5, 0]])).shape
    TensorShape([2, 3, 8])
    >>> embed.count_params()  # (50 + 9) * 8
    472
    """

    def __init__(
        self,
        vocabulary_size,
        sequence_length,
        embedding_dim,
        tie_weights=True,
        embeddings_initializer="uniform",
        mask_zero=False,
        dtype=None,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        check_positive_int("vocabulary_size", vocabulary_size)
        check_positive_int("sequence_length", sequence_length)
        check_positive_int("embedding_dim", embedding_dim)
        self.vocabulary_size = vocabulary_size
        self.sequence_length = sequence_length
        self.embedding_dim = embedding_dim
        self.tie_weights = tie_weights
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.mask_zero = mask_zero
        self.supports_masking = True
        self.token_embedding = keras.layers.ReversibleEmbedding(
            vocabulary_size,
            embedding_dim,
            tie_weights=tie_weights,
            embeddings_initializer=another(self.embeddings_initializer),
            dtype=self.dtype_policy,
            name="token_embedding",
        )
        self.position_embedding = keras.layers.Embedding(
            sequence_length,
            embedding_dim,
            embeddings_initializer=another(self.embeddings_initializer),
            dtype=self.dtype_policy,
            name="position_embedding",
        )

    def build(self, inputs_shape):
        self.token_embedding.build(inputs_shape)
        self.position_embedding.build(inputs_shape)

    def call(self, inputs, start_index=0, positions=None):
        tokens = self.token_embedding(inputs)  # [B, T, D]
        if positions is not None:
            return tokens + self.position_embedding(positions)
        T = keras.ops.shape(inputs)[-1]
        if isinstance(T, int) and self.sequence_length < T:
            raise ValueError(
                "A row may have at most `sequence_length` tokens. Received: "
                f"{T} tokens, sequence_length={self.sequence_length}."
            )
        # A slice, not a lookup: contiguous, and its gradient is no scatter.
        table = keras.ops.convert_to_tensor(self.position_embedding.embeddings)
        return tokens + keras.ops.slice(
            table, (start_index, 0), (T, self.embedding_dim)
        )

    def compute_mask(self, inputs, previous_mask=None):
        if self.mask_zero:
            return keras.ops.not_equal(inputs, 0)
        return previous_mask

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape, self.embedding_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "sequence_length": self.sequence_length,
            "embedding_dim": self.embedding_dim,
            "tie_weights": self.tie_weights,
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
            "mask_zero": self.mask_zero,
        }
