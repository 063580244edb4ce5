"""How many examples and tokens a second a model trains on."""

from time import perf_counter

import keras
import tensorflow as tf

from keras_nlp_lite.monitoring.step_hooks import StepHook
from keras_nlp_lite.monitoring.token_counts import count_rows, count_tokens


class Throughput(StepHook, keras.callbacks.Callback):
    """Adds `examples_per_second` and `tokens_per_second` to the logs of each epoch.

    So they stand in `History`, in the progress bar's line and, where callbacks that
    write logs come after it, in TensorBoard. Counted are the rows that the step got,
    in all replicas, and their tokens without padding. Seconds are those of training,
    without validation, and without the first call of each `fit`, which traces the
    step; an epoch of that call alone has no rate.

    Tokens are where a `padding_mask` is not 0; without one, where `token_ids` or the
    integers [B, T] of the input are not 0. Input of another kind has no tokens, and
    `tokens_per_second` is left out.

    Attributes:
        examples, tokens: int, of the last epoch, in the time that was measured.
        seconds: float, that time.

    Example:

    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = keras.ops.ones([6, 3])
    >>> arguments = {"batch_size": 2, "epochs": 2, "verbose": 0}
    >>> history = model.fit(x, x[:, 0], callbacks=[Throughput()], **arguments)
    >>> [rate > 0 for rate in history.history["examples_per_second"]]
    [True, True]
    """

    def __init__(self):
        super().__init__()
        self.examples = self.tokens = 0
        self.seconds = 0.0
        self._counts = None
        self._has_tokens = False

    def set_model(self, model):
        super().set_model(model)
        with model.distribute_strategy.scope():
            # Each replica counts for itself; to read them is to add them up.
            self._counts = tf.Variable(
                [0, 0],
                dtype=tf.int64,
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )
        self._has_tokens = False

    def around_step(self, step, data):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        tokens = count_tokens(x)
        self._has_tokens = tokens is not None
        tokens = tf.zeros([], tf.int64) if tokens is None else tokens
        self._counts.assign_add(tf.stack([count_rows(x), tokens]))
        return step(data)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._start = self._end = None
        self._traced = False

    def on_epoch_begin(self, epoch, logs=None):
        self._start = self._now() if self._traced else None
        self._end = None

    def on_train_batch_end(self, batch, logs=None):
        if not self._traced:
            self._traced = True
            self._start = self._now()

    def on_test_begin(self, logs=None):
        super().on_test_begin(logs)
        # Validation, inside `fit`.
        self._end = self._end or self._now()

    def on_epoch_end(self, epoch, logs=None):
        if self._start is None:
            return
        then, rows_then, tokens_then = self._start
        now, rows_now, tokens_now = self._end or self._now()
        self.seconds = now - then
        self.examples, self.tokens = rows_now - rows_then, tokens_now - tokens_then
        if self.examples and logs is not None:
            logs["examples_per_second"] = self.examples / self.seconds
            if self._has_tokens:
                logs["tokens_per_second"] = self.tokens / self.seconds

    def _now(self):
        """(seconds, examples, tokens)"""
        examples, tokens = self._counts.numpy().tolist()
        # Read the clock afterwards: the counts are there once the device is done.
        return perf_counter(), examples, tokens
