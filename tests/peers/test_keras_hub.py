"""Presets that KerasHub writes now are read, and give its answers.

Runs where KerasHub is installed: pip install -e ".[test,peers]".
"""

import numpy as np
import pytest

from keras_nlp_lite.backbones import Backbone, presets

keras_hub = pytest.importorskip("keras_hub")

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "fox", "##es", "ran"]
SIZES = {
    "vocabulary_size": len(TOKENS),
    "num_layers": 2,
    "num_heads": 3,
    "hidden_dim": 24,
    "intermediate_dim": 40,
    "max_sequence_length": 19,
}


@pytest.mark.parametrize(
    "name", ["BertBackbone", "DistilBertBackbone", "RobertaBackbone"]
)
def test_a_backbone_gives_its_answers(name, tmp_path):
    theirs = getattr(keras_hub.models, name)(**SIZES)
    rng = np.random.default_rng(0)
    for weight in theirs.weights:
        weight.assign(weight + rng.normal(scale=0.2, size=weight.shape))
    theirs.save_to_preset(str(tmp_path))
    x = {
        "token_ids": rng.integers(5, len(TOKENS), (3, 11)),
        "segment_ids": rng.integers(0, 2, (3, 11)),
        "padding_mask": np.arange(11) < np.array([[11], [4], [7]]),
    }
    x = {name: x[name].astype("int32") for name in theirs.input}
    ours = Backbone.from_preset(tmp_path)
    assert len(ours.weights) == len(theirs.weights)
    kept = x["padding_mask"].astype(bool)
    answers = [model.predict(x, verbose=0) for model in (ours, theirs)]
    if name == "BertBackbone":
        answers = [answer["sequence_output"] for answer in answers]
    np.testing.assert_allclose(answers[0][kept], answers[1][kept], rtol=0, atol=1e-5)


def test_a_tokenizer_gives_its_ids(tmp_path):
    theirs = keras_hub.models.BertTokenizer(TOKENS, lowercase=True)
    backbone = keras_hub.models.BertBackbone(**SIZES)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(theirs, 7)
    keras_hub.models.BertTextClassifier(
        backbone, num_classes=2, preprocessor=preprocessor
    ).save_to_preset(str(tmp_path))
    texts = ["The foxes ran", "the [MASK] ran."]
    ours = presets.load_tokenizer(tmp_path)
    assert ours(texts).to_list() == [list(row) for row in theirs(texts)]
