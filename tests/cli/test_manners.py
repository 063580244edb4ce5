"""How commands behave around their work."""

import os

import pytest
import typer
from typer.testing import CliRunner

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.cli import manners
from keras_nlp_lite.cli.manners import plainly, quiet_start


def command_that(does):
    app = typer.Typer()

    @app.command()
    @plainly
    def command():
        does()

    return CliRunner().invoke(app, [])


def test_what_the_package_refuses_is_one_sentence():
    result = command_that(lambda: check_positive_int("epochs", 0))
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: `epochs` must be an integer of at least 1. Received: epochs=0.\n"
    )


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    blocked = tmp_path / "file" / "folder"
    blocked.parent.write_text("")
    result = command_that(lambda: os.makedirs(blocked))
    assert result.exit_code == 2
    assert result.stderr == f"Error: Not a directory. Received: {str(blocked)!r}.\n"


def test_a_defect_keeps_its_traceback():
    result = command_that(lambda: int("four"))
    assert isinstance(result.exception, ValueError)
    assert result.exit_code == 1


def test_a_closed_pipe_is_no_error_of_ours():
    def write():
        raise BrokenPipeError

    assert isinstance(command_that(write).exception, (BrokenPipeError, SystemExit))
    assert "Error" not in command_that(write).stderr


@pytest.fixture
def fresh(monkeypatch):
    """As if TensorFlow had not been imported, and nobody had set its log level."""
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    monkeypatch.setattr(manners, "_hush", lambda: None)


def test_notices_of_an_import_stay_back(fresh, capfd):
    with quiet_start():
        os.write(2, b"I0000 notice\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


def test_notices_of_a_failed_import_are_shown(fresh, capfd):
    with pytest.raises(ImportError), quiet_start():
        os.write(2, b"libcudart is missing\n")
        raise ImportError
    assert capfd.readouterr().err == "libcudart is missing\n"


def test_who_asks_for_notices_gets_them(monkeypatch, capfd):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with quiet_start():
        os.write(2, b"I0000 notice\n")
    assert capfd.readouterr().err == "I0000 notice\n"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
