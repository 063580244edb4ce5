import collections
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.n_gram_bag import NGramBag

TEXTS = [
    "A joy, from start to end!",
    "not good . not good at all",
    "Good, good, good",
    "",
    "?!...",
    "the end of the end of the start",
]
LABELS = [1, 0, 1, 0, 0, 1]


def random_texts(rows, seed=0):
    """Texts over few words, so that longer n-grams repeat, too."""
    rng = np.random.default_rng(seed)
    words = ["alpha", "Beta", "gamma!", "delta", "don't", "straße", "...", "ép"]
    return [" ".join(rng.choice(words, size=rng.integers(0, 13))) for _ in range(rows)]


def grams_of(text, sizes, split=str.split):
    """The plain formula: an n-gram is a string of n tokens with spaces between."""
    table = str.maketrans("", "", "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'")
    lowered = "".join(c.lower() if c.isascii() else c for c in text)
    tokens = split(lowered.translate(table))
    return [
        " ".join(tokens[i : i + n]) for n in sizes for i in range(len(tokens) - n + 1)
    ]


def dense(bag, texts):
    return tf.sparse.to_dense(bag(texts)).numpy()


@pytest.mark.parametrize("ngrams, sizes", [(1, [1]), (2, [1, 2]), (3, [1, 2, 3])])
def test_the_vocabulary_is_the_most_frequent_n_grams(ngrams, sizes):
    texts = random_texts(200)
    counts = collections.Counter(g for t in texts for g in grams_of(t, sizes))
    # Frequent first; ties in the order of the tokens.
    order = sorted(counts, key=lambda g: (-counts[g], [w.encode() for w in g.split()]))

    bag = NGramBag(ngrams=ngrams)
    bag.adapt(texts)
    assert bag.get_vocabulary() == order

    bag = NGramBag(max_tokens=17, ngrams=ngrams, min_frequency=2)
    bag.adapt(texts)
    assert bag.get_vocabulary() == [g for g in order if counts[g] > 1][:17]


@pytest.mark.parametrize(
    "ngrams, sizes", [((2,), [2]), ((1, 3), [1, 3]), (4, range(1, 5))]
)
@pytest.mark.parametrize("mode", ["multi_hot", "count", "tf_idf"])
def test_a_row_says_what_the_plain_formula_says(ngrams, sizes, mode):
    texts = random_texts(60)
    bag = NGramBag(max_tokens=97, ngrams=ngrams, mode=mode)
    bag.adapt(texts)
    fresh = [*random_texts(31, seed=1), "unseen words alpha unseen", ""]
    vocabulary = bag.get_vocabulary()
    wanted = np.zeros((len(fresh), len(vocabulary)), "float32")
    for row, text in zip(wanted, fresh):
        counts = collections.Counter(grams_of(text, sizes))
        for column, gram in enumerate(vocabulary):
            row[column] = counts[gram] if mode != "multi_hot" else counts[gram] > 0
    if mode == "tf_idf":
        holding = [sum(g in grams_of(t, sizes) for t in texts) for g in vocabulary]
        wanted *= np.array([math.log(1 + len(texts) / (1 + df)) for df in holding])

    np.testing.assert_allclose(dense(bag, fresh), wanted, rtol=1e-6)


@pytest.mark.parametrize("mode", ["multi_hot", "count", "tf_idf"])
def test_a_row_agrees_with_keras_text_vectorization(mode):
    texts = random_texts(50)
    ours = NGramBag(ngrams=2, mode=mode)
    ours.adapt(texts)
    weights = (
        {} if ours.column_weights is None else {"idf_weights": ours.column_weights}
    )
    theirs = keras.layers.TextVectorization(
        ngrams=2, output_mode=mode, vocabulary=ours.get_vocabulary(), **weights
    )
    fresh = random_texts(29, seed=2)
    np.testing.assert_allclose(  # Keras's column 0 is for the unknown
        dense(ours, fresh), theirs(fresh).numpy()[:, 1:], rtol=1e-6
    )


def test_log_count_ratio_is_wang_and_mannings():
    bag = NGramBag(mode="log_count_ratio", sparse=False)
    bag.adapt((TEXTS, LABELS))
    vocabulary = bag.get_vocabulary()
    holds = np.array([[g in grams_of(t, [1]) for g in vocabulary] for t in TEXTS])
    positive = np.array(LABELS) == 1
    p, q = 1 + holds[positive].sum(axis=0), 1 + holds[~positive].sum(axis=0)
    ratio = np.log((p / p.sum()) / (q / q.sum()))
    np.testing.assert_allclose(bag(TEXTS), holds * ratio, rtol=1e-5)


