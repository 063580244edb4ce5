"""What is written for Hugging Face's `transformers` is what it answers.

Runs where `transformers` and PyTorch are installed: pip install -e ".[test,peers]".
"""

import pathlib

import numpy as np
import pytest

from keras_nlp_lite.backbones import Backbone
from keras_nlp_lite.models import MaskedLM

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

CHECKPOINTS = pathlib.Path(__file__).parents[1] / "backbones" / "checkpoints"
FAMILIES = ["bert", "distilbert", "roberta", "modernbert"]


def theirs(folder, x, family):
    model = transformers.AutoModel.from_pretrained(
        folder, attn_implementation="eager"
    ).eval()
    names = {"token_ids": "input_ids", "padding_mask": "attention_mask"}
    if family == "bert":
        names["segment_ids"] = "token_type_ids"
    with torch.no_grad():
        given = {there: torch.tensor(x[here]) for here, there in names.items()}
        return model(**given).last_hidden_state.numpy()


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_answers_as_the_exported_backbone(family, tmp_path):
    backbone = Backbone.from_preset(CHECKPOINTS / "transformers" / family)
    rng = np.random.default_rng(0)
    for weight in backbone.trainable_weights:  # other ones than were loaded
        weight.assign_add(rng.normal(scale=0.1, size=weight.shape))
    backbone.export_to_transformers(tmp_path / family)

    x = dict(np.load(CHECKPOINTS / "transformers" / family / "answers.npz"))
    outputs = backbone.predict({n: x[n] for n in backbone.input}, verbose=0)
    ours = outputs["sequence_output"] if isinstance(outputs, dict) else outputs
    kept = x["padding_mask"].astype(bool)
    answers = theirs(tmp_path / family, x, family)
    np.testing.assert_allclose(ours[kept], answers[kept], rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_masked_language_model_guesses_as_theirs(family, tmp_path):
    config = transformers.AutoConfig.from_pretrained(
        CHECKPOINTS / "transformers" / family
    )
    torch.manual_seed(3)
    model = transformers.AutoModelForMaskedLM.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():  # biases that are not zero
            weight.add_(0.1 * torch.randn_like(weight))
    model.save_pretrained(tmp_path)
    x = dict(np.load(CHECKPOINTS / "transformers" / family / "answers.npz"))
    names = {"token_ids": "input_ids", "padding_mask": "attention_mask"}
    if family == "bert":
        names["segment_ids"] = "token_type_ids"
    with torch.no_grad():
        given = {there: torch.tensor(x[here]) for here, there in names.items()}
        wanted = model(**given).logits.numpy()

    positions = np.array([[0, 3], [1, 2], [5, 6]])
    ours = MaskedLM.from_preset(tmp_path, preprocessor=None)
    given = {here: x[here] for here in names}
    got = ours({**given, "mask_positions": positions})
    rows = np.arange(3)[:, None]
    np.testing.assert_allclose(got, wanted[rows, positions], rtol=0, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fresh_model_of_theirs_loads(family, tmp_path):
    """Another seed than the checkpoints beside the tests."""
    config = transformers.AutoConfig.from_pretrained(
        CHECKPOINTS / "transformers" / family
    )
    torch.manual_seed(7)
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    x = dict(np.load(CHECKPOINTS / "transformers" / family / "answers.npz"))
    backbone = Backbone.from_preset(tmp_path)
    outputs = backbone.predict({n: x[n] for n in backbone.input}, verbose=0)
    ours = outputs["sequence_output"] if isinstance(outputs, dict) else outputs
    kept = x["padding_mask"].astype(bool)
    answers = theirs(tmp_path, x, family)
    np.testing.assert_allclose(ours[kept], answers[kept], rtol=0, atol=1e-5)
