"""Checkpoints of a run: folders that are whole or are not used."""

import json
import os
import re
import shutil
import zlib

from keras_nlp_lite.atomic import replacing
from keras_nlp_lite.training.array_file import ArrayFile, write_arrays

_ARRAYS = "arrays.safetensors"
_STATE = "state.json"
_SUMS = "sums.json"
_NAME = re.compile(r"step-(\d{7,})")
_CHUNK = 2**24  # bytes


class Checkpoints:
    """The newest checkpoints of a run, each a folder `step-0000500` of three files.

    `arrays.safetensors` holds the arrays, `state.json` all else, and `sums.json` the
    size in bytes and the CRC-32 of the other two. A checkpoint takes its name only once
    it is on the disk; what is cut off or changed later is told by its sums.

    Args:
        folder: Where they lie; made when the first is written.
        keep: How many of them stay.

    Example:

    >>> import tempfile
    >>> checkpoints = Checkpoints(tempfile.mkdtemp(), keep=1)
    >>> for step in (5, 7):
    ...     _ = checkpoints.write(
    ...         step, {"n": ("int32", (), lambda: step)}, {"epoch": 1}
    ...     )
    >>> checkpoints.steps()
    [7]
    >>> found, torn = checkpoints.newest()
    >>> found.step, found.state, int(found.arrays["n"]), torn
    (7, {'epoch': 1}, 7, [])
    """

    def __init__(self, folder, keep=2):
        self.folder = os.fspath(folder)
        self.keep = keep

    def path(self, step):
        return os.path.join(self.folder, f"step-{step:07d}")

    def steps(self):
        """list of int, the steps that there are checkpoints of, ascending."""
        if not os.path.isdir(self.folder):
            return []
        matches = map(_NAME.fullmatch, os.listdir(self.folder))
        return sorted(int(match[1]) for match in matches if match)

    def write(self, step, arrays, state):
        """Writes a checkpoint, and lets go of those that are one too many.

        Args:
            step: int, its name.
            arrays: What `write_arrays` takes.
            state: Anything that JSON can tell.

        Returns:
            str, its folder.

        Raises:
            OSError: the disk is full, or fails; what was there before stays.
        """
        path = self.path(step)
        with replacing(path, durable=True) as temporary:
            os.mkdir(temporary)
            sums = {}
            for name, write in (
                (_ARRAYS, lambda file: write_arrays(file, arrays)),
                (_STATE, lambda file: file.write(json.dumps(state).encode())),
            ):
                with open(os.path.join(temporary, name), "wb") as file:
                    summed = _Summed(file)
                    write(summed)
                sums[name] = {"bytes": summed.size, "crc32": summed.crc}
            with open(os.path.join(temporary, _SUMS), "w", encoding="utf-8") as file:
                json.dump(sums, file)
        # Later ones than the newest are of a run that was taken up from before them.
        kept = [s for s in self.steps() if s <= step][-self.keep :]
        for other in set(self.steps()).difference(kept):
            shutil.rmtree(self.path(other), ignore_errors=True)
        return path

    def newest(self):
        """The newest checkpoint that is whole.

        Returns:
            A `Checkpoint` or None, and a list of str: what is wrong with each newer one.
        """
        torn = []
        for step in reversed(self.steps()):
            path = self.path(step)
            wrong = _what_is_wrong(path)
            if wrong is None:
                return Checkpoint(step, path), torn
            torn.append(f"{path}: {wrong}")
        return None, torn

    def sweep(self):
        """Removes what a process that was killed while it wrote has left."""
        if os.path.isdir(self.folder):
            for name in os.listdir(self.folder):
                if name.startswith(".step-"):
                    shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)


class Checkpoint:
    """A whole checkpoint: `step`, `state` as it was given, and `arrays` by name."""

    def __init__(self, step, path):
        self.step = step
        self.path = path
        with open(os.path.join(path, _STATE), encoding="utf-8") as file:
            self.state = json.load(file)
        self.arrays = ArrayFile(os.path.join(path, _ARRAYS))


class _Summed:
    """A file for writing that counts and sums what goes into it."""

    def __init__(self, file):
        self._file = file
        self.size = self.crc = 0

    def write(self, data):
        view = memoryview(data)
        for start in range(0, view.nbytes, _CHUNK):
            chunk = view[start : start + _CHUNK]
            self.crc = zlib.crc32(chunk, self.crc)
            self._file.write(chunk)
        self.size += view.nbytes


def _what_is_wrong(path):
    """str, why a checkpoint cannot be used; None if it can."""
    try:
        with open(os.path.join(path, _SUMS), encoding="utf-8") as file:
            sums = json.load(file)
        for name in (_ARRAYS, _STATE):
            wanted = sums[name]
            with open(os.path.join(path, name), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size != wanted["bytes"]:
                    return f"{name} has {size:,} of {wanted['bytes']:,} bytes"
                crc = 0
                while chunk := file.read(_CHUNK):
                    crc = zlib.crc32(chunk, crc)
            if crc != wanted["crc32"]:
                return f"{name} has other bytes than were written"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return None
