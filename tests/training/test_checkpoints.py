"""Checkpoints: whole, or not used."""

import json
import resource

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from keras_nlp_lite.training.checkpoints import Checkpoints
from keras_nlp_lite.training.states import pack, unpack

KINDS = ["bool", "int8", "int64", "uint32", "float16", "float32", "float64"]


def arrays(step):
    rng = np.random.default_rng(step)
    made = {kind: rng.integers(0, 2, [3, 5]).astype(kind) for kind in KINDS}
    made["bfloat16"] = rng.normal(size=7).astype(ml_dtypes.bfloat16)
    made["scalar"] = np.array(step, "int64")
    made["empty"] = np.zeros([2, 0], "float32")
    return made


def write(checkpoints, step):
    given = {
        name: (array.dtype, array.shape, lambda array=array: array)
        for name, array in arrays(step).items()
    }
    return checkpoints.write(step, given, {"step": step, "text": "ĝis"})


def damage(path, name, how):
    file = path / name
    content = file.read_bytes()
    middle = len(content) // 2
    if how == "cut off":
        file.write_bytes(content[:middle])
    elif how == "one bit":
        changed = bytes([content[middle] ^ 1])
        file.write_bytes(content[:middle] + changed + content[middle + 1 :])
    elif how == "zeros":  # what some file systems leave after a power cut
        file.write_bytes(bytes(len(content)))
    else:
        file.unlink()


def test_what_is_written_is_read(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run")
    write(checkpoints, 3)
    found, torn = checkpoints.newest()
    assert (found.step, torn) == (3, [])
    assert found.state == {"step": 3, "text": "ĝis"}
    for name, array in arrays(3).items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


def test_other_tools_read_the_arrays(tmp_path):
    path = write(Checkpoints(tmp_path), 3)
    read = safetensors.numpy.load_file(f"{path}/arrays.safetensors")
    assert read.keys() == arrays(3).keys()
    for name, array in arrays(3).items():
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize("how", ["cut off", "one bit", "zeros", "gone"])
@pytest.mark.parametrize("name", ["arrays.safetensors", "state.json", "sums.json"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, name, how):
    checkpoints = Checkpoints(tmp_path)
    write(checkpoints, 3)
    write(checkpoints, 12)
    damage(tmp_path / "step-0000012", name, how)
    found, torn = checkpoints.newest()
    assert found.step == found.state["step"] == 3
    assert len(torn) == 1 and "step-0000012" in torn[0]
    # The run goes on from there, and what is damaged does not outlive it.
    write(checkpoints, 7)
    assert checkpoints.steps() == [3, 7]


def test_the_newest_stay(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=3)
    for step in (1, 2, 9, 10, 11_000_000):
        write(checkpoints, step)
    assert checkpoints.steps() == [9, 10, 11_000_000]
    assert checkpoints.newest()[0].step == 11_000_000


def test_what_a_killed_writer_left_is_swept_away(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    write(checkpoints, 3)
    (tmp_path / ".step-0000004.abc" / "step-0000004").mkdir(parents=True)
    assert checkpoints.newest()[0].step == 3
    checkpoints.sweep()
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000003"]


def test_a_disk_that_takes_no_more_leaves_what_was_there(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    write(checkpoints, 3)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write(checkpoints, 4)
        with pytest.raises(OSError, match="too large"):
            write(checkpoints, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000003"]
    assert checkpoints.newest()[0].step == 3


def test_state_comes_back_from_json_as_it_was():
    state = {
        "none": None,
        "tuple": (1, (True, "x")),
        "list": [0.1, float("inf"), {}],
        "array": np.arange(3, dtype="uint8"),
        "scalar": np.float32(0.1),
        "one": {"tuple": [1]},  # named as a mark is
        "nested": {"array": {"array": "y"}},
    }
    apart = {}
    packed = json.loads(json.dumps(pack(state, "s", apart)))
    again = unpack(packed, apart)
    assert again["scalar"].dtype == "float32" and again["scalar"] == state["scalar"]
    np.testing.assert_array_equal(again.pop("array"), state.pop("array"))
    assert again == state


@pytest.mark.parametrize("odd", [object(), {1: 2}, np.array(["text"]), {1, 2}])
def test_state_that_would_have_to_be_pickled_is_refused(odd):
    with pytest.raises(TypeError, match="'mine/x'"):
        pack({"x": odd}, "mine", {})
