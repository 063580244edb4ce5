"""A classifier comes from presets and goes to them, whole or not at all."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from keras_nlp_lite.models import TextClassifier, TextEmbedder
from tests.tasks.encoders import backbone, external, preprocessor, without_segments


@pytest.fixture(scope="module")
def saved_preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "preset"
    model = TextClassifier(backbone(), 3, preprocessor())
    model.save_to_preset(folder)
    return folder


@pytest.mark.parametrize("damage", ["missing", "shape", "more", "gone"])
def test_a_damaged_head_is_named(saved_preset, tmp_path, damage):
    folder = shutil.copytree(saved_preset, tmp_path / "preset")
    path = folder / "task.safetensors"
    tensors = load_file(path)
    name = sorted(tensors)[-1]
    if damage == "missing":
        tensors.pop(name)
    elif damage == "shape":
        tensors[name] = tensors[name][..., :-1].copy()
    elif damage == "more":
        tensors["surprise"] = np.zeros(3, "float32")
    save_file(tensors, path)
    said = "surprise" if damage == "more" else name
    if damage == "gone":
        path.unlink()
        said = "task.safetensors"
    with pytest.raises(ValueError, match=said):
        TextClassifier.from_preset(folder)


def test_another_kind_of_task_takes_over_the_length(saved_preset):
    embedder = TextEmbedder.from_preset(saved_preset)
    length = preprocessor().sequence_length
    assert embedder.preprocessor.sequence_length == length


def test_a_preprocessor_is_no_longer_than_its_encoder(tmp_path):
    tokenizer = preprocessor().tokenizer
    backbone().export_to_transformers(tmp_path / "folder", tokenizer)
    model = TextClassifier.from_preset(tmp_path / "folder", num_classes=2)
    assert model.preprocessor.sequence_length == 13
    assert model.predict(["it is a joy " * 9], verbose=0).shape == (1, 2)


def test_an_encoder_that_no_preset_can_hold_is_refused(tmp_path):
    model = TextClassifier(external(), 2, without_segments(), pooling="mean")
    with pytest.raises(ValueError, match="Received: Functional"):
        model.save_to_preset(tmp_path / "preset")
    assert not (tmp_path / "preset").exists()


def test_other_data_change_nothing_about_what_an_export_takes():
    model = TextClassifier(backbone(), 2, preprocessor(), num_texts=2)
    model.evaluate(["a", "film"], [0, 1], verbose=0)
    assert model.num_texts == 2
