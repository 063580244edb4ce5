"""The baselines one by one: sizes, and that what is kept answers as what was trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import models

TEXTS = ["good", "not good", "bad", "not bad at all", "good and bad", ""] * 4
LABELS = [1, 0, 0, 1, 1, 0] * 4
SMALL = {"max_tokens": 50, "sequence_length": 7, "embedding_dim": 6}

BASELINES = {
    "BagOfNgramsClassifier": {"ngrams": 2, "mode": "tf_idf"},
    "AveragedEmbeddingClassifier": SMALL,
    "RecurrentClassifier": {**SMALL, "units": 5},
    "TransformerClassifier": {**SMALL, "num_layers": 2, "num_heads": 3},
}


def test_sizes_are_those_of_the_talk():
    texts = [f"w{i}" for i in range(20_000)]
    for n in (10_000, 20_000):
        bag = models.BagOfNgramsClassifier(2, max_tokens=n)
        bag.adapt(texts)
        assert bag.count_params() == n + 1
    for name, wanted in (
        ("AveragedEmbeddingClassifier", 320_033),
        ("RecurrentClassifier", 336_705),
    ):
        model = getattr(models, name)(2, max_tokens=10_000)
        model.adapt(texts)
        assert model.count_params() == wanted


@pytest.mark.parametrize("name", BASELINES)
def test_what_is_kept_answers_as_what_was_trained(name, tmp_path):
    model = getattr(models, name)(2, **BASELINES[name], class_names=["no", "yes"])
    model.adapt(TEXTS)
    model.fit(TEXTS, LABELS, epochs=2, verbose=0)
    wanted = model.predict(TEXTS, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert again.class_names == ["no", "yes"] and type(again) is type(model)
    np.testing.assert_allclose(again.predict(TEXTS, verbose=0), wanted, atol=1e-6)
    again.export(tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served")
    # An op of this package would keep others from loading it.
    assert b"Knl" not in (tmp_path / "served" / "saved_model.pb").read_bytes()
    np.testing.assert_allclose(served.serve(tf.constant(TEXTS)), wanted, atol=1e-5)


@pytest.mark.parametrize(
    "baseline", [models.AveragedEmbeddingClassifier, models.TransformerClassifier]
)
def test_token_numbers_stay_whole_in_sixteen_bits(baseline):
    words = [f"w{i}" for i in range(598)]
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = baseline(2, max_tokens=600, dropout=0.0)
        model.adapt([" ".join(words)])
        seen = []
        table = model.encoder.layers[0]
        own, table.call = table.call, lambda x, **k: seen.append(x) or own(x, **k)
        model.encoder.call(np.arange(600)[:, None])
        assert np.array_equal(np.array(seen[-1]).ravel(), np.arange(600))
    finally:
        keras.config.set_dtype_policy(before)
