"""TextVectorization in every mode: its numbers, and that they survive saving."""

import itertools
import string
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.text_vectorization import TextVectorization
from tests.layer_contract import assert_same, give_state, symbol, to_numpy

CORPUS = ["The cat sat.", "the dog\x85 sat down", "a cat and a dog", "", "the zoo"]
TEXTS = ["The cat sat!", "", "zebra dog dog the cat", "?!", "the dog sat\x85 down"]
NGRAMS = (None, 1, 2, (1, 3))
GIVEN = ["cat", "the", "dog", "the cat", "sat", "cat sat down", "down"]
WEIGHTS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
BAGS = ("multi_hot", "count", "tf_idf")
COMBINATIONS = [
    *({"output_mode": m, "ngrams": n} for m, n in itertools.product(MODES, NGRAMS)),
    {"output_mode": "int", "ngrams": 2, "ragged": True},
    {"output_mode": "int", "ngrams": (1, 3), "output_sequence_length": 4},
    *({"output_mode": m, "ngrams": 2, "sparse": True} for m in BAGS),
    *({"output_mode": m, "ngrams": 2, "max_tokens": 4} for m in BAGS),
    *(
        {"output_mode": m, "ngrams": 2, "pad_to_max_tokens": True, "max_tokens": 41}
        for m in BAGS
    ),
]


# Where the vocabulary comes from changes no n-gram: one size of them shows what it does.
GIVEN_COMBINATIONS = [each for each in COMBINATIONS if each["ngrams"] == 2]


# A second, slower formula.


def grams_of(text, ngrams):
    text = text.lower().translate(str.maketrans("", "", string.punctuation))
    words = text.split(" ") if text else []
    sizes = range(1, (ngrams or 1) + 1) if not isinstance(ngrams, tuple) else ngrams
    return [
        " ".join(words[i : i + n]) for n in sizes for i in range(len(words) - n + 1)
    ]


def column_weights(layer, ngrams, source):
    """IDF of each token, the mean of them for what is unknown."""
    if source == "adapt":
        documents = [set(grams_of(text, ngrams)) for text in CORPUS]
        seen = [sum(t in d for d in documents) for t in layer.get_vocabulary(False)]
        weights = [np.log(1 + len(CORPUS) / (1 + n)) for n in seen]
    else:
        weights = WEIGHTS[: len(layer.get_vocabulary(False))]
    return [np.mean(weights), *weights]


def expected(layer, source, output_mode, ngrams, ragged=False, **settings):
    vocabulary = layer.get_vocabulary()
    unknown = vocabulary.index("[UNK]")
    rows = [
        [vocabulary.index(g) if g in vocabulary else unknown for g in grams]
        for grams in (grams_of(text, ngrams) for text in TEXTS)
    ]
    if output_mode == "int":
        T = settings.get("output_sequence_length") or max(map(len, rows))
        return rows if ragged else [(row + [0] * T)[:T] for row in rows]
    V = settings["max_tokens"] if "pad_to_max_tokens" in settings else len(vocabulary)
    if output_mode == "one_hot":
        return [np.eye(V, dtype=int)[row].tolist() for row in rows]
    bags = np.array([np.bincount(row, minlength=V) for row in rows])
    if output_mode == "multi_hot":
        bags = np.minimum(bags, 1)
    if output_mode == "tf_idf":
        weights = column_weights(layer, ngrams, source)
        bags = bags * np.pad(weights, (0, V - len(weights)))
    return bags


def make(source, folder, **settings):
    if source == "adapt":
        layer = TextVectorization(**settings)
        layer.adapt(CORPUS)
        return layer
    size = settings.get("max_tokens", 99) - 1  # one place is for the unknown
    vocabulary, weights = GIVEN[:size], WEIGHTS[:size]
    if source == "file":
        tokens, vocabulary = vocabulary, folder / f"{size}.txt"
        vocabulary.write_text("\n".join(tokens), encoding="utf-8")
    weights = weights if settings["output_mode"] == "tf_idf" else None
    return TextVectorization(vocabulary=vocabulary, idf_weights=weights, **settings)


