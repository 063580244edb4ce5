"""Presets that KerasHub writes now are read, and give its answers.

Runs where KerasHub is installed: pip install -e ".[test,peers]".
"""

import numpy as np
import pytest

from keras_nlp_lite import layers
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
GATED = {
    "vocabulary_size": len(TOKENS),
    "num_layers": 2,
    "num_query_heads": 6,
    "num_key_value_heads": 2,
    "hidden_dim": 24,
    "intermediate_dim": 40,
}
LLAMA3 = {
    "rope_frequency_adjustment_factor": 4.0,
    "rope_low_freq_factor": 1.0,
    "rope_high_freq_factor": 4.0,
    "rope_pretraining_sequence_length": 32,
}
BACKBONES = {
    "BertBackbone": SIZES,
    "DistilBertBackbone": SIZES,
    "RobertaBackbone": SIZES,
    "GPT2Backbone": SIZES,
    "LlamaBackbone": {**GATED, "rope_max_wavelength": 500},
    "Llama3Backbone": {**GATED, **LLAMA3},
    "MistralBackbone": {**GATED, "sliding_window": 4, "head_dim": 6},
    "QwenBackbone": {**GATED, "rope_scaling_factor": 2.0},
}


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_gives_its_answers(name, tmp_path):
    theirs = getattr(keras_hub.models, name)(**BACKBONES[name])
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


@pytest.mark.parametrize("normalize_first", [False, True])
@pytest.mark.parametrize("crosses", [False, True])
def test_a_decoder_block_gives_its_answers(crosses, normalize_first):
    B, T, S, D, H, F = 3, 5, 7, 14, 2, 11
    rng = np.random.default_rng(0)
    x = rng.normal(size=(B, T, D)).astype("float32")
    encoded = rng.normal(size=(B, S, D)).astype("float32")
    blocks = [
        room.TransformerDecoder(F, H, normalize_first=normalize_first)
        for room in (layers, keras_hub.layers)
    ]
    sequences = (x, encoded) if crosses else (x,)
    for block in blocks:
        block(*sequences)
    weights = [rng.normal(size=w.shape) / 2 for w in blocks[1].get_weights()]
    for block in blocks:
        block.set_weights(weights)
    masks = {"decoder_padding_mask": np.arange(T) < np.array([[2], [T], [4]])}
    if crosses:
        masks["encoder_padding_mask"] = np.arange(S) < np.array([[S], [3], [5]])
    ours, theirs = (np.asarray(block(*sequences, **masks)) for block in blocks)
    kept = masks.pop("decoder_padding_mask")
    np.testing.assert_allclose(ours[kept], theirs[kept], rtol=1e-4, atol=1e-5)

    caches = {"self_attention_cache": np.zeros((B, 2, T, H, D // H), "float32")}
    filled = {}
    if crosses:
        caches["cross_attention_cache"] = np.zeros((B, 2, S, H, D // H), "float32")
        filled["cross_attention_cache_update_index"] = 0
    for index in range(T):
        token = (x[:, index : index + 1], *sequences[1:])
        written = {**caches, **masks, **filled}
        written["self_attention_cache_update_index"] = index
        answers = [block(*token, **written) for block in blocks]
        for ours, theirs in zip(*answers, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
        caches = dict(zip(caches, answers[0][1:]))
        filled = {}


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
