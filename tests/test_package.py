"""The package as a whole: cheap to import, silent to use, and its README true."""

import pathlib
import re
import subprocess
import sys
import warnings

import keras
import pytest
import tensorflow as tf

import keras_nlp_lite as knl

ROOT = pathlib.Path(__file__).parent.parent


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, keras_nlp_lite; "
        "print([m for m in ('tensorflow', 'keras', 'numpy', 'typer') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_opening_a_room_sets_tensorflow_aside_from_the_garbage_collector():
    code = (
        "import gc, keras_nlp_lite as knl; knl.data; "
        "print(gc.isenabled(), gc.get_freeze_count() > 100_000)"
    )
    after = "import tensorflow, gc, keras_nlp_lite as knl; knl.data; print(gc.get_freeze_count())"
    for program, wanted in ((code, "True True"), (after, "0")):
        out = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert out.stdout.strip() == wanted


def test_a_misspelt_room_is_an_attribute_error():
    with pytest.raises(
        AttributeError, match="It has: backbones, data, layers, metrics, models"
    ):
        knl.model  # noqa: B018


def test_every_room_opens_on_first_use_and_names_what_it_holds():
    for room in set(knl.__all__) - {"__version__"}:
        module = getattr(knl, room)
        assert module.__doc__ and all(hasattr(module, name) for name in module.__all__)


def readme_example(word="read_directory"):
    """The README's first example with this word, as it stands there."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    return next(block for block in blocks if word in block)


@pytest.fixture
def reviews(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    knl.data.write_sample_reviews("aclImdb", examples=200, seed=0)


def test_the_readme_example_runs_and_says_nothing_it_should_not(reviews):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        names = {}
        exec(readme_example(), names)
        again = keras.saving.load_model("bigram.keras")
        again.predict(["not good"], verbose=0)
    # Users never see a DeprecationWarning from inside a library: Keras has one of NumPy.
    shown = [w for w in said if w.category is not DeprecationWarning]
    assert [f"{w.filename}: {w.message}" for w in shown] == []
    served = tf.saved_model.load("served/bigram")
    answers = served.serve(tf.constant(["not good", "a joy from start to end"]))
    assert answers.shape == (2, 2)
    assert list(pathlib.Path("runs/bigram").iterdir())


def test_the_readmes_encoder_runs(reviews, monkeypatch):
    # The vocabulary of the sample reviews, and a small encoder in the place of a download.
    train = knl.data.read_directory("aclImdb/train")
    words = {w for x, _ in train.unbatch() for w in x.numpy().decode().lower().split()}
    words = sorted({w.strip(".,!?") for w in words} - {""})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = knl.tokenizers.BertTokenizer([*special, *words, "."], lowercase=True)
    backbone = knl.models.BertBackbone(
        tokenizer.vocabulary_size(), **knl.models.sizes["tiny"]
    )
    backbone.export_to_transformers("bert-folder", tokenizer)
    names = {"train": train, "val": train, "test": train}
    exec(readme_example("from_preset"), names)
    served = tf.saved_model.load("served/reviews")  # keeps its variables alive
    assert served.serve(tf.constant(["not good"])).shape == (1, 2)
    assert len(names["found"][0]) == 2


def test_the_readmes_training_runs_and_goes_on(reviews):
    policy = keras.config.dtype_policy()
    names = {"train": knl.data.read_directory("aclImdb/train", seed=1)}
    try:
        exec(readme_example("ResumableRun"), names)
        steps = names["model"].optimizer.iterations.numpy()
        exec(readme_example("ResumableRun"), names)
    finally:
        keras.config.set_dtype_policy(policy)
    assert steps == 3 * 7
    assert names["model"].optimizer.iterations.numpy() == steps  # it was over


def test_the_readmes_attention_runs(capsys):
    q, k, v = tf.random.normal((3, 2, 5, 4, 8))
    mask = tf.constant([[True] * 5, [True, True, False, False, False]])
    names = {"q": q, "k": k, "v": v, "mask": mask, "packed": q[0], "splits": [0, 2, 5]}
    exec(readme_example("ops.attention"), names)
    assert names["lse"].shape == (5, 4)
    assert capsys.readouterr().out.startswith(("fused: ", "reference: "))


def test_the_readme_names_both_commands():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert "pip install . && keras-nlp-lite demo" in lines
    assert 'pip install -e ".[test]" && python -m pytest' in lines
