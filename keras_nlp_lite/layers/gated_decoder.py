"""A decoder block of the modern kind: RMS norms, rotary, grouped heads, gated."""

import keras

from keras_nlp_lite.checks import check_choice, check_positive_int
from keras_nlp_lite.layers.alibi_bias import alibi_slopes
from keras_nlp_lite.layers.fused_heads import unmasked
from keras_nlp_lite.layers.gated_block import GatedBlock
from keras_nlp_lite.layers.group_query_attention import GroupQueryAttention
from keras_nlp_lite.layers.rotary_embedding import RotaryEmbedding
from keras_nlp_lite.ops.initializers import another
from keras_nlp_lite.ops.packing import column_positions
from keras_nlp_lite.ops.product import dense


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class GatedDecoder(GatedBlock):
    """Causal attention in which query heads share keys, then a gated feed-forward half.

    An RMS norm stands before each half. The block of Llama, Mistral and Qwen2.

    Shapes: B batch, T tokens, S length of the cache, D model width, G key/value heads,
    K width of a head.

    Args:
        intermediate_dim: Width of the feed-forward half, inside.
        num_query_heads: Heads of queries.
        num_key_value_heads: G, which divides them; as many by default.
        head_dim: K, even; D // `num_query_heads` by default.
        activation: Of the gate.
        layer_norm_epsilon: What the norms add to the mean square.
        kernel_initializer: Of all kernels.
        dropout: Share of attention weights, and of the features that each half adds,
            that training drops.
        use_qkv_bias: Whether queries, keys and values have a bias, as in Qwen2.
        window: How many tokens before itself a token sees; None for all.
        positions: "rotary", "alibi", or None for a block that knows no positions.
        rotary: dict, arguments of `RotaryEmbedding`, such as `max_wavelength`.
        remat: As in `TransformerEncoder`.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: float [B, T, D].
        padding_mask: bool [B, T], False at padding; by default the inputs' Keras mask.
        positions: int [B, T], where tokens stand in their texts; counted by default.
        training: Whether to drop.
        row_splits, segment_ids: As in `TransformerEncoder`.
        self_attention_cache: float [B, 2, S, G, K], keys and values.
        self_attention_cache_update_index: int, the column of the first token.
        starts, ancestors, beams: As in `TransformerDecoder`.

    Returns:
        float [B, T, D]; with a cache also the new one.

    Example:

    >>> block = GatedDecoder(32, num_query_heads=4, num_key_value_heads=2)
    >>> block(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    Reference: Touvron et al., "LLaMA", arXiv:2302.13971.
    """

    def __init__(
        self,
        intermediate_dim,
        num_query_heads,
        num_key_value_heads=None,
        head_dim=None,
        activation="silu",
        layer_norm_epsilon=1e-6,
        kernel_initializer="glorot_uniform",
        dropout=0.0,
        use_qkv_bias=False,
        window=None,
        positions="rotary",
        rotary=None,
        remat=False,
        **kwargs,
    ):
        super().__init__(
            intermediate_dim,
            dropout,
            activation,
            layer_norm_epsilon,
            kernel_initializer,
            window,
            remat,
            **kwargs,
        )
        num_key_value_heads = num_key_value_heads or num_query_heads
        check_positive_int("num_query_heads", num_query_heads)
        check_positive_int("num_key_value_heads", num_key_value_heads)
        check_choice("positions", positions, ("rotary", "alibi", None))
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                "`num_key_value_heads` must divide `num_query_heads`. Received: "
                f"{num_key_value_heads} and {num_query_heads}."
            )
        self.num_query_heads = num_query_heads
        self.num_key_value_heads = num_key_value_heads
        self.head_dim = head_dim
        self.use_qkv_bias = use_qkv_bias
        self.positions = positions
        self.rotary_arguments = dict(rotary or {})

    def build(self, inputs_shape):
        D = inputs_shape[-1]
        head_dim = self.head_dim or D // self.num_query_heads
        if head_dim < 1 or (self.positions == "rotary" and head_dim % 2):
            raise ValueError(
                "Each head must have an even number of features. Received: inputs of "
                f"width {D}, num_query_heads={self.num_query_heads}, "
                f"head_dim={self.head_dim}."
            )
        self.attention = GroupQueryAttention(
            head_dim,
            self.num_query_heads,
            self.num_key_value_heads,
            use_bias=self.use_qkv_bias,
            use_output_bias=False,
            dropout=self.dropout,
            sliding_window=None if self.window is None else self.window + 1,
            kernel_initializer=another(self.kernel_initializer),
            dtype=self.dtype_policy,
            name="attention",
        )
        self.attention.build(inputs_shape, inputs_shape)
        self.rotary = RotaryEmbedding(
            **self.rotary_arguments, dtype=self.dtype_policy, name="rotary"
        )
        self.attention_norm = self._norm("attention_norm", inputs_shape)
        self.feedforward_norm = self._norm("feedforward_norm", inputs_shape)
        inner = (*inputs_shape[:-1], self.intermediate_dim)
        self.gate = self.build_dense("gate", self.intermediate_dim, inputs_shape)
        self.widen = self.build_dense("widen", self.intermediate_dim, inputs_shape)
        self.narrow = self.build_dense("narrow", D, inner)
        self.drop = self.build_dropout()

    def call(
        self,
        inputs,
        padding_mask=None,
        positions=None,
        training=None,
        row_splits=None,
        segment_ids=None,
        self_attention_cache=None,
        self_attention_cache_update_index=None,
        starts=None,
        ancestors=None,
        beams=1,
    ):
        x = unmasked(inputs)
        if positions is None:
            T = keras.ops.shape(x)[1]
            index = self_attention_cache_update_index
            positions = column_positions(T, 0 if index is None else index, starts)
        options = {"rotate": self._rotate(positions), "alibi_slopes": self._slopes()}
        if self_attention_cache is not None:
            heads, cache = self.attention.attend_cached(
                self.attention_norm(x),
                self_attention_cache,
                self_attention_cache_update_index,
                starts=starts,
                ancestors=ancestors,
                beams=beams,
                **options,
            )
            return self._after_attention(x, heads, None, None), cache
        if padding_mask is None:
            padding_mask = getattr(inputs, "_keras_mask", None)
        seeds = self.draw_seeds(training)

        def block(x):
            normed = self.attention_norm(x)
            heads = self.attention.attend(
                normed,
                normed,
                causal=True,
                padding_mask=padding_mask,
                row_splits=row_splits,
                segment_ids=segment_ids,
                seed=seeds[0],
                **options,
            )
            return self._after_attention(x, heads, *seeds[1:])

        return keras.remat(block)(x) if self.remat and training else block(x)

    def _after_attention(self, x, heads, of_attended, of_thought):
        """float [B, T, D], from the block's input and what its heads give."""
        attended, _ = self.attention.mix_heads(heads)
        x = x + self.dropped(attended, of_attended)
        normed = self.feedforward_norm(x)
        gate = dense(self.gate, normed)  # [B, T, intermediate_dim]
        value = dense(self.widen, normed)
        thought = dense(self.narrow, self.activation(gate) * value)
        return x + self.dropped(thought, of_thought)

    def _rotate(self, positions):
        if self.positions != "rotary":
            return None
        return lambda heads: self.rotary(heads, positions=positions)

    def _slopes(self):
        if self.positions != "alibi":
            return None
        return alibi_slopes(self.num_query_heads)

    def compute_output_spec(self, inputs, *args, self_attention_cache=None, **kwargs):
        x = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        return x if self_attention_cache is None else (x, self_attention_cache)

    def get_config(self):
        return {
            **super().get_config(),
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "use_qkv_bias": self.use_qkv_bias,
            "positions": self.positions,
            "rotary": self.rotary_arguments,
        }

    def _norm(self, name, inputs_shape):
        norm = keras.layers.RMSNormalization(
            epsilon=self.layer_norm_epsilon, dtype=self.dtype_policy, name=name
        )
        norm.build(inputs_shape)
        return norm
