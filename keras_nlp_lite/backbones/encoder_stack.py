"""The middle that the encoders of BERT's kind share: blocks, without padding."""

import keras

from keras_nlp_lite.layers.drop_padding import DropPadding
from keras_nlp_lite.layers.layer_normalization import LayerNormalization
from keras_nlp_lite.layers.restore_padding import RestorePadding
from keras_nlp_lite.layers.transformer_encoder import TransformerEncoder
from keras_nlp_lite.ops.activations import get_activation


def id_inputs(*names):
    """A dict of symbolic int32 [B, T]."""
    return {name: keras.Input((None,), dtype="int32", name=name) for name in names}


def initializer():
    """Of all weights: BERT's."""
    return keras.initializers.TruncatedNormal(stddev=0.02)


def encode(
    inputs,
    embed,
    *,
    num_layers,
    num_heads,
    intermediate_dim,
    max_sequence_length,
    dropout,
    activation,
    layer_norm_epsilon,
    padding_free,
    remat,
    dtype,
):
    """Embeds tokens and runs them through post-norm blocks.

    Args:
        inputs: dict of symbolic int [B, T], "padding_mask" among them, which may number
            the texts of a row.
        embed: (dict of ids, positions) -> float [B, T, D].

    The other arguments are the backbones'.

    Returns:
        (blocks, float [B, T, D], float [B, D]): all tokens, and the first of each row
        by itself, for which the last block does a sixth of its work.
    """
    ids = {name: x for name, x in inputs.items() if name != "padding_mask"}
    given_mask = inputs["padding_mask"]
    packed, positions, padding_mask, row_splits, text_ids, where = DropPadding(
        padding_free, max_sequence_length, dtype=dtype, name="drop_padding"
    )(list(ids.values()), given_mask)
    x = embed(dict(zip(ids, packed)), positions)
    x = LayerNormalization(
        epsilon=layer_norm_epsilon, dtype=dtype, name="embeddings_layer_norm"
    )(x)
    x = keras.layers.Dropout(dropout, dtype=dtype, name="embeddings_dropout")(x)
    activation = get_activation(activation)
    blocks = [
        TransformerEncoder(
            num_heads=num_heads,
            intermediate_dim=intermediate_dim,
            activation=activation,
            dropout=dropout,
            layer_norm_epsilon=layer_norm_epsilon,
            kernel_initializer=initializer(),
            remat=remat,
            dtype=dtype,
            name=f"transformer_layer_{i}",
        )
        for i in range(num_layers)
    ]
    *earlier, last = blocks
    masks = {
        "padding_mask": padding_mask,
        "row_splits": row_splits,
        "segment_ids": text_ids,  # attention's, not BERT's
    }
    for block in earlier:
        x = block(x, **masks)
    restore = RestorePadding(dtype=dtype, name="restore_padding")
    tokens = restore(last(x, **masks), given_mask, where)
    return blocks, tokens, last(x, **masks, first_only=True)
