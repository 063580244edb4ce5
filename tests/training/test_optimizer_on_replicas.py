"""One replica and two make the same steps, whoever holds the optimizer's state."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from keras_nlp_lite.optimizers import sharded_state

SCRIPT = pathlib.Path(__file__).with_name("on_two_replicas.py")
CASES = ("accumulated", "sharded", "sharded whole", "sharpness aware", "loss scaled")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path_factory.mktemp("runs"))],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES)
def test_losses_weights_and_state_are_those_of_one_replica(found, case):
    assert found[case]["moved"] > 1e-3
    assert found[case]["losses"] < 1e-6
    assert found[case]["state"] < 1e-6


@pytest.mark.parametrize("case", ["sharded", "loss scaled"])
def test_a_replica_holds_half_of_the_state(found, case):
    whole, shares = found[case]["bytes"], found[case]["bytes_per_replica"]
    assert max(shares) <= 0.55 * whole
    assert sum(shares) >= whole  # nothing is lost


def test_what_cannot_be_cut_is_dealt_out_whole(found):
    whole = found["sharded whole"]["bytes"]
    assert sum(found["sharded whole"]["bytes_per_replica"]) < whole + 100


def test_an_overflow_on_either_replica_skips_the_step_of_both(found):
    first, second, third = found["overflowed"]
    assert first == [1.0, 2.0, 4.0]  # weights, and half of the scale
    assert second == [1.0, 2.0, 2.0]
    assert third == [1.0 - 8.0, 2.0 - 8.0, 2.0]  # 8 / 2 on each of two replicas


@pytest.mark.parametrize("how", ["handed on", "resumed"])
def test_a_run_goes_on_with_another_number_of_replicas(found, how):
    assert max(found[how].values()) < 1e-6


@pytest.mark.parametrize("number", [2, 3, 8])
def test_shares_are_even_whatever_the_sizes(number):
    """A table that is most of the model, some kernels, many biases."""

    class Weight:
        def __init__(self, *shape):
            self.shape = shape

    weights = [Weight(997, 16), *[Weight(16, 16)] * 9, *[Weight(16)] * 30]
    stretches = [
        (each, rows)
        for each in weights
        for rows in sharded_state._stretches(each, weights, number)
    ]
    sizes = [sharded_state._size(*stretch) for stretch in stretches]
    owners = sharded_state._dealt(sizes, number)
    loads = [0] * number
    for size, owner in zip(sizes, owners, strict=True):
        loads[owner] += size
    assert sum(loads) == 997 * 16 + 9 * 256 + 30 * 16
    assert max(loads) <= 1.1 * sum(loads) / number
