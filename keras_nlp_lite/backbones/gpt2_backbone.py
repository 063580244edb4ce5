"""GPT-2."""

import keras

from keras_nlp_lite.backbones.decoder_backbone import DecoderBackbone
from keras_nlp_lite.backbones.encoder_stack import id_inputs
from keras_nlp_lite.layers.layer_normalization import LayerNormalization
from keras_nlp_lite.layers.position_embedding import PositionEmbedding
from keras_nlp_lite.layers.reversible_embedding import ReversibleEmbedding
from keras_nlp_lite.layers.transformer_decoder import TransformerDecoder
from keras_nlp_lite.ops.activations import get_activation


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class GPT2Backbone(DecoderBackbone):
    """A Transformer decoder over tokens and learned positions, norms first.

    Shapes: B batch, T tokens, D `hidden_dim`.

    Args:
        vocabulary_size: Token ids run from 0 to this, exclusive.
        num_layers: How many blocks.
        num_heads: Attention heads in a block; must divide `hidden_dim`.
        hidden_dim: D.
        intermediate_dim: Width inside a block's feed-forward half.
        dropout: Share of features, and of attention weights, that training drops.
        max_sequence_length: The most tokens that a text may have.
        dtype: Precision policy of all layers.
        activation, layer_norm_epsilon, padding_free, remat: As in `BertBackbone`.
        **kwargs: `name`, `trainable`.

    Call arguments:
        inputs: dict of int [B, T]: "token_ids", and "padding_mask", 0 at padding and 1
            at tokens. To hold several texts in a row, it numbers them, as in
            `BertBackbone`.

    Returns:
        float [B, T, D], with zeros or numbers of no meaning at padding. A token's
        features depend on no token behind it.

    Example:

    >>> from keras_nlp_lite.backbones.sizes import sizes
    >>> model = GPT2Backbone(vocabulary_size=90, **sizes["tiny"])
    >>> ids = keras.ops.ones((2, 5), "int32")
    >>> model({"token_ids": ids, "padding_mask": ids}).shape
    TensorShape([2, 5, 128])

    Reference: Radford et al., "Language Models are Unsupervised Multitask Learners",
    2019.
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        dropout=0.1,
        max_sequence_length=1024,
        dtype=None,
        *,
        activation="gelu_approximate",
        layer_norm_epsilon=1e-5,
        padding_free=True,
        remat=False,
        **kwargs,
    ):
        self.token_embedding = ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            embeddings_initializer=_initializer(0.01),
            dtype=dtype,
            name="token_embedding",
        )
        self.position_embedding = PositionEmbedding(
            max_sequence_length,
            initializer=_initializer(0.02),
            dtype=dtype,
            name="position_embedding",
        )
        self.embeddings_add = keras.layers.Add(dtype=dtype, name="embeddings_add")
        self.embeddings_dropout = keras.layers.Dropout(
            dropout, dtype=dtype, name="embeddings_dropout"
        )
        self.transformer_layers = [
            TransformerDecoder(
                intermediate_dim,
                num_heads,
                dropout=dropout,
                activation=get_activation(activation),
                layer_norm_epsilon=layer_norm_epsilon,
                kernel_initializer=_initializer(0.02),
                normalize_first=True,
                remat=remat,
                dtype=dtype,
                name=f"transformer_layer_{i}",
            )
            for i in range(num_layers)
        ]
        self.final_norm = LayerNormalization(
            epsilon=layer_norm_epsilon, dtype=dtype, name="final_norm"
        )
        inputs = id_inputs("token_ids", "padding_mask")
        outputs = self.all_features(inputs, max_sequence_length, padding_free, dtype)
        settings = {
            "vocabulary_size": vocabulary_size,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "hidden_dim": hidden_dim,
            "intermediate_dim": intermediate_dim,
            "dropout": dropout,
            "max_sequence_length": max_sequence_length,
            "activation": activation,
            "layer_norm_epsilon": layer_norm_epsilon,
            "padding_free": padding_free,
            "remat": remat,
        }
        super().__init__(inputs, outputs, settings, dtype, **kwargs)

    def embed(self, token_ids, positions):
        tokens = self.token_embedding(token_ids)
        places = self.position_embedding(tokens, positions=positions)
        return self.embeddings_dropout(self.embeddings_add([tokens, places]))


def _initializer(stddev):
    return keras.initializers.RandomNormal(stddev=stddev)
