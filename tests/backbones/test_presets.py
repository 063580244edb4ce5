"""Checkpoints of other libraries give what these libraries answer; damaged ones, a
sentence and no model.

`make_checkpoints.py` made the checkpoints and the answers.
"""

import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from keras_nlp_lite.backbones import (
    Backbone,
    BertBackbone,
    DistilBertBackbone,
    ModernBertBackbone,
    RobertaBackbone,
)

CHECKPOINTS = pathlib.Path(__file__).parent / "checkpoints"
FAMILIES = {
    "bert": BertBackbone,
    "distilbert": DistilBertBackbone,
    "roberta": RobertaBackbone,
    "modernbert": ModernBertBackbone,
}
THEIRS = [CHECKPOINTS / "transformers" / name for name in FAMILIES]
HUBS = sorted((CHECKPOINTS / "keras_hub").iterdir())
BERT = THEIRS[0]


def assert_answers(backbone, folder, atol=1e-5):
    """The backbone answers as the library that made the checkpoint did."""
    saved = np.load(folder / "answers.npz")
    inputs = {name: saved[name] for name in backbone.input}
    outputs = backbone.predict(inputs, verbose=0)
    if not isinstance(outputs, dict):
        outputs = {"sequence_output": outputs}
    kept = saved["padding_mask"].astype(bool)
    wanted = saved["sequence_output"]
    assert np.ptp(wanted[kept]) > 1  # so that a wrong weight would show
    np.testing.assert_allclose(
        outputs["sequence_output"][kept], wanted[kept], rtol=0, atol=atol
    )
    if "pooled_output" in saved:
        np.testing.assert_allclose(
            outputs["pooled_output"], saved["pooled_output"], rtol=0, atol=atol
        )


@pytest.fixture
def copied(tmp_path):
    """A copy of the BERT checkpoint, to be damaged."""
    return pathlib.Path(shutil.copytree(BERT, tmp_path / "bert"))


