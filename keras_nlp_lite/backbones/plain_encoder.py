"""What DistilBERT and RoBERTa are: tokens, positions and blocks, and nothing else."""

from keras_nlp_lite.backbones.backbone import Backbone
from keras_nlp_lite.backbones.encoder_stack import encode, id_inputs, initializer
from keras_nlp_lite.layers.token_and_position_embedding import (
    TokenAndPositionEmbedding,
)


class PlainEncoder(Backbone):
    """An encoder over tokens and positions; a family names its embeddings and the
    epsilon of its norms. Arguments are described there."""

    embeddings_name = None
    family_epsilon = None

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
        layer_norm_epsilon=None,
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
            name=self.embeddings_name,
        )
        self.token_embedding = self.embeddings.token_embedding

        def embed(ids, positions):
            return self.embeddings(ids["token_ids"], positions=positions)

        if layer_norm_epsilon is None:
            layer_norm_epsilon = self.family_epsilon
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
            inputs,
            embed,
            **of_blocks,
            max_sequence_length=max_sequence_length,
            dtype=dtype,
        )
        settings = {
            "vocabulary_size": vocabulary_size,
            "hidden_dim": hidden_dim,
            "max_sequence_length": max_sequence_length,
            **of_blocks,
        }
        super().__init__(inputs, x, settings, dtype, first, **kwargs)
