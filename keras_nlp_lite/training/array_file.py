"""Named arrays in one file, written and read one at a time."""

import json
import math
import os

import ml_dtypes  # noqa: F401 - NumPy then knows bfloat16
import numpy as np

# What safetensors calls the kinds of numbers: its files are read by many tools.
_KINDS = {
    "bool": "BOOL",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def write_arrays(file, arrays):
    """Writes arrays in the safetensors format, holding one of them at a time.

    Args:
        file: Something open for writing bytes.
        arrays: dict of name to (dtype, shape, read): a NumPy dtype or its name, a
            tuple, and a function that gives the array, called once, when it is time.

    Raises:
        ValueError: the format has no such dtype; `read` gives another shape.

    Example:

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "arrays.safetensors")
    >>> with open(path, "wb") as file:
    ...     write_arrays(file, {"three": ("int32", (3,), lambda: [5, 7, 9])})
    >>> ArrayFile(path)["three"].tolist()
    [5, 7, 9]
    """
    header, start = {}, 0
    for name, (dtype, shape, _) in arrays.items():
        dtype = np.dtype(dtype)
        if dtype.name not in _KINDS:
            raise ValueError(
                f"There is no place for numbers of this kind. Received: {name!r}, "
                f"dtype={dtype.name}. Try one of {', '.join(_KINDS)}."
            )
        end = start + dtype.itemsize * math.prod(shape)
        header[name] = {
            "dtype": _KINDS[dtype.name],
            "shape": list(shape),
            "data_offsets": [start, end],
        }
        start = end
    header = json.dumps(header).encode()
    header += b" " * (-len(header) % 8)
    file.write(len(header).to_bytes(8, "little"))
    file.write(header)
    for name, (dtype, shape, read) in arrays.items():
        array = np.ascontiguousarray(read(), np.dtype(dtype))
        if array.size != math.prod(shape):
            raise ValueError(
                f"{name!r} was to be of shape {tuple(shape)}. Received: {array.shape}."
            )
        file.write(array.reshape(-1).view(np.uint8))


class ArrayFile:
    """The arrays of a safetensors file; each is read when it is asked for.

    Args:
        path: A file as `write_arrays` makes it.

    Raises:
        ValueError: it is none, or is cut off.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > size - 8:
                raise ValueError(f"{self.path!r} is cut off.")
            self._header = json.loads(file.read(length))
        self._start = 8 + length

    def names(self):
        """list of str, as written."""
        return list(self._header)

    def shape(self, name):
        """tuple of int."""
        return tuple(self._header[name]["shape"])

    def dtype(self, name):
        """np.dtype."""
        return np.dtype(_NAMES[self._header[name]["dtype"]])

    def __getitem__(self, name):
        """The array of a name."""
        start, end = self._header[name]["data_offsets"]
        # Not mapped into memory: what was read would stay there as long as the file.
        content = np.fromfile(
            self.path, np.uint8, count=end - start, offset=self._start + start
        )
        return content.view(self.dtype(name)).reshape(self.shape(name))