def test_log_count_ratio_needs_labels_of_two_classes():
    bag = NGramBag(mode="log_count_ratio")
    with pytest.raises(ValueError, match=r"adapts on \(text, label\) pairs"):
        bag.adapt(TEXTS)
    with pytest.raises(
        ValueError, match=r"labelled 0 and 1. Received: labels \[0, 2\]"
    ):
        bag.adapt((["a", "b"], [0, 2]))


def test_the_order_and_batches_of_the_corpus_do_not_matter():
    texts = random_texts(1500)
    first, second = NGramBag(50, 2, mode="tf_idf"), NGramBag(50, 2, mode="tf_idf")
    first.adapt(texts)
    second.adapt(tf.data.Dataset.from_tensor_slices(texts[::-1]).batch(7))
    assert first.get_vocabulary() == second.get_vocabulary()
    np.testing.assert_array_equal(first.column_weights, second.column_weights)


def test_counts_survive_being_merged_in_parts(monkeypatch):
    texts = random_texts(1500)
    whole = NGramBag(ngrams=3, mode="tf_idf")
    whole.adapt(texts)
    monkeypatch.setattr("keras_nlp_lite.tokenizers.n_gram_counts._PENDING", 1000)
    parts = NGramBag(ngrams=3, mode="tf_idf")
    parts.adapt(tf.data.Dataset.from_tensor_slices(texts).batch(64))
    assert parts.get_vocabulary() == whole.get_vocabulary()
    np.testing.assert_array_equal(parts.column_weights, whole.column_weights)


def test_hashing_needs_no_adapting_and_tells_orders_apart():
    bag = NGramBag(ngrams=(2,), num_hash_bins=10_007)
    rows = dense(bag, ["not good", "good not", "Not good!", "so not good at all"])
    assert rows.shape == (4, 10_007)
    assert rows.sum(axis=1).tolist() == [1, 1, 1, 4]
    assert (rows[0] == rows[2]).all() and (rows[0] != rows[1]).any()
    assert rows[3, rows[0].argmax()] == 1


def test_hashed_n_grams_spread_evenly_over_the_bins():
    bins = 64
    bag = NGramBag(ngrams=(2,), mode="count", num_hash_bins=bins)
    texts = [f"word{i} other{j}" for i in range(64) for j in range(64)]
    load = tf.sparse.reduce_sum(bag(texts), axis=0).numpy()
    # Chi-squared of a fair hash: about `bins`, give or take five deviations.
    chi_squared = ((load - 64) ** 2 / 64).sum()
    assert abs(chi_squared - bins) < 5 * math.sqrt(2 * bins)


def test_characters_are_tokens_when_asked():
    bag = NGramBag(ngrams=2, split="character", sparse=False)
    bag.adapt(["aba"])
    assert bag.get_vocabulary() == ["a", "a b", "b", "b a"]
    assert bag(["ab"]).numpy().tolist() == [[1, 1, 1, 0]]


@keras.saving.register_keras_serializable(package="tests")
def on_dashes(texts):
    return tf.strings.split(texts, "-")


@keras.saving.register_keras_serializable(package="tests")
def shouting(texts):
    return tf.strings.upper(texts)


def test_functions_may_standardize_and_split():
    bag = NGramBag(standardize=shouting, split=on_dashes, sparse=False)
    bag.adapt(["a-b", "B"])
    assert bag.get_vocabulary() == ["B", "A"]
    again = NGramBag.from_config(bag.get_config())
    again.set_vocabulary(bag.get_vocabulary())
    assert again(["b-x"]).numpy().tolist() == [[1, 0]]


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("shape", ["flat", "column"])
def test_any_number_of_rows_goes_in_flat_or_as_a_column(rows, shape):
    bag = NGramBag(vocabulary=["good", "not good"], ngrams=2)
    texts = tf.constant((["Not good"] * rows), tf.string, [rows])
    texts = texts if shape == "flat" else texts[:, None]
    assert dense(bag, texts).tolist() == [[1, 1]] * rows


