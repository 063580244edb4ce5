"""read_directory: what it makes of a folder, and how it refuses one."""

import os
import warnings

import pytest
import tensorflow as tf

from keras_nlp_lite.data import directory, read_directory, text_file
from tests.data.reading import pairs, write_folder, write_reviews


def test_a_text_is_labelled_with_its_folder(tmp_path):
    root = write_folder(
        tmp_path, {"b/1.txt": "second", "a/x.txt": "first", "c/2.txt": "third"}
    )

    dataset = read_directory(root, shuffle=False)

    assert dataset.class_names == ["a", "b", "c"]
    assert pairs(dataset) == [("first", 0), ("second", 1), ("third", 2)]


def test_it_tells_its_shape_and_length(tmp_path):
    dataset = read_directory(write_reviews(tmp_path, 35))

    assert dataset.element_spec == (
        tf.TensorSpec([None], tf.string),
        tf.TensorSpec([None], tf.int32),
    )
    assert [len(labels) for _, labels in dataset] == [32, 32, 6]
    assert int(dataset.cardinality()) == len(dataset) == 3


def test_numbered_classes_sort_by_number(tmp_path):
    root = write_folder(tmp_path, {f"{stars}/a.txt": "x" for stars in (10, 9, 1)})
    assert read_directory(root).class_names == ["1", "9", "10"]


def test_class_names_choose_folders_and_their_order(tmp_path):
    root = write_reviews(tmp_path, 2)
    write_folder(root, {"unsup/0.txt": "unlabelled"})

    dataset = read_directory(root, class_names=["pos", "neg"], shuffle=False)

    assert dataset.class_names == ["pos", "neg"]
    assert pairs(dataset) == [("pos 0", 0), ("pos 1", 0), ("neg 0", 1), ("neg 1", 1)]


def test_a_single_class_passes_when_it_is_named(tmp_path):
    root = write_folder(tmp_path, {"pos/0.txt": "x"})
    assert pairs(read_directory(root, class_names=["pos"])) == [("x", 0)]


def test_text_arrives_byte_for_byte(tmp_path):
    odd = "é\r\n\ttab  two spaces\n\n\0 ü 漢字 🎬\0\0"
    root = write_folder(tmp_path, {"a/1.txt": odd, "b/1.txt": ""})
    assert pairs(read_directory(root, shuffle=False)) == [(odd, 0), ("", 1)]


@pytest.mark.parametrize("size", [2**16 - 1, 2**16, 2**16 + 1, 3 * 2**20])
def test_a_text_may_be_long(tmp_path, size):
    text = "0123456789abcdef" * (size // 16 + 1)
    root = write_folder(tmp_path, {"a/1.txt": text[:size], "b/1.txt": "short"})
    assert pairs(read_directory(root, shuffle=False))[0][0] == text[:size]


def test_names_without_suffix_are_texts_and_hidden_ones_are_not(tmp_path):
    root = write_folder(
        tmp_path,
        {"a/49960": "x", "b/B.TXT": "y", "a/.DS_Store": b"\xff", ".git/a.txt": "z"},
    )
    write_folder(root, {"README.md": "beside the class folders"})
    assert pairs(read_directory(root, shuffle=False)) == [("x", 0), ("y", 1)]


def test_other_encodings_arrive_as_utf8(tmp_path):
    files = {
        "a/1.txt": "déjà vu".encode("latin-1"),
        "b/1.txt": "naïve".encode("latin-1"),
    }
    root = write_folder(tmp_path, files)
    dataset = read_directory(root, encoding="latin-1", shuffle=False)
    assert pairs(dataset) == [("déjà vu", 0), ("naïve", 1)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "UTF8", "utf-16"])
def test_a_byte_order_mark_is_no_text(tmp_path, encoding):
    written = "utf-16" if encoding == "utf-16" else "utf-8-sig"
    root = write_folder(
        tmp_path, {"a/1.txt": "é".encode(written), "b/1.txt": "ü".encode(written)}
    )
    dataset = read_directory(root, encoding=encoding, shuffle=False)
    assert pairs(dataset) == [("é", 0), ("ü", 1)]


def test_a_file_read_again_is_kept_while_there_is_room(tmp_path, monkeypatch):
    root = write_reviews(tmp_path, 3)
    read = []
    plain = directory._read_bytes
    monkeypatch.setattr(directory, "_read_bytes", lambda p: read.append(p) or plain(p))
    monkeypatch.setattr(text_file, "KEEP_IN_MEMORY", len("neg 0") * 4)

    train, validation = read_directory(root, validation_split=0.5)
    first = pairs(train) + pairs(validation)
    assert len(read) == len(set(read)) == 6
    again = pairs(train) + pairs(validation)
    assert len(read) == 12  # what is read but once is not kept
    third = pairs(train) + pairs(validation)

    assert sorted(first) == sorted(again) == sorted(third)
    assert len(read) == 14  # four of six fit