@pytest.mark.parametrize("source", ["adapt", "list", "file"])
def test_every_mode_counts_right_and_survives_saving_and_export(source, tmp_path):
    # All combinations as outputs of one model: saving costs the same once.
    combinations = COMBINATIONS if source == "adapt" else GIVEN_COMBINATIONS
    text = keras.Input((1,), dtype="string")
    layers = {
        f"{i} {settings}": make(source, tmp_path, name=f"vectorization_{i}", **settings)
        for i, settings in enumerate(combinations)
    }
    outputs = {name: layer(text) for name, layer in layers.items()}
    model = keras.Model(text, outputs)
    column = tf.constant(TEXTS)[:, None]
    wanted = {name: layer(tf.constant(TEXTS)) for name, layer in layers.items()}

    for (name, layer), settings in zip(layers.items(), combinations):
        numbers, right = to_numpy(wanted[name]), expected(layer, source, **settings)
        if isinstance(numbers, list):
            assert numbers == right, name
        else:
            np.testing.assert_allclose(numbers, right, rtol=1e-6, err_msg=name)
        copy = TextVectorization.from_config(layer.get_config())
        if source == "adapt":
            give_state(layer, copy)
        assert copy.get_vocabulary() == layer.get_vocabulary()
        assert_same(copy(TEXTS), wanted[name])

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    model.export(tmp_path / "export", verbose=False)
    served = tf.saved_model.load(tmp_path / "export")
    for got in (model(column), loaded(column), served.serve(column)):
        assert got.keys() == wanted.keys()
        for name in wanted:
            assert_same(got[name], wanted[name])
            assert outputs[name].dtype == got[name].dtype.name, name
            assert outputs[name].shape[-1] in (got[name].shape[-1], None), name
            assert len(outputs[name].shape) == got[name].shape.rank, name


# What is saved


def saved_and_loaded(layer, folder, shape=(1,)):
    text = keras.Input(shape, dtype="string")
    keras.Model(text, layer(text)).save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras").layers[-1]


@pytest.mark.parametrize("split", [None, "whitespace", "character"])
@pytest.mark.parametrize("output_mode", ["int", "tf_idf"])
def test_a_token_may_hold_any_character(split, output_mode, tmp_path):
    texts = ["two\nlines", "one\r", "\x85", " a\u2028b ", "\x0b", "é", '"\\"', "[UNK]"]
    layer = TextVectorization(standardize=None, split=split, output_mode=output_mode)
    layer.adapt(texts)
    copy = saved_and_loaded(layer, tmp_path)
    assert copy.get_vocabulary() == layer.get_vocabulary()
    assert_same(copy(np.array(texts)[:, None]), layer(np.array(texts)[:, None]))


def test_invalid_utf8_is_a_token_like_others(tmp_path):
    layer = TextVectorization()
    layer.adapt([b"caf\xe9 ok", b"caf\xe8 ok"])
    assert layer.get_vocabulary()[:3] == ["", "[UNK]", "ok"]
    assert layer.vocabulary_size() == 5
    copy = saved_and_loaded(layer, tmp_path)
    assert copy.get_vocabulary() == layer.get_vocabulary()
    assert sorted(copy([b"caf\xe9 caf\xe8"]).numpy()[0]) == [3, 4]


def test_the_vocabulary_that_was_set_last_is_the_one_that_is_saved(tmp_path):
    layer = TextVectorization(
        vocabulary=["a", "b"], idf_weights=[1, 2], output_mode="tf_idf"
    )
    layer.set_vocabulary(["c", "d"], idf_weights=[3, 4])
    copy = saved_and_loaded(layer, tmp_path)
    assert copy.get_vocabulary() == ["[UNK]", "c", "d"]
    np.testing.assert_allclose(copy(["c d d"]), [[0, 3, 8]])
    with pytest.raises(RuntimeError, match="vocabulary"):
        TextVectorization.from_config(layer.get_config())(["c"])


def test_a_loaded_layer_can_adapt_anew(tmp_path):
    layer = TextVectorization()
    layer.adapt(CORPUS)
    copy = saved_and_loaded(layer, tmp_path)
    copy.adapt(["some other words", "some words", "words"])
    assert copy.get_vocabulary() == ["", "[UNK]", "words", "some", "other"]
    assert copy(["other cat"]).numpy().tolist() == [[4, 1]]


def test_a_layer_saved_before_it_was_adapted_can_adapt_after(tmp_path):
    copy = saved_and_loaded(TextVectorization(), tmp_path)
    assert copy.get_vocabulary(include_special_tokens=False) == []
    copy.adapt(["a"])
    assert copy(["a"]).numpy().tolist() == [[2]]


@keras.saving.register_keras_serializable("tests")
def without_z(text):
    return tf.strings.regex_replace(text, "z", "")


@keras.saving.register_keras_serializable("tests")
def at_commas(text):
    return tf.strings.split(text, ",")


def test_functions_for_cutting_survive_config_and_file(tmp_path):
    layer = TextVectorization(standardize=without_z, split=at_commas)
    layer.adapt(["a,zb", "c d"])
    assert set(layer.get_vocabulary()) == {"", "[UNK]", "a", "b", "c d"}
    wanted = layer(["zc d,b"]).numpy().tolist()
    assert saved_and_loaded(layer, tmp_path)(["zc d,b"]).numpy().tolist() == wanted
    copy = TextVectorization.from_config(layer.get_config())
    give_state(layer, copy)
    assert copy(["zc d,b"]).numpy().tolist() == wanted


# What a vocabulary may be given as


