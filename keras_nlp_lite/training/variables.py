"""Variables of a model in training: read, checked and set, on any number of devices."""

import numpy as np
import tensorflow as tf


def training_variables(model):
    """dict of "model" and "optimizer" to lists of keras.Variable, in a fixed order.

    Seeds of dropout are the model's, the averages of `use_ema` the optimizer's.
    """
    optimizer = getattr(model, "optimizer", None)
    return {
        "model": model.variables,
        "optimizer": [] if optimizer is None else optimizer.variables,
    }


def read_variable(variable):
    """NumPy array; of a metric on several replicas, the total over all of them.

    Where replicas are on several machines, all have to read such a total together.
    """
    return tf.convert_to_tensor(variable.value).numpy()


def readers(group, variables):
    """What `write_arrays` takes, for variables that go under the name of a group."""
    return {
        name: (variable.dtype, tuple(variable.shape), _reader(variable))
        for name, variable in zip(_names(group, variables), variables)
    }


def count_variables(group, arrays):
    """int, the variables of a group that are in an ArrayFile."""
    return len(_saved(group, arrays))


def check_variables(group, variables, arrays, where):
    """Refuses variables that are others than those in a file.

    Args:
        group: str, as in `readers`.
        variables: list of keras.Variable.
        arrays: ArrayFile.
        where: str, where the file comes from.

    Raises:
        ValueError: the number of them, or a shape or dtype, is another.
    """
    saved = _saved(group, arrays)
    for name, variable in zip(saved, variables):
        theirs = arrays.shape(name), arrays.dtype(name)
        ours = tuple(variable.shape), np.dtype(variable.dtype)
        if ours != theirs:
            raise ValueError(
                f"The {group} must be that of the run in {where!r}, which holds "
                f"{_path(name)} {list(theirs[0])}, {theirs[1]}. Received: "
                f"{variable.path} {list(ours[0])}, {ours[1]}. The run is as it was. "
                "Try a new folder, or the model that the run had."
            )
    if len(saved) != len(variables):
        more = saved if len(saved) > len(variables) else [v.path for v in variables]
        first = more[min(len(saved), len(variables))]
        side = "only the run has" if more is saved else "only the new one has"
        raise ValueError(
            f"The {group} must be that of the run in {where!r}, of {len(saved)} "
            f"variables. Received: {len(variables)} variables; {side} "
            f"{_path(first) if more is saved else first}. The run is as it was. Try "
            "a new folder, or the model that the run had."
        )


def set_variables(group, variables, arrays, strategy):
    """Gives variables what is in a file; call `check_variables` first."""
    with strategy.scope():
        for name, variable in zip(_saved(group, arrays), variables):
            variable.assign(arrays[name])


def _names(group, variables):
    return [f"{group}/{i:05d}/{v.path}" for i, v in enumerate(variables)]


def _saved(group, arrays):
    return [name for name in arrays.names() if name.startswith(group + "/")]


def _path(name):
    return name.split("/", 2)[2]


def _reader(variable):
    return lambda: read_variable(variable)
