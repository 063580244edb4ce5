"""State as JSON, with its arrays apart: nothing is pickled."""

import numpy as np


def pack(value, name, arrays):
    """Makes JSON of a value, and puts its arrays into `arrays`.

    Args:
        value: None, bool, int, float, str, array, tensor, or a list, tuple or dict (by
            str) of such.
        name: str, what the names of its arrays begin with.
        arrays: dict of name to array, which grows.

    Raises:
        TypeError: `value` is something else.

    Example:

    >>> arrays = {}
    >>> packed = pack({"best": 0.5, "weights": [np.ones(2)]}, "stopping", arrays)
    >>> packed
    {'best': 0.5, 'weights': [{'array': 'stopping/weights/0'}]}
    >>> unpack(packed, arrays)
    {'best': 0.5, 'weights': [array([1., 1.])]}
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, np.generic):
        return value
    if isinstance(value, list):
        return [pack(part, f"{name}/{i}", arrays) for i, part in enumerate(value)]
    if isinstance(value, tuple):
        return {"tuple": pack(list(value), name, arrays)}
    if isinstance(value, dict):
        odd = [key for key in value if not isinstance(key, str)]
        if odd:
            raise TypeError(
                f"State is named by strings. Received: the key {odd[0]!r} in {name!r}."
            )
        packed = {
            key: pack(part, f"{name}/{key}", arrays) for key, part in value.items()
        }
        # A dict by itself could be mistaken for one of the marks below.
        return {"dict": packed} if len(packed) == 1 else packed
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "numpy"):
        array = np.asarray(value)
        if array.dtype.kind not in "OSUMm":
            arrays[name] = array
            return {"array": name}
    raise TypeError(
        "State is made of numbers, strings, None, arrays, and lists, tuples and dicts "
        f"of them. Received: {type(value).__name__} as {name!r}."
    )


def unpack(packed, arrays):
    """What `pack` was given; arrays are copies of those in `arrays`, by name."""
    if isinstance(packed, list):
        return [unpack(part, arrays) for part in packed]
    if not isinstance(packed, dict):
        return packed
    if len(packed) == 1:
        ((mark, content),) = packed.items()
        if mark == "array":
            return np.array(arrays[content])
        if mark == "tuple":
            return tuple(unpack(content, arrays))
        packed = content
    return {key: unpack(part, arrays) for key, part in packed.items()}
