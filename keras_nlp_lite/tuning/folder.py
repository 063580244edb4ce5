"""The folder of a search: whose it is, what it holds, and what may go."""

import contextlib
import glob
import hashlib
import os
import shutil

import numpy as np
import tensorflow as tf

from keras_nlp_lite.tuning.oracles import ENDED, STATE
from keras_nlp_lite.tuning.pareto import pareto_front
from keras_nlp_lite.tuning.result import SETTINGS
from keras_nlp_lite.tuning.trial_run import MODEL, read_json, trial_folder, write_json

_LOCK = ".lock"


@contextlib.contextmanager
def alone_in(directory, role):
    """Keeps others out of a folder, but the workers of its chief.

    The system lifts the lock when the process ends, however it ends.

    Raises:
        ValueError: another process searches in this folder.
    """
    os.makedirs(directory, exist_ok=True)
    if role == "worker":
        yield
        return
    with open(os.path.join(directory, _LOCK), "w") as file:
        if not _lock(file):
            raise ValueError(
                "A folder takes one search at a time. Received: "
                f"directory={directory!r}, in which another process searches. Try "
                "another folder, or KerasTuner's chief and workers."
            )
        yield


def _lock(file):
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def open_folder(directory, settings, overwrite):
    """Begins a search in a folder, or takes one up.

    Args:
        directory: The folder.
        settings: dict, what makes trials comparable.
        overwrite: Whether what another search left may go.

    Raises:
        ValueError: another search is there.
    """
    path = os.path.join(directory, SETTINGS)
    if overwrite:
        _clear(directory)
    for scratch in glob.glob(os.path.join(glob.escape(directory), ".*.json.*")):
        shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
    earlier = read_json(path)
    if earlier is None:
        write_json(path, settings)
        return
    differ = [name for name in settings if earlier.get(name) != settings[name]]
    if differ:
        was, now = (
            ", ".join(f"{n}={_brief(one.get(n))}" for n in differ)
            for one in (earlier, settings)
        )
        raise ValueError(
            f"The folder holds another search. Received: directory={directory!r}, {now}; "
            f"there, {was}. Try another directory, or overwrite=True to begin anew."
        )


def fingerprint(data):
    """str, by which a search knows its validation data again; None where there is none.

    Args:
        data: As `search` takes it. Of a Dataset the first batch counts, and its length.
    """
    if data is None:
        return None
    length = None
    if isinstance(data, tf.data.Dataset):
        length = int(data.cardinality())
        data = next(iter(data), ())
    found = hashlib.sha256(repr(length).encode())
    for part in tf.nest.flatten(data):
        found.update(np.asarray(part).astype(bytes).tobytes())
    return found.hexdigest()[:16]


def _clear(directory):
    """Removes a search, and nothing else."""
    if read_json(os.path.join(directory, SETTINGS)) is None:
        return
    for name in (SETTINGS, STATE):
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(directory, name))
    folders = glob.glob(os.path.join(glob.escape(directory), "trial_*"))
    for folder in [*folders, os.path.join(directory, "tensorboard")]:
        shutil.rmtree(folder, ignore_errors=True)


def tidy(oracle, directory, keep):
    """Removes the models of trials that others beat; of one objective, all but the best.

    Args:
        oracle: Of `oracles.py`.
        directory: Of the search.
        keep: "all" removes none.
    """
    if keep == "all":
        return
    done = [t for t in oracle.trials.values() if t.status in ENDED]
    well = [t for t in done if t.status == "COMPLETED"]
    kept = set()
    if well:
        directions = [o.direction for o in oracle.objectives]
        front = pareto_front([oracle.values_of(t) for t in well], directions)
        best = [t.trial_id for t, on in zip(well, front) if on]
        kept = set(best if len(directions) > 1 else best[:1])
    for trial in done:
        if trial.trial_id not in kept:
            path = os.path.join(trial_folder(directory, trial.trial_id), MODEL)
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)


def _brief(value):
    said = str(value)
    return said if len(said) <= 60 else f"{said[:57]}..."
