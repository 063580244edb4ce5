"""Optimizer state of which each replica keeps its share."""

import types

import keras
import numpy as np
import tensorflow as tf


class ShardedState:
    """Deals weights, and with them their state, out to the replicas.

    Each weight, or each stretch of a big one's rows, has one owner: the replica that
    sums its gradients, holds its state, makes its step, and sends the new weights to
    the others. This is stage 1 of ZeRO.

    Args:
        strategy: A `tf.distribute.MirroredStrategy`.
        variables: Keras variables that it mirrors.
        may_cut: Whether a weight's rows may be dealt to several owners.

    Raises:
        ValueError: another kind of strategy.

    Reference: Rajbhandari et al., "ZeRO", arXiv:1910.02054.
    """

    def __init__(self, strategy, variables, may_cut):
        if not isinstance(strategy, tf.distribute.MirroredStrategy):
            raise ValueError(
                "Optimizer state is shared among the replicas of a MirroredStrategy. "
                f"Received: shard=True under {type(strategy).__name__}. Try shard=False."
            )
        self.strategy = strategy
        number = strategy.num_replicas_in_sync
        stretches = [
            (variable, rows)
            for variable in variables
            for rows in _stretches(variable, variables, number if may_cut else 1)
        ]
        owners = _dealt([_size(*stretch) for stretch in stretches], number)
        self.parts = [
            Part(strategy, index, owner, variable, rows)
            for index, ((variable, rows), owner) in enumerate(
                zip(stretches, owners, strict=True)
            )
        ]
        # In a plain object, since Keras would track what lies in lists and dicts.
        self._state = types.SimpleNamespace(slices={})

    def references(self):
        """What the optimizer is built on: the variable of each part that is whole, and
        the part itself of others."""
        return [part.reference for part in self.parts]

    def sources(self):
        """The Keras variable behind each part."""
        return [part.source for part in self.parts]

    def add(self, optimizer, reference, name, initializer):
        """A variable of the optimizer's, on its owner's device alone."""
        part = next(part for part in self.parts if part.reference is reference)

        def alone(_, **kwargs):
            with tf.device(part.device):
                kind = type(part.local)  # the variables of which mirrored ones are made
                names = ("initial_value", "trainable", "dtype", "name")
                return kind(**{x: kwargs[x] for x in names if x in kwargs})

        path = part.source.path.replace("/", "_")
        with tf.variable_creator_scope(alone):
            variable = optimizer.add_variable(
                part.shape, initializer, part.source.dtype, name=f"{path}_{name}"
            )
        if part.rows:
            key = part.source.path, id(part.source), name
            self._state.slices.setdefault(key, []).append(variable)
        return variable

    def whole(self, variables):
        """The optimizer's variables, with those of one weight's stretches as one."""
        owner = {
            id(each): Joined(slices)
            for slices in self._state.slices.values()
            for each in slices
        }
        joined = {id(slices[0]): slices for slices in self._state.slices.values()}
        return [
            owner.get(id(variable), variable)
            for variable in variables
            if id(variable) not in owner or id(variable) in joined
        ]

    # A step

    def cut(self, grads, variables, key):
        """On a replica: (parts, their gradients) of the variables that have gradients."""
        gradient_of = {
            key(variable): gradient
            for variable, gradient in zip(variables, grads, strict=True)
        }
        parts = [part for part in self.parts if key(part.source) in gradient_of]
        return parts, [part.of(gradient_of[key(part.source)]) for part in parts]

    def reduce(self, parts, grads):
        """Gradients summed over the replicas, each on its owner's device."""
        # One by one: TensorFlow reduces several at once only to the same devices.
        reduce, total = self.strategy.extended.reduce_to, tf.distribute.ReduceOp.SUM
        summed = [reduce(total, g, p.local) for p, g in zip(parts, grads, strict=True)]
        return [self.strategy.experimental_local_results(x)[0] for x in summed]

    def on_each(self, parts, function, values):
        """[function(number, value)], each on its part's device."""
        results = []
        for number, (part, value) in enumerate(zip(parts, values, strict=True)):
            with tf.device(part.device):
                results.append(function(number, value))
        return results

    def send(self, parts):
        """The owners' new weights, to all."""
        stretches = {}
        for part in parts:
            if part.rows:
                stretches.setdefault(id(part.source), []).append(part)
                continue
            value = part.local.read_value()
            for copy in part.copies:
                if copy is not part.local:
                    with tf.device(copy.device):
                        copy.assign(value)
        for cut in stretches.values():
            # Whole: TensorFlow copies a variable at each reading, once some of its rows
            # were assigned to.
            values = [part.value() for part in cut]
            for copy in cut[0].copies:
                with tf.device(copy.device):
                    copy.assign(tf.concat(values, 0))
            for part in cut:
                part.forget()

    def overwrite(self, averages, keys=None):
        """Sets weights, on all replicas, to their averages."""
        parts = [
            part
            for part in self.parts
            if keys is None or part.source.value._unique_id in keys
        ]
        for part in parts:
            with tf.device(part.device):
                part.weights().assign(averages[part.index].value)
        self.send(parts)


