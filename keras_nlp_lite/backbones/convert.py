"""Weights from one library's names and layouts to another's, by a table.

A table is a list of `Tensor`s: a name there, a variable here, and how one becomes the
other. The same table reads a checkpoint and writes one.
"""

import fnmatch
import typing

import keras
import numpy as np


class Tensor(typing.NamedTuple):
    """A weight that has a name elsewhere.

    Args:
        name: There.
        variable: Here.
        inputs: How many leading axes of the variable are inputs, if it is the kernel of
            a linear map: [inputs..., outputs...] here, [outputs, inputs] there. 0 for
            its bias: [outputs...] here, [outputs] there. None where shapes are equal.
        parts: Variables that lie one behind the other in it, in place of `variable`.
        added: Whether it is a single row there that is added to every row here, after
            the others; written as zeros.
        skip: Rows there that have no counterpart here, before the others.
        optional: Whether it may be missing, together with all others that may.
        turned: Whether the kernel of a linear map lies [inputs, outputs] there, too, as
            GPT-2 has it; parts then lie one beside the other.
    """

    name: str
    variable: typing.Any = None
    inputs: int | None = None
    parts: tuple = ()
    added: bool = False
    skip: int = 0
    optional: bool = False
    turned: bool = False

    def shape(self):
        """The shape that it has there."""
        shape = self._shape_unturned()
        return shape[::-1] if self.turned else shape

    def _shape_unturned(self):
        shapes = [self._shape_of(variable) for variable in self.variables()]
        if self.added:
            return (1, *shapes[0][1:])
        rows = sum(shape[0] for shape in shapes) + self.skip
        return (rows, *shapes[0][1:])

    def variables(self):
        return self.parts or (self.variable,)

    def _shape_of(self, variable):
        shape = tuple(variable.shape)
        if self.inputs is None:
            return shape
        if self.inputs == 0:
            return (_size(shape),)
        return _size(shape[self.inputs :]), _size(shape[: self.inputs])

    def assign(self, array):
        """Gives the variables what the array holds."""
        if self.added:
            self.variable.assign_add(np.broadcast_to(array, self.variable.shape))
            return
        array = array.T if self.turned else array
        start = self.skip
        for variable in self.variables():
            stop = start + self._shape_of(variable)[0]
            part = array[start:stop]
            if self.inputs:
                part = part.T
            variable.assign(np.reshape(part, variable.shape))
            start = stop

    def array(self):
        """float32, what stands there for what the variables hold."""
        if self.added:
            return np.zeros(self.shape(), "float32")
        arrays = [np.zeros((self.skip, *self._shape_unturned()[1:]), "float32")]
        for variable in self.variables():
            array = keras.ops.convert_to_numpy(variable).astype("float32")
            if self.inputs:
                inputs = _size(array.shape[: self.inputs])
                array = np.reshape(array, (inputs, -1)).T
            arrays.append(np.reshape(array, self._shape_of(variable)))
        array = np.concatenate(arrays)
        return np.ascontiguousarray(array.T if self.turned else array)


def linear(name, layer, bias=True, inputs=1):
    """The two `Tensor`s of a Dense or EinsumDense layer."""
    kernel = Tensor(f"{name}.weight", layer.kernel, inputs)
    return [kernel, Tensor(f"{name}.bias", layer.bias, 0)] if bias else [kernel]


def norm(name, layer, bias=True):
    """The two `Tensor`s of a layer normalization."""
    scale = Tensor(f"{name}.weight", layer.gamma)
    return [scale, Tensor(f"{name}.bias", layer.beta)] if bias else [scale]


def load(checkpoint, table, ignore=(), prefix=""):
    """Gives a table's variables what a checkpoint holds, if all of it fits.

    Args:
        checkpoint: Has `shapes` by name, and `read`.
        table: list of `Tensor`.
        ignore: Beginnings of names that are known not to be needed; "*" in them stands
            for anything.
        prefix: What all names may begin with, such as "bert.". Where those of the table
            do, they may lack it in the checkpoint.

    Returns:
        list of the names of optional tensors that are missing.

    Raises:
        ValueError: a tensor is missing, has another shape, or is not known. Nothing is
            changed then.
    """
    prefixed = any(name.startswith(prefix) for name in checkpoint.shapes)
    names = {tensor.name: tensor.name for tensor in table}
    full = any(name.startswith(prefix) for name in names)
    if full and not prefixed:
        names = {name: name.removeprefix(prefix) for name in names}
    elif prefixed and not full:
        names = {name: prefix + name for name in names}
    some = any(x.optional and names[x.name] in checkpoint.shapes for x in table)
    problems, missing, known = [], [], {}
    for tensor in table:
        name = names[tensor.name]
        if name not in checkpoint.shapes:
            if tensor.optional and not some:
                missing.append(name)
            else:
                problems.append(f"{name!r} is missing")
        elif checkpoint.shapes[name] != tensor.shape():
            problems.append(
                f"{name!r} has shape {list(checkpoint.shapes[name])}, where "
                f"{list(tensor.shape())} is wanted"
            )
        else:
            known[name] = tensor
    wanted = set(names.values())
    for name in checkpoint.shapes:
        short = name.removeprefix(prefix)
        ignored = any(fnmatch.fnmatchcase(short, f"{start}*") for start in ignore)
        if name not in wanted and not ignored:
            problems.append(f"{name!r} is not known")
    if problems:
        more = f", and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ValueError(
            f"The weights do not fit the model: {'; '.join(problems[:5])}{more}."
        )
    for added in (False, True):
        names = [name for name in known if known[name].added == added]
        for name, array in checkpoint.read(names):
            known[name].assign(array)
    return missing


# Settings

_ACTIVATIONS = {
    "gelu_new": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
    "swish": "silu",
}


def refuse_unless(config, name, wanted):
    """Refuses a setting that would change the outputs and is not known here."""
    if config.get(name, wanted) != wanted:
        raise ValueError(
            f"config.json must have {name}={wanted!r}, the only one known here. "
            f"Received: {name}={config[name]!r}."
        )


def activation(name):
    """The name here of an activation there."""
    return _ACTIVATIONS.get(name, name)


def activation_there(name):
    """The name there of an activation here."""
    return {"gelu_approximate": "gelu_new"}.get(name, name)


def _size(shape):
    return int(np.prod(shape, dtype="int64"))
