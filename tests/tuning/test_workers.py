"""Several processes share a search, as KerasTuner's chief and workers."""

import os
import pathlib
import subprocess
import sys

import pytest

from keras_nlp_lite.cli.launching import free_ports
from keras_nlp_lite.tuning import SearchResult
from keras_nlp_lite.tuning.chief import role
from tests.tuning import worker_search
from tests.tuning.small import search


def start(name, port, *arguments):
    return subprocess.Popen(
        [sys.executable, worker_search.__file__, *arguments],
        env={
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "KERASTUNER_TUNER_ID": name,
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(port),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=pathlib.Path(__file__).parents[2],
    )


def test_a_chief_and_two_workers_find_what_one_process_finds(tmp_path):
    (port,) = free_ports(1)
    names = ("chief", "worker_1", "worker_2")
    processes = [start(name, port, tmp_path / "many", "random") for name in names]
    try:
        for process in processes:
            said, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
            assert said.startswith("8 done") or process is not processes[0]
    finally:
        for process in processes:
            process.kill()
    many = SearchResult(tmp_path / "many")
    one = search(tmp_path / "one", max_trials=8)
    assert [t.values for t in many.trials] == [t.values for t in one.trials]
    wanted = [t.metrics["val_loss"] for t in one.trials]
    found = [t.metrics["val_loss"] for t in many.trials]
    assert found == pytest.approx(wanted, rel=1e-6)
    assert many.best_trial().trial_id == one.best_trial().trial_id
    many.best_model()
    assert sum(t.model_path is not None for t in many.trials) == 1


def test_half_an_address_is_refused(monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    with pytest.raises(ValueError, match="Received: no KERASTUNER_ORACLE_PORT, KERAS"):
        role()
