"""A training step's batch, kept for later if the step says so."""

import uuid

import numpy as np
import tensorflow as tf


class KeptBatch:
    """A batch that outlives the step that had it, if that step asks for it.

    Until `keep` runs, nothing is stored. One is made for each trace of the step, and
    for each replica. Not for XLA, which stores nothing that was not there before.

    Args:
        data: The batch, a nest of tensors and None.
        states: list of tensors, what the model's states are before the step.
    """

    def __init__(self, data, states):
        self.structure = data
        self.flat = tf.nest.flatten(data, expand_composites=True)
        self.number = [i for i, x in enumerate(self.flat) if tf.is_tensor(x)]
        self.types = [self.flat[i].dtype for i in self.number]
        self.tensors = [self.flat[i] for i in self.number] + list(states)
        self.state_types = [state.dtype for state in states]
        with tf.init_scope():
            # No `tf.Variable`: a traced function may make none after its first trace.
            self.places = [_place(_storable(x.dtype)) for x in self.tensors]
            self.full = _place(tf.int64)
            tf.raw_ops.AssignVariableOp(resource=self.full, value=np.int64(0))

    def keep(self):
        """Stores the batch, in the graph. Returns True, for `tf.cond`."""
        for place, x in zip(self.places, self.tensors, strict=True):
            value = tf.cast(x, _storable(x.dtype))
            tf.raw_ops.AssignVariableOp(resource=place, value=value)
        tf.raw_ops.AssignVariableOp(resource=self.full, value=np.int64(1))
        return True

    def is_full(self):
        """Whether a step has stored it."""
        return int(tf.raw_ops.ReadVariableOp(resource=self.full, dtype=tf.int64)) == 1

    def data(self):
        """The batch, as the step got it."""
        flat = [None] * len(self.flat)
        values = self._values(self.places[: len(self.number)], self.types)
        for i, value in zip(self.number, values, strict=True):
            flat[i] = value
        return tf.nest.pack_sequence_as(self.structure, flat, expand_composites=True)

    def rewind(self, variables):
        """Gives a model's states the values that they had before the step."""
        values = self._values(self.places[len(self.number) :], self.state_types)
        for variable, value in zip(variables, values):  # none where it is spread
            variable.assign(value)

    def free(self):
        """Gives the memory back."""
        for place in [*self.places, self.full]:
            tf.raw_ops.DestroyResourceOp(resource=place, ignore_lookup_error=True)

    def _values(self, places, types):
        return [
            tf.cast(
                tf.raw_ops.ReadVariableOp(resource=place, dtype=_storable(dtype)), dtype
            )
            for place, dtype in zip(places, types, strict=True)
        ]


def _place(dtype):
    name = f"kept_{uuid.uuid4().hex}"
    unknown = tf.TensorShape(None)
    return tf.raw_ops.VarHandleOp(dtype=dtype, shape=unknown, shared_name=name)


def _storable(dtype):
    """Devices hold no small integers in variables."""
    return dtype if dtype.is_floating or dtype == tf.string else tf.int64
