"""The folder of a search: whose it is, what it holds, and what may go."""

import contextlib
import dataclasses
import glob
import hashlib
import os
import shutil

import numpy as np
import tensorflow as tf

from keras_nlp_lite.tuning.clock import SECONDS
from keras_nlp_lite.tuning.differences import differences
from keras_nlp_lite.tuning.hparams import FOLDER as BOARD
from keras_nlp_lite.tuning.oracles import ENDED, STATE
from keras_nlp_lite.tuning.pareto import pareto_front
from keras_nlp_lite.tuning.result import SETTINGS
from keras_nlp_lite.tuning.space import fixed_settings
from keras_nlp_lite.tuning.trial_run import MODEL, read_json, trial_folder, write_json

_LOCK = ".lock"
RAY = "ray"  # folder of Ray's own files


@contextlib.contextmanager
def alone_in(directory, role):
    """Keeps others out of a folder, but the workers of its chief.

    The system lifts the lock when the process ends, however it ends.

    Raises:
        ValueError: another process searches in this folder, or it is none.
    """
    try:
        os.makedirs(directory, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(
            "`directory` must be a folder, or the name of one to make. Received: "
            f"directory={directory!r}, which is a file, or in one."
        ) from None
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


def settings_of(hypermodel, space, objectives, val, **others):
    """dict for JSON, of what makes the trials of a search comparable.

    Args:
        hypermodel: keras_tuner.HyperModel.
        space: keras_tuner.HyperParameters, with all that trials may vary.
        objectives: tuple of `Objective`.
        val: Validation data.
        **others: What else has to be the same if the search is to go on.
    """
    return {
        "title": hypermodel.name or "model",
        "objectives": [dataclasses.asdict(one) for one in objectives],
        "val": fingerprint(val),
        "space": space.get_config()["space"],
        "fixed": fixed_settings(hypermodel),
        **others,
    }


def open_folder(directory, settings, overwrite):
    """Begins a search in a folder, or takes one up.

    Args:
        directory: The folder.
        settings: dict, as `settings_of` gives it.
        overwrite: Whether what another search left may go.

    Raises:
        ValueError: another search is there.
    """
    if overwrite:
        _clear(directory)
    for scratch in glob.glob(os.path.join(glob.escape(directory), ".*.json.*")):
        shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
    path = os.path.join(directory, SETTINGS)
    if read_json(path) is None:
        write_json(path, settings)
    check_settings(directory, settings)


def check_settings(directory, settings):
    """Refuses a folder that holds another search, or none.

    Args:
        directory: The folder.
        settings: dict, as `settings_of` gives it.

    Raises:
        ValueError: it does.
    """
    there = read_json(os.path.join(directory, SETTINGS))
    if there is None:
        raise ValueError(
            "The folder must be one which the chief and its workers share. Received: "
            f"directory={directory!r}, in which there is no search."
        )
    differ = differences(there, settings)
    if differ:
        was, now = (", ".join(f"{one[0]}={one[at]}" for one in differ) for at in (1, 2))
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
        found.update(_encoded(np.asarray(part)).tobytes())
    return found.hexdigest()[:16]


def _encoded(part):
    """An array of texts or numbers as one of bytes; texts in any alphabet, as UTF-8."""
    if part.dtype.kind == "O":  # TensorFlow's strings are bytes, a table's are str
        texts = [t if isinstance(t, (bytes, str)) else str(t) for t in part.flat]
        return np.array([tf.compat.as_bytes(t) for t in texts], bytes)
    if part.dtype.kind == "U":
        return np.char.encode(part, "utf-8")
    return part.astype(bytes)


def _clear(directory):
    """Removes a search, and nothing else; its settings last, by which it is known."""
    if read_json(os.path.join(directory, SETTINGS)) is None:
        return
    folders = glob.glob(os.path.join(glob.escape(directory), "trial_*"))
    for folder in [*folders, *(os.path.join(directory, one) for one in (BOARD, RAY))]:
        shutil.rmtree(folder, ignore_errors=True)
    for name in (STATE, SECONDS, SETTINGS):
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(directory, name))


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
