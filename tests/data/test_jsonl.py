"""read_jsonl: what it makes of JSON lines, and how it refuses them."""

import gzip
import json

import pytest
import tensorflow as tf

from keras_nlp_lite.data import read_jsonl, text_file
from tests.data.reading import pairs, texts


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(*objects):
    return "".join(json.dumps(each) + "\n" for each in objects)


def read(path, **kwargs):
    return read_jsonl(
        path, **{"text": "text", "label": "label", "shuffle": False, **kwargs}
    )


TWO = lines({"text": "A joy", "label": "pos"}, {"label": "neg", "text": "No", "id": 2})


def test_each_line_is_an_example(tmp_path):
    dataset = read(write(tmp_path / "a.jsonl", TWO))
    assert dataset.class_names == ["neg", "pos"]
    assert pairs(dataset) == [("A joy", 1), ("No", 0)]
    assert len(dataset) == 1


def test_without_a_label_there_are_only_texts(tmp_path):
    dataset = read_jsonl(write(tmp_path / "a.jsonl", TWO), text="text")
    assert dataset.element_spec == tf.TensorSpec([None], tf.string)
    assert texts(dataset) == ["A joy", "No"]


@pytest.mark.parametrize("kept", [2**20, 0])
def test_any_string_comes_back(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(text_file, "KEEP_IN_MEMORY", kept)
    odd = ["", 'é\n\t"quoted" \\ \0 🎬', "\u2028 is no line end", "x" * 2**20]
    content = lines(*({"text": t, "label": i % 2} for i, t in enumerate(odd)))
    dataset = read(write(tmp_path / "a.jsonl", content))
    assert pairs(dataset) == [(text, i % 2) for i, text in enumerate(odd)]


def test_compressed_lines_read_as_plain_ones(tmp_path):
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(TWO.encode()))
    assert pairs(read(path)) == [("A joy", 1), ("No", 0)]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([True, False], ["false", "true"]),
        ([10, 9], ["9", "10"]),
        ([0.5, -1.5], ["-1.5", "0.5"]),
        (["b", "a"], ["a", "b"]),
    ],
)
def test_labels_are_strings_numbers_or_truth_values(tmp_path, labels, names):
    content = lines(*({"text": "x", "label": label} for label in labels))
    dataset = read(write(tmp_path / "a.jsonl", content))
    assert dataset.class_names == names
    assert [label for _, label in pairs(dataset)] == [1, 0]


def test_blank_lines_hold_no_object(tmp_path):
    path = write(tmp_path / "a.jsonl", "\n" + TWO.replace("\n", "\r\n \n") + "\n")
    assert pairs(read(path)) == [("A joy", 1), ("No", 0)]


ROW = '{"text": "a", "label": "x"}\n'
REFUSED = {
    "a malformed line": (
        ROW + '{"text": "b" "label": "y"}\n',
        r"one JSON object\. Received: '.*a\.jsonl', line 2, column 14: Expecting ','",
    ),
    "an array over many lines": (f"[\n{ROW}]\n", r"a\.jsonl', line 1, column \d"),
    "a line that is no object": (ROW + "[1]\n", r"a\.jsonl', line 2: an array"),
    "a line that is a number": ("3\n", r"a\.jsonl', line 1: the number 3"),
    "a missing text": (
        ROW + '{"txt": "b", "label": "y"}\n',
        r"a field 'text'\. Received: '.*a\.jsonl', line 2, with the fields \['txt', "
        r"'label'\]\. Did you mean 'txt'\?",
    ),
    "a missing label": (ROW + '{"text": "b"}\n', r"a field 'label'\. .*line 2"),
    "a text that is no string": (
        ROW + '{"text": 5, "label": "y"}\n',
        r"JSON string\. Received: '.*a\.jsonl', line 2, field 'text': the number 5",
    ),
    "a text that is null": (
        '{"text": null, "label": "y"}\n',
        r"line 1, field 'text': null",
    ),
    "half a surrogate pair": (
        '{"text": "ab\\ud83c", "label": "y"}\n',
        r"must be Unicode\. .*line 1, field 'text': half of a surrogate pair, \\ud83c, "
        r"at character 3",
    ),
    "a label that is a list": (
        '{"text": "a", "label": ["x", "y"]}\n',
        r"The label must be .*line 1, field 'label': an array",
    ),
    "an empty label": (
        '{"text": "a", "label": ""}\n',
        r"must have a label.*a\.jsonl', line 1, column 'label'",
    ),
    "a single class": (
        ROW + ROW,
        r"single class 'x' in column 'label' of '.*a\.jsonl'",
    ),
    "an empty file": ("\n", r"a\.jsonl' must hold a JSON object\. Received: an empty"),
    "undecodable bytes": (
        ROW.encode() + b'{"text": "caf\xe9", "label": "y"}\n',
        r"must be utf-8 text\. Received: byte 0xE9 in line 2, column 14",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses(tmp_path, case):
    content, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        read(write(tmp_path / "a.jsonl", content))


def test_it_refuses_a_label_that_is_not_among_the_class_names(tmp_path):
    path = write(tmp_path / "a.jsonl", TWO)
    with pytest.raises(
        ValueError, match=r"label 'neg' in '.*a\.jsonl', line 2, column 'label'"
    ):
        read(path, class_names=["pos", "negative"])


def test_it_refuses_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="`path` must be a file"):
        read(tmp_path / "none.jsonl")
