"""Padding leaves a batch before it costs anything."""

import keras

from keras_nlp_lite.ops.packing import drop_padding, text_positions
from keras_nlp_lite.ops.portable import why_not_compiled
from keras_nlp_lite.ops.tracing import in_xla


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class DropPadding(keras.layers.Layer):
    """Puts the tokens of a batch one after the other, without the padding between.

    A batch of texts then costs what its tokens cost. `RestorePadding` undoes it.

    It does so where attention is fused, which alone can keep packed texts apart without
    a mask of all tokens by all tokens, and where shapes may depend on the data, which
    XLA forbids. Elsewhere the rows pass through as they came, and ids tell their texts
    apart.

    Shapes: B batch, T tokens, N tokens in all that are no padding, S texts in all: B,
    where each row is one.

    Args:
        enabled: False lets every row pass.
        sequence_length: The most tokens that a row may have that passes; None for any
            number.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`; attention runs
            in this dtype.

    Call arguments:
        inputs: A list of int [B, T].
        padding_mask: bool or int [B, T], 0 at padding, wherever it stands, and 1 at
            tokens; or, of several texts in a row, 1 at the tokens of the first, 2 at
            those of the second, and so on, rising along the row, at most T.

    Returns:
        (inputs, positions, padding_mask, row_splits, text_ids, where).
        Packed: a list of int [1, N]; int32 [1, N], where each token stands in its text,
        counted from the column in which the text begins; None; int32 [S + 1]; None; and
        int32 [N], for `RestorePadding`.
        Otherwise: the inputs; such positions, int32 [B, T]; the padding mask; None;
        int32 [B, T], for attention's `segment_ids`; and None.

    Raises:
        ValueError: a row of more than `sequence_length` tokens is to pass.

    Example:

    >>> drop = DropPadding(enabled=False)
    >>> ids, mask = keras.ops.array([[5, 6, 7, 0]]), keras.ops.array([[1, 1, 2, 0]])
    >>> (same,), positions, _, row_splits, text_ids, _ = drop([ids], mask)
    >>> print(same.shape, positions.numpy(), row_splits, text_ids.numpy())
    (1, 4) [[0 1 0 3]] None [[1 1 2 1]]
    """

    def __init__(self, enabled=True, sequence_length=None, **kwargs):
        super().__init__(**kwargs)
        self.enabled = enabled
        self.sequence_length = sequence_length

    def call(self, inputs, padding_mask):
        positions = text_positions(padding_mask)
        if self._packs():
            (*packed, positions), row_splits, where = drop_padding(
                padding_mask, *inputs, positions
            )
            return packed, positions, None, row_splits, None, where
        self._check_length(padding_mask.shape[1])
        # Padding is of the first text, and not one by itself, so that where each row is
        # one text these ids change nothing.
        text_ids = keras.ops.maximum(keras.ops.cast(padding_mask, "int32"), 1)
        return list(inputs), positions, padding_mask, None, text_ids, None

    def _packs(self):
        return (
            self.enabled
            and not in_xla()
            and why_not_compiled(None, self.compute_dtype) is None
        )

    def _check_length(self, T):
        # On a GPU a position that is not in the table would be looked up all the same.
        if None not in (T, self.sequence_length) and self.sequence_length < T:
            raise ValueError(
                "A row may have at most `sequence_length` tokens. Received: "
                f"{T} tokens, sequence_length={self.sequence_length}."
            )

    def compute_output_spec(self, inputs, padding_mask):
        shape = padding_mask.shape
        return (
            [keras.KerasTensor(x.shape, dtype=x.dtype) for x in inputs],
            keras.KerasTensor(shape, dtype="int32"),
            keras.KerasTensor(shape, dtype=padding_mask.dtype),
            keras.KerasTensor((None,), dtype="int32"),
            keras.KerasTensor(shape, dtype="int32"),
            keras.KerasTensor((None,), dtype="int32"),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "enabled": self.enabled,
            "sequence_length": self.sequence_length,
        }
