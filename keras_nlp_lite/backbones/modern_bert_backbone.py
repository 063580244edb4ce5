"""ModernBERT."""

import keras

from keras_nlp_lite.backbones.backbone import Backbone
from keras_nlp_lite.backbones.encoder_stack import id_inputs, initializer
from keras_nlp_lite.layers.drop_padding import DropPadding
from keras_nlp_lite.layers.gated_encoder import GatedEncoder
from keras_nlp_lite.layers.layer_normalization import LayerNormalization
from keras_nlp_lite.layers.restore_padding import RestorePadding
from keras_nlp_lite.layers.reversible_embedding import ReversibleEmbedding


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class ModernBertBackbone(Backbone):
    """An encoder with rotary positions, of which most blocks look nearby only.

    Every `global_every`-th block, from the first on, sees the whole text, the others
    `local_window` tokens to either side, so that long texts cost little more than their
    length. Windows count tokens; padding inside a text is not counted where padding is
    dropped.

    Shapes: B batch, T tokens, D `hidden_dim`.

    Args:
        vocabulary_size, num_layers, num_heads, hidden_dim, intermediate_dim,
            max_sequence_length, dtype, activation, layer_norm_epsilon, padding_free,
            remat, **kwargs: As in `BertBackbone`.
        dropout: Share of features, and of attention weights, that training drops.
        local_window: In tokens, to either side.
        global_every: How many blocks from one that sees everything to the next.
        local_wavelength, global_wavelength: As `max_wavelength` in `RotaryEmbedding`.

    Call arguments:
        inputs: dict of int [B, T]: "token_ids" and "padding_mask", 0 at padding, which
            may number the texts of a row as in `BertBackbone`.

    Returns:
        float [B, T, D], with zeros or numbers of no meaning at padding.

    Example:

    >>> from keras_nlp_lite.backbones.sizes import sizes
    >>> model = ModernBertBackbone(vocabulary_size=90, **sizes["tiny"])
    >>> ids = keras.ops.ones((2, 5), "int32")
    >>> model({"token_ids": ids, "padding_mask": ids}).shape
    TensorShape([2, 5, 128])

    Reference: Warner et al., "Smarter, Better, Faster, Longer", arXiv:2412.13663.
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        dropout=0.0,
        max_sequence_length=8192,
        dtype=None,
        *,
        activation="gelu",
        layer_norm_epsilon=1e-5,
        local_window=64,
        global_every=3,
        local_wavelength=10_000.0,
        global_wavelength=160_000.0,
        padding_free=True,
        remat=False,
        **kwargs,
    ):
        def norm(name):
            return LayerNormalization(
                epsilon=layer_norm_epsilon, center=False, dtype=dtype, name=name
            )

        inputs = id_inputs("token_ids", "padding_mask")
        given_mask = inputs["padding_mask"]
        drop = DropPadding(padding_free, dtype=dtype, name="drop_padding")
        (ids,), positions, padding_mask, row_splits, text_ids, where = drop(
            [inputs["token_ids"]], given_mask
        )
        self.token_embedding = ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            embeddings_initializer=initializer(),
            dtype=dtype,
            name="token_embedding",
        )
        x = norm("embeddings_layer_norm")(self.token_embedding(ids))
        x = keras.layers.Dropout(dropout, dtype=dtype, name="embeddings_dropout")(x)
        self.transformer_layers = [
            GatedEncoder(
                intermediate_dim,
                num_heads,
                dropout=dropout,
                activation=activation,
                layer_norm_epsilon=layer_norm_epsilon,
                kernel_initializer=initializer(),
                window=local_window if i % global_every else None,
                max_wavelength=local_wavelength
                if i % global_every
                else global_wavelength,
                attention_norm=i > 0,  # the first follows the embeddings' norm
                remat=remat,
                dtype=dtype,
                name=f"transformer_layer_{i}",
            )
            for i in range(num_layers)
        ]
        for block in self.transformer_layers:
            x = block(
                x, padding_mask, positions, row_splits=row_splits, segment_ids=text_ids
            )
        x = norm("final_norm")(x)
        restore = RestorePadding(dtype=dtype, name="restore_padding")
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
            "local_window": local_window,
            "global_every": global_every,
            "local_wavelength": local_wavelength,
            "global_wavelength": global_wavelength,
            "padding_free": padding_free,
            "remat": remat,
        }
        outputs = restore(x, given_mask, where)
        super().__init__(inputs, outputs, settings, dtype, **kwargs)
