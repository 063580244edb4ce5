"""What the tests of the command line share: reviews, and a run trained on them."""

import shlex

import pytest
from typer.testing import CliRunner

from keras_nlp_lite import data
from keras_nlp_lite.cli.main import app


@pytest.fixture(autouse=True)
def leave_stderr_and_loggers_alone(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session")
def run():
    """Runs a command line, given as one string or as words; returns click's result."""

    def run(command, *words, stdin=None):
        words = [*shlex.split(command), *map(str, words)]
        return CliRunner().invoke(app, words, input=stdin, catch_exceptions=False)

    return run


@pytest.fixture(scope="session")
def refused(run):
    """Runs a command line that must fail; returns the one sentence that says why."""

    def refused(command, *words, stdin=None):
        result = run(command, *words, stdin=stdin)
        assert result.exit_code == 2
        sentence = result.stderr
        assert sentence.startswith("Error: ") and sentence.count("\n") == 1, sentence
        return sentence

    return refused


@pytest.fixture(scope="session")
def reviews(tmp_path_factory):
    """A folder with train/ and test/, 200 made-up reviews in each."""
    return data.write_sample_reviews(tmp_path_factory.mktemp("reviews"), examples=200)


@pytest.fixture(scope="session")
def bigram(run, reviews, tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("runs") / "bigram"
    result = run(
        f"train --data {reviews} --epochs 2 --learning-rate 0.03 --run", folder
    )
    assert result.exit_code == 0
    return folder


@pytest.fixture
def table(tmp_path):
    """A table of 20 texts of two classes, with columns `review` and `verdict`."""
    path = tmp_path / "reviews.csv"
    rows = [f"{word} plot {i},{word}" for i in range(10) for word in ("good", "bad")]
    path.write_text("\n".join(["review,verdict", *rows]) + "\n")
    return path
