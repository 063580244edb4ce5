"""Tokens and padding of a run, counted where they pass: inside the training step."""

import keras
import tensorflow as tf

from keras_nlp_lite.monitoring.step_hooks import StepHook
from keras_nlp_lite.monitoring.token_counts import TokenCounts, count_batch


class StepCounts(StepHook, keras.callbacks.Callback):
    """Adds up what the batches of a `fit` hold, in all replicas.

    Input that is no tokens is not counted, and costs nothing.

    Example:

    >>> model = keras.Sequential([keras.layers.Embedding(9, 2), keras.layers.Flatten()])
    >>> model.compile("sgd", "mse")
    >>> ids, counts = keras.ops.array([[7, 8, 0], [8, 0, 0]]), StepCounts()
    >>> history = model.fit(ids, ids[:, :1], verbose=0, callbacks=[counts])
    >>> counts.read()
    TokenCounts(rows=2, tokens=3, places=6, pairs=5)
    """

    def __init__(self):
        super().__init__()
        self.input_spec = None  # of the model's prepared input, once a step is traced
        self._sums = None
        self._found = False

    def set_model(self, model):
        super().set_model(model)
        with model.distribute_strategy.scope():
            # Each replica counts for itself; to read them is to add them up.
            self._sums = tf.Variable(
                [0, 0, 0, 0],
                dtype=tf.int64,
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )
        self._found = False
        self.input_spec = None

    def around_step(self, step, data):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        self.input_spec = tf.nest.map_structure(tf.type_spec_from_value, x)
        counts = count_batch(x)
        if counts is not None:
            self._found = True
            self._sums.assign_add(tf.stack(counts))
        return step(data)

    def read(self):
        """TokenCounts of int since `fit` began; None if there were no tokens."""
        return TokenCounts(*self._sums.numpy().tolist()) if self._found else None
