"""A corpus from wherever it comes, and an even sample of it."""

import gzip
import itertools
import pathlib
import tracemalloc
import warnings

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.tokenizers.corpus_texts import read_texts
from keras_nlp_lite.tokenizers.even_sample import sample_texts

TEXTS = ["one text", "another", "naïve 中文"]
BYTES = [text.encode() for text in TEXTS]


def read(data):
    return list(itertools.chain.from_iterable(read_texts(data)))


@pytest.mark.parametrize(
    "data",
    [
        TEXTS,
        tuple(TEXTS),
        BYTES,
        np.array(TEXTS),
        [TEXTS[:2], [TEXTS[2:]]],
        tf.constant(TEXTS),
    ],
)
def test_texts_come_from_any_python_collection(data):
    assert read(data) == BYTES
    assert read(item for item in data) == BYTES


def test_texts_come_from_datasets_of_any_shape():
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    assert read(dataset) == BYTES
    assert read(dataset.batch(2)) == BYTES
    assert read(dataset.batch(1).batch(2)) == BYTES
    words = [word for text in BYTES for word in text.split()]
    assert read(dataset.map(tf.strings.split)) == words
    assert read(dataset.ragged_batch(2).map(tf.strings.split)) == words


@pytest.fixture
def files(tmp_path):
    """Two files with a text a line, and the texts that they hold."""
    (tmp_path / "a.txt").write_bytes("one\r\n\nnaïve text\n".encode())
    (tmp_path / "b.TXT.GZ").write_bytes(gzip.compress(b"three\nfour"))
    texts = [b"one", "naïve text".encode(), b"three", b"four"]
    return [tmp_path / "a.txt", tmp_path / "b.TXT.GZ"], texts


def test_a_line_of_a_file_is_a_text_without_its_end(files):
    paths, texts = files
    assert read(paths) == texts
    assert read([str(path) for path in paths]) == texts


def test_a_line_that_never_ends_is_cut_at_spaces(tmp_path):
    path = tmp_path / "long.txt"
    path.write_bytes(b"12345678 " * 500_000)
    texts = read([path])
    assert len(texts) > 1 and max(map(len, texts)) < 2.2 * 2**20
    assert {word for text in texts for word in text.split()} == {b"12345678"}
    assert sum(len(text.split()) for text in texts) == 500_000


def test_texts_that_no_file_is_named_after_are_texts(files):
    paths, _ = files
    assert read(["No such file.", "Nor this"]) == [b"No such file.", b"Nor this"]
    with pytest.raises(ValueError, match="do not exist: 'gone.txt'"):
        read([str(paths[0]), "gone.txt"])
    with pytest.raises(ValueError, match="do not exist: 'a.txt', 'b.txt.gz'"):
        read(["a.txt", "b.txt.gz"])
    with pytest.raises(ValueError, match="do not exist: 'no file'"):
        read([pathlib.Path("no file")])


@pytest.mark.parametrize("data", ["corpus.txt", b"text", 4, None, {"text": 1}])
def test_what_is_no_corpus_is_refused(data):
    with pytest.raises(ValueError, match="`data` must be a `tf.data.Dataset`"):
        read(data)


def test_what_holds_no_strings_is_refused():
    with pytest.raises(ValueError, match="Received: '4' of type int"):
        read(["text", 4])
    labelled = tf.data.Dataset.from_tensors(("text", 1))
    with pytest.raises(ValueError, match="Try `.map"):
        read(labelled)
    with pytest.raises(ValueError, match="must be a `tf.data.Dataset` of strings"):
        read(tf.data.Dataset.range(3))


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(b"text\n" * 1000)[:-9])
    with pytest.raises(ValueError, match="cut.gz' must be a whole gzip file"):
        read([path])


def test_a_corpus_that_fits_is_taken_whole():
    with warnings.catch_warnings(action="error"):
        assert sample_texts(TEXTS, max_bytes=sum(map(len, BYTES))) == BYTES


def sampled(count, max_bytes):
    texts = (f"{i:010}" for i in range(count))
    with pytest.warns(UserWarning, match="an even sample: .* MiB of the .* MiB"):
        return [int(text) for text in sample_texts(texts, max_bytes)]


def test_a_sample_is_in_order_nearly_fills_its_room_and_is_the_same_again():
    numbers = sampled(20_000, max_bytes=30_000)
    assert numbers == sorted(set(numbers))
    assert 0.75 * 3_000 <= len(numbers) <= 3_000
    assert sampled(20_000, max_bytes=30_000) == numbers


def test_every_part_of_a_corpus_has_the_same_chance():
    numbers = sampled(50_000, max_bytes=50_000)
    tenths = np.histogram(numbers, bins=10, range=(0, 50_000))[0]
    expected = len(numbers) / 10  # a binomial count, with a deviation of about its root
    assert np.abs(tenths - expected).max() < 4 * np.sqrt(expected)


def test_memory_does_not_grow_with_the_corpus():
    def peak(count):
        tracemalloc.start()
        sampled(count, max_bytes=20_000)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(80_000) < 1.2 * peak(20_000)


def test_a_corpus_without_text_is_refused():
    for data in ([], [""], ["a text that is too long"]):
        with pytest.raises(ValueError, match="`data` must hold text"):
            sample_texts(data, max_bytes=5)
