"""The Transformer of 2017, and what its descendants change in it."""

import keras

from keras_nlp_lite.backbones.seq2seq_backbone import Seq2SeqBackbone
from keras_nlp_lite.layers.layer_normalization import LayerNormalization
from keras_nlp_lite.layers.position_embedding import PositionEmbedding
from keras_nlp_lite.layers.reversible_embedding import ReversibleEmbedding
from keras_nlp_lite.layers.sine_position_encoding import SinePositionEncoding
from keras_nlp_lite.layers.transformer_decoder import TransformerDecoder
from keras_nlp_lite.layers.transformer_encoder import TransformerEncoder
from keras_nlp_lite.ops.activations import get_activation

_POSITIONS = ("sine", "sine_halves", "learned")


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class EncoderDecoderBackbone(Seq2SeqBackbone):
    """A Transformer encoder, and a decoder that looks at what it gives.

    Shapes: B batch, E tokens of the encoder, T tokens of the decoder, D `hidden_dim`.

    Args:
        vocabulary_size: Token ids run from 0 to this, exclusive.
        num_layers: How many blocks each side has; or a pair, the encoder's number and
            the decoder's.
        num_heads: Attention heads in a block; must divide `hidden_dim`.
        hidden_dim: D.
        intermediate_dim: Width inside a block's feed-forward half.
        dropout: Share of features, and of attention weights, that training drops.
        max_sequence_length: The most tokens that a text may have where positions are
            learned; waves have no last position.
        dtype: Precision policy of all layers.
        decoder_vocabulary_size: Of the decoder's ids, where it has a table of its own.
            By default both sides share one table of `vocabulary_size`.
        activation: Of the feed-forward halves.
        layer_norm_epsilon: What the norms add to the variance.
        normalize_first: Whether norms stand before each half, and behind each side, or
            after each residual, as in the paper. The former trains without warm-up.
        scale_embedding: Whether token embeddings are multiplied by the root of D.
        positions: "sine", waves as in the paper; "sine_halves", the same with all sines
            before all cosines; "learned", a table for each side.
        tie_word_embeddings: Whether the scores over the vocabulary come from the
            decoder's token embedding itself, read backwards.
        normalize_embeddings: Whether a norm stands behind the embeddings.
        use_logits_bias: Whether each score has a bias.
        share_sides: Whether the decoder has the encoder's weights in all but its
            attention to the encoder.
        initializer_range: Standard deviation of all weights at first. By default that
            of embeddings is 1 / root of D, and kernels are Glorot's.
        padding_free, remat: As in `BertBackbone`.
        **kwargs: `name`, `trainable`.

    Call arguments:
        inputs: dict of "encoder_token_ids" and "encoder_padding_mask", int [B, E], and
            "decoder_token_ids" and "decoder_padding_mask", int [B, T]. Masks are 0 at
            padding and 1 at tokens. To hold several texts in a row, both number them: 1
            at the tokens of the first, 2 at those of the second, and so on. The
            decoder's text n looks at the encoder's text n, of which a row has as many
            as the decoder's.

    Returns:
        dict of "encoder_sequence_output" float [B, E, D] and "decoder_sequence_output"
        float [B, T, D], with zeros or numbers of no meaning at padding. `logits` makes
        scores of the latter.

    Raises:
        ValueError: sides that share their weights but differ in their number of blocks
            or in their vocabulary; positions of another kind.

    Example:

    >>> from keras_nlp_lite.backbones.sizes import sizes
    >>> model = EncoderDecoderBackbone(vocabulary_size=90, **sizes["tiny"])
    >>> source, target = (
    ...     keras.ops.ones((2, 7), "int32"),
    ...     keras.ops.ones((2, 5), "int32"),
    ... )
    >>> features = model(
    ...     {
    ...         "encoder_token_ids": source,
    ...         "encoder_padding_mask": source,
    ...         "decoder_token_ids": target,
    ...         "decoder_padding_mask": target,
    ...     }
    ... )
    >>> features["encoder_sequence_output"].shape
    TensorShape([2, 7, 128])
    >>> model.logits(features["decoder_sequence_output"]).shape
    TensorShape([2, 5, 90])

    Reference: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762.
    """

    # Arguments that a family fixes, and does not take.
    fixed = {}

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
        activation="relu",
        layer_norm_epsilon=1e-6,
        normalize_first=False,
        scale_embedding=True,
        positions="sine",
        tie_word_embeddings=True,
        normalize_embeddings=False,
        use_logits_bias=False,
        share_sides=False,
        initializer_range=None,
        padding_free=True,
        remat=False,
        **kwargs,
    ):
        settings = {
            "vocabulary_size": vocabulary_size,
            "num_layers": num_layers if isinstance(num_layers, int) else [*num_layers],
            "num_heads": num_heads,
            "hidden_dim": hidden_dim,
            "intermediate_dim": intermediate_dim,
            "dropout": dropout,
            "max_sequence_length": max_sequence_length,
            "decoder_vocabulary_size": decoder_vocabulary_size,
            "activation": activation,
            "layer_norm_epsilon": layer_norm_epsilon,
            "normalize_first": normalize_first,
            "scale_embedding": scale_embedding,
            "positions": positions,
            "tie_word_embeddings": tie_word_embeddings,
            "normalize_embeddings": normalize_embeddings,
            "use_logits_bias": use_logits_bias,
            "share_sides": share_sides,
            "initializer_range": initializer_range,
            "padding_free": padding_free,
            "remat": remat,
        }
        _check(settings)
        for name, value in settings.items():
            setattr(self, name, value)
        self.make_embeddings(dtype)
        self._make_blocks(dtype)
        # Waves go on for ever.
        most = max_sequence_length if positions == "learned" else None
        inputs, outputs = self.all_features(most, padding_free, dtype)
        super().__init__(inputs, outputs, settings, dtype, **kwargs)
        self.make_head(dtype)

    # Making

    def make_embeddings(self, dtype):
        """Makes what stands before the blocks."""

        def tokens(size, name, tied):
            return ReversibleEmbedding(
                size,
                self.hidden_dim,
                tie_weights=tied,
                embeddings_initializer=self.embeddings_initializer(),
                dtype=dtype,
                name=name,
            )

        def places(name):
            if self.positions != "learned":
                return SinePositionEncoding(dtype=dtype, name=name)
            return PositionEmbedding(
                self.max_sequence_length,
                initializer=self.embeddings_initializer(),
                dtype=dtype,
                name=name,
            )

        def norm(name):
            return self.norm(name, dtype) if self.normalize_embeddings else None

        own = self.decoder_vocabulary_size
        tied = self.tie_word_embeddings
        self.token_embedding = tokens(
            own or self.vocabulary_size,
            "decoder_token_embedding" if own else "token_embedding",
            tied,
        )
        self.encoder_token_embedding = (
            tokens(self.vocabulary_size, "encoder_token_embedding", True)
            if own
            else self.token_embedding
        )
        self.encoder_position_embedding = places("encoder_position_embedding")
        self.encoder_embeddings_norm = norm("encoder_embeddings_layer_norm")
        if self.share_sides:
            self.decoder_position_embedding = self.encoder_position_embedding
            self.decoder_embeddings_norm = self.encoder_embeddings_norm
        else:
            self.decoder_position_embedding = places("decoder_position_embedding")
            self.decoder_embeddings_norm = norm("decoder_embeddings_layer_norm")
        self.embeddings_dropout = keras.layers.Dropout(
            self.dropout, dtype=dtype, name="embeddings_dropout"
        )

    def _make_blocks(self, dtype):
        options = {
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "activation": get_activation(self.activation),
            "dropout": self.dropout,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "kernel_initializer": self.kernel_initializer(),
            "normalize_first": self.normalize_first,
            "remat": self.remat,
            "dtype": dtype,
        }
        of_encoder, of_decoder = self.pair_of_layers()
        self.encoder_transformer_layers = [
            TransformerEncoder(**options, name=f"transformer_encoder_layer_{i}")
            for i in range(of_encoder)
        ]
        shared = [None] * of_decoder
        if self.share_sides:
            shared = self.encoder_transformer_layers
        self.decoder_transformer_layers = [
            _decoder_block(shared[i], **options, name=f"transformer_decoder_layer_{i}")
            for i in range(of_decoder)
        ]
        self.encoder_final_norm = self.final_norm = None
        if self.normalize_first:
            self.encoder_final_norm = self.norm("encoder_final_norm", dtype)
            self.final_norm = (
                self.encoder_final_norm
                if self.share_sides
                else self.norm("final_norm", dtype)
            )

    def make_head(self, dtype):
        """Makes what stands between features and scores, beside the embedding."""
        self.logits_bias = None
        if self.use_logits_bias:
            self.logits_bias = _Bias(dtype=dtype, name="final_logits_bias")
            self.logits_bias.build((None, None, self.token_embedding.input_dim))

    def norm(self, name, dtype):
        return LayerNormalization(
            epsilon=self.layer_norm_epsilon, dtype=dtype, name=name
        )

    def embeddings_initializer(self):
        stddev = self.initializer_range or self.hidden_dim**-0.5
        return keras.initializers.RandomNormal(stddev=stddev)

    def kernel_initializer(self):
        if self.initializer_range is None:
            return keras.initializers.GlorotUniform()
        return keras.initializers.RandomNormal(stddev=self.initializer_range)

    # Computing

    def embed_encoder(self, token_ids, positions):
        x = self.encoder_token_embedding(token_ids)
        return self._embed("encoder", x, positions)

    def embed(self, token_ids, positions):
        return self._embed("decoder", self.token_embedding(token_ids), positions)

    def _embed(self, side, x, positions):
        """float [B, T, D]"""
        if self.scale_embedding:
            x = x * self.hidden_dim**0.5
        x = x + self.places(side, x, positions)
        norm = getattr(self, f"{side}_embeddings_norm")
        return self.embeddings_dropout(x if norm is None else norm(x))

    def places(self, side, x, positions):
        """float [B, T, D], what is added to the tokens of "encoder" or "decoder"."""
        places = getattr(self, f"{side}_position_embedding")(x, positions=positions)
        if self.positions == "sine_halves":
            halves = [places[..., 0::2], places[..., 1::2]]  # sines, cosines
            places = keras.ops.concatenate(halves, axis=-1)
        return places

    def finish_encoder(self, x):
        return x if self.encoder_final_norm is None else self.encoder_final_norm(x)

    def finish(self, x):
        return x if self.final_norm is None else self.final_norm(x)

    def logits(self, x):
        scores = super().logits(x)
        return scores if self.logits_bias is None else self.logits_bias(scores)

    @property
    def final_logits_bias(self):
        """float [V], what is added to the scores; None where nothing is."""
        return None if self.logits_bias is None else self.logits_bias.bias

    def pair_of_layers(self):
        """How many blocks the encoder has, and how many the decoder."""
        return _pair(self.num_layers)

    def get_config(self):
        config = super().get_config()
        return {name: x for name, x in config.items() if name not in self.fixed}