def test_odd_texts_give_rows_without_harm():
    bag = NGramBag(ngrams=2, sparse=False)
    bag.adapt(["word again", b"\xff\xfe bytes", "nul\0 inside"])
    long = "word again " * 100_000  # a megabyte and more
    rows = bag([b"", b"?!", b"\xff\xfe", b"nul\0", long.encode()]).numpy()
    assert rows.sum(axis=1).tolist() == [0, 0, 1, 1, 3]
    assert rows[-1].argmax() == bag.get_vocabulary().index("again")


def test_the_sparse_rows_are_never_dense_in_between():
    width = 40_000_000  # dense, four rows of it would take 640 MB
    bag = NGramBag(num_hash_bins=width, ngrams=2)
    bags = tf.data.Dataset.from_tensor_slices(TEXTS).batch(4).map(bag)
    assert [b.shape for b in bags] == [(4, width), (2, width)]
    assert bags.element_spec.shape.as_list() == [None, width]


def test_a_vocabulary_may_hold_long_n_grams_without_their_beginnings():
    bag = NGramBag(ngrams=3, vocabulary=["b", "a b c", "c d"], sparse=False)
    assert bag(["a b c d", "b c", "a b d"]).numpy().tolist() == [
        [1, 1, 1],
        [1, 0, 0],
        [1, 0, 0],
    ]


@pytest.mark.parametrize("texts", [["", "?!"], ["one", "two"]])
def test_a_corpus_may_lack_words_or_longer_n_grams(texts):
    bag = NGramBag(ngrams=2)
    bag.adapt(texts)
    words = [text for text in texts if text.isalpha()]
    assert bag.get_vocabulary() == words
    assert dense(bag, ["one two", ""]).sum() == len(words)


def test_tokens_may_hold_spaces_or_be_empty():
    tuples = [("new york",), ("new", "york"), ("",)]
    how = {"standardize": None, "split": on_dashes, "sparse": False}
    bag = NGramBag(vocabulary=tuples, ngrams=2, **how)
    for same in (bag, NGramBag.from_config(bag.get_config())):
        rows = same(["new york", "new-york", "a--b"]).numpy()
        assert rows.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    adapted = NGramBag(**how)
    adapted.adapt(["a--b", "a"])
    assert adapted.get_vocabulary() == ["a", "", "b"]


def test_calling_without_a_vocabulary_says_to_adapt():
    with pytest.raises(ValueError, match="no vocabulary yet. Call `adapt`"):
        NGramBag()(["text"])


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"mode": "tfidf"}, "`mode` must be one of .* Did you mean 'tf_idf'?"),
        ({"ngrams": 0}, "`ngrams` must be an integer of at least 1"),
        ({"ngrams": "2"}, "`ngrams` must be an integer of at least 1"),
        ({"max_tokens": 0}, "`max_tokens` must be an integer of at least 1, or None"),
        ({"split": "words"}, "`split` must be one of"),
        ({"num_hash_bins": 5, "mode": "tf_idf"}, "`num_hash_bins` needs no vocabulary"),
        ({"vocabulary": ["a", "a"]}, "each n-gram once. Received: b'a' twice"),
        ({"vocabulary": ["a b"]}, r"n-grams of \(1,\) tokens.*Try ngrams=2"),
        ({"vocabulary": ["a"], "mode": "tf_idf"}, "needs a weight for each of the 1"),
        ({"vocabulary": ["a"], "idf_weights": [1.0]}, "belong to mode='tf_idf'"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(arguments, said):
    with pytest.raises(ValueError, match=said):
        NGramBag(**arguments)


def test_adapting_to_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one text"):
        NGramBag().adapt([])
    with pytest.raises(ValueError, match="nothing to adapt"):
        NGramBag(num_hash_bins=7).adapt(TEXTS)


def test_a_given_vocabulary_is_part_of_the_config_and_an_adapted_one_is_not():
    given = NGramBag(vocabulary=["a", "b"], mode="tf_idf", idf_weights=[0.5, 2.0])
    again = NGramBag.from_config(given.get_config())
    assert again.get_vocabulary() == ["a", "b"]
    np.testing.assert_array_equal(again.column_weights, [0.5, 2.0])
    adapted = NGramBag()
    adapted.adapt(TEXTS)
    assert adapted.get_config()["vocabulary"] is None
