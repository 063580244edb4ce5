"""How deep below the output each weight lies."""

import re


def layer_depths(variables):
    """How many layers lie between each weight and the output.

    A model whose layers are numbered blocks, as ours and most others that repeat a
    layer: 0 for what stands behind the blocks, then one more for each block below, and
    most for embeddings and what else stands before the blocks. A decoder's blocks
    stand above its encoder's. Any other model: 0 for its last layer
    with weights, one more for each below, most for embeddings.

    Args:
        variables: Keras variables, in the order in which a model gives them.

    Returns:
        list of int, one a variable, from 0.

    Example:

    >>> import keras
    >>> model = keras.Sequential(
    ...     [keras.layers.Embedding(9, 4), keras.layers.Dense(4), keras.layers.Dense(2)]
    ... )
    >>> model.build((None, 3))
    >>> layer_depths(model.trainable_variables)
    [2, 1, 1, 0, 0]
    """
    paths = [_layers(variable) for variable in variables]
    if all(len(path) > 1 for path in paths) and len({path[0] for path in paths}) == 1:
        paths = [
            path[1:] for path in paths
        ]  # all lie in one model: its name is no layer
    units = list(dict.fromkeys(path[0] for path in paths))
    blocks = _blocks(units, paths)
    first = units.index(blocks[0]) if blocks else 0
    depths = []
    for path, variable in zip(paths, variables, strict=True):
        if variable.name.startswith("reverse"):  # a table from features back to scores
            depth = 0
        elif any(map(_names_embedding, path)):
            depth = None
        elif not blocks:
            depth = len(units) - 1 - units.index(path[0])
        elif path[0] in blocks:
            depth = len(blocks) - blocks.index(path[0])
        else:
            depth = None if units.index(path[0]) < first else 0
        depths.append(depth)
    known = sorted({depth for depth in depths if depth is not None})
    # Numbered anew without holes, which embeddings that are layers leave.
    return [len(known) if depth is None else known.index(depth) for depth in depths]


def _layers(variable):
    """Names of the layers that hold a weight, from the outermost."""
    return getattr(variable, "path", variable.name).split("/")[:-1] or [variable.name]


def _blocks(units, paths):
    """Units with layers inside that are one of a series: "name_0", as ours count, or
    "name" and "name_1", as Keras does. A number alone says nothing: Keras gives one to
    the second model in a process, too."""
    composite = {path[0] for path in paths if len(path) > 1}
    stems = [_stem(unit) for unit in units if unit in composite]
    return [
        unit
        for unit in units
        if unit in composite
        and not _names_embedding(unit)
        and (stems.count(_stem(unit)) > 1 or unit.endswith("_0"))
    ]


def _stem(name):
    return re.sub(r"_\d+$", "", name)


def _names_embedding(name):
    return "embedding" in name
