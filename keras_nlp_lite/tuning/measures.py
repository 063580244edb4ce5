"""What is measured of a trained model that `fit` does not log: latency and size."""

import os
import statistics
import tempfile
import time

import tensorflow as tf

from keras_nlp_lite.data.raw_batches import raw_batches

_CALLS, _WARM = 30, 3


def one_text(data):
    """The first row of training data as `fit` takes it, as a batch of one."""
    batches = raw_batches(*(data if isinstance(data, tuple) else (data,)))
    x = next(iter(batches))
    x = x[0] if isinstance(x, tuple) else x
    return tf.nest.map_structure(lambda part: part[:1].numpy(), x)


def latency(model, row):
    """Milliseconds from raw input to the answer, a row at a time: the median of calls.

    Args:
        model: Anything with `predict_on_batch`.
        row: A batch of one.
    """
    seconds = []
    for _ in range(_WARM + _CALLS):
        start = time.perf_counter()
        model.predict_on_batch(row)
        seconds.append(time.perf_counter() - start)
    return 1e3 * statistics.median(seconds[_WARM:])


def megabytes(model):
    """Of the model's file without its optimizer, in 10**6 bytes: of what is deployed.

    Args:
        model: A compiled Keras model.
    """
    optimizer, model.optimizer = model.optimizer, None
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.keras")
            model.save(path)
            return os.path.getsize(path) / 1e6
    finally:
        model.optimizer = optimizer
