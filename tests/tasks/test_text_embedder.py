"""What an embedder promises; Task's own promises are in test_task.py."""

import os
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.models import TextEmbedder, TextEmbedderPreprocessor
from keras_nlp_lite.tokenizers.bert_tokenizer import DistilBertTokenizer
from tests.tasks.encoders import TEXTS, backbone, external, ids, preprocessor

UNLIKE = ["a joy", "dull film", "it is fine", "not a bore and it is dull", "and"]


def quick(**kwargs):
    """An embedder on a small external encoder."""
    prepares = preprocessor(TextEmbedderPreprocessor, DistilBertTokenizer)
    return TextEmbedder(external(), prepares, **kwargs)


@pytest.fixture(scope="module")
def bert():
    return TextEmbedder(backbone(), preprocessor(TextEmbedderPreprocessor))


def test_a_text_is_the_mean_of_its_tokens_at_length_one():
    model, bare = quick(), quick(normalize=False)
    prepared = ids(rows=3, length=7, padding=3)
    taken = {k: prepared[k] for k in ("token_ids", "padding_mask")}
    features = np.array(model.backbone(taken))
    means = np.stack([x[:n].mean(axis=0) for x, n in zip(features, [4, 7, 7])])
    np.testing.assert_allclose(bare(prepared), means, rtol=1e-5, atol=1e-7)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(model(prepared), means / lengths, rtol=1e-5, atol=1e-7)
    first = quick(pooling="cls", normalize=False)
    np.testing.assert_array_equal(first(prepared), features[:, 0])


def test_every_way_to_ask_gives_the_same_vectors(bert):
    vectors = bert.predict(UNLIKE, verbose=0)
    assert vectors.shape == (5, 16) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    data = tf.data.Dataset.from_tensor_slices(UNLIKE).batch(3)
    for other in (
        bert.predict(data, verbose=0),
        bert.encode_text(UNLIKE, verbose=0),
        np.concatenate([bert.encode_text(text, verbose=0) for text in UNLIKE]),
    ):
        np.testing.assert_allclose(other, vectors, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "max", "cls"])
def test_a_row_of_nothing_but_padding_gives_numbers_and_gradients(pooling):
    model = quick(pooling=pooling)
    nothing = {name: 0 * x for name, x in ids().items()}
    with tf.GradientTape() as tape:
        vectors = model(nothing)
        loss = keras.ops.sum(vectors * np.arange(18.0).reshape(3, 6))
    assert np.isfinite(vectors).all()
    gradient = tape.gradient(loss, model.trainable_variables[0].value)
    assert np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_vectors_are_float32_whatever_the_precision():
    model = TextEmbedder(backbone(dtype="mixed_bfloat16"))
    assert model.dtype_policy.name == "mixed_bfloat16"
    assert model(ids()).dtype == "float32"


def test_similarity_is_the_cosine_of_all_with_all(bert):
    a, b = UNLIKE[:2], UNLIKE
    matrix = bert.similarity(a, b)
    assert matrix.shape == (2, 5)
    np.testing.assert_allclose([matrix[0, 0], matrix[1, 1]], [1, 1], rtol=1e-5)
    vectors = bert.predict(b, verbose=0)
    np.testing.assert_allclose(matrix, vectors[:2] @ vectors.T, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        bert.similarity("a joy", vectors), matrix[:1], rtol=1e-4, atol=1e-6
    )


def test_a_text_finds_itself_and_then_what_is_nearest(bert):
    found = bert.search(UNLIKE[3], UNLIKE, k=4, verbose=0)
    assert found[0].index == 3 and found[0].score == pytest.approx(1, rel=1e-5)
    similar = bert.similarity(UNLIKE[3], UNLIKE)[0]
    assert [match.index for match in found] == list(np.argsort(-similar)[:4])
    np.testing.assert_allclose(
        [score for _, score in found], np.sort(similar)[::-1][:4], rtol=1e-5
    )


