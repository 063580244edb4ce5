"""Marian, whose models translate between many languages."""

import keras

from keras_nlp_lite.backbones.encoder_decoder_backbone import (
    EncoderDecoderBackbone,
)


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class MarianBackbone(EncoderDecoderBackbone):
    """The Transformer of 2017 as the OPUS-MT models have it.

    Of its waves, all sines stand before all cosines, and each score has a bias.

    Shapes: B batch, E tokens of the encoder, T tokens of the decoder, D `hidden_dim`.

    Args:
        vocabulary_size, num_layers, num_heads, hidden_dim, intermediate_dim, dropout,
            dtype, decoder_vocabulary_size, activation, scale_embedding, padding_free,
            remat, **kwargs: As in `EncoderDecoderBackbone`.
        max_sequence_length: The most tokens that the model was trained for.

    Call arguments:
        inputs: As of `EncoderDecoderBackbone`.

    Returns:
        As `EncoderDecoderBackbone`.

    Example:

    >>> from keras_nlp_lite.backbones.sizes import sizes
    >>> model = MarianBackbone(vocabulary_size=90, **sizes["tiny"])
    >>> model.logits(keras.ops.ones((2, 5, 128))).shape
    TensorShape([2, 5, 90])

    Reference: Junczys-Dowmunt et al., "Marian", arXiv:1804.00344.
    """

    fixed = {
        "layer_norm_epsilon": 1e-5,
        "normalize_first": False,
        "positions": "sine_halves",
        "tie_word_embeddings": True,
        "normalize_embeddings": False,
        "use_logits_bias": True,
        "share_sides": False,
        "initializer_range": None,
    }

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
        decoder_vocabulary_size=None,
        activation="silu",
        scale_embedding=True,
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
            decoder_vocabulary_size=decoder_vocabulary_size,
            activation=activation,
            scale_embedding=scale_embedding,
            padding_free=padding_free,
            remat=remat,
            **self.fixed,
            **kwargs,
        )
