"""Padding leaves a batch before it costs anything."""

import keras

from keras_nlp_lite.ops.packing import drop_padding
from keras_nlp_lite.ops.portable import why_not_compiled
from keras_nlp_lite.ops.tracing import in_xla


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class DropPadding(keras.layers.Layer):
    """Puts the tokens of a batch one after the other, without the padding between.

    A batch of texts then costs what its tokens cost. `RestorePadding` undoes it.

    It does so where attention is fused, which alone can keep packed texts apart without
    a mask of all tokens by all tokens, and where shapes may depend on the data, which
    XLA forbids. Elsewhere everything passes through as it came.

    Shapes: B batch, T tokens, N tokens in all that are no padding.

    Args:
        enabled: False lets everything pass.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`; attention runs
            in this dtype.

    Call arguments:
        inputs: A list of int [B, T].
        padding_mask: bool or int [B, T], 0 at padding, wherever it stands.

    Returns:
        (inputs, positions, padding_mask, row_splits). Packed: a list of int [1, N],
        int32 [1, N], the columns that the tokens stood in, None, and int32 [B + 1].
        Otherwise: the inputs, None, the padding mask, and None.

    Example:

    >>> drop = DropPadding(enabled=False)
    >>> ids, mask = keras.ops.array([[5, 6, 0]]), keras.ops.array([[1, 1, 0]])
    >>> (same,), positions, _, row_splits = drop([ids], mask)
    >>> same.shape, positions, row_splits
    (TensorShape([1, 3]), None, None)
    """

    def __init__(self, enabled=True, **kwargs):
        super().__init__(**kwargs)
        self.enabled = enabled

    def call(self, inputs, padding_mask):
        if not self._packs():
            return list(inputs), None, padding_mask, None
        B, T = keras.ops.shape(padding_mask)
        positions = keras.ops.broadcast_to(keras.ops.arange(T, dtype="int32"), (B, T))
        (*packed, positions), row_splits, _ = drop_padding(
            padding_mask, *inputs, positions
        )
        return packed, positions, None, row_splits

    def _packs(self):
        return (
            self.enabled
            and not in_xla()
            and why_not_compiled(None, self.compute_dtype) is None
        )

    def compute_output_spec(self, inputs, padding_mask):
        shape = padding_mask.shape
        return (
            [keras.KerasTensor(x.shape, dtype=x.dtype) for x in inputs],
            keras.KerasTensor(shape, dtype="int32"),
            keras.KerasTensor(shape, dtype=padding_mask.dtype),
            keras.KerasTensor((None,), dtype="int32"),
        )

    def get_config(self):
        return {**super().get_config(), "enabled": self.enabled}
