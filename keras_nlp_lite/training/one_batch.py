"""Whether a model can learn at all: one batch, again and again."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int, check_rate
from keras_nlp_lite.training.rehearsal import prepared_batches, rehearsal

_RATES = (1e-3, 1e-4, 1e-2)  # of Adam, tried in turn until one is enough
_MOST_NAMES = 5


@dataclasses.dataclass
class OneBatch:
    """What a model made of one batch.

    Attributes:
        passed: bool, whether the loss fell as far as was asked.
        first, last: float, the loss before the first step, and the lowest reached.
        learning_rate: float, the rate that reached it.
        findings: list of str, what to look at; empty if nothing is odd.
    """

    passed: bool
    first: float
    last: float
    learning_rate: float
    findings: list[str]

    def __str__(self):
        said = "learned" if self.passed else "did not learn"
        lines = [
            f"The model {said} one batch: loss {self.first:.4g} to {self.last:.4g}, "
            f"with Adam at {self.learning_rate:g}."
        ]
        return "\n".join(lines + [f"- {finding}" for finding in self.findings])


def overfit_one_batch(model, data, steps=100, *, goal=0.1, batch_size=None):
    """Trains a model on one batch alone, which any sound model learns by heart.

    A model that cannot has an error that no amount of data mends: a loss that does not
    fit the outputs, weights without gradient, labels that belong to other rows. The
    training step is the model's own, with dropout off, under Adam at 1e-3, and if that
    is not enough at 1e-4 and 1e-2. Afterwards the model is what it was.

    Args:
        model: A compiled keras.Model; a task compiles itself. Its optimizer is left
            alone: whether it learns well is another question.
        data: What `fit` takes; the first batch is taken.
        steps: Most steps at one rate.
        goal: Share of its first value that the loss has to fall to.
        batch_size: Of lists or arrays; 32 by default.

    Returns:
        OneBatch; `print` it.

    Raises:
        ValueError: a model without a loss; data without a batch.

    Example:

    >>> keras.utils.set_random_seed(0)
    >>> model = keras.Sequential([keras.layers.Dense(2, activation="softmax")])
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> print(overfit_one_batch(model, (np.eye(4), [0, 1, 0, 1]), steps=400))
    The model learned one batch: loss ... with Adam at 0.01.
    """
    check_positive_int("steps", steps)
    check_rate("goal", goal)
    first = prepared_batches(model, data, batch_size).take(1)
    batch = next(iter(first), None)
    if batch is None:
        raise ValueError("`data` must hold a batch. Received: none.")
    # Prepared once: a preprocessor that draws random numbers would give others.
    same = tf.data.Dataset.from_tensors(batch).repeat()
    best = None
    with (
        rehearsal(model, same, keras.optimizers.Adam) as trial,
        _without_dropout(model),
    ):
        for rate in _RATES:
            trial.start_over()
            trial.optimizer.learning_rate = rate
            watch = _Watch(goal)
            trial.fit(same, steps, watch)
            outputs = model(_unpack(batch)[0], training=False)
            if best is None or watch.lowest < best[0].lowest:
                best = watch, rate, outputs
            if watch.passed:
                break
    watch, rate, outputs = best
    findings = [
        *_about_labels(batch),
        *([] if watch.passed else _about_outputs(outputs)),
        *_about_gradients(model, batch),
    ]
    if not np.isfinite(watch.first):
        findings.insert(0, "The first loss is no number: `StopOnNaN` tells where.")
    return OneBatch(watch.passed, watch.first, watch.lowest, rate, findings)


class _Watch(keras.callbacks.Callback):
    """Stops once the loss is low enough, or no number."""

    def __init__(self, goal):
        super().__init__()
        self.goal = goal
        self.first, self.lowest, self.passed = None, np.inf, False

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()  # which average over steps

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        if self.first is None:
            self.first = loss
        self.lowest = min(self.lowest, loss)
        self.passed = self.lowest <= self.goal * self.first
        if self.passed or not np.isfinite(loss):
            self.model.stop_training = True


class _without_dropout:
    """Lets a model's training step call it as for answering."""

    def __init__(self, model):
        self.attributes = vars(model)

    def __enter__(self):
        # What Keras's step asks before it says `training=True`.
        self.before = self.attributes["_call_has_training_arg"]
        self.attributes["_call_has_training_arg"] = False

    def __exit__(self, *_):
        self.attributes["_call_has_training_arg"] = self.before


def _unpack(batch):
    return keras.utils.unpack_x_y_sample_weight(batch)


def _about_labels(batch):
    x, y, weights = _unpack(batch)
    if weights is not None and not np.any(_numbers(weights)):
        yield "All sample weights are 0: nothing counts."
    if y is None or len(tf.nest.flatten(y)) != 1:
        return
    labels = _rows(y)
    if len(labels) > 1 and (labels == labels[0]).all():
        yield (
            "All rows have the same label, so this batch shows little. Are the data "
            "sorted? Shuffle them."
        )
    inputs = [_rows(part) for part in tf.nest.flatten(x) if isinstance(part, tf.Tensor)]
    if len(inputs) != len(tf.nest.flatten(x)):
        return
    seen = {}
    for row, label in enumerate(labels):
        key = b"".join(part[row].tobytes() for part in inputs)
        other = seen.setdefault(key, (row, label))
        if not np.array_equal(other[1], label):
            yield (
                f"Rows {other[0]} and {row} are equal to the model, and have different "
                "labels. Is the vocabulary right, or the text cut too short?"
            )
            return


def _about_outputs(outputs):
    outputs = tf.nest.flatten(outputs)[0]
    rows = _rows(outputs)
    if len(rows) > 1 and np.allclose(rows, rows[0], rtol=1e-4, atol=1e-6):
        yield (
            "The outputs are the same for all rows: something between input and "
            "output loses what sets them apart (a mask, a pooling, a dead activation)."
        )


def _about_gradients(model, batch):
    if not model.trainable_variables:
        yield "No weight is trainable: all layers are frozen, or there are none."
        return
    x, y, weights = _unpack(batch)
    with tf.GradientTape() as tape:
        outputs = model(x, training=False)
        loss = model.compute_loss(x, y, outputs, weights)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    names = [variable.path for variable in model.trainable_variables]
    missing = [name for name, g in zip(names, gradients, strict=True) if g is None]
    still = [
        name
        for name, g in zip(names, gradients, strict=True)
        if g is not None and not np.any(_numbers(g))
    ]
    if missing:
        yield f"No gradient reaches {_listed(missing)}: is the layer used?"
    if still:
        yield (
            f"The gradient is 0 at {_listed(still)}: a dead activation, or a part of "
            "the input that this batch does not use."
        )


def _listed(names):
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def _numbers(x):
    x = x.values if isinstance(x, tf.IndexedSlices) else x
    return np.concatenate([np.ravel(np.asarray(part)) for part in tf.nest.flatten(x)])


def _rows(x):
    """[B, anything], of a tensor or the one tensor in a structure."""
    x = np.asarray(tf.nest.flatten(x)[0])
    return x.reshape(len(x), -1) if x.ndim else x.reshape(1, 1)