@pytest.mark.parametrize(
    "vocabulary",
    [
        ("a", "é"),
        np.array(["a", "é"]),
        np.array(["a", "é"], object),
        np.array([b"a", "é".encode()]),
        tf.constant(["a", "é"]),
        ["", "[UNK]", "a", "é"],
    ],
    ids=["tuple", "array", "objects", "bytes", "tensor", "special tokens"],
)
def test_any_list_of_tokens_is_a_vocabulary(vocabulary, tmp_path):
    layer = TextVectorization(vocabulary=vocabulary)
    for same in (layer, saved_and_loaded(layer, tmp_path)):
        assert same.get_vocabulary() == ["", "[UNK]", "a", "é"]
        assert same(["é a x"]).numpy().tolist() == [[3, 2, 1]]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_vocabulary_written_to_a_file_can_be_read_from_it(newline, tmp_path):
    layer = TextVectorization()
    layer.adapt(CORPUS)
    path = tmp_path / "vocabulary.txt"
    path.write_bytes((newline.join(layer.get_vocabulary()) + newline).encode())
    for given in (path, str(path)):
        copy = TextVectorization(vocabulary=given)
        assert copy.get_vocabulary() == layer.get_vocabulary()
        assert_same(copy(TEXTS), layer(TEXTS))


def test_bad_vocabularies_are_refused(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        TextVectorization(vocabulary=tmp_path / "nowhere.txt")
    path = tmp_path / "twice.txt"
    path.write_text("a\nb\na\n")
    with pytest.raises(ValueError, match=r"repeated terms\s+are: .*'a'"):
        TextVectorization(vocabulary=path)
    with pytest.raises(ValueError, match="Received: 7 of type int"):
        TextVectorization(vocabulary=["a", 7])
    config = {**TextVectorization().get_config(), "vocabulary": str(path)}
    with pytest.raises(ValueError, match=r"may not name a vocabulary file.*twice\.txt"):
        TextVectorization.from_config(config)


# Use


@pytest.mark.parametrize("output_mode", ["int", "multi_hot", "tf_idf"])
@pytest.mark.parametrize("sparse", [False, True])
def test_calling_it_before_adapt_says_to_adapt(output_mode, sparse):
    layer = TextVectorization(
        output_mode=output_mode, sparse=sparse and output_mode != "int"
    )
    with pytest.raises(RuntimeError, match="adapt"):
        layer(["a"])


def test_every_way_to_give_a_corpus_finds_the_same_vocabulary():
    vocabularies = []
    for corpus in (
        CORPUS,
        np.array(CORPUS),
        tf.constant(CORPUS)[:, None],
        tf.data.Dataset.from_tensor_slices(CORPUS).batch(2),
        iter(np.array_split(np.array(CORPUS), 3)),
    ):
        layer = TextVectorization(ngrams=2)
        layer.adapt(corpus)
        vocabularies.append(layer.get_vocabulary())
    assert vocabularies == vocabularies[:1] * 5
    assert vocabularies[0][2] == "the"


@pytest.mark.parametrize("output_mode", ["int", "multi_hot", "count", "tf_idf"])
@pytest.mark.parametrize("shape", [(), (1,), (3,)])
def test_texts_that_are_tokens_already_have_the_shape_that_was_forecast(
    output_mode, shape
):
    layer = TextVectorization(standardize=None, split=None, output_mode=output_mode)
    layer.adapt(["a b", "c"])
    tokens = tf.constant("c", shape=(2, *shape))
    output, forecast = layer(tokens), layer(symbol(tokens))
    assert output.shape.rank == len(forecast.shape)
    assert output.shape[-1] in (forecast.shape[-1], 2)
    assert forecast.dtype == output.dtype.name


def test_one_text_by_itself_gives_its_row():
    for settings in ({}, {"output_mode": "tf_idf", "sparse": True}):
        layer = TextVectorization(**settings)
        layer.adapt(CORPUS)
        one, row = to_numpy(layer("the cat")), to_numpy(layer(["the cat"]))[0]
        np.testing.assert_array_equal(one, row, strict=True)


def test_a_dense_layer_learns_from_sparse_bags():
    vectorize = TextVectorization(output_mode="tf_idf", sparse=True)
    vectorize.adapt(CORPUS)
    text = keras.Input((1,), dtype="string")
    model = keras.Model(text, keras.layers.Dense(1)(vectorize(text)))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    data = tf.data.Dataset.from_tensors((tf.constant(TEXTS)[:, None], tf.ones([5, 1])))
    losses = model.fit(data, epochs=3, verbose=0, shuffle=False).history["loss"]
    assert losses[2] < losses[0]


def test_one_hot_has_no_sparse_form():
    with pytest.raises(ValueError, match="Try output_mode='multi_hot'"):
        TextVectorization(output_mode="one_hot", sparse=True)


def test_its_import_does_not_wait_for_tensorflow_text():
    program = (
        "import sys, keras_nlp_lite.layers.text_vectorization, "
        "keras_nlp_lite.tokenizers; sys.exit('tensorflow_text' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