@pytest.mark.parametrize("folder", THEIRS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("padding_free", [True, False])
def test_a_hugging_face_folder_gives_its_own_answers(folder, padding_free):
    backbone = Backbone.from_preset(folder, padding_free=padding_free)
    assert type(backbone) is FAMILIES[folder.name]
    assert_answers(backbone, folder)


@pytest.mark.parametrize("folder", HUBS, ids=lambda folder: folder.name)
def test_a_keras_hub_preset_gives_its_own_answers(folder):
    backbone = Backbone.from_preset(folder)
    assert type(backbone).__name__ == folder.name
    assert_answers(backbone, folder)


@pytest.mark.parametrize("folder", THEIRS, ids=lambda folder: folder.name)
def test_a_saved_preset_comes_back(folder, tmp_path):
    backbone = Backbone.from_preset(folder)
    backbone.save_to_preset(tmp_path / "preset")
    again = type(backbone).from_preset(tmp_path / "preset")
    assert again.get_config() == backbone.get_config()
    assert_answers(again, folder)


@pytest.mark.parametrize("folder", THEIRS, ids=lambda folder: folder.name)
def test_what_is_exported_to_transformers_is_what_came(folder, tmp_path):
    backbone = Backbone.from_preset(folder)
    backbone.export_to_transformers(tmp_path / "folder")
    theirs = load_file(folder / "model.safetensors")
    ours = load_file(tmp_path / "folder" / "model.safetensors")
    unused = {"pooler.dense.weight", "pooler.dense.bias"} - set(ours)
    assert set(theirs) - unused == set(ours)
    for name, array in ours.items():
        wanted = theirs[name]
        if folder.name == "roberta" and "position_embeddings" in name:
            # Two rows that nobody uses; and the one segment's row in all the others.
            wanted = wanted + theirs["embeddings.token_type_embeddings.weight"]
            array, wanted = array[2:], wanted[2:]
        if folder.name == "roberta" and "token_type" in name:
            wanted = 0 * wanted
        np.testing.assert_array_equal(array, wanted)
    config = json.loads((folder / "config.json").read_text())
    written = json.loads((tmp_path / "folder" / "config.json").read_text())
    ids = {name for name in written if name.endswith("_token_id")}
    differing = {
        name: (written[name], config[name])
        for name in set(written) - ids
        if name in config and written[name] != config[name]
    }
    # Here one share is dropped everywhere.
    assert set(differing) <= {"attention_dropout", "attention_probs_dropout_prob"}


def test_weights_in_shards_load(copied):
    tensors = load_file(copied / "model.safetensors")
    names = sorted(tensors)
    shards = {"model-1.safetensors": names[:7], "model-2.safetensors": names[7:]}
    for shard, held in shards.items():
        save_file({name: tensors[name] for name in held}, copied / shard)
    index = {name: shard for shard, held in shards.items() for name in held}
    (copied / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": index})
    )
    (copied / "model.safetensors").unlink()
    assert_answers(Backbone.from_preset(copied), copied)


def test_names_may_begin_with_the_familys(copied):
    """As where a model with a head was saved."""
    tensors = load_file(copied / "model.safetensors")
    prefixed = {f"bert.{name}": tensor for name, tensor in tensors.items()}
    prefixed["cls.predictions.bias"] = np.zeros(3, "float32")
    save_file(prefixed, copied / "model.safetensors")
    assert_answers(Backbone.from_preset(copied), copied)


def test_bfloat16_weights_load(copied):
    import ml_dtypes

    tensors = load_file(copied / "model.safetensors")
    rounded = {name: x.astype(ml_dtypes.bfloat16) for name, x in tensors.items()}
    save_file(rounded, copied / "model.safetensors")
    assert_answers(Backbone.from_preset(copied), copied, atol=0.3)


def test_a_checkpoint_may_lack_the_pooler(copied):
    tensors = load_file(copied / "model.safetensors")
    save_file(
        {name: x for name, x in tensors.items() if "pooler" not in name},
        copied / "model.safetensors",
    )
    with pytest.warns(UserWarning, match=r"pooler\.dense\.weight"):
        backbone = Backbone.from_preset(copied)
    saved = np.load(BERT / "answers.npz")
    outputs = backbone.predict({n: saved[n] for n in backbone.input}, verbose=0)
    kept = saved["padding_mask"].astype(bool)
    np.testing.assert_allclose(
        outputs["sequence_output"][kept], saved["sequence_output"][kept], atol=1e-5
    )


# Damage


def damaged(folder, change):
    """Rewrites the weights after a change of the dict of tensors."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_a_missing_tensor_is_named(copied):
    damaged(copied, lambda x: x.pop("encoder.layer.1.output.dense.bias"))
    with pytest.raises(
        ValueError, match=r"encoder\.layer\.1\.output\.dense\.bias.*mis"
    ):
        Backbone.from_preset(copied)


def test_a_tensor_too_many_is_named(copied):
    damaged(copied, lambda x: x.update(surprise=np.zeros(3, "float32")))
    with pytest.raises(ValueError, match="'surprise' is not known"):
        Backbone.from_preset(copied)


def test_a_tensor_of_another_shape_is_named(copied):
    name = "embeddings.LayerNorm.bias"
    damaged(copied, lambda x: x.update({name: np.zeros(23, "float32")}))
    with pytest.raises(ValueError, match=r"LayerNorm\.bias.*\[23\].*\[24\]"):
        Backbone.from_preset(copied)


def test_nothing_is_half_loaded(copied):
    from keras_nlp_lite.backbones import convert_bert
    from keras_nlp_lite.backbones.checkpoint import Checkpoint
    from keras_nlp_lite.backbones.convert import load

    damaged(copied, lambda x: x.pop("encoder.layer.1.output.dense.bias"))
    backbone = Backbone.from_preset(copied, load_weights=False)
    before = backbone.get_weights()
    with pytest.raises(ValueError):
        load(Checkpoint(copied), convert_bert.table(backbone), convert_bert.IGNORE)
    for x, y in zip(backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("kept", [0, 5, 200, -1])
def test_a_truncated_file_is_told(copied, kept):
    whole = (copied / "model.safetensors").read_bytes()
    (copied / "model.safetensors").write_bytes(whole[:kept])
    with pytest.raises(ValueError, match="no whole safetensors file"):
        Backbone.from_preset(copied)


def test_a_truncated_keras_hub_file_is_told(tmp_path):
    folder = pathlib.Path(shutil.copytree(HUBS[0], tmp_path / "hub"))
    whole = (folder / "model.weights.h5").read_bytes()
    (folder / "model.weights.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="no whole weights file"):
        Backbone.from_preset(folder)


def test_an_unknown_family_is_named(copied):
    (copied / "config.json").write_text('{"model_type": "llamabert"}')
    with pytest.raises(ValueError, match="model_type='llamabert'"):
        Backbone.from_preset(copied)


def test_another_class_is_refused():
    with pytest.raises(ValueError, match="holds a BertBackbone"):
        RobertaBackbone.from_preset(BERT)


def test_weights_that_would_have_to_be_unpickled_are_refused(copied):
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(ValueError, match="no model.safetensors"):
        Backbone.from_preset(copied)


def test_a_shard_outside_the_folder_is_refused(copied):
    (copied / "model.safetensors").unlink()
    index = {"weight_map": {"embeddings.LayerNorm.bias": "../other.safetensors"}}
    (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"\.\./other"):
        Backbone.from_preset(copied)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        Backbone.from_preset(tmp_path / "nowhere")


def test_a_folder_that_is_no_preset_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(ValueError, match="holds thesis.txt"):
        Backbone.from_preset(BERT).save_to_preset(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "all of it"


def test_a_folder_with_more_than_a_preset_is_not_replaced(tmp_path):
    backbone = Backbone.from_preset(BERT)
    backbone.save_to_preset(tmp_path / "preset")
    (tmp_path / "preset" / "thesis.txt").write_text("all of it")
    with pytest.raises(ValueError, match="thesis.txt"):
        backbone.save_to_preset(tmp_path / "preset")
    with pytest.raises(ValueError, match="thesis.txt"):
        backbone.export_to_transformers(tmp_path / "preset")
    assert (tmp_path / "preset" / "thesis.txt").exists()


def test_half_a_pooler_is_refused(copied):
    damaged(copied, lambda x: x.pop("pooler.dense.weight"))
    with pytest.raises(ValueError, match=r"pooler\.dense\.weight.*missing"):
        Backbone.from_preset(copied)


@pytest.mark.parametrize(
    ("family", "change", "said"),
    [
        ("bert", {"position_embedding_type": "relative_key"}, "relative_key"),
        ("roberta", {"pad_token_id": 0}, "pad_token_id=0"),
        ("modernbert", {"norm_bias": True}, "norm_bias"),
    ],
)
def test_a_setting_that_would_change_the_answers_is_refused(
    family, change, said, tmp_path
):
    source = CHECKPOINTS / "transformers" / family
    folder = pathlib.Path(shutil.copytree(source, tmp_path / family))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ValueError, match=said):
        Backbone.from_preset(folder)


def test_a_gap_in_the_configuration_is_named(copied):
    config = json.loads((copied / "config.json").read_text())
    del config["hidden_size"]
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="must say 'hidden_size'"):
        Backbone.from_preset(copied)


def test_gelu_by_tanh_is_known_to_every_family(tmp_path):
    source = CHECKPOINTS / "transformers" / "modernbert"
    folder = pathlib.Path(shutil.copytree(source, tmp_path / "modernbert"))
    config = json.loads((folder / "config.json").read_text())
    config["hidden_activation"] = "gelu_pytorch_tanh"
    (folder / "config.json").write_text(json.dumps(config))
    assert_answers(Backbone.from_preset(folder), folder, atol=0.05)


def test_a_preset_on_a_hub_goes_through_its_package(monkeypatch):
    import sys
    import types

    asked = []

    def snapshot_download(name, allow_patterns):
        asked.append(name)
        return str(BERT)

    hub = types.SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert_answers(Backbone.from_preset("hf://some/bert"), BERT)
    assert asked == ["some/bert"]


def test_a_hub_without_its_package_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="pip install huggingface_hub"):
        Backbone.from_preset("hf://some/bert")


def test_loading_changes_no_setting_of_keras():
    before = keras.config.dtype_policy().name
    Backbone.from_preset(BERT, dtype="bfloat16")
    assert keras.config.dtype_policy().name == before
