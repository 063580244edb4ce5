"""StartEndPacker against plain Python lists."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.start_end_packer import StartEndPacker

ROWS = [[5, 6, 7], [], [8, 9, 10, 11, 12, 13, 14]]


def packed(row, length, start, end, pad, left):
    """The second formula: one row, as a list, and where its tokens are."""
    row = [*start, *row[: length - len(start) - len(end)], *end]
    padding = [pad] * (length - len(row))
    here, gone = [True] * len(row), [False] * len(padding)
    return (padding + row, gone + here) if left else (row + padding, here + gone)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("length", [4, 6, 11])
def test_rows_are_cut_bordered_and_padded(side, length):
    for start, end, pad in itertools.product([None, 1, [1, 2]], [None, [3]], [None, 4]):
        packer = StartEndPacker(
            length, start, end, pad, return_padding_mask=True, padding_side=side
        )
        rows, mask = packer(tf.ragged.constant(ROWS))
        starts = [] if start is None else np.atleast_1d(start).tolist()
        wanted = [
            packed(row, length, starts, end or [], pad or 0, side == "left")
            for row in ROWS
        ]
        assert rows.numpy().tolist() == [row for row, _ in wanted]
        assert mask.numpy().tolist() == [m for _, m in wanted]
        assert rows.dtype == tf.int32


def test_lists_arrays_and_tensors_give_the_same():
    packer = StartEndPacker(6, start_value=1, end_value=2)
    wanted = packer(tf.ragged.constant(ROWS)).numpy().tolist()
    assert packer(ROWS).numpy().tolist() == wanted
    for i, row in enumerate(ROWS):
        assert packer(row).numpy().tolist() == wanted[i]
    dense = np.array(ROWS[:1] * 2, "int64")
    assert packer(dense).numpy().tolist() == wanted[:1] * 2
    assert packer(dense).dtype == tf.int64


def test_tokens_pack_as_ids_do():
    packer = StartEndPacker(5, "<s>", ["</s>", "<e>"], pad_value="<pad>")
    rows = packer([["this", "is", "fun"], ["awesome"], []]).numpy().tolist()
    assert [b" ".join(row).decode() for row in rows] == [
        "<s> this is </s> <e>",
        "<s> awesome </s> <e> <pad>",
        "<s> </s> <e> <pad> <pad>",
    ]
    assert packer([]).numpy().tolist() == rows[2]
    assert StartEndPacker(3)(["a"]).numpy().tolist() == [b"a", b"", b""]


def test_a_call_may_change_the_length_and_leave_out_either_end():
    packer = StartEndPacker(6, start_value=1, end_value=2)
    row = ROWS[2]
    assert packer(row, sequence_length=4).numpy().tolist() == [1, 8, 9, 2]
    assert packer(row, add_start_value=False).numpy().tolist() == [*row[:5], 2]
    assert packer(row, add_end_value=False).numpy().tolist() == [1, *row[:5]]


def test_no_room_for_the_ends_is_refused():
    packer = StartEndPacker(3, start_value=[1, 2], end_value=3)
    assert packer([5]).numpy().tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="Try sequence_length=3 or more"):
        packer([5], sequence_length=2)


def test_bad_settings_and_inputs_are_refused():
    with pytest.raises(ValueError, match="sequence_length=0"):
        StartEndPacker(0)
    with pytest.raises(ValueError, match=r"start_value=1\.5"):
        StartEndPacker(4, start_value=1.5)
    with pytest.raises(ValueError, match="'a', 1"):
        StartEndPacker(4, end_value=["a", 1])
    with pytest.raises(ValueError, match="Did you mean 'left'"):
        StartEndPacker(4, padding_side="lefft")
    with pytest.raises(ValueError, match=r"start_value=\['<s>'\] .* int32"):
        StartEndPacker(4, start_value="<s>")([1, 2])
    with pytest.raises(ValueError, match=r"shape=\(1, 1, 1\)"):
        StartEndPacker(4)(np.ones((1, 1, 1), int))


def test_the_config_makes_the_same_layer():
    packer = StartEndPacker(6, 1, [2, 3], 4, True, name="p", padding_side="left")
    copy = StartEndPacker.from_config(packer.get_config())
    assert copy.get_config() == packer.get_config()
    assert copy.name == "p"
    for x, y in zip(copy(ROWS), packer(ROWS)):
        np.testing.assert_array_equal(x, y)
