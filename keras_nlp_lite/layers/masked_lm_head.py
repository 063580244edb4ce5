"""From hidden states to guesses at the tokens that were masked."""

import keras

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.ops.initializers import another


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class MaskedLMHead(keras.layers.Layer):
    """Scores the vocabulary at a few chosen positions, and only there.

    A vocabulary is wide: scores for the 15 % of tokens that training masks cost that
    share of what scores for all would.

    Shapes: B batch, T tokens, M masked positions, D features, V vocabulary, E the
    embedding's width, or D without one.

    Args:
        vocabulary_size: V; may be left out where `token_embedding` tells it.
        token_embedding: A `ReversibleEmbedding`, whose way back makes the scores: the
            model then learns one table for reading and for guessing. None gives the
            head a kernel [E, V] of its own.
        intermediate_activation: Of the dense layer [D, E] before the scores, by name or
            as a function.
        activation: Of the scores; None for logits, "softmax" for probabilities.
        layer_norm_epsilon: What the norm, between the two, adds to the variance.
        kernel_initializer: Of all kernels.
        bias_initializer: Of all biases.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: float [B, T, D].
        mask_positions: int [B, M], in tokens, from 0 to T - 1; a row with fewer masked
            tokens than M repeats any, and gives it no weight in the loss.

    Returns:
        float [B, M, V]. Without a Keras mask: the inputs' mask is about T.

    Raises:
        ValueError: neither `vocabulary_size` nor `token_embedding`, or two that differ;
            `mask_positions` of the wrong rank.

    Example:

    >>> embed = keras.layers.ReversibleEmbedding(50, 8)
    >>> head = MaskedLMHead(token_embedding=embed)
    >>> hidden = embed(keras.ops.array([[3, 1, 4], [1, 5, 0]]))
    >>> head(hidden, mask_positions=keras.ops.array([[1], [2]])).shape
    TensorShape([2, 1, 50])

    References: Devlin et al., "BERT", arXiv:1810.04805; for the shared table, Press and
    Wolf, arXiv:1608.05859.
    """

    def __init__(
        self,
        vocabulary_size=None,
        token_embedding=None,
        intermediate_activation="relu",
        activation=None,
        layer_norm_epsilon=1e-05,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if vocabulary_size is None:
            if token_embedding is None:
                raise ValueError(
                    "One of `vocabulary_size` and `token_embedding` must be given. "
                    "Received: vocabulary_size=None, token_embedding=None."
                )
            vocabulary_size = token_embedding.input_dim
        check_positive_int("vocabulary_size", vocabulary_size)
        if token_embedding is not None and token_embedding.input_dim != vocabulary_size:
            raise ValueError(
                "`vocabulary_size` must be that of `token_embedding`. Received: "
                f"vocabulary_size={vocabulary_size}, "
                f"token_embedding.input_dim={token_embedding.input_dim}."
            )
        self.vocabulary_size = vocabulary_size
        self.token_embedding = token_embedding
        self.intermediate_activation = keras.activations.get(intermediate_activation)
        self.activation = keras.activations.get(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.supports_masking = True

    def build(self, inputs_shape, mask_positions_shape=None):
        width = inputs_shape[-1]
        if self.token_embedding is not None:
            width = self.token_embedding.output_dim
            if not self.token_embedding.built:
                self.token_embedding.build()
        self.intermediate = keras.layers.Dense(
            width,
            activation=self.intermediate_activation,
            kernel_initializer=another(self.kernel_initializer),
            bias_initializer=another(self.bias_initializer),
            dtype=self.dtype_policy,
            name="intermediate",
        )
        self.intermediate.build((None, None, inputs_shape[-1]))
        self.norm = keras.layers.LayerNormalization(
            epsilon=self.layer_norm_epsilon, dtype=self.dtype_policy, name="norm"
        )
        self.norm.build((None, None, width))
        if self.token_embedding is None:
            self.kernel = self.add_weight(
                name="kernel",
                shape=(width, self.vocabulary_size),
                initializer=another(self.kernel_initializer),
            )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.vocabulary_size,),
            initializer=another(self.bias_initializer),
        )

    def call(self, inputs, mask_positions):
        x = _rows(inputs, mask_positions)  # [B, M, D]
        x = self.norm(self.intermediate(x))  # [B, M, E]
        if self.token_embedding is None:
            scores = keras.ops.matmul(x, self.kernel)  # [B, M, V]
        else:
            scores = self.token_embedding(x, reverse=True)
        # The embedding may compute in a dtype of its own, `reverse_dtype`.
        scores = keras.ops.cast(scores, self.compute_dtype)
        return self.activation(scores + self.bias)

    def compute_mask(self, inputs, previous_mask=None):
        return None

    def compute_output_shape(self, inputs_shape, mask_positions_shape):
        return (*mask_positions_shape, self.vocabulary_size)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "token_embedding": keras.saving.serialize_keras_object(
                self.token_embedding
            ),
            "intermediate_activation": keras.activations.serialize(
                self.intermediate_activation
            ),
            "activation": keras.activations.serialize(self.activation),
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }

    @classmethod
    def from_config(cls, config):
        embedding = keras.saving.deserialize_keras_object(config["token_embedding"])
        return super().from_config({**config, "token_embedding": embedding})


def _rows(x, positions):
    """The vectors at these positions of each row, float [B, M, D].

    As whole rows of one table [B * T, D]: `take_along_axis` would move each feature by
    itself, with eighty times the time for a batch of BERT's size on a CPU.
    """
    if len(positions.shape) != 2:
        raise ValueError(
            "`mask_positions` must have shape [batch, masked]. Received: "
            f"shape={tuple(positions.shape)}."
        )
    B, T, D = keras.ops.shape(x)
    positions = keras.ops.cast(positions, "int32")
    places = positions + T * keras.ops.arange(B)[:, None]
    # A position beyond its row must not read another row. Beyond the table it is an
    # error on a CPU and zeros on a GPU, as always.
    within = keras.ops.logical_and(positions >= 0, positions < T)
    places = keras.ops.where(within, places, B * T)
    return keras.ops.take(keras.ops.reshape(x, (B * T, D)), places, axis=0)
