"""Several processes share a search, as KerasTuner's chief and workers."""

import concurrent.futures
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

from keras_nlp_lite.cli.launching import free_ports
from keras_nlp_lite.tuning import SearchResult, chief
from keras_nlp_lite.tuning.objectives import objectives_of
from keras_nlp_lite.tuning.oracles import oracle_class
from keras_nlp_lite.tuning.space import as_hypermodel, declared
from tests.tuning import worker_search
from tests.tuning.small import regression, search


def environment(name, port):
    return {
        "KERASTUNER_TUNER_ID": name,
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
    }


def start(name, port, *arguments):
    return subprocess.Popen(
        [sys.executable, worker_search.__file__, *arguments],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment(name, port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=pathlib.Path(__file__).parents[2],
    )


def wait_until_it_listens(process, port):
    while process.poll() is None:
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)


def test_a_chief_and_two_workers_find_what_one_process_finds(tmp_path):
    (port,) = free_ports(1)
    workers = ("worker_1", "worker_2")
    processes = [start("chief", port, tmp_path / "many", *workers)]
    try:
        wait_until_it_listens(processes[0], port)
        processes += [start(one, port, tmp_path / "many", *workers) for one in workers]
        for process in processes:
            said, errors = process.communicate(timeout=300)
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


@pytest.fixture
def serving(tmp_path, monkeypatch):
    """Begins a search of which this process is a worker, and whose chief is a thread."""
    monkeypatch.setattr(chief, "GRACE", 0.4)
    search(tmp_path, max_trials=1)
    for name, value in environment("worker", *free_ports(1)).items():
        monkeypatch.setenv(name, value)
    oracle = oracle_class("random")(
        objectives_of("val_loss", "min"),
        str(tmp_path),
        hyperparameters=declared(as_hypermodel(regression)),
        max_trials=7,
        seed=1,
    )
    assert oracle.reload()
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        yield oracle, thread.submit(chief.serve, oracle)


def test_a_chief_ends_when_no_trial_is_left(serving, tmp_path):
    oracle, served = serving
    assert len(search(tmp_path).trials) == 7
    served.result(60)
    assert not oracle.ongoing_trials


def test_workers_that_give_up_give_their_trial_back_and_end_the_chief(
    serving, tmp_path
):
    def interrupt():
        raise KeyboardInterrupt

    _, served = serving
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, callbacks=interrupt)
    with pytest.raises(
        ValueError, match=r"Received: none that is left, after 1 trials"
    ):
        served.result(60)
    left = [t.status for t in SearchResult(tmp_path).trials]
    assert left == ["COMPLETED", "RUNNING"]


def test_workers_whose_trials_all_fail_end_the_chief(serving, tmp_path):
    def fail():
        raise OSError("no disk")

    _, served = serving
    with pytest.raises(ValueError, match=r"5 trials in a row failed.*no disk"):
        search(tmp_path, callbacks=fail)
    with pytest.raises(
        ValueError, match=r"Received: none that is left, after 6 trials"
    ):
        served.result(60)


def test_a_worker_that_finds_no_chief_ends_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(chief, "PATIENCE", 0.2)
    for name, value in environment("worker", *free_ports(1)).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=r"no answer from 127.0.0.1:\d+ within 0.2 s"):
        search(tmp_path)


def test_a_worker_of_another_search_is_refused(serving, tmp_path):
    with pytest.raises(ValueError, match=r"another search.*epochs=2; there, epochs=3"):
        search(tmp_path, epochs=2)
    with pytest.raises(ValueError, match=r"which the chief and its workers share"):
        search(tmp_path / "elsewhere")
    assert len(search(tmp_path).trials) == 7  # which ends the chief


def test_a_search_goes_on_with_a_trial_that_was_given_back(tmp_path):
    def oracle():
        made = oracle_class("random")(
            objectives_of("val_loss", "min"), str(tmp_path), max_trials=3, seed=1
        )
        made.hyperparameters.Float("rate", 0.0, 1.0)
        made.reload()
        return made

    first = oracle()
    trials = [first.create_trial(name) for name in ("one", "two")]
    trials[0].status = "INVALID"
    first.end_trial(trials[0])
    wanted = [trial.trial_id for trial in trials]
    again = oracle()
    given = [again.create_trial(name).trial_id for name in ("three", "four", "five")]
    assert given == [*wanted, "2"]


def test_half_an_address_is_refused(monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    with pytest.raises(ValueError, match="Received: no KERASTUNER_ORACLE_PORT, KERAS"):
        chief.role()
