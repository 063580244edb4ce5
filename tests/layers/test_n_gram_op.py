"""The compiled bags of n-grams against the formula."""

import contextlib
import random
import string

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers import NGramBag
from keras_nlp_lite.ops import library_path, portable_ops
from keras_nlp_lite.tokenizers.n_gram_op import NGramOp
from tests.marks import where_ops_are_compiled
from tests.new_process import served

pytestmark = where_ops_are_compiled

WORDS = [
    "the",
    "The",
    "film",
    "isn't",
    "a",
    "A.",
    "good",
    "...",
    "très",
    "中文",
    "x<br/>y",
]
SPACES = [" ", "  ", "\t", "\n", "\v", "\f", "\r", "\xa0", "\0", "\x1f", "\x85"]


def random_texts(count, seed):
    """list of bytes: words, all of ASCII, and bytes that are no UTF-8."""
    rng = random.Random(seed)
    pieces = [w.encode() for w in [*WORDS * 3, *SPACES * 2, *string.printable]]
    pieces += [b"\xff", b"\xe4\xb8", b"\xc3"]
    return [b"".join(rng.choices(pieces, k=rng.randrange(25))) for _ in range(count)]


def bags(layer, texts):
    x = layer(texts)
    assert x.shape[1] == layer.vocabulary_size()
    return tf.sparse.to_dense(x).numpy()


@pytest.mark.parametrize("mode", ["multi_hot", "count", "tf_idf"])
@pytest.mark.parametrize("ngrams", [1, 2, (2,), (1, 3)])
@pytest.mark.parametrize(
    "standardize",
    [None, "lower", "strip_punctuation", "lower_and_strip_punctuation"],
)
def test_the_op_does_what_the_formula_does(standardize, ngrams, mode):
    layer = NGramBag(ngrams=ngrams, mode=mode, standardize=standardize, max_tokens=2000)
    texts = random_texts(200, seed=1)
    layer.adapt(texts[:100])  # words of the others are not known
    texts += [b"", b" ", b"..."]
    got = bags(layer, texts)
    with portable_ops():
        wanted = bags(layer, texts)
    assert got.any()
    np.testing.assert_array_equal(got, wanted)


def test_texts_as_numbers_have_the_bags_of_their_strings():
    layer = NGramBag(max_tokens=50, ngrams=2)
    texts, numbered = random_texts(300, seed=3), []
    layer.adapt(texts, on_batch=lambda batch: numbered.append(batch[0]))
    numbers = tf.concat(numbered, axis=0)
    wanted = bags(layer, texts)
    np.testing.assert_array_equal(bags(layer, numbers), wanted)
    with portable_ops():
        np.testing.assert_array_equal(bags(layer, numbers), wanted)


def test_entries_come_in_order_from_any_number_of_texts():
    layer = NGramBag(ngrams=2)
    texts = random_texts(3000, seed=4)  # more than one thread's part
    layer.adapt(texts)
    for count in (0, 1, 3000):
        bag = layer(tf.constant(texts[:count], tf.string))
        assert bag.dense_shape[0] == count
        order = bag.indices[:, 0] * layer.vocabulary_size() + bag.indices[:, 1]
        assert (np.diff(order) > 0).all()


def test_a_number_that_is_no_word_is_refused():
    layer = NGramBag()
    layer.adapt(["a b"], on_batch=lambda batch: None)
    numbers = tf.ragged.constant([[0, 7]], dtype=tf.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Token 7 is none of"):
        layer(numbers)


def test_an_op_keeps_apart_what_a_table_could_confuse():
    # Keys of longer n-grams, and so many words that places in the table are shared.
    count = 5000
    words = [f"w{i}" for i in range(count)]
    pairs = np.arange(0, count, 2)
    columns = np.concatenate([np.full(count, len(pairs)), np.arange(len(pairs))])
    op = NGramOp(words, pairs * count + pairs + 1, columns, len(pairs), [2])
    text = [f"w{i} w{i + 1}" for i in range(count - 1)]
    indices, counts = op.of_text(tf.constant(text), None)
    np.testing.assert_array_equal(indices[:, 0], pairs)  # only from even to odd
    np.testing.assert_array_equal(indices[:, 1], pairs // 2)
    assert (counts.numpy() == 1).all()


@pytest.mark.parametrize("portable", [False, True])
def test_an_export_serves_where_its_ops_are(portable, tmp_path):
    layer = NGramBag(max_tokens=30, ngrams=2, sparse=False)
    texts = ["The film isn't good.", "", "a good, good film"]
    layer.adapt(texts)
    text = keras.Input((), dtype="string")
    model = keras.Model(text, layer(text))
    with portable_ops() if portable else contextlib.nullcontext():
        model.export(tmp_path / "export", verbose=False)
    library = "" if portable else library_path()
    answers = served(tmp_path / "export", texts, library=library)
    assert answers == layer(texts).numpy().tolist()
