"""The mend that lets Keras train on several workers, where Keras needs it.

Keras 3.15's TensorFlow trainer stops under `tf.distribute.MultiWorkerMirroredStrategy`
(https://github.com/keras-team/keras/issues/20585): before it trains it takes the mean of
a batch over workers, which TensorFlow refuses, and after each step it takes the mean of
metrics over an axis that numbers do not have.
"""

import inspect
import zlib

import keras
import tensorflow as tf
from keras.src.backend.tensorflow import trainer as keras_trainer

# Checksums of the two functions as this mend knows them: in Keras 3.15.
_KNOWN = {"_maybe_symbolic_build": 3929765405, "reduce_per_replica": 4008130976}


def mend_keras():
    """Replaces the two functions, once, if Keras still has them as they were.

    Raises:
        RuntimeError: Keras has others, of which nobody knows whether they work.
    """
    trainer = keras_trainer.TensorFlowTrainer
    if hasattr(keras_trainer.reduce_per_replica, "before"):
        return
    for holder, name in (
        (trainer, "_maybe_symbolic_build"),
        (keras_trainer, "reduce_per_replica"),
    ):
        source = inspect.getsource(getattr(holder, name))
        if zlib.crc32(source.encode()) != _KNOWN[name]:
            raise RuntimeError(
                "Training on several workers takes a mend of Keras, which is known to "
                f"work with Keras 3.15. Received: Keras {keras.__version__}, whose "
                f"`{name}` is another. Try pip install 'keras~=3.15.0'."
            )
    _reduce.before = keras_trainer.reduce_per_replica
    _build.before = trainer._maybe_symbolic_build
    keras_trainer.reduce_per_replica = _reduce
    trainer._maybe_symbolic_build = _build


def _build(self, iterator=None, data_batch=None):
    """Builds the model for what one replica gets of a batch."""
    strategy = self._distribute_strategy
    if iterator is not None and strategy is not None:
        for _, _, batches in iterator:
            data_batch = tf.nest.map_structure(
                lambda part: strategy.experimental_local_results(part)[0], next(batches)
            )
            break
    return _build.before(self, data_batch=data_batch)


def _reduce(values, strategy, reduction):
    """The mean of numbers over all replicas of all workers, in one exchange; or all
    rows of theirs, ragged ones too, for which Keras has no way."""
    if not keras_trainer._collective_all_reduce_multi_worker(strategy):
        return _reduce.before(values, strategy, reduction)
    if reduction == "concat":
        return tf.nest.map_structure(lambda part: _rows(part, strategy), values)
    if reduction not in ("auto", "mean"):
        return _reduce.before(values, strategy, reduction)
    parts = tf.nest.flatten(values)

    def stacked(*parts):
        return tf.stack([tf.cast(part, tf.float32) for part in parts])

    means = strategy.reduce("MEAN", strategy.run(stacked, parts), axis=None)
    return tf.nest.pack_sequence_as(values, tf.unstack(means, len(parts)))


def _rows(part, strategy):
    first = strategy.experimental_local_results(part)[0]
    if not isinstance(first, tf.RaggedTensor):
        return _reduce.before(part, strategy, "concat")
    pieces = strategy.run(lambda rows: (rows.values, rows.row_lengths()), (part,))
    return tf.RaggedTensor.from_row_lengths(*_reduce.before(pieces, strategy, "concat"))