def test_several_queries_find_what_each_would_find_alone(bert):
    vectors = bert.predict(UNLIKE, verbose=0)
    together = bert.search(UNLIKE[:2], vectors, k=3)
    assert [matches[0].index for matches in together] == [0, 1]
    for matches, vector in zip(together, vectors):
        alone = bert.search(vector, vectors, k=3)
        assert [m.index for m in alone] == [m.index for m in matches]
    assert len(bert.search("a joy", vectors, k=99)) == 5


def test_of_equals_the_first_come_first():
    vectors = np.ones([1000, 4], "float32")
    vectors[9] = 2.0
    (found,) = quick().search(np.ones([1, 4], "float32"), vectors, k=4)
    assert [match.index for match in found] == [9, 0, 1, 2]


def test_search_agrees_with_sorting_everything():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=[997, 6]).astype("float32")
    vectors[500:600] = vectors[7]  # more equals than are wanted
    queries = np.concatenate([vectors[7:8], rng.normal(size=[4, 6])])
    model = quick()
    found = model.search(queries, vectors, k=13)
    for query, matches in zip(queries.astype("float32"), found):
        scores = vectors @ query
        order = np.lexsort((np.arange(997), -scores))[:13]
        np.testing.assert_allclose([m.score for m in matches], scores[order], rtol=1e-5)
    assert all(one.score >= next.score for one, next in zip(found[1], found[1][1:]))


def test_a_hundred_thousand_vectors_are_searched_in_milliseconds():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=[100_000, 64]).astype("float32")
    model, seconds = quick(), []
    for i in range(5):
        start = time.perf_counter()
        found = model.search(vectors[i], vectors, k=10)
        seconds.append(time.perf_counter() - start)
        assert found[0].index == i
    assert min(seconds) < 0.1  # sorting all of them in Python would take longer


def test_a_corpus_of_texts_is_embedded_with_a_progress_bar(capsys):
    quick().search("a joy", TEXTS, k=1, batch_size=4, verbose=1)
    assert "7/7" in capsys.readouterr().out
    quick().search("a joy", TEXTS, k=1, verbose=0)
    assert not capsys.readouterr().out


def test_fitting_asks_for_a_loss_and_trains_with_one():
    model = quick(normalize=False)
    targets = np.random.default_rng(0).normal(size=[28, 6]).astype("float32")
    for run in (model.compile, lambda: model.fit(TEXTS, targets)):
        with pytest.raises(ValueError, match="no loss of its own.*Received: ") as error:
            run()
        assert "\n" not in str(error.value)
    model.compile(keras.optimizers.Adam(0.1), loss="mse")
    loss = model.fit(TEXTS, targets, epochs=5, verbose=0).history["loss"]
    assert loss[-1] < loss[0]


SERVE = """
import sys
import tensorflow as tf
import tensorflow_text
served = tf.saved_model.load(sys.argv[1])
for row in served.serve(tf.constant(sys.argv[2:])).numpy():
    print(*row)
"""


def test_what_is_saved_and_exported_gives_the_same_vectors(bert, tmp_path):
    wanted = bert.predict(UNLIKE, verbose=0)
    bert.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert type(again) is TextEmbedder
    np.testing.assert_array_equal(again.predict(UNLIKE, verbose=0), wanted)
    bert.export(tmp_path / "served")
    answer = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path / "served"), *UNLIKE],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=tmp_path,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    rows = [line.split() for line in answer.stdout.splitlines()]
    np.testing.assert_allclose(np.array(rows, float), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("a joy", np.ones([7, 5])), "Received: widths 6 and 5"),
        (("a joy", []), r"Received: shape \(0,\)"),
        ((np.ones([2, 3, 6]), np.ones([7, 6])), r"Received: shape \(2, 3, 6\)"),
        (("a joy", TEXTS, 0), "Received: k=0"),
    ],
    ids=["widths", "empty", "rank", "k"],
)
def test_a_search_that_cannot_be_is_refused_in_a_sentence(arguments, said):
    with pytest.raises(ValueError, match=said) as error:
        quick().search(*arguments)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="Received: pooling='sum'"):
        quick(pooling="sum")
