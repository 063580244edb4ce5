"""A Transformer block of the modern kind: rotary, windowed, gated, without biases."""

import keras

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.layers.fused_heads import unmasked
from keras_nlp_lite.layers.gated_block import GatedBlock
from keras_nlp_lite.layers.multi_head_attention import MultiHeadAttention
from keras_nlp_lite.layers.rotary_embedding import RotaryEmbedding
from keras_nlp_lite.ops import add_norm
from keras_nlp_lite.ops.initializers import another
from keras_nlp_lite.ops.product import dense


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class GatedEncoder(GatedBlock):
    """Self-attention over rotated queries and keys, then a gated feed-forward half.

    A norm stands before each half; nothing has a bias.

    Shapes: B batch, T tokens, D model width, H heads.

    Args:
        intermediate_dim: Width of the feed-forward half, inside; the first product is
            twice as wide, for the gate.
        num_heads: H; each is D // H wide, an even number.
        dropout: Share of attention weights, and of the features that each half adds,
            that training drops.
        activation: Of the half that the gate multiplies.
        layer_norm_epsilon: What the norms add to the variance.
        kernel_initializer: Of all kernels.
        window: How many tokens a token sees to either side; None for all.
        max_wavelength: As in `RotaryEmbedding`.
        attention_norm: Whether there is a norm before attention; the first block after
            normalized embeddings needs none.
        remat: As in `TransformerEncoder`.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: float [B, T, D].
        padding_mask: bool [B, T], False at padding, which no token looks at; by default
            the inputs' Keras mask.
        positions: int [B, T], where tokens stand in their texts; counted by default.
        training: Whether to drop.
        row_splits, segment_ids: As in `TransformerEncoder`.

    Returns:
        float [B, T, D], which keeps the inputs' Keras mask.

    Example:

    >>> block = GatedEncoder(intermediate_dim=32, num_heads=2, window=2)
    >>> block(keras.ops.ones((3, 5, 8))).shape
    TensorShape([3, 5, 8])

    Reference: Warner et al., "Smarter, Better, Faster, Longer", arXiv:2412.13663.
    """

    def __init__(
        self,
        intermediate_dim,
        num_heads,
        dropout=0.0,
        activation="gelu",
        layer_norm_epsilon=1e-5,
        kernel_initializer="glorot_uniform",
        window=None,
        max_wavelength=10_000,
        attention_norm=True,
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
        check_positive_int("num_heads", num_heads)
        self.num_heads = num_heads
        self.max_wavelength = max_wavelength
        self.has_attention_norm = attention_norm

    def build(self, inputs_shape):
        D = inputs_shape[-1]
        if D % (2 * self.num_heads):
            raise ValueError(
                "The model width must give each head an even number of features. "
                f"Received: inputs of width {D}, num_heads={self.num_heads}."
            )
        self.attention = MultiHeadAttention(
            num_heads=self.num_heads,
            key_dim=D // self.num_heads,
            dropout=self.dropout,
            use_bias=False,
            sliding_window=None if self.window is None else self.window + 1,
            kernel_initializer=another(self.kernel_initializer),
            dtype=self.dtype_policy,
            name="attention",
        )
        self.attention.build(inputs_shape, inputs_shape)
        self.rotary = RotaryEmbedding(
            self.max_wavelength, dtype=self.dtype_policy, name="rotary"
        )
        if self.has_attention_norm:
            self.attention_norm = self._norm("attention_norm", inputs_shape)
        self.feedforward_norm = self._norm("feedforward_norm", inputs_shape)
        self.widen = self.build_dense("widen", 2 * self.intermediate_dim, inputs_shape)
        inner = (*inputs_shape[:-1], self.intermediate_dim)
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
    ):
        if padding_mask is None:
            padding_mask = getattr(inputs, "_keras_mask", None)
        seeds = self.draw_seeds(training)

        def block(x):
            masks = {
                "padding_mask": padding_mask,
                "row_splits": row_splits,
                "segment_ids": segment_ids,
            }
            return self._block(x, positions, masks, seeds)

        x = unmasked(inputs)
        return keras.remat(block)(x) if self.remat and training else block(x)

    def _block(self, x, positions, masks, seeds):
        """float [B, T, D]. Where a seed is None, nothing is dropped."""
        of_weights, of_attended, of_thought = seeds
        residual = x
        if self.has_attention_norm:
            x = add_norm(x, self.attention_norm.gamma, epsilon=self.layer_norm_epsilon)
        x = self.attention.attend(
            x,
            x,
            rotate=lambda heads: self.rotary(heads, positions=positions),
            seed=of_weights,
            **masks,
        )
        x, _ = self.attention.mix_heads(x)
        x, residual = add_norm(
            x,
            self.feedforward_norm.gamma,
            residual=residual,
            epsilon=self.layer_norm_epsilon,
            dropout=0.0 if of_attended is None else self.dropout,
            seed=of_attended,
            return_sum=True,
        )
        x = dense(self.widen, x)
        gated, gate = keras.ops.split(x, 2, axis=-1)
        x = dense(self.narrow, self.activation(gated) * gate)  # [B, T, D]
        return residual + self.dropped(x, of_thought)

    def compute_output_spec(self, inputs, *args, **kwargs):
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "max_wavelength": self.max_wavelength,
            "attention_norm": self.has_attention_norm,
        }

    def _norm(self, name, inputs_shape):
        norm = keras.layers.LayerNormalization(
            epsilon=self.layer_norm_epsilon,
            center=False,
            dtype=self.dtype_policy,
            name=name,
        )
        norm.build(inputs_shape)
        return norm
