"""DistilBERT."""

import keras

from keras_nlp_lite.backbones.plain_encoder import PlainEncoder


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class DistilBertBackbone(PlainEncoder):
    """BERT without segments and pooling, and half as deep.

    Shapes: B batch, T tokens, D `hidden_dim`.

    Args:
        vocabulary_size, num_layers, num_heads, hidden_dim, intermediate_dim, dropout,
            max_sequence_length, dtype, activation, padding_free, remat, **kwargs: As in
            `BertBackbone`.
        layer_norm_epsilon: What the norms add to the variance; 1e-12 by default.

    Call arguments:
        inputs: dict of int [B, T]: "token_ids" and "padding_mask", 0 at padding, which
            may number the texts of a row as in `BertBackbone`.

    Returns:
        float [B, T, D], with zeros or numbers of no meaning at padding.

    Example:

    >>> from keras_nlp_lite.backbones.sizes import sizes
    >>> model = DistilBertBackbone(vocabulary_size=90, **sizes["tiny"])
    >>> ids = keras.ops.ones((2, 5), "int32")
    >>> model({"token_ids": ids, "padding_mask": ids}).shape
    TensorShape([2, 5, 128])

    Reference: Sanh et al., "DistilBERT", arXiv:1910.01108.
    """

    embeddings_name = "token_and_position_embedding"
    family_epsilon = 1e-12
