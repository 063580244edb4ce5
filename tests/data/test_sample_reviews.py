"""write_sample_reviews: what its reviews can and cannot teach."""

import collections
import math
import pathlib

import pytest

from keras_nlp_lite.data import read_directory, write_sample_reviews
from tests.data.reading import pairs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_sample_reviews(tmp_path_factory.mktemp("sample"))


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(pathlib.Path(folder).rglob("*.txt"))
    }


def n_grams(text, size):
    """All words, and all neighbours up to `size`, set of tuples."""
    words = text.lower().translate(str.maketrans("", "", ".,!")).split()
    return {
        tuple(words[i : i + n])
        for n in range(1, size + 1)
        for i in range(len(words) - n + 1)
    }


def naive_bayes_accuracy(folder, size):
    """Test accuracy of the log-count ratios of n-grams that are there or not."""
    train, test = (
        pairs(read_directory(f"{folder}/{part}", shuffle=False))
        for part in ("train", "test")
    )
    counts = collections.Counter(), collections.Counter()
    for text, label in train:
        counts[label].update(n_grams(text, size))

    def score(text):
        return sum(
            math.log((counts[1][gram] + 1) / (counts[0][gram] + 1))
            for gram in n_grams(text, size)
        )

    return sum((score(text) > 0) == label for text, label in test) / len(test)


def test_pairs_of_words_tell_what_single_words_do_not(folder):
    assert 0.75 < naive_bayes_accuracy(folder, 1) < 0.88
    assert naive_bayes_accuracy(folder, 2) > 0.95


def test_classes_and_parts_are_of_equal_size(folder):
    for part in ("train", "test"):
        dataset = read_directory(f"{folder}/{part}")
        assert dataset.class_names == ["neg", "pos"]
        labels = [label for _, label in pairs(dataset)]
        assert labels.count(0) == labels.count(1) == 1000


def test_reviews_are_varied_and_unlike_each_other(folder):
    reviews = list(files(folder).values())
    assert len(set(reviews)) == len(reviews)
    assert len(set.union(*(n_grams(text, 1) for text in reviews))) > 400


def test_no_review_has_a_slot_left_open(folder):
    for text in files(folder).values():
        assert "{" not in text and "  " not in text and text[0].isupper()


def test_the_same_seed_writes_the_same_reviews(tmp_path):
    one = write_sample_reviews(tmp_path / "one", examples=20, seed=3)
    two = write_sample_reviews(tmp_path / "two", examples=20, seed=3)
    other = write_sample_reviews(tmp_path / "other", examples=20, seed=4)
    assert files(one) == files(two) != files(other)


def test_an_earlier_sample_is_overwritten(tmp_path):
    write_sample_reviews(tmp_path, examples=20, seed=3)
    before = files(tmp_path)
    write_sample_reviews(tmp_path, examples=20, seed=4)
    assert before != files(write_sample_reviews(tmp_path, examples=20, seed=4))


def test_nothing_of_the_users_is_mixed_in_or_lost(tmp_path):
    mine = tmp_path / "train" / "pos" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(ValueError, match=r"train/pos' must be empty.*'mine\.txt'"):
        write_sample_reviews(tmp_path)
    assert files(tmp_path) == {"train/pos/mine.txt": "mine"}


@pytest.mark.parametrize("examples", [0, 1, 2.0])
def test_too_few_examples_are_refused(tmp_path, examples):
    with pytest.raises(ValueError, match=f"`examples` must be.*examples={examples}"):
        write_sample_reviews(tmp_path, examples=examples)