def test_no_file_stays_open(tmp_path):
    root = write_reviews(tmp_path, 50)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        assert len(pairs(read_directory(root))) == 100
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_listing_asks_nothing_about_single_files(tmp_path, monkeypatch):
    root = write_reviews(tmp_path, 20)
    calls = []
    plain = os.stat
    monkeypatch.setattr(os, "stat", lambda *a, **k: calls.append(a) or plain(*a, **k))
    read_directory(root)
    assert len(calls) < 10


def test_a_missing_folder_is_named_with_a_guess(tmp_path):
    write_reviews(tmp_path / "train", 1)
    with pytest.raises(ValueError, match=r"must be a folder.*trian.*mean '.*/train'"):
        read_directory(tmp_path / "trian")
    with pytest.raises(ValueError, match=r"where there is nothing. Its folder .*/no'"):
        read_directory(tmp_path / "no" / "train")


def test_a_file_is_no_folder(tmp_path):
    root = write_folder(tmp_path, {"a.csv": "text"})
    with pytest.raises(ValueError, match=r"must be a folder.*a\.csv', which is a file"):
        read_directory(root / "a.csv")


def test_a_folder_without_class_folders_is_refused(tmp_path):
    write_folder(tmp_path, {"1.txt": "x", "2.txt": "y"})
    with pytest.raises(
        ValueError, match=r"one folder per class.*no folder and 2 files"
    ):
        read_directory(tmp_path)


def test_an_empty_class_folder_is_refused(tmp_path):
    root = write_reviews(tmp_path, 1)
    (root / "meh").mkdir()
    with pytest.raises(ValueError, match=r"class folder '.*meh' must hold.*an empty"):
        read_directory(root)


def test_a_single_class_is_refused(tmp_path):
    write_folder(tmp_path, {"pos/1.txt": "x"})
    with pytest.raises(
        ValueError, match=r"single class 'pos' in the folder.*\['pos', "
    ):
        read_directory(tmp_path)


def test_a_class_name_without_folder_is_refused(tmp_path):
    root = write_reviews(tmp_path, 1)
    with pytest.raises(ValueError, match=r"\['neg', 'posi'\].*Did you mean 'pos'\?"):
        read_directory(root, class_names=["neg", "posi"])


@pytest.mark.parametrize("names", ["pos", [], ["pos", "pos"]])
def test_class_names_list_each_class_once(tmp_path, names):
    with pytest.raises(ValueError, match="`class_names` must list each class once"):
        read_directory(write_reviews(tmp_path, 1), class_names=names)


def test_a_folder_in_a_class_folder_is_refused(tmp_path):
    write_reviews(tmp_path / "train", 1)
    write_reviews(tmp_path / "test", 1)
    with pytest.raises(
        ValueError, match=r"'(neg|pos)' in it.*try read_directory\('.*/test'\)"
    ):
        read_directory(tmp_path)


def test_another_kind_of_file_in_a_class_folder_is_refused(tmp_path):
    root = write_folder(write_reviews(tmp_path, 1), {"pos/scores.json": "{}"})
    with pytest.raises(ValueError, match=r"/pos' must hold text.*'scores.json' in it"):
        read_directory(root)


def test_undecodable_bytes_name_file_line_column_and_byte(tmp_path):
    bad = "fine\nnaïve, ".encode() + b"caf\xe9"
    root = write_folder(tmp_path, {"a/1.txt": "x", "b/bad.txt": bad})
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=r"ValueError: '.*b/bad\.txt' must be utf-8 text\. Received: byte 0xE9 in "
        r"line 2, column 11 \(byte 16 of the file\).*Try encoding='latin-1'",
    ):
        pairs(read_directory(root))


def test_a_file_that_is_gone_is_named(tmp_path):
    root = write_reviews(tmp_path, 2)
    dataset = read_directory(root)
    (root / "pos" / "1.txt").unlink()
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=r"pos/1\.txt' must stay where it was.*No such file",
    ):
        pairs(dataset)


@pytest.mark.parametrize("encoding", ["utf-9", "base64", 8])
def test_an_unknown_encoding_is_refused(tmp_path, encoding):
    with pytest.raises(ValueError, match="`encoding` must name a text encoding"):
        read_directory(write_reviews(tmp_path, 1), encoding=encoding)
