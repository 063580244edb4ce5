"""A search by several processes: KerasTuner's chief, who asks the oracle, and workers.

    KERASTUNER_TUNER_ID=chief    KERASTUNER_ORACLE_IP=10.0.0.1 KERASTUNER_ORACLE_PORT=8000 python search.py
    KERASTUNER_TUNER_ID=worker_1 KERASTUNER_ORACLE_IP=10.0.0.1 KERASTUNER_ORACLE_PORT=8000 python search.py

All run the same script, and share a folder.
"""

import os
import threading
import time
from concurrent import futures

from keras_nlp_lite.tuning.kt import keras_tuner

_ID = "KERASTUNER_TUNER_ID"
_ADDRESS = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
GRACE = 5.0  # seconds in which workers hear that the search is over


def role():
    """ "chief", "worker", or "alone" where the environment says nothing.

    Raises:
        ValueError: it says half of it.
    """
    if _ADDRESS[0] not in os.environ:
        return "alone"
    missing = [name for name in (*_ADDRESS, _ID) if not os.environ.get(name)]
    if missing:
        raise ValueError(
            f"A search by several processes needs {', '.join((*_ADDRESS, _ID))}. "
            f"Received: no {', '.join(missing)}."
        )
    return "chief" if "chief" in os.environ[_ID] else "worker"


def tuner_id():
    """The name by which the oracle knows this process."""
    return os.environ.get(_ID, "tuner0")


def oracle_of_chief(oracle):
    """What looks like the oracle, to a worker, and asks the chief."""
    from keras_tuner.src.distribute.oracle_client import OracleClient

    return OracleClient(oracle)


def serve(oracle):
    """Answers workers until the oracle has no trial left and none is running.

    A worker that died is waited for: one started again under its name gets its trial.

    Args:
        oracle: Of `oracles.py`.
    """
    import grpc
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    calls = _Calls()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    servicer = OracleServicer(calls.counting(oracle))
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    host, port = (os.environ[name] for name in _ADDRESS)
    server.add_insecure_port(f"{host}:{port}")
    server.start()
    try:
        while True:
            time.sleep(0.2)
            over = servicer.stop_triggered and not oracle.ongoing_trials
            # Others may be about to ask, and would wait for an hour.
            if over and (calls.quiet_for(GRACE) or not calls.waiting):
                return
    finally:
        server.stop(GRACE)


class _Calls:
    """Which workers have not heard yet that the search is over."""

    def __init__(self):
        self.waiting = set()
        self._lock = threading.Lock()
        self._last = time.monotonic()

    def counting(self, oracle):
        create = oracle.create_trial

        def create_trial(tuner):
            trial = create(tuner)
            stopped = trial.status == keras_tuner.engine.trial.TrialStatus.STOPPED
            with self._lock:
                self._last = time.monotonic()
                (self.waiting.discard if stopped else self.waiting.add)(tuner)
            return trial

        oracle.create_trial = create_trial
        return oracle

    def quiet_for(self, seconds):
        return time.monotonic() - self._last > seconds
