"""What two encoders of BERT's kind become together: one reads, the other writes."""

import keras

from keras_nlp_lite.backbones.encoder_decoder_backbone import (
    EncoderDecoderBackbone,
)
from keras_nlp_lite.ops.activations import get_activation


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class WarmStartedBackbone(EncoderDecoderBackbone):
    """An encoder-decoder whose sides are laid out as `BertBackbone`.

    `warm_start` makes one of encoders that have learned. On their way to scores,
    features pass a dense layer and a norm, as in BERT's own head.

    Shapes: B batch, E tokens of the encoder, T tokens of the decoder, D `hidden_dim`.

    Args:
        vocabulary_size, num_layers, num_heads, hidden_dim, intermediate_dim, dropout,
            dtype, decoder_vocabulary_size, activation, layer_norm_epsilon, share_sides,
            padding_free, remat, **kwargs: As in `EncoderDecoderBackbone`.
        max_sequence_length: The most tokens that a text may have, on either side.
        num_segments: How many segments the encoders knew; all tokens are of the first.
            0 for encoders without.
        use_pooler: Whether to keep the encoder's pooling of its first token, which
            `first_features` gives. The decoder does not look at it.

    Call arguments:
        inputs: As of `EncoderDecoderBackbone`.

    Returns:
        As `EncoderDecoderBackbone`.

    Example:

    >>> from keras_nlp_lite.backbones.sizes import sizes
    >>> model = WarmStartedBackbone(vocabulary_size=90, **sizes["tiny"])
    >>> model.logits(keras.ops.ones((2, 5, 128))).shape
    TensorShape([2, 5, 90])

    Reference: Rothe et al., "Leveraging Pre-trained Checkpoints for Sequence Generation
    Tasks", arXiv:1907.12461.
    """

    fixed = {
        "normalize_first": False,
        "scale_embedding": False,
        "positions": "learned",
        "tie_word_embeddings": True,
        "normalize_embeddings": True,
        "use_logits_bias": True,
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
        max_sequence_length=512,
        num_segments=2,
        dtype=None,
        *,
        decoder_vocabulary_size=None,
        activation="gelu",
        layer_norm_epsilon=1e-12,
        share_sides=False,
        use_pooler=True,
        padding_free=True,
        remat=False,
        **kwargs,
    ):
        self.num_segments = num_segments
        self.use_pooler = use_pooler
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
            layer_norm_epsilon=layer_norm_epsilon,
            share_sides=share_sides,
            padding_free=padding_free,
            remat=remat,
            **self.fixed,
            **kwargs,
        )

    def make_embeddings(self, dtype):
        super().make_embeddings(dtype)
        self.encoder_segment_embedding = self.decoder_segment_embedding = None
        if self.num_segments:
            self.encoder_segment_embedding = self._segments("encoder", dtype)
            self.decoder_segment_embedding = (
                self.encoder_segment_embedding
                if self.share_sides
                else self._segments("decoder", dtype)
            )

    def _segments(self, side, dtype):
        return keras.layers.Embedding(
            self.num_segments,
            self.hidden_dim,
            embeddings_initializer=self.embeddings_initializer(),
            dtype=dtype,
            name=f"{side}_segment_embedding",
        )

    def make_head(self, dtype):
        super().make_head(dtype)
        self.logits_dense = self._dense("logits_dense", self.activation, dtype)
        self.logits_norm = self.norm("logits_norm", dtype)
        self.logits_norm.build((None, None, self.hidden_dim))
        self.pooled_dense = None
        if self.use_pooler:
            self.pooled_dense = self._dense("pooled_dense", "tanh", dtype)
            # Nothing from sequence to sequence has a gradient for it.
            self.pooled_dense.trainable = False

    def _dense(self, name, activation, dtype):
        layer = keras.layers.Dense(
            self.hidden_dim,
            activation=get_activation(activation),
            kernel_initializer=self.kernel_initializer(),
            dtype=dtype,
            name=name,
        )
        layer.build((None, None, self.hidden_dim))
        return layer

    def places(self, side, x, positions):
        places = super().places(side, x, positions)
        segments = getattr(self, f"{side}_segment_embedding")
        if segments is None:
            return places
        return places + segments(keras.ops.zeros_like(positions))

    def logits(self, x):
        return super().logits(self.logits_norm(self.logits_dense(x)))

    def first_features(self, inputs, training=None):
        """float [B, D], of the first token of each row that is read."""
        x = self(inputs, training=training)["encoder_sequence_output"][:, 0]
        return x if self.pooled_dense is None else self.pooled_dense(x)

    def get_config(self):
        return {
            **super().get_config(),
            "num_segments": self.num_segments,
            "use_pooler": self.use_pooler,
        }
