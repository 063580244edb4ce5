"""read_parallel: which lines it pairs, and what it refuses."""

import gzip

import pytest
import tensorflow as tf

from keras_nlp_lite.data import read_parallel, text_file
from keras_nlp_lite.data.row_cache import cache_rows


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_numbered(folder, start, stop, suffix=""):
    """Lines "a3" and "b3": whichever are paired tell whether they belong together."""
    paths = []
    for side in "ab":
        content = "".join(f"{side}{i}\n" for i in range(start, stop)).encode()
        content = gzip.compress(content) if suffix else content
        paths.append(write(folder / f"{start}.{side}{suffix}", content))
    return paths


def pairs(dataset):
    return [
        (a.decode(), b.decode())
        for batch in dataset.as_numpy_iterator()
        for a, b in zip(*batch, strict=True)
    ]


def numbered(numbers):
    return [(f"a{i}", f"b{i}") for i in numbers]


@pytest.mark.parametrize("kept", [2**20, 0])
def test_the_nth_line_is_paired_with_the_nth(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(text_file, "KEEP_IN_MEMORY", kept)
    source = write(tmp_path / "a", "one\r\n  two \u2028 \nthree\t3")
    target = write(tmp_path / "b", "\ufeffeins\nzwei\r\ndreí\n")
    dataset = read_parallel(source, target, shuffle=False)
    wanted = [("one", "eins"), ("  two \u2028 ", "zwei"), ("three\t3", "dreí")]
    assert pairs(dataset) == wanted
    assert dataset.element_spec == (tf.TensorSpec([None], tf.string),) * 2
    assert dataset.class_names is None


def test_a_pair_with_nothing_on_one_side_is_left_out(tmp_path):
    source = write(tmp_path / "a", "a0\n\na2\n\u3000 \t\na4\n\n")
    target = write(tmp_path / "b", "b0\nb1\n\r\nb3\nb4\n\n")
    dataset = read_parallel(source, target, shuffle=False)
    assert pairs(dataset) == numbered([0, 4])
    assert len(dataset) == 1


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_of_a_list_follow_each_other(tmp_path, suffix):
    parts = [(0, 7), (7, 8), (8, 300)]
    sources, targets = zip(*(write_numbered(tmp_path, *p, suffix) for p in parts))
    dataset = read_parallel(sources, list(targets), batch_size=13, shuffle=False)
    assert pairs(dataset) == numbered(range(300))
    assert [len(batch[0]) for batch in dataset] == [13] * 23 + [1]


def test_shuffled_pairs_stay_together_and_all_come(tmp_path):
    parts = [write_numbered(tmp_path, 0, 90), write_numbered(tmp_path, 90, 200)]
    dataset = read_parallel(*zip(*parts), seed=3)
    first, second = pairs(dataset), pairs(dataset)
    assert first != second and first != numbered(range(200))
    assert set(first) == set(second) == set(numbered(range(200)))
    assert first == pairs(read_parallel(*zip(*parts), seed=3))


def test_the_split_parts_the_pairs(tmp_path):
    paths = write_numbered(tmp_path, 0, 50)
    train, validation = read_parallel(*paths, validation_split=0.2)
    train, held_out = pairs(train), pairs(validation)
    assert len(held_out) == 10
    assert sorted(train + held_out) == sorted(numbered(range(50)))
    assert held_out == pairs(validation)  # in one order, epoch after epoch


def test_rows_are_kept_in_memory_as_those_of_other_readers(tmp_path):
    dataset = read_parallel(*write_numbered(tmp_path, 0, 40), batch_size=7)
    prepared = dataset.map(lambda a, b: (tf.strings.length(a), tf.strings.length(b)))
    kept = cache_rows(prepared, shuffle=True, batch_size=dataset.batch_size)
    assert kept.num_rows == 40
    assert [len(a) for a, _ in kept] == [7] * 5 + [5]


def test_other_encodings(tmp_path):
    source = write(tmp_path / "a", "é\nü\n".encode("utf-16"))
    target = write(tmp_path / "b", "e\nu\n".encode("utf-16"))
    dataset = read_parallel(source, target, shuffle=False, encoding="utf-16")
    assert pairs(dataset) == [("é", "e"), ("ü", "u")]


def test_files_of_unequal_length_are_named_with_their_counts(tmp_path):
    good = write_numbered(tmp_path, 0, 2)
    bad = write(tmp_path / "long.en", "x\n" * 1200), write(tmp_path / "short.de", "y")
    with pytest.raises(
        ValueError, match=r"1,200 lines in '.*long\.en', 1 in '.*short\.de'"
    ):
        read_parallel([good[0], bad[0]], [good[1], bad[1]])


def test_unequally_many_files_are_refused(tmp_path):
    source, target = write_numbered(tmp_path, 0, 2)
    with pytest.raises(ValueError, match="2 in `source`, 1 in `target`"):
        read_parallel([source, source], target)
    with pytest.raises(ValueError, match=r"`target` must name a file.*target=\[\]"):
        read_parallel(source, [])


def test_files_without_a_pair_are_refused(tmp_path):
    source, target = write(tmp_path / "a", "x\n\n"), write(tmp_path / "b", "\ny\n")
    with pytest.raises(ValueError, match="share a line that holds text in both"):
        read_parallel(source, target)
    empty = write(tmp_path / "c", "")
    with pytest.raises(ValueError, match="share a line that holds text in both"):
        read_parallel(empty, empty)


def test_a_missing_file_is_refused(tmp_path):
    source, _ = write_numbered(tmp_path, 0, 2)
    with pytest.raises(ValueError, match=r"`path` must be a file.*none\.de"):
        read_parallel(source, tmp_path / "none.de")


def test_undecodable_bytes_name_file_and_line(tmp_path):
    source, _ = write_numbered(tmp_path, 0, 2)
    target = write(tmp_path / "bad.de", b"one\n\xff\n")
    with pytest.raises(ValueError, match=r"bad\.de' must be utf-8.*0xFF in line 2"):
        read_parallel(source, target)
