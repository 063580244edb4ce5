"""A sequence between its start and its end, at one width."""

import keras
import tensorflow as tf

from keras_nlp_lite.layers.preprocessing_layer import PreprocessingLayer, on_cpu
from keras_nlp_lite.tokenizers.packing import (
    as_rows,
    as_values,
    check_packer,
    join_rows,
    same_in_each_row,
)


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class StartEndPacker(PreprocessingLayer):
    """Cuts each row to fit, sets start and end around it, and pads.

    Shapes: B batch, T tokens, L `sequence_length`.

    Args:
        sequence_length: L, in tokens, start and end included.
        start_value: Id, token, or a list of them to set before each row; None for none.
        end_value: The same, after each row.
        pad_value: Id or token to fill up with; None for 0, or "" for strings.
        return_padding_mask: Whether to return, too, where the row's tokens are.
        name: Of the layer.
        padding_side: "left" or "right".
        **kwargs: The rest of `keras.layers.Layer`.

    Call arguments:
        inputs: int or string [T], or dense or ragged [B, T]; lists do.
        sequence_length: In place of the layer's own.
        add_start_value: False leaves the start out.
        add_end_value: False leaves the end out.

    Returns:
        [L] or [B, L], of the inputs' dtype; with `return_padding_mask` also bool of the
        same shape, True at tokens and False at padding.

    Raises:
        ValueError: start and end alone are longer than L; ids meet tokens.

    Example:

    >>> packer = StartEndPacker(6, start_value=1, end_value=2)
    >>> print(packer([[5, 6, 7], [8, 9, 10, 11, 12]]).numpy())
    [[ 1  5  6  7  2  0]
     [ 1  8  9 10 11  2]]
    """

    def __init__(
        self,
        sequence_length,
        start_value=None,
        end_value=None,
        pad_value=None,
        return_padding_mask=False,
        name=None,
        padding_side="right",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        check_packer(sequence_length, padding_side)
        self.sequence_length = sequence_length
        self.start_value = as_values("start_value", start_value)
        self.end_value = as_values("end_value", end_value)
        self.pad_value = pad_value
        self.return_padding_mask = return_padding_mask
        self.padding_side = padding_side

    def call(
        self,
        inputs,
        sequence_length=None,
        add_start_value=True,
        add_end_value=True,
    ):
        length = sequence_length or self.sequence_length
        start = self.start_value if add_start_value else []
        end = self.end_value if add_end_value else []
        room = length - len(start) - len(end)
        if room < 0:
            raise ValueError(
                "`sequence_length` must hold at least start and end. Received: "
                f"sequence_length={length}, start_value={start}, end_value={end}. "
                f"Try sequence_length={length - room} or more."
            )
        with on_cpu():
            kind = type((start + end + [self.pad_value or 0])[0])
            rows, batched = as_rows(inputs, kind)
            rows = rows._replace(lengths=tf.minimum(rows.lengths, room))
            pieces = [
                same_in_each_row("start_value", start, rows),
                rows,
                same_in_each_row("end_value", end, rows),
            ]
            packed, owners = join_rows(
                pieces, length, self.padding_side, self.pad_value
            )
            mask = owners >= 0
            if not batched:
                packed, mask = packed[0], mask[0]
            return (packed, mask) if self.return_padding_mask else packed

    def compute_output_spec(self, inputs, sequence_length=None, **flags):
        shape = (*inputs.shape[:-1], sequence_length or self.sequence_length)
        packed = keras.KerasTensor(shape, dtype=inputs.dtype)
        if not self.return_padding_mask:
            return packed
        return packed, keras.KerasTensor(shape, dtype="bool")

    def get_config(self):
        return {
            **super().get_config(),
            "sequence_length": self.sequence_length,
            "start_value": list(self.start_value),
            "end_value": list(self.end_value),
            "pad_value": self.pad_value,
            "return_padding_mask": self.return_padding_mask,
            "padding_side": self.padding_side,
        }