class Part:
    """A weight, or a stretch of its rows, and who owns it.

    To a Keras optimizer, a stretch looks like the variable whose rows it names.
    """

    def __init__(self, strategy, index, owner, source, rows):
        self.index = index
        self.source = source
        self.rows = rows
        self.copies = strategy.experimental_local_results(source.value)
        self.local = self.copies[owner]
        self.device = self.local.device
        self.dtype = source.dtype
        self.shape = tuple(source.shape)
        if rows:
            self.shape = (rows.stop - rows.start, *self.shape[1:])
        self.reference = self if rows else source
        self.name, self.path = source.name, source.path
        self._unique_id = f"{source.path}_{index}"  # by which Keras knows a variable
        self._new = None

    def of(self, tensor):
        """What belongs to this part of a tensor as large as the weight."""
        return tensor[self.rows] if self.rows else tensor

    def weights(self):
        """The owner's weights, as a variable."""
        return self if self.rows else self.local

    def value(self):
        return self.of(self.local.read_value()) if self._new is None else self._new

    def forget(self):
        """Lets go of what was assigned: by now the variable holds it."""
        self._new = None

    # As a variable, to which is assigned in thought until `ShardedState.send`

    def assign(self, value):
        self._new = tf.cast(value, self.local.dtype)

    def assign_add(self, value):
        self.assign(self.value() + tf.cast(value, self.local.dtype))

    def assign_sub(self, value):
        self.assign(self.value() - tf.cast(value, self.local.dtype))

    def __tf_tensor__(self, dtype=None, name=None):
        value = self.value()
        return value if dtype is None else tf.cast(value, dtype)


class Joined:
    """Variables that hold stretches of rows, as one array: to save it and to load it."""

    trainable = False

    def __init__(self, slices):
        self.slices = slices
        first = slices[0]
        self.dtype, self.name, self.path = first.dtype, first.name, first.path
        rows = sum(each.shape[0] for each in slices)
        self.shape = (rows, *first.shape[1:])

    @property
    def value(self):
        return self.numpy()

    def numpy(self):
        return np.concatenate([each.numpy() for each in self.slices])

    def __array__(self, dtype=None, copy=None):
        return self.numpy().astype(dtype or self.dtype)

    def __tf_tensor__(self, dtype=None, name=None):
        return tf.convert_to_tensor(self.numpy(), dtype)

    def assign(self, value):
        start = 0
        value = keras.ops.convert_to_numpy(value)
        for each in self.slices:
            each.assign(value[start : start + each.shape[0]])
            start += each.shape[0]


def _size(variable, rows):
    size = int(np.prod(tuple(variable.shape), dtype="int64"))
    return size * (rows.stop - rows.start) // variable.shape[0] if rows else size


def _stretches(variable, variables, number):
    """[None] for a weight that stays whole, else slices of its rows, one a replica.

    What is smaller than half a replica's share can be dealt out evenly as it is.
    """
    total = sum(_size(x, None) for x in variables)
    rows = variable.shape[0] if len(variable.shape) else 0
    if number == 1 or rows < number or _size(variable, None) * 2 * number <= total:
        return [None]
    edges = [rows * i // number for i in range(number + 1)]
    return [slice(*edges[i : i + 2]) for i in range(number)]


def _dealt(sizes, number):
    """Owner of each size: from the largest on, who has least takes the next."""
    loads, owners = [0] * number, [0] * len(sizes)
    for index in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        owner = loads.index(min(loads))
        owners[index] = owner
        loads[owner] += sizes[index]
    return owners
