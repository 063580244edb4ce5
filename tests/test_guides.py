"""Every guide runs from top to bottom, on a small setting."""

import os
import pathlib
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parents[1]
GUIDES = sorted((REPOSITORY / "guides").glob("*.py"))


def run_guide(path, work_dir):
    """What a guide prints, run in a folder of its own with the options all guides take."""
    search = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    result = subprocess.run(
        [sys.executable, path, "--small", "--work-dir", work_dir],
        cwd=work_dir,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(search)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_a_guide_runs(path, tmp_path):
    shown = run_guide(path, tmp_path)
    if path.stem == "first_classifier":
        for name in ("unigram", "bigram", "averaged_embedding", "lstm"):
            assert f"│ {name}" in shown