class _Bias(keras.layers.Layer):
    """Adds a number to each feature. A layer, so that a functional model that begins at
    `logits` trains it."""

    def build(self, inputs_shape):
        self.bias = self.add_weight(
            name="bias", shape=(inputs_shape[-1],), initializer="zeros"
        )

    def call(self, inputs):
        return inputs + keras.ops.cast(self.bias, inputs.dtype)


def _decoder_block(encoder_block, **options):
    if encoder_block is None:
        return TransformerDecoder(**options)
    return _SharingDecoder(encoder_block, **options)


class _SharingDecoder(TransformerDecoder):
    """A decoder block that has an encoder block's weights, and its own attention to the
    encoder."""

    def __init__(self, encoder_block, **kwargs):
        super().__init__(**kwargs)
        self.encoder_block = encoder_block

    def build_attention(self, cls, name, *shapes):
        if name == "self_attention":
            return self.encoder_block.attention
        return super().build_attention(cls, name, *shapes)

    def build_norm(self, name, inputs_shape):
        shared = {
            "self_attention_layer_norm": self.encoder_block.attention_norm,
            "feedforward_layer_norm": self.encoder_block.feedforward_norm,
        }
        return shared.get(name) or super().build_norm(name, inputs_shape)

    def build_feedforward(self, *args):
        self.widen = self.encoder_block.widen
        self.narrow = self.encoder_block.narrow
        self.feedforward_dropout = self.encoder_block.feedforward_dropout


def _pair(num_layers):
    """(encoder's, decoder's)"""
    if isinstance(num_layers, int):
        return num_layers, num_layers
    of_encoder, of_decoder = num_layers
    return of_encoder, of_decoder


def _check(settings):
    positions = settings["positions"]
    if positions not in _POSITIONS:
        raise ValueError(
            f"`positions` must be one of {', '.join(_POSITIONS)}. Received: "
            f"positions={positions!r}."
        )
    num_layers, own = settings["num_layers"], settings["decoder_vocabulary_size"]
    of_encoder, of_decoder = _pair(num_layers)
    if settings["share_sides"] and (of_encoder != of_decoder or own is not None):
        raise ValueError(
            "Sides that share their weights must have as many blocks and one vocabulary. "
            f"Received: share_sides=True, num_layers={num_layers}, "
            f"decoder_vocabulary_size={own}."
        )
