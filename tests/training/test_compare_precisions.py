"""One training in several precisions, side by side."""

import keras
import pytest

from keras_nlp_lite.training.compare_precisions import compare_precisions
from tests.training.small import points, regression


def model_fn():
    return regression(keras.layers.Dense(1))


def test_each_precision_is_trained_from_the_same_start(capsys):
    before = keras.config.dtype_policy()
    results = compare_precisions(
        model_fn,
        points(),
        points(8),
        ("float32", "bfloat16"),
        epochs=2,
        batch_size=4,
    )
    assert list(results) == ["float32", "bfloat16"]
    full, half = results.values()
    assert full.keys() == half.keys()
    assert full.keys() >= {"loss", "val_loss", "examples_per_second", "seconds"}
    # Other digits, and no other start: bfloat16 keeps 8 bits.
    assert full["loss"] != half["loss"] == pytest.approx(full["loss"], rel=0.05)
    assert keras.config.dtype_policy() == before
    out = capsys.readouterr().out
    for word in ("float32", "bfloat16", "val loss", "examples per second"):
        assert word in out


def test_the_same_precision_twice_gives_the_same_numbers():
    runs = [
        compare_precisions(
            model_fn, points(), precisions=("float32",), seed=3, verbose=0
        )
        for _ in range(2)
    ]
    assert runs[0]["float32"]["loss"] == runs[1]["float32"]["loss"]


def test_a_model_of_another_precision_is_refused_and_the_policy_put_back():
    before = keras.config.dtype_policy()

    def fixed():
        model = keras.Sequential([keras.layers.Dense(1)])
        model.dtype_policy = "float32"
        return model

    with pytest.raises(ValueError, match="mixed_bfloat16. Received: one of float32"):
        compare_precisions(fixed, points(), precisions=["bfloat16"])
    assert keras.config.dtype_policy() == before


def test_an_unknown_precision_is_refused_before_anything_runs():
    with pytest.raises(ValueError, match="precision='float8'"):
        compare_precisions(None, None, precisions=["float32", "float8"])
