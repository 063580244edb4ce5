import keras
import numpy as np
import pytest
from google.protobuf import text_format
from tensorboard.plugins.projector import ProjectorConfig

from keras_nlp_lite import models
from keras_nlp_lite.monitoring.projector import token_embeddings, write_projector
from tests.tasks.encoders import VOCABULARY, backbone, preprocessor


def read(folder):
    """{name: (vectors, labels)}, by what the projector's configuration says."""
    text = (folder / "projector_config.pbtxt").read_text()
    config = text_format.Parse(text, ProjectorConfig())
    found = {}
    for each in config.embeddings:
        vectors = np.loadtxt(folder / each.tensor_path, ndmin=2)
        assert list(vectors.shape) == list(each.tensor_shape)
        labels = (folder / each.metadata_path).read_text(encoding="utf-8")
        found[each.tensor_name] = vectors, labels.split("\n")
    return found


def test_a_baselines_words_stand_beside_their_vectors(tmp_path):
    model = models.TransformerClassifier(2, max_tokens=20, sequence_length=50)
    model.adapt(["good", "not good"])
    vocabulary, tables = token_embeddings(model)
    write_projector(tmp_path, vocabulary, tables)
    ((vectors, labels),) = read(tmp_path).values()
    assert labels == ["''", "[UNK]", "good", "not"]  # the table has 20 rows
    table = model.encoder.layers[0].token_embedding.embeddings
    np.testing.assert_allclose(vectors, np.array(table)[:4], rtol=1e-4)


def test_an_encoders_table_of_tokens_is_found_and_no_other():
    model = models.TextClassifier(backbone(), 2, preprocessor=preprocessor())
    vocabulary, tables = token_embeddings(model)
    assert vocabulary == VOCABULARY
    assert list(tables.values()) == [model.backbone.token_embedding]


def test_only_the_first_tokens_are_written_if_there_are_more(tmp_path):
    words = [f"word{i}" for i in range(7)]
    write_projector(tmp_path, words, {"a/b": np.zeros((9, 2))}, most_tokens=3)
    vectors, labels = read(tmp_path)["a/b"]
    assert vectors.shape == (3, 2) and labels == words[:3]


def test_long_vectors_leave_room_for_fewer_tokens(tmp_path):
    words = [str(i) for i in range(30)]
    write_projector(tmp_path, words, {"x": np.zeros((30, 100_000), "float32")})
    assert len(read(tmp_path)["x"][1]) == 20


@pytest.mark.parametrize("token", ["\n", "a\tb", "\r", " ", "", "\u2028"])
def test_every_token_has_one_line_and_one_column(tmp_path, token):
    write_projector(tmp_path, ["x", token, "y"], {"t": np.zeros((3, 1))})
    labels = read(tmp_path)["t"][1]
    assert len(labels) == 3 and labels[1].strip() and "\t" not in labels[1]
    assert len("\n".join(labels).splitlines()) == 3


@pytest.mark.parametrize(
    ("model", "received"),
    [
        (keras.Sequential([keras.layers.Dense(1)]), "Sequential with no vocabulary"),
        (models.BagOfNgramsClassifier(2), "BagOfNgramsClassifier"),
    ],
)
def test_a_model_without_vectors_of_tokens_is_refused(model, received):
    if hasattr(model, "adapt"):
        model.adapt(["good", "not good"])
    with pytest.raises(ValueError, match=f"vector for each token.*{received}"):
        token_embeddings(model)
