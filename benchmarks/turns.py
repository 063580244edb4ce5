"""Contenders that take turns: each a process of its own, with its own threads, so that a
machine whose speed drifts is fair to all."""

import multiprocessing
import os
import pickle
import statistics
import time


class Contender:
    """A process that runs what a function of this program's makes.

    Args:
        make: Function of a case, defined in a module, that gives a function to call
            again and again.
        warm: Seconds of calls that are not counted, at each turn.
        turn: Seconds of calls that are.
    """

    def __init__(self, make, warm=0.02, turn=0.05):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(make, theirs, warm, turn), daemon=True
        )
        self.process.start()
        theirs.close()

    def seconds(self, case):
        """Of a call, the mean of a turn."""
        self.pipe.send_bytes(pickle.dumps(case))
        return self.pipe.recv()

    def end(self):
        self.pipe.send_bytes(b"")
        self.process.join()


def take_turns(contenders, case_of, repeats):
    """{name: median seconds of a call}

    Args:
        contenders: dict of `Contender` by name.
        case_of: name -> the case that it runs.
        repeats: Turns of each.
    """
    seconds = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            seconds[name].append(contender.seconds(case_of(name)))
    return {name: statistics.median(values) for name, values in seconds.items()}


def _serve(make, pipe, warm, turn):
    """Answers each case with the mean seconds of a turn's calls."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    current, run = None, None
    while case := pipe.recv_bytes():  # arrays in it could not be compared
        if case != current:
            run, current = make(*pickle.loads(case)), case
            run()  # traces and compiles
        # The first calls bring back the caches that the last contender's turn took, and
        # outlast the threads that still spin from it; then calls follow one another, as
        # in training.
        _repeat_for(run, warm)
        pipe.send(_repeat_for(run, turn))


def _repeat_for(run, seconds):
    """Runs it again and again for so long, at least once: the mean seconds of a call."""
    start, calls = time.perf_counter(), 0
    while calls == 0 or time.perf_counter() - start < seconds:
        run()
        calls += 1
    return (time.perf_counter() - start) / calls
