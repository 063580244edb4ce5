import io
import signal
import sys
import time

import pytest

from keras_nlp_lite.cli.launching import launch
from keras_nlp_lite.workers import WORKER, WORKERS

TELL = f"""
import os
print(os.environ["{WORKER}"], len(set(os.environ["{WORKERS}"].split(","))))
print(os.environ["TF_NUM_INTRAOP_THREADS"])
"""

FAIL = f"""
import os, sys, time
if os.environ["{WORKER}"] == "1":
    sys.exit(3)
time.sleep(60)
"""


TELL_AND_WAIT = """
import os, signal, time
os.kill(os.getppid(), signal.SIGTERM)
time.sleep(60)
"""


def run(code, workers, **options):
    said = io.StringIO()
    status = launch([sys.executable, "-c", code], workers, stdout=said, **options)
    return status, sorted(said.getvalue().splitlines())


def test_each_worker_knows_its_number_and_all_addresses():
    status, lines = run(TELL, 3, threads=5)
    assert status == 0
    assert lines == sorted(
        f"[{n}] {said}" for n in range(3) for said in ("5", f"{n} 3")
    )


def test_one_failure_ends_all():
    start = time.monotonic()
    status, lines = run(FAIL, 2)
    assert status == 3
    assert lines == ["Worker 1 ended with status 3; the others are told to end, too."]
    assert time.monotonic() - start < 30


def test_who_is_told_to_end_ends_its_workers():
    before = signal.getsignal(signal.SIGTERM)
    start = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        run(TELL_AND_WAIT, 2)
    assert ended.value.code == 128 + signal.SIGTERM
    assert time.monotonic() - start < 30
    assert signal.getsignal(signal.SIGTERM) is before


def test_no_worker_is_refused():
    with pytest.raises(ValueError, match="workers"):
        run(TELL, 0)
