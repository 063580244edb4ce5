"""A search by several processes: KerasTuner's chief, who asks the oracle, and workers.

    KERASTUNER_TUNER_ID=chief    KERASTUNER_ORACLE_IP=10.0.0.1 KERASTUNER_ORACLE_PORT=8000 python search.py
    KERASTUNER_TUNER_ID=worker_1 KERASTUNER_ORACLE_IP=10.0.0.1 KERASTUNER_ORACLE_PORT=8000 python search.py

All run the same script, and share a folder.
"""

import os
import time
from concurrent import futures

_ID = "KERASTUNER_TUNER_ID"
_ADDRESS = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
PATIENCE = 60.0  # seconds that a worker waits for an answer
GRACE = 5.0  # seconds in which nobody asks, after which nobody is there
_LOOK = 0.2  # seconds


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
    """What looks like the oracle, to a worker, and asks the chief.

    Its methods raise ValueError where no chief answers within `PATIENCE`.
    """
    from keras_tuner.src.distribute.oracle_client import OracleClient

    client = OracleClient(oracle)
    client.stub = _Patient(client.stub)
    return client


class _Patient:
    """A stub that waits, but not for KerasTuner's hour, and says what it waited for."""

    def __init__(self, stub):
        self._stub = stub

    def __getattr__(self, name):
        import grpc

        gone = grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE
        call = getattr(self._stub, name)

        def within(request, **_):
            try:
                return call(request, wait_for_ready=True, timeout=PATIENCE)
            except grpc.RpcError as error:
                if error.code() not in gone:
                    raise
                raise ValueError(
                    "A worker needs its chief. Received: no answer from "
                    f"{_address()} within {PATIENCE:g} s. Either the search is over, or "
                    "its chief is still to be started."
                ) from None

        return within


def serve(oracle):
    """Answers workers until they have left: no trial runs, and nobody asks for one.

    A worker that gives up gives its trial back first. One that was killed is waited
    for: started again under its name, it gets its trial.

    Args:
        oracle: Of `oracles.py`.

    Raises:
        ValueError: the workers left before the search was over.
    """
    import grpc
    from keras_tuner.src import protos

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    servicer = _servicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    server.add_insecure_port(_address())
    server.start()
    # Looks are counted, not seconds: a machine that slept was not quiet.
    heard = quiet = 0
    try:
        while quiet * _LOOK < GRACE:
            time.sleep(_LOOK)
            busy = servicer.answering or oracle.ongoing_trials
            if busy or servicer.asked == 0 or servicer.asked > heard:
                quiet, heard = 0, servicer.asked
            else:
                quiet += 1
    finally:
        server.stop(None)
    in_time = oracle.clock is None or not oracle.clock.out_of_time()
    if not servicer.stop_triggered or (oracle._retry_queue and in_time):
        raise ValueError(
            "Workers stay until the search is over. Received: none that is left, after "
            f"{len(oracle.end_order)} trials have ended. What went wrong is in what "
            "they said. A search that is started again goes on."
        )


def _servicer(oracle):
    """What answers workers, and counts how often they ask for a trial."""
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    class Servicer(OracleServicer):
        asked, answering = 0, False

        def CreateTrial(self, request, context):
            self.asked, self.answering = self.asked + 1, True
            try:
                return super().CreateTrial(request, context)
            finally:
                self.answering = False

    return Servicer(oracle)


def _address():
    return ":".join(os.environ[name] for name in _ADDRESS)
