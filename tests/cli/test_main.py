"""The command line as such: help, version, start."""

import subprocess
import sys

import pytest

COMMANDS = ["train", "evaluate", "predict", "export", "info", "demo"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Example: keras-nlp-lite {command}" in result.stdout


def test_help_names_every_command(run):
    shown = run("--help").stdout
    assert all(f" {command} " in shown for command in COMMANDS)


def test_no_argument_shows_the_help(run):
    assert "demo" in run("").output


def test_a_missing_option_is_named(run):
    result = run("evaluate --run runs/none")
    assert result.exit_code == 2
    assert "--data" in result.stderr


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )


def test_version_and_help_come_without_tensorflow():
    result = python(
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from keras_nlp_lite import __version__\n"
        "from keras_nlp_lite.cli.main import app\n"
        "said = CliRunner().invoke(app, ['--version']).stdout\n"
        "assert said == f'keras-nlp-lite {__version__}\\n', said\n"
        "CliRunner().invoke(app, ['train', '--help'])\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    assert result.returncode == 0, result.stderr


def test_a_command_starts_without_a_page_of_notices(monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    result = python(
        "import sys; sys.argv[1:] = ['info']\n"
        "from keras_nlp_lite.cli.main import app; app()"
    )
    assert result.returncode == 0
    assert "tensorflow" in result.stdout
    assert result.stderr == ""
