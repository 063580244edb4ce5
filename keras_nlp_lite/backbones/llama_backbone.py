"""Llama, and its relatives that differ in numbers only."""

import keras

from keras_nlp_lite.backbones.decoder_backbone import DecoderBackbone
from keras_nlp_lite.backbones.encoder_stack import id_inputs
from keras_nlp_lite.layers.gated_decoder import GatedDecoder
from keras_nlp_lite.layers.reversible_embedding import ReversibleEmbedding


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class LlamaBackbone(DecoderBackbone):
    """A decoder of rotary positions, RMS norms, gated halves and shared keys.

    Of its numbers, Mistral has a `sliding_window`, and Qwen2 `use_qkv_bias`.

    Shapes: B batch, T tokens, D `hidden_dim`.

    Args:
        vocabulary_size: Token ids run from 0 to this, exclusive.
        num_layers: How many blocks.
        num_query_heads: Heads of queries in a block.
        hidden_dim: D.
        intermediate_dim: Width inside a block's gated half.
        num_key_value_heads: Heads of keys and values, which divide those of queries.
        rope_max_wavelength: Base of the rotary angles.
        rope_position_scaling_factor: How many times longer than in its first training
            texts may be; what that does, `rope_scaling_type` tells.
        layer_norm_epsilon: What the norms add to the mean square.
        dropout: Share of features, and of attention weights, that training drops.
        dtype: Precision policy of all layers.
        tie_word_embeddings: Whether the scores over the vocabulary come from the token
            embedding itself, read backwards.
        max_sequence_length: The most tokens that a text may have.
        head_dim: Width of a head; D // `num_query_heads` by default.
        sliding_window: How many tokens, itself included, a token sees; None for all.
        use_qkv_bias: Whether queries, keys and values have a bias.
        activation: Of the gates.
        rope_scaling_type: "linear", "dynamic", "yarn" or "llama3".
        rope_frequency_adjustment_factor, rope_low_freq_factor, rope_high_freq_factor,
            rope_pretraining_sequence_length: Of "llama3": in place of the scaling
            factor; how often a pair turns in the first training's context, in its
            tokens, that is slowed in full, and that is not slowed at all.
        padding_free, remat: As in `BertBackbone`.
        **kwargs: `name`, `trainable`.

    Call arguments:
        inputs: dict of int [B, T]: "token_ids" and "padding_mask", as in
            `GPT2Backbone`.

    Returns:
        float [B, T, D].

    Raises:
        ValueError: some of the numbers of "llama3" without the others; what
            `GatedDecoder` refuses.

    Example:

    >>> model = LlamaBackbone(
    ...     vocabulary_size=90,
    ...     num_layers=2,
    ...     num_query_heads=4,
    ...     num_key_value_heads=2,
    ...     hidden_dim=16,
    ...     intermediate_dim=24,
    ... )
    >>> ids = keras.ops.ones((2, 5), "int32")
    >>> model({"token_ids": ids, "padding_mask": ids}).shape
    TensorShape([2, 5, 16])

    Reference: Touvron et al., "LLaMA", arXiv:2302.13971.
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_query_heads,
        hidden_dim,
        intermediate_dim,
        num_key_value_heads,
        rope_max_wavelength=10_000,
        rope_position_scaling_factor=1.0,
        rope_frequency_adjustment_factor=None,
        rope_low_freq_factor=None,
        rope_high_freq_factor=None,
        rope_pretraining_sequence_length=None,
        layer_norm_epsilon=1e-6,
        dropout=0.0,
        dtype=None,
        tie_word_embeddings=False,
        *,
        max_sequence_length=4096,
        head_dim=None,
        sliding_window=None,
        use_qkv_bias=False,
        activation="silu",
        rope_scaling_type="linear",
        padding_free=True,
        remat=False,
        **kwargs,
    ):
        _check_llama3(
            rope_frequency_adjustment_factor=rope_frequency_adjustment_factor,
            rope_low_freq_factor=rope_low_freq_factor,
            rope_high_freq_factor=rope_high_freq_factor,
            rope_pretraining_sequence_length=rope_pretraining_sequence_length,
        )
        rotary = {
            "max_wavelength": rope_max_wavelength,
            "scaling_factor": rope_position_scaling_factor,
            "rope_type": rope_scaling_type,
        }
        if rope_pretraining_sequence_length is not None:
            rotary["original_max_position_embeddings"] = (
                rope_pretraining_sequence_length
            )
        if rope_frequency_adjustment_factor is not None:
            rotary = {
                **rotary,
                "rope_type": "llama3",
                "scaling_factor": rope_frequency_adjustment_factor,
                "beta_slow": rope_low_freq_factor,
                "beta_fast": rope_high_freq_factor,
            }
        self.token_embedding = ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            tie_weights=tie_word_embeddings,
            embeddings_initializer=_initializer(),
            dtype=dtype,
            name="token_embedding",
        )
        self.transformer_layers = [
            GatedDecoder(
                intermediate_dim,
                num_query_heads,
                num_key_value_heads,
                head_dim=head_dim,
                activation=activation,
                layer_norm_epsilon=layer_norm_epsilon,
                kernel_initializer=_initializer(),
                dropout=dropout,
                use_qkv_bias=use_qkv_bias,
                window=None if sliding_window is None else sliding_window - 1,
                rotary=rotary,
                remat=remat,
                dtype=dtype,
                name=f"transformer_layer_{i}",
            )
            for i in range(num_layers)
        ]
        self.final_norm = keras.layers.RMSNormalization(
            epsilon=layer_norm_epsilon, dtype=dtype, name="final_norm"
        )
        inputs = id_inputs("token_ids", "padding_mask")
        outputs = self.all_features(inputs, max_sequence_length, padding_free, dtype)
        settings = {
            "vocabulary_size": vocabulary_size,
            "num_layers": num_layers,
            "num_query_heads": num_query_heads,
            "hidden_dim": hidden_dim,
            "intermediate_dim": intermediate_dim,
            "num_key_value_heads": num_key_value_heads,
            "rope_max_wavelength": rope_max_wavelength,
            "rope_position_scaling_factor": rope_position_scaling_factor,
            "rope_frequency_adjustment_factor": rope_frequency_adjustment_factor,
            "rope_low_freq_factor": rope_low_freq_factor,
            "rope_high_freq_factor": rope_high_freq_factor,
            "rope_pretraining_sequence_length": rope_pretraining_sequence_length,
            "layer_norm_epsilon": layer_norm_epsilon,
            "dropout": dropout,
            "tie_word_embeddings": tie_word_embeddings,
            "max_sequence_length": max_sequence_length,
            "head_dim": head_dim,
            "sliding_window": sliding_window,
            "use_qkv_bias": use_qkv_bias,
            "activation": activation,
            "rope_scaling_type": rope_scaling_type,
            "padding_free": padding_free,
            "remat": remat,
        }
        super().__init__(inputs, outputs, settings, dtype, **kwargs)

    def embed(self, token_ids, positions):
        return self.token_embedding(token_ids)

    def block_options(self, positions):
        return {"positions": positions}

    def mask_option(self, mask):
        return {"padding_mask": mask}

    def cache_width(self):
        width = self.head_dim or self.hidden_dim // self.num_query_heads
        return self.num_key_value_heads, width


def _initializer():
    return keras.initializers.RandomNormal(stddev=0.02)


def _check_llama3(rope_pretraining_sequence_length, **factors):
    given = {name for name, value in factors.items() if value is not None}
    if given and (given != set(factors) or rope_pretraining_sequence_length is None):
        raise ValueError(
            "Llama 3's rotary positions need all of "
            f"{', '.join(factors)} and rope_pretraining_sequence_length. Received: "
            f"{', '.join(sorted(given))}, rope_pretraining_sequence_length="
            f"{rope_pretraining_sequence_length}."
        )
