"""BERT."""

import keras

from keras_nlp_lite.backbones.backbone import Backbone
from keras_nlp_lite.backbones.encoder_stack import encode, id_inputs, initializer
from keras_nlp_lite.layers.position_embedding import PositionEmbedding
from keras_nlp_lite.layers.reversible_embedding import ReversibleEmbedding


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class BertBackbone(Backbone):
    """A bidirectional Transformer encoder over tokens, positions and segments.

    Shapes: B batch, T tokens, D `hidden_dim`.

    Args:
        vocabulary_size: Token ids run from 0 to this, exclusive.
        num_layers: How many blocks.
        num_heads: Attention heads in a block; must divide `hidden_dim`.
        hidden_dim: D.
        intermediate_dim: Width inside a block's feed-forward half.
        dropout: Share of features, and of attention weights, that training drops.
        max_sequence_length: The most tokens that a row may have.
        num_segments: Segment ids run from 0 to this, exclusive.
        dtype: Precision policy of all layers.
        activation: Of the feed-forward halves; "gelu_approximate" is GELU by tanh.
        layer_norm_epsilon: What the norms add to the variance.
        padding_free: Whether blocks work on the tokens alone, without their padding,
            where attention is fused and XLA does not compile the step.
        remat: Whether training computes each block again for its gradient instead of
            keeping what is inside.
        **kwargs: `name`, `trainable`.

    Call arguments:
        inputs: dict of int [B, T]: "token_ids", "segment_ids" and "padding_mask", 0 at
            padding and 1 at tokens. To hold several texts in a row, it numbers them: 1
            at the tokens of the first, 2 at those of the second, and so on. Each is
            then read as if it had a row to itself.

    Returns:
        dict of "sequence_output" float [B, T, D], with zeros or numbers of no meaning
        at padding, and "pooled_output" float [B, D], made of the row's first token.

    Example:

    >>> from keras_nlp_lite.backbones.sizes import sizes
    >>> model = BertBackbone(vocabulary_size=90, **sizes["tiny"])
    >>> ids = keras.ops.ones((2, 5), "int32")
    >>> features = model(
    ...     {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": ids}
    ... )
    >>> features["sequence_output"].shape, features["pooled_output"].shape
    (TensorShape([2, 5, 128]), TensorShape([2, 128]))

    Reference: Devlin et al., "BERT", arXiv:1810.04805.
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
        num_segments=2,
        dtype=None,
        *,
        activation="gelu_approximate",
        layer_norm_epsilon=1e-12,
        padding_free=True,
        remat=False,
        **kwargs,
    ):
        self.token_embedding = ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            embeddings_initializer=initializer(),
            dtype=dtype,
            name="token_embedding",
        )
        self.position_embedding = PositionEmbedding(
            max_sequence_length,
            initializer=initializer(),
            dtype=dtype,
            name="position_embedding",
        )
        self.segment_embedding = keras.layers.Embedding(
            num_segments,
            hidden_dim,
            embeddings_initializer=initializer(),
            dtype=dtype,
            name="segment_embedding",
        )
        add = keras.layers.Add(dtype=dtype, name="embeddings_add")

        def embed(ids, positions):
            tokens = self.token_embedding(ids["token_ids"])
            return add(
                [
                    tokens,
                    self.position_embedding(tokens, positions=positions),
                    self.segment_embedding(ids["segment_ids"]),
                ]
            )

        inputs = id_inputs("token_ids", "segment_ids", "padding_mask")
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
        self.pooled_dense = keras.layers.Dense(
            hidden_dim,
            kernel_initializer=initializer(),
            activation="tanh",
            dtype=dtype,
            name="pooled_dense",
        )
        pooled = self.pooled_dense(x[:, 0, :])
        outputs = {"sequence_output": x, "pooled_output": pooled}
        settings = {
            "vocabulary_size": vocabulary_size,
            "hidden_dim": hidden_dim,
            "max_sequence_length": max_sequence_length,
            "num_segments": num_segments,
            **of_blocks,
        }
        first = self.pooled_dense(first)
        super().__init__(inputs, outputs, settings, dtype, first, **kwargs)
