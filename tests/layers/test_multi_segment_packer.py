"""MultiSegmentPacker against dealing out tokens one by one."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.multi_segment_packer import MultiSegmentPacker

START, SEP, END = [1], [2, 3], [4]


def kept(lengths, room, truncate):
    """The second formula: how many tokens of each segment stay, dealt one by one."""
    got = [0] * len(lengths)
    while room and got != lengths:
        for i, length in enumerate(lengths):
            turns = length if truncate == "waterfall" else 1
            for _ in range(turns):
                if room and got[i] < length:
                    got[i] += 1
                    room -= 1
    return got


def packed(segments, length, truncate, left):
    room = length - len(START) - len(END) - len(SEP) * (len(segments) - 1)
    counts = kept([len(s) for s in segments], room, truncate)
    tokens, ids = list(START), [0]
    for i, (segment, count) in enumerate(zip(segments, counts)):
        border = END if i == len(segments) - 1 else SEP
        behind = count // 2 if truncate == "middle" else 0
        last = segment[len(segment) - behind :]
        tokens += [*segment[: count - behind], *last, *border]
        ids += [i] * (count + len(border))
    padding = [0] * (length - len(tokens))
    if left:
        return padding + tokens, padding + ids
    return tokens + padding, ids + padding


def random_segments(count, rows, rng):
    return [
        [rng.integers(10, 99, size=n).tolist() for n in rng.integers(0, 9, size=rows)]
        for _ in range(count)
    ]


@pytest.mark.parametrize("truncate", ["round_robin", "waterfall", "middle"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_segments_share_the_room(truncate, side, count):
    rng = np.random.default_rng(count)
    segments = random_segments(count, 31, rng)
    for length in (2 * count, 13, 40):
        packer = MultiSegmentPacker(
            length, START, END, SEP, truncate=truncate, padding_side=side
        )
        inputs = tuple(tf.ragged.constant(s, tf.int32) for s in segments)
        tokens, ids = packer(inputs)
        wanted = [
            packed(row, length, truncate, side == "left") for row in zip(*segments)
        ]
        assert tokens.numpy().tolist() == [row for row, _ in wanted]
        assert ids.numpy().tolist() == [row for _, row in wanted]
        assert tokens.dtype == ids.dtype == tf.int32


def test_the_end_value_separates_where_no_separator_is_given():
    tokens, ids = MultiSegmentPacker(9, 1, 2)(([5, 6], [7]))
    assert tokens.numpy().tolist() == [1, 5, 6, 2, 7, 2, 0, 0, 0]
    assert ids.numpy().tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 0]


def test_one_segment_needs_no_tuple():
    packer = MultiSegmentPacker(5, "[CLS]", "[SEP]", pad_value="[PAD]")
    tokens, ids = packer([["a", "b"], ["c"]])
    assert [b" ".join(row) for row in tokens.numpy().tolist()] == [
        b"[CLS] a b [SEP] [PAD]",
        b"[CLS] c [SEP] [PAD] [PAD]",
    ]
    assert not ids.numpy().any()


def test_lists_arrays_and_tensors_mix():
    packer = MultiSegmentPacker(8, 1, 2)
    tokens, _ = packer(([[5, 6], [7]], np.array([[8, 9], [8, 9]], "int32")))
    assert tokens.numpy().tolist() == [
        [1, 5, 6, 2, 8, 9, 2, 0],
        [1, 7, 2, 8, 9, 2, 0, 0],
    ]


def test_a_call_may_change_the_length_and_leave_out_either_end():
    packer = MultiSegmentPacker(6, 1, 2)
    row = ([5, 6, 7, 8],)
    assert packer(row, sequence_length=4)[0].numpy().tolist() == [1, 5, 6, 2]
    assert packer(row, add_start_value=False)[0].numpy().tolist() == [5, 6, 7, 8, 2, 0]
    assert packer(row, add_end_value=False)[0].numpy().tolist() == [1, 5, 6, 7, 8, 0]


def test_bad_settings_and_inputs_are_refused():
    packer = MultiSegmentPacker(4, 1, 2, [3, 3])
    with pytest.raises(
        ValueError, match="sequence_length=4 for 3 segments.* Try sequence_length=6"
    ):
        packer(([5], [6], [7]))
    with pytest.raises(ValueError, match=r"ranks \[1, 2\]"):
        packer(([5], [[6]]))
    with pytest.raises(ValueError, match=r"inputs=\(\)"):
        packer(())
    with pytest.raises(ValueError, match=r"end_value=\[2\] .* dtype string"):
        MultiSegmentPacker(4, None, 2)(["a"])
    with pytest.raises(ValueError, match="Did you mean 'waterfall'"):
        MultiSegmentPacker(4, 1, 2, truncate="waterfal")


def test_the_config_makes_the_same_layer():
    packer = MultiSegmentPacker(
        9, 1, [2, 3], 4, 5, truncate="waterfall", padding_side="left"
    )
    copy = MultiSegmentPacker.from_config(packer.get_config())
    assert copy.get_config() == packer.get_config()
    for x, y in zip(copy(([7], [8, 9])), packer(([7], [8, 9]))):
        np.testing.assert_array_equal(x, y)
