"""RoBERTa."""

import keras

from keras_nlp_lite.backbones.backbone import Backbone
from keras_nlp_lite.backbones.encoder_stack import encode, id_inputs, initializer
from keras_nlp_lite.layers.token_and_position_embedding import (
    TokenAndPositionEmbedding,
)


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class RobertaBackbone(Backbone):
    """BERT without segments and pooling, for byte-pair vocabularies.

    Shapes: B batch, T tokens, D `hidden_dim`.

    Args:
        vocabulary_size, num_layers, num_heads, hidden_dim, intermediate_dim, dropout,
            max_sequence_length, dtype, activation, layer_norm_epsilon, padding_free,
            remat, **kwargs: As in `BertBackbone`.

    Call arguments:
        inputs: dict of int [B, T]: "token_ids" and "padding_mask", 0 at padding.

    Returns:
        float [B, T, D], with zeros or numbers of no meaning at padding.

    Example:

    >>> from keras_nlp_lite.backbones.sizes import sizes
    >>> model = RobertaBackbone(vocabulary_size=90, **sizes["tiny"])
    >>> ids = keras.ops.ones((2, 5), "int32")
    >>> model({"token_ids": ids, "padding_mask": ids}).shape
    TensorShape([2, 5, 128])

    Reference: Liu et al., "RoBERTa", arXiv:1907.11692.
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        dropout=0.1,
        max_sequence_length=512,
        dtype=None,
        *,
        activation="gelu",
        layer_norm_epsilon=1e-5,
        padding_free=True,
        remat=False,
        **kwargs,
    ):
        self.embeddings = TokenAndPositionEmbedding(
            vocabulary_size,
            max_sequence_length,
            hidden_dim,
            embeddings_initializer=initializer(),
            dtype=dtype,
            name="embeddings",
        )
        self.token_embedding = self.embeddings.token_embedding

        def embed(ids, positions):
            return self.embeddings(ids["token_ids"], positions=positions)

        inputs = id_inputs("token_ids", "padding_mask")
        of_blocks = {
            "num_layers": num_layers,
            "num_heads": num_heads,
            "intermediate_dim": intermediate_dim,
            "dropout": dropout,
            "activation": activation,
            "layer_norm_epsilon": layer_norm_epsilon,
            "padding_free": padding_free,
            "remat": remat,
        }
        self.transformer_layers, x, first = encode(
            inputs, embed, **of_blocks, dtype=dtype
        )
        settings = {
            "vocabulary_size": vocabulary_size,
            "hidden_dim": hidden_dim,
            "max_sequence_length": max_sequence_length,
            **of_blocks,
        }
        super().__init__(inputs, x, settings, dtype, first, **kwargs)
