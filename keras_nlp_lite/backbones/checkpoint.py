"""Tensors by name, out of a folder as Hugging Face lays it out."""

import json
import os

import ml_dtypes  # noqa: F401 - NumPy then knows bfloat16, in which many come
import numpy as np
from safetensors import SafetensorError, safe_open

_WHOLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"


class Checkpoint:
    """The tensors of `model.safetensors`, whole or in shards; read when asked for.

    Args:
        folder: Holds `model.safetensors`, or `model.safetensors.index.json` and the
            shards that it names.
        whole: Another name for the former.

    Raises:
        ValueError: there is neither; a file is cut off or no safetensors file.
    """

    def __init__(self, folder, whole=_WHOLE):
        self.folder = folder
        self.shapes = {}  # by name
        self._files = {}  # by name
        for shard in self._shards(whole):
            with self._open(shard) as file:
                names = file.keys()
                for name in names:
                    self.shapes[name] = tuple(file.get_slice(name).get_shape())
                    self._files[name] = shard

    def read(self, names):
        """Yields (name, array) for each name, a file at a time."""
        names = sorted(names, key=lambda name: self._files[name])
        shard, file = None, None
        for name in names:
            if self._files[name] != shard:
                shard = self._files[name]
                file = self._open(shard)
            yield name, np.asarray(file.get_tensor(name), "float32")

    def _shards(self, whole):
        if os.path.exists(os.path.join(self.folder, whole)):
            return [whole]
        index = os.path.join(self.folder, _INDEX)
        if whole != _WHOLE:
            raise ValueError(f"There is no {whole} in {self.folder!r}.")
        if not os.path.exists(index):
            raise ValueError(
                f"There is no {whole} and no {_INDEX}. Received: the folder "
                f"{self.folder!r}. Weights in other formats, such as "
                "pytorch_model.bin, would have to be unpickled, and are not read."
            )
        shards = sorted(set(read_json(index).get("weight_map", {}).values()))
        if not shards:
            raise ValueError(f"{index!r} must name shards in a weight_map.")
        for shard in shards:
            if os.path.basename(shard) != shard:
                raise ValueError(
                    f"Shards must lie in the folder. Received: {shard!r} in {index!r}."
                )
        return shards

    def _open(self, shard):
        path = os.path.join(self.folder, shard)
        try:
            return safe_open(path, "np")
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"{path!r} is no whole safetensors file: {error}. Try to copy it again, "
                "with `git lfs pull` if it came by git."
            ) from error


def read_json(path):
    """What a JSON file holds.

    Raises:
        ValueError: there is none, or it is no JSON.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        raise ValueError(f"There is no {path!r}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path!r} is no JSON: {error}.") from None


def write_json(path, content):
    """Writes a JSON file."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
