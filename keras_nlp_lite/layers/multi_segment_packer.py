"""Several sequences in one row, as BERT takes pairs of sentences."""

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_choice
from keras_nlp_lite.layers.preprocessing_layer import PreprocessingLayer, on_cpu
from keras_nlp_lite.tokenizers.packing import (
    as_rows,
    as_values,
    check_packer,
    join_rows,
    same_in_each_row,
)


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class MultiSegmentPacker(PreprocessingLayer):
    """Cuts segments so that all fit, joins them, and pads.

    A row reads: start, first segment, separator, second segment, ..., end, padding.

    Shapes: B batch, S segments, T tokens, L `sequence_length`.

    Args:
        sequence_length: L, in tokens, all special values included.
        start_value: Id, token, or a list of them at the row's start ("[CLS]" for BERT).
        end_value: The same, after the last segment ("[SEP]").
        sep_value: The same, after every other segment; None for `end_value`.
        pad_value: Id or token to fill up with; None for 0, or "" for strings.
        truncate: Who gives way where the segments are too long together:
            "round_robin" deals out the room one token at a time, so that the longest
            give way; "waterfall" fills from the left, so that the last ones do. Both cut
            a segment's end; "middle" deals as "round_robin" and cuts the middle out: of
            a long review, the conclusion stays.
        padding_side: "left" or "right".
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: A tuple of S segments, or one segment; each int or string [T], or dense
            or ragged [B, T]; lists do.
        sequence_length: In place of the layer's own.
        add_start_value: False leaves the start out.
        add_end_value: False leaves the end out.

    Returns:
        (token_ids, segment_ids), both [L] or [B, L]: the tokens, and int32, from 0, which
        segment each belongs to; a special value belongs to the segment before it,
        start and padding to segment 0.

    Raises:
        ValueError: no segment; segments of different rank; special values that are
            longer than L by themselves; ids meet tokens.

    Example:

    >>> packer = MultiSegmentPacker(8, start_value=101, end_value=102)
    >>> token_ids, segment_ids = packer(([1, 2, 3, 4], [11, 12, 13, 14]))
    >>> print(token_ids.numpy(), segment_ids.numpy())
    [101   1   2   3 102  11  12 102] [0 0 0 0 0 1 1 1]

    References: Devlin et al., "BERT", arXiv:1810.04805; of "middle", Sun et al., "How to
    Fine-Tune BERT for Text Classification?", arXiv:1905.05583.
    """

    def __init__(
        self,
        sequence_length,
        start_value,
        end_value,
        sep_value=None,
        pad_value=None,
        truncate="round_robin",
        padding_side="right",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_packer(sequence_length, padding_side)
        check_choice("truncate", truncate, tuple(_ROOM))
        self.sequence_length = sequence_length
        self.start_value = as_values("start_value", start_value)
        self.end_value = as_values("end_value", end_value)
        self.sep_value = (
            self.end_value if sep_value is None else as_values("sep_value", sep_value)
        )
        self.pad_value = pad_value
        self.truncate = truncate
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
        with on_cpu():
            segments, batched = self._segments(inputs)
            room = length - len(start) - len(end)
            room -= (len(segments) - 1) * len(self.sep_value)
            if room < 0:
                raise ValueError(
                    "`sequence_length` must hold at least the special values. Received: "
                    f"sequence_length={length} for {len(segments)} segments. Try "
                    f"sequence_length={length - room} or more."
                )
            lengths = tf.stack([s.lengths for s in segments], axis=1)  # [B, S]
            kept = _ROOM[self.truncate](lengths, room)  # [B, S]
            borders = [("sep_value", self.sep_value)] * (len(segments) - 1)
            borders.append(("end_value", end))
            pieces = [same_in_each_row("start_value", start, segments[0])]
            cut = _without_middle if self.truncate == "middle" else _without_end
            for i, (segment, border) in enumerate(zip(segments, borders)):
                pieces.extend(cut(segment, kept[:, i]))
                pieces.append(same_in_each_row(*border, segment))
            tokens, owners = join_rows(
                pieces, length, self.padding_side, self.pad_value
            )
            # Pieces: the start, then each segment's and the border behind it.
            each = (len(pieces) - 1) // len(segments)
            segment_ids = tf.maximum(owners - 1, 0) // each
            return (tokens, segment_ids) if batched else (tokens[0], segment_ids[0])

    def _segments(self, inputs):
        """Each segment as rows, and whether there was a B."""
        # A model that was loaded from a file calls with a list what it was built with
        # as a tuple; a list of tensors is no segment.
        if isinstance(inputs, list) and inputs and all(map(tf.is_tensor, inputs)):
            inputs = tuple(inputs)
        inputs = inputs if isinstance(inputs, tuple) else (inputs,)
        if not inputs:
            raise ValueError("MultiSegmentPacker needs a segment. Received: inputs=().")
        kind = type((self.start_value + self.end_value + [self.pad_value or 0])[0])
        segments, batched = zip(*(as_rows(segment, kind) for segment in inputs))
        if len(set(batched)) > 1:
            ranks = [2 if b else 1 for b in batched]
            raise ValueError(
                f"All segments must have the same rank. Received: ranks {ranks}."
            )
        return segments, batched[0]

    def compute_output_spec(self, inputs, sequence_length=None, **flags):
        first = inputs[0] if isinstance(inputs, (list, tuple)) else inputs
        shape = (*first.shape[:-1], sequence_length or self.sequence_length)
        return (
            keras.KerasTensor(shape, dtype=first.dtype),
            keras.KerasTensor(shape, dtype="int32"),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "sequence_length": self.sequence_length,
            "start_value": list(self.start_value),
            "end_value": list(self.end_value),
            "sep_value": list(self.sep_value),
            "pad_value": self.pad_value,
            "truncate": self.truncate,
            "padding_side": self.padding_side,
        }


def _waterfall(lengths, room):
    """How much of each segment stays: all of the first, then of the second, ...

    Args:
        lengths: int64 [B, S], in tokens.
        room: int, in tokens: what a row may keep of all its segments.

    Returns:
        int64 [B, S].
    """
    before = tf.cumsum(lengths, axis=1, exclusive=True)
    return tf.clip_by_value(room - before, 0, lengths)


def _round_robin(lengths, room):
    """How much of each segment stays when they take turns, one token at a time.

    Every segment gets what it has up to a common level, and the first few that want
    more get one more. With n segments at or above the level and the others, shorter,
    kept whole, n * level is at most what the others leave; the level is the largest
    for which that holds, and sorting gives the candidates.

    Args:
        lengths: int64 [B, S], in tokens.
        room: int, in tokens: what a row may keep of all its segments.

    Returns:
        int64 [B, S].
    """
    shorter = tf.cumsum(tf.sort(lengths, axis=1), axis=1, exclusive=True)  # [B, S]
    sharing = tf.range(lengths.shape[1], 0, -1, dtype=lengths.dtype)  # S, ..., 1
    level = tf.reduce_max((room - shorter) // sharing, axis=1, keepdims=True)
    kept = tf.minimum(lengths, level)
    left_over = room - tf.reduce_sum(kept, axis=1, keepdims=True)
    wants = tf.cast(lengths > level, lengths.dtype)
    turn = tf.cumsum(wants, axis=1, exclusive=True)
    return kept + wants * tf.cast(turn < left_over, lengths.dtype)


_ROOM = {"round_robin": _round_robin, "waterfall": _waterfall, "middle": _round_robin}


def _without_end(segment, kept):
    return [segment._replace(lengths=kept)]


def _without_middle(segment, kept):
    """The first and the last tokens of a segment, by halves, as `Rows`.

    Args:
        segment: Rows.
        kept: int64 [B], in tokens.
    """
    behind = kept // 2
    # The second piece brings no tokens of its own, and counts from the first one's end.
    start = segment.starts + segment.lengths - behind
    start -= tf.size(segment.values, tf.int64)
    head = segment._replace(lengths=kept - behind)
    return [head, head._replace(values=head.values[:0], starts=start, lengths=behind)]
