"""Several workers on one machine, to try out what is meant for several machines."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.workers import WORKER, WORKERS

GRACE = 10  # seconds that workers have to end by themselves


def launch(command, workers=2, *, threads=None, stdout=None):
    """Runs a command in several processes at once, which find each other as workers.

    Each line that they print has the worker's number before it. When one fails, the
    others, which would wait for it, are ended, too; so are all of them when this
    process is told to end.

    Args:
        command: list of str, a program and its arguments.
        workers: How many.
        threads: Threads of each worker's ops; by default, the cores evenly shared.
        stdout: A text stream for what they print; `sys.stdout` by default.

    Returns:
        int, 0, or the exit status of the worker that failed first.
    """
    check_positive_int("workers", workers)
    threads = threads or max(1, (os.cpu_count() or 1) // workers)
    addresses = ",".join(f"localhost:{port}" for port in free_ports(workers))
    processes = []
    for number in range(workers):
        environment = {
            **os.environ,
            WORKERS: addresses,
            WORKER: str(number),
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "PYTHONUNBUFFERED": "1",
        }
        environment.pop("TF_CONFIG", None)  # which would be looked at first
        processes.append(
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        )
    with _exit_at_sigterm():
        return _follow(processes, stdout or sys.stdout)


def free_ports(count):
    """list of int, ports that nobody listens at: held until all are found."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def _follow(processes, stdout):
    ended = threading.Condition()
    order = []  # numbers of workers, as they end

    def pass_on(number, process):
        for line in process.stdout:
            stdout.write(f"[{number}] {line}")
            stdout.flush()
        process.wait()
        with ended:
            order.append(number)
            ended.notify()

    threads = [
        threading.Thread(target=pass_on, args=pair, daemon=True)
        for pair in enumerate(processes)
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in processes:
            with ended:
                ended.wait_for(lambda: order)
                number = order.pop(0)
            status = processes[number].returncode
            if status:
                stdout.write(f"Worker {number} ended with status {status}")
                stdout.write("; the others are told to end, too.\n")
                return status
        return 0
    finally:
        _end(processes)
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def _exit_at_sigterm():
    """Lets SIGTERM unwind this thread, which tells the workers; else they would live on."""

    def leave(number, _):
        signal.signal(number, signal.SIG_IGN)  # once is enough; `GRACE` is not long
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # which may not say what a signal does
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(processes):
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
