"""BART."""

import keras

from keras_nlp_lite.backbones.encoder_decoder_backbone import (
    EncoderDecoderBackbone,
)


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class BartBackbone(EncoderDecoderBackbone):
    """An encoder-decoder with learned positions and a norm behind the embeddings.

    Shapes: B batch, E tokens of the encoder, T tokens of the decoder, D `hidden_dim`.

    Args:
        vocabulary_size, num_layers, num_heads, hidden_dim, intermediate_dim, dropout,
            dtype, activation, scale_embedding, padding_free, remat, **kwargs: As in
            `EncoderDecoderBackbone`.
        max_sequence_length: The most tokens that a text may have, on either side.

    Call arguments:
        inputs: As of `EncoderDecoderBackbone`.

    Returns:
        As `EncoderDecoderBackbone`.

    Example:

    >>> from keras_nlp_lite.backbones.sizes import sizes
    >>> model = BartBackbone(vocabulary_size=90, **sizes["tiny"])
    >>> model.encode(keras.ops.ones((2, 5), "int32"), keras.ops.ones((2, 5))).shape
    TensorShape([2, 5, 128])

    Reference: Lewis et al., "BART", arXiv:1910.13461.
    """

    fixed = {
        "decoder_vocabulary_size": None,
        "layer_norm_epsilon": 1e-5,
        "normalize_first": False,
        "positions": "learned",
        "tie_word_embeddings": True,
        "normalize_embeddings": True,
        "use_logits_bias": False,
        "share_sides": False,
        "initializer_range": 0.02,
    }

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
        activation="gelu",
        scale_embedding=False,
        padding_free=True,
        remat=False,
        **kwargs,
    ):
        super().__init__(
            vocabulary_size,
            num_layers,
            num_heads,
            hidden_dim,
            intermediate_dim,
            dropout,
            max_sequence_length,
            dtype,
            activation=activation,
            scale_embedding=scale_embedding,
            padding_free=padding_free,
            remat=remat,
            **self.fixed,
            **kwargs,
        )
