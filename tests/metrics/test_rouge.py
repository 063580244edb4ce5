import collections
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.metrics import RougeL, RougeN
from keras_nlp_lite.metrics.rouge_l import longest_common_subsequence

REFERENCES = ["The cat sat on the mat.", "Two dogs, two cats", "nothing"]
SUMMARIES = ["A cat that sat on 1 mat", "two cats & two dogs: two", ""]
WORDS = [  # lower case, ASCII letters and digits alone
    (r.lower().translate(str.maketrans(".,&:", "    ")).split() for r in texts)
    for texts in (REFERENCES, SUMMARIES)
]
WORDS = list(zip(*WORDS))


def longest(a, b):
    """The textbook's table, row by row."""
    row = [0] * (len(b) + 1)
    for x in a:
        before, row = row, [0]
        for j, y in enumerate(b):
            row.append(before[j] + 1 if x == y else max(before[j + 1], row[-1]))
    return row[-1]


def n_grams(words, n):
    return collections.Counter(
        tuple(words[i : i + n]) for i in range(len(words) - n + 1)
    )


def formula(overlaps):
    """Means over texts, of (common, summary's, reference's)."""
    scores = []
    for common, summary, reference in overlaps:
        p, r = (common / n if n else 0 for n in (summary, reference))
        scores.append((p, r, 2 * p * r / (p + r) if p + r else 0))
    return dict(zip(["precision", "recall", "f1_score"], np.mean(scores, axis=0)))


def check(scores, wanted):
    assert list(scores) == list(wanted)
    for name in wanted:
        np.testing.assert_allclose(scores[name], wanted[name], rtol=1e-6)


def test_rouge_l_is_the_share_of_the_longest_common_subsequence():
    overlaps = [(longest(r, s), len(s), len(r)) for r, s in WORDS]
    check(RougeL()(REFERENCES, SUMMARIES), formula(overlaps))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_rouge_n_is_the_share_of_common_n_grams(order):
    overlaps = []
    for words in WORDS:
        reference, summary = (n_grams(side, order) for side in words)
        common = sum(min(summary[n], reference[n]) for n in summary)
        overlaps.append((common, summary.total(), reference.total()))
    check(RougeN(order)(REFERENCES, SUMMARIES), formula(overlaps))


def test_bits_find_the_longest_common_subsequence_as_the_table_does():
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b = (rng.integers(0, 5, rng.integers(0, 90)).tolist() for _ in "ab")
        assert longest_common_subsequence(a, b) == longest(a, b)


def test_texts_may_be_strings_lists_and_columns():
    one = RougeL()("the cat sat", "a cat sat")
    for wrap in (lambda x: [x], lambda x: [[x]], lambda x: tf.constant([x])):
        check(RougeL()(wrap("the cat sat"), wrap("a cat sat")), one)


def test_the_stemmer_joins_forms_of_a_word():
    pytest.importorskip("nltk")
    texts = "he was running", "he runs: was"
    assert float(RougeN(1)(*texts)["recall"]) == pytest.approx(2 / 3)
    assert float(RougeN(1, use_stemmer=True)(*texts)["recall"]) == 1
    short = RougeN(1, use_stemmer=True)("cats dogs", "cat dog")
    assert float(short["recall"]) == 1  # of four letters or more
    assert float(RougeN(1, use_stemmer=True)("his", "hi")["recall"]) == 0


def test_the_stemmer_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "nltk.stem.porter", None)
    with pytest.raises(ImportError, match="pip install nltk"):
        RougeL(use_stemmer=True)


def test_an_order_out_of_range_is_refused():
    for order in (0, 10, 1.5, True):
        with pytest.raises(ValueError, match=f"1 to 9. Received: order={order}"):
            RougeN(order)


def test_texts_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"`y_true` must be .*\(1, 2\)"):
        RougeL()([["a", "b"]], ["a"])
    with pytest.raises(ValueError, match="2 in `y_true`, 1 in `y_pred`"):
        RougeL()(["a", "b"], ["a"])
