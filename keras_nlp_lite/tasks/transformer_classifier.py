"""Word vectors that look at one another."""

import keras

from keras_nlp_lite.layers.layer_normalization import LayerNormalization
from keras_nlp_lite.layers.token_and_position_embedding import (
    TokenAndPositionEmbedding,
)
from keras_nlp_lite.layers.transformer_encoder import TransformerEncoder
from keras_nlp_lite.tasks.sequence_classifier import SequenceClassifier


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TransformerClassifier(SequenceClassifier):
    """Transformer blocks over token and position embeddings, then their mean.

    Args:
        num_classes: C.
        max_tokens: Size of the vocabulary, padding and the unknown included.
        sequence_length: In tokens; longer texts are cut. The time of attention grows
            with its square.
        embedding_dim: Width of a token's vector.
        num_layers: How many blocks.
        num_heads: Attention heads in a block; must divide `embedding_dim`.
        intermediate_dim: Width inside a block's feed-forward half.
        dropout: Share of features dropped in training, in blocks and before the head.
        activation: Of the blocks' feed-forward halves.
        normalize_first: Whether a norm stands before each half of a block, and one
            behind the last, or after each residual.
        **kwargs: As in `SequenceClassifier`.

    Example:

    >>> model = TransformerClassifier(num_classes=2, max_tokens=100, num_layers=2)
    >>> model.adapt(["good", "not good"])
    >>> model.predict(["good"], verbose=0).shape
    (1, 2)
    """

    def __init__(
        self,
        num_classes,
        max_tokens=20_000,
        *,
        sequence_length=250,
        embedding_dim=32,
        num_layers=1,
        num_heads=2,
        intermediate_dim=64,
        dropout=0.1,
        activation="relu",
        normalize_first=False,
        **kwargs,
    ):
        if embedding_dim % num_heads:
            raise ValueError(
                "`embedding_dim` must split evenly over `num_heads`. Received: "
                f"embedding_dim={embedding_dim}, num_heads={num_heads}. Try "
                f"embedding_dim={embedding_dim // num_heads * num_heads or num_heads}."
            )
        dtype = {"dtype": kwargs.get("dtype")}
        encoder = keras.Sequential(
            [
                TokenAndPositionEmbedding(
                    max_tokens, sequence_length, embedding_dim, mask_zero=True, **dtype
                ),
                *(
                    TransformerEncoder(
                        intermediate_dim,
                        num_heads,
                        dropout=dropout,
                        activation=activation,
                        normalize_first=normalize_first,
                        **dtype,
                    )
                    for _ in range(num_layers)
                ),
                *([LayerNormalization(**dtype)] if normalize_first else []),
                keras.layers.GlobalAveragePooling1D(**dtype),
                keras.layers.Dropout(dropout, **dtype),
            ],
            name="encoder",
        )
        super().__init__(
            num_classes,
            encoder,
            max_tokens=max_tokens,
            sequence_length=sequence_length,
            settings={
                "embedding_dim": embedding_dim,
                "num_layers": num_layers,
                "num_heads": num_heads,
                "intermediate_dim": intermediate_dim,
                "dropout": dropout,
                "activation": activation,
                "normalize_first": normalize_first,
            },
            **kwargs,
        )
