"""read_lines: what it makes of lines, and how it refuses them."""

import gzip

import pytest
import tensorflow as tf

from keras_nlp_lite.data import read_lines, text_file
from tests.data.reading import texts


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("kept", [2**20, 0])
def test_the_nth_example_is_the_nth_line(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(text_file, "KEEP_IN_MEMORY", kept)
    path = write(tmp_path / "a.txt", "one\n\ntwo\r\n  three \u2028 \x85\n\r\nlast")
    dataset = read_lines(path)
    assert texts(dataset) == ["one", "", "two", "  three \u2028 \x85", "", "last"]
    assert dataset.element_spec == tf.TensorSpec([None], tf.string)
    assert len(dataset) == 1
    assert dataset.class_names is None


def test_a_line_end_at_the_end_begins_no_line(tmp_path):
    assert texts(read_lines(write(tmp_path / "a.txt", "one\n"))) == ["one"]
    assert texts(read_lines(write(tmp_path / "b.txt", "one\n\n"))) == ["one", ""]


def test_compressed_lines_read_as_plain_ones(tmp_path):
    content = "".join(f"línea {i}\n" for i in range(500))
    plain = write(tmp_path / "a.txt", content)
    packed = write(tmp_path / "a.txt.gz", gzip.compress(content.encode()))
    assert texts(read_lines(plain)) == texts(read_lines(packed))
    assert texts(read_lines(plain)) == content.splitlines()


def test_parallel_files_stay_parallel_under_one_seed(tmp_path):
    one = write(tmp_path / "en.txt", "".join(f"{i}\n" for i in range(300)))
    two = write(tmp_path / "de.txt", "".join(f"nr {i}\n" for i in range(300)))
    kwargs = {"shuffle": True, "seed": 4, "validation_split": 0.1}
    for english, german in zip(read_lines(one, **kwargs), read_lines(two, **kwargs)):
        assert [f"nr {text}" for text in texts(english)] == texts(german)


def test_a_byte_order_mark_and_other_encodings(tmp_path):
    for written, encoding in [("utf-8-sig", "utf-8"), ("utf-16", "utf-16")]:
        path = write(tmp_path / "a.txt", "é\nü\n".encode(written))
        assert texts(read_lines(path, encoding=encoding)) == ["é", "ü"]


def test_an_empty_file_is_refused(tmp_path):
    for content in (b"", "".encode("utf-8-sig")):
        with pytest.raises(ValueError, match=r"a\.txt' must hold a line"):
            read_lines(write(tmp_path / "a.txt", content))


def test_undecodable_bytes_name_file_line_column_and_byte(tmp_path):
    path = write(tmp_path / "a.txt", b"one\ntwo\n\xc3\xa9 \xff\n")
    with pytest.raises(
        ValueError,
        match=r"a\.txt' must be utf-8 text\. Received: byte 0xFF in line 3, column 3 "
        r"\(byte 11 of the file\)",
    ):
        read_lines(path)


def test_bytes_that_are_no_utf16_name_line_and_column(tmp_path):
    content = "one\ntwo".encode("utf-16-le") + b"\x00\xd8"
    with pytest.raises(ValueError, match=r"0x00 in line 2, column 4 \(byte 14 of"):
        read_lines(write(tmp_path / "a.txt", content), encoding="utf-16-le")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`path` must be a file"):
        read_lines(tmp_path / "none.txt")
