import io
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.tensorflow import trainer as keras_trainer

from keras_nlp_lite.cli.launching import free_ports, launch
from keras_nlp_lite.tasks.spread import with_peers
from keras_nlp_lite.training import cluster, multi_worker
from keras_nlp_lite.training.distribute import distribute
from keras_nlp_lite.workers import WORKER, WORKERS, is_chief
from tests.training import parity_run, worker_run

ROOT = pathlib.Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
CASES = {"streamed": 50, "tagger": 50, "bag": 50, "plain": 50, "several steps": 20}


def command(name, *arguments):
    return [sys.executable, str(ROOT / "tests" / "training" / name), *arguments]


def run(name, *arguments):
    done = subprocess.run(
        command(name, *arguments),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def run_workers(monkeypatch, name, *arguments):
    for variable in ("PYTHONPATH", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(variable, ENVIRONMENT[variable])
    said = io.StringIO()
    assert launch(command(name, *arguments), 2, stdout=said) == 0, said.getvalue()
    return said.getvalue()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What a run on one device gives, on two replicas, and on each of two workers."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folders = {}
        for how in ("none", "mirrored", "auto"):
            folder = folders[how] = tmp_path_factory.mktemp(how)
            for i, (text, label) in enumerate(
                zip(parity_run.joined(), parity_run.labels())
            ):
                (folder / "texts" / "ab"[label]).mkdir(parents=True, exist_ok=True)
                (folder / "texts" / "ab"[label] / f"{i}.txt").write_text(text)
            if how == "none":  # which needs no process of its own
                _, one = parity_run.results(distribute(how), folder)
            elif how == "mirrored":
                run("parity_run.py", how, str(folder))
            else:
                said = run_workers(monkeypatch, "parity_run.py", how, str(folder))

    def read(how, worker=0):
        return json.loads((folders[how] / f"results-{worker}.json").read_text())

    return {
        "folders": folders,
        "said": said,
        "one": one,
        "replicas": read("mirrored"),
        "workers": read("auto"),
        "other worker": read("auto", worker=1),
    }


@pytest.mark.parametrize("how", ["replicas", "workers", "other worker"])
@pytest.mark.parametrize("case", CASES)
def test_two_learn_what_one_learns(results, how, case):
    one, two = results["one"][case], results[how][case]
    assert (results["one"]["replicas"], results[how]["replicas"]) == (1, 2)
    assert len(one["losses"]) == CASES[case]  # calls
    np.testing.assert_allclose(two["losses"], one["losses"], atol=1e-5)
    for name, values in one["history"].items():
        if not name.endswith("_per_second"):
            np.testing.assert_allclose(two["history"][name], values, atol=1e-5)
    assert two.keys() == one.keys()
    for name, value in one.get("evaluated", {}).items():
        assert two["evaluated"][name] == pytest.approx(value, abs=1e-5)
    if "predicted" in one:
        np.testing.assert_allclose(two["predicted"], one["predicted"], atol=1e-5)
    assert one["losses"][-1] < one["losses"][0]  # they learn at all


@pytest.mark.parametrize("how", ["mirrored", "auto"])
def test_what_several_save_one_loads(results, how):
    model = keras.saving.load_model(results["folders"][how] / "saved.keras")
    evaluated = model.evaluate(
        parity_run.joined(), parity_run.labels(), verbose=0, return_dict=True
    )
    wanted = results["one"]["several steps"]["evaluated"]  # the last that is trained
    assert evaluated["loss"] == pytest.approx(wanted["loss"], abs=1e-5)


def test_of_several_workers_the_first_alone_writes(results):
    folder = results["folders"]["auto"]
    assert (folder / "of-0" / "best.keras").exists()
    assert list((folder / "of-0" / "board" / "train").iterdir())
    assert list((folder / "of-0" / "run").iterdir())
    assert not (folder / "of-1").exists()


def test_of_several_workers_the_first_alone_shows_how_far_it_is(results):
    bars = re.findall(r"^\[(\d)\] \d+/\d+ - ", results["said"], re.M)
    asked = sum("evaluated" in results["one"][case] for case in CASES) - 1  # but plain
    assert bars == ["0"] * (2 * asked)


@pytest.mark.parametrize("worker", ["workers", "other worker"])
def test_workers_that_do_not_share_a_folder_are_told_so(results, worker):
    wanted = "of-[01]/run', in which they find step 50, none. Try a folder"
    assert re.search(wanted, results[worker]["refusal"])


def test_a_dead_worker_stops_the_others_and_a_new_start_goes_on(tmp_path, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    addresses = ",".join(f"localhost:{port}" for port in free_ports(2))
    workers = [
        subprocess.Popen(
            command("worker_run.py", str(broken), "1"),
            env={**ENVIRONMENT, WORKERS: addresses, WORKER: str(number)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    workers[1].communicate(timeout=300)
    death = time.monotonic()
    _, said = workers[0].communicate(timeout=120)
    assert workers[0].returncode not in (0, None)
    assert "Another worker is gone" in said
    assert time.monotonic() - death < 60

    run_workers(monkeypatch, "worker_run.py", str(broken), "none")
    worker_run.train(whole)

    def losses(folder, worker):
        lines = (folder / f"losses-{worker}").read_text().splitlines()
        return {batch: float(loss) for batch, loss in map(str.split, lines)}

    wanted = losses(whole, 0)
    assert len(wanted) == 30
    for worker in range(2):
        found = losses(broken, worker)
        assert found.keys() == wanted.keys()
        for batch, loss in wanted.items():
            assert found[batch] == pytest.approx(loss, abs=1e-5), batch


@pytest.mark.parametrize("name", ["Unavailable", "Aborted", "DeadlineExceeded"])
def test_what_is_said_of_a_lost_worker_is_a_sentence(name):
    error = getattr(tf.errors, f"{name}Error")(None, None, "CollectiveReduceV2")
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    said = pytest.raises(RuntimeError, match="Another worker is gone")
    with said, with_peers(strategy):
        raise error
    with pytest.raises(type(error)), with_peers(tf.distribute.get_strategy()):
        raise error


def test_one_device_is_left_as_it_is():
    assert distribute("auto").num_replicas_in_sync == 1
    assert not tf.distribute.has_strategy()
    assert is_chief()


def test_what_cannot_be_is_said(monkeypatch):
    with pytest.raises(ValueError, match="Received: how='many'"):
        distribute("many")
    with pytest.raises(ValueError, match="No variable of the environment"):
        distribute("multi_worker")
    monkeypatch.setenv(WORKERS, "a:1,b:1")
    with pytest.raises(ValueError, match="from 0 to 1. Received: '2'"):
        monkeypatch.setenv(WORKER, "2")
        cluster.find_cluster()


def found(monkeypatch, **environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    resolver = cluster.find_cluster()
    return resolver and (
        resolver.cluster_spec().as_dict(),
        resolver.task_type,
        resolver.task_id,
    )


def test_the_environment_names_the_machines(monkeypatch):
    two = {"worker": ["a:7", "b:7"]}
    assert found(monkeypatch) is None
    with monkeypatch.context() as listed:
        wanted = (two, "worker", 1)
        variables = {"KERAS_NLP_LITE_WORKERS": "a:7,b:7"}
        assert found(listed, **variables, JOB_COMPLETION_INDEX="1") == wanted
        assert found(listed, KERAS_NLP_LITE_WORKER="0") == (two, "worker", 0)
    with monkeypatch.context() as tf_config:
        task = {"type": "worker", "index": 0}
        one = {"worker": ["a:7"]}
        said = json.dumps({"cluster": two, "task": task})
        assert found(tf_config, TF_CONFIG=said) == (two, "worker", 0)
        said = json.dumps({"cluster": one, "task": task})
        assert found(tf_config, TF_CONFIG=said) is None
    with monkeypatch.context() as slurm:
        variables = {
            "SLURM_PROCID": "3",
            "SLURM_STEP_NUM_TASKS": "13",
            "SLURM_STEP_NODELIST": "a,n[2-12]",
            "SLURM_STEP_TASKS_PER_NODE": "2,1(x11)",
        }
        machines = ["a:8888", "a:8889", *(f"n{i}:8888" for i in range(2, 13))]
        assert found(slurm, **variables) == ({"worker": machines}, "worker", 3)


def test_a_trainer_that_nobody_knows_is_refused(monkeypatch):
    def reduce_per_replica(values, strategy, reduction):
        return values

    monkeypatch.setattr(keras_trainer, "reduce_per_replica", reduce_per_replica)
    with pytest.raises(RuntimeError, match="whose `reduce_per_replica` is another"):
        multi_worker.mend_keras()
    assert keras_trainer.reduce_per_replica is reduce_per_replica
