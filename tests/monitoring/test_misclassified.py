import html
import re

import numpy as np
import pytest
from tensorboard import plugin_util

from keras_nlp_lite.monitoring.misclassified import misclassified_table

NAMES = ["negative", "positive"]

HOSTILE = [
    "<script>alert('x')</script><b>bold</b>",
    "a | b | c",
    "`code` and ``` fence ```",
    "*stars* __underscores__ ~~struck~~",
    "[link](http://example.com) ![image](http://example.com/x.png)",
    "# no title",
    "| --- | --- |",
    r"back\slash \| \*",
    "&lt;already&gt; &amp; escaped &#42;",
    "<http://example.com> <!-- comment",
    "{: .attribute } $formula$",
]


def shown_rows(table):
    """The table's rows as TensorBoard shows them: HTML's markup gone, text left."""
    shown = plugin_util.markdown_to_safe_html(table)
    return [
        re.findall(r"<td>(.*?)</td>", row, re.DOTALL)
        for row in re.findall(r"<tr>(.*?)</tr>", shown, re.DOTALL)
        if "<td>" in row
    ]


def wrong_table(texts, **kwargs):
    """A table in which each text is wrong, all equally confidently."""
    labels, probabilities = [1] * len(texts), [[0.75, 0.25]] * len(texts)
    return misclassified_table(texts, labels, probabilities, NAMES, **kwargs)


@pytest.mark.parametrize("text", HOSTILE)
def test_tensorboard_shows_a_text_full_of_markup_as_it_was_written(text):
    (row,) = shown_rows(wrong_table([text]))
    assert "<" not in row[0]
    assert html.unescape(row[0]) == text
    assert row[1:] == ["positive", "negative", "0.750"]


def test_line_breaks_do_not_end_the_row():
    (row,) = shown_rows(wrong_table(["one\ntwo\r\n\n| three |\tfour\u2028five"]))
    assert html.unescape(row[0]) == "one two | three | four five"


def test_class_names_are_escaped_too():
    table = misclassified_table(["x"], [0], [[0.1, 0.9]], ["<a>", "b|c"])
    (row,) = shown_rows(table)
    assert [html.unescape(cell) for cell in row[1:3]] == ["<a>", "b|c"]


@pytest.mark.parametrize("text", [b"caf\xe9 ol\xc3\xa9", "caf\udce9 olé"])
def test_bytes_that_are_no_utf8_are_shown_as_replacement_characters(text):
    (row,) = shown_rows(wrong_table([text]))
    assert row[0].startswith("caf�") and row[0].endswith(" olé")


def test_long_texts_are_cut_and_markup_is_not_cut_in_two():
    (row,) = shown_rows(wrong_table(["<" * 10_000]))
    assert html.unescape(row[0]) == "<" * 299 + "…"


def test_only_wrong_examples_appear_and_the_most_confident_come_first():
    rng = np.random.default_rng(0)
    N, C = 50, 3
    probabilities = rng.dirichlet(np.ones(C), N)
    labels = rng.integers(C, size=N)
    texts = [f"text {i}" for i in range(N)]

    table = misclassified_table(texts, labels, probabilities, list("abc"), rows=N)

    mistakes = [
        (-max(row), text, "abc"[label], "abc"[list(row).index(max(row))])
        for row, text, label in zip(probabilities, texts, labels, strict=True)
        if row[label] < max(row)
    ]
    wanted = [
        [text, true, predicted, f"{-confidence:.3f}"]
        for confidence, text, true, predicted in sorted(mistakes)
    ]
    assert shown_rows(table) == wanted
    assert table.startswith(f"{len(mistakes)} of 50 validation examples are")


def test_no_more_rows_than_asked_for_come_out_of_all_that_are_counted():
    table = wrong_table([f"text {i}" for i in range(30)], rows=4)
    assert [row[0] for row in shown_rows(table)] == [f"text {i}" for i in range(4)]
    assert table.startswith("30 of 30 ")


def test_a_perfect_model_is_one_sentence():
    table = misclassified_table(["x", "y"], [0, 1], [[0.9, 0.1], [0.2, 0.8]], NAMES)
    assert table == "0 of 2 validation examples are misclassified."


def test_with_many_labels_one_wrong_class_makes_the_example_wrong():
    names = ["comedy", "drama", "war"]
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 1]])
    probabilities = np.array(
        [
            [0.9, 0.1, 0.2],  # all three right
            [0.6, 0.3, 0.1],  # misses drama by 0.7
            [0.1, 0.8, 0.9],  # wrong about drama by 0.8 and war by 0.9
            [0.1, 0.4, 0.05],  # misses comedy by 0.9, war by 0.95
        ]
    )
    table = misclassified_table(["t0", "t1", "t2", "t3"], labels, probabilities, names)
    assert shown_rows(table) == [
        ["t3", "comedy, war", "none", "war: 0.050"],
        ["t2", "none", "drama, war", "war: 0.900"],
        ["t1", "comedy, drama", "comedy", "drama: 0.300"],
    ]


def test_predictions_that_are_not_numbers_do_not_stop_the_run():
    probabilities = np.full((2, 2), np.nan)
    table = misclassified_table(["x", "y"], [0, 1], probabilities, NAMES)
    assert "nan" in table
