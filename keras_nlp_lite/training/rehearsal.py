"""Training on trial: afterwards the model is as it was."""

import contextlib

import keras
import tensorflow as tf

from keras_nlp_lite.data.raw_batches import raw_batches
from keras_nlp_lite.tasks.task import Task

# What `fit` leaves on a model, beside its variables.
_TRACES = (
    "optimizer",
    "train_function",
    "test_function",
    "steps_per_execution",
    "stop_training",
    "history",
)


def prepared_batches(model, data, batch_size=None):
    """A Dataset of batches as the model's training step takes them.

    Args:
        model: A task, whose preprocessor then runs, or any other Keras model.
        data: What `fit` takes: a Dataset, generator or PyDataset of batches, or a
            tuple of lists or arrays, (x, y) or (x, y, sample_weight), which come in
            random order.
        batch_size: Of lists or arrays; 32 by default.

    Raises:
        ValueError: the data is of another structure.
    """
    parts = data if isinstance(data, tuple) else (data,)
    raw = raw_batches(*parts, batch_size=batch_size, shuffle=True)
    if not isinstance(model, Task):
        return raw
    if not model.compiled:
        model.compile()
    if model.preprocessor is None:
        return raw
    model.check_data(raw, labels=True)
    model.ensure_built()

    def prepare(*parts):
        with tf.device("CPU:0"):
            prepared = model.preprocess(*parts)
        return prepared[0] if len(prepared) == 1 else prepared

    return raw.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


class Rehearsal:
    """Training on trial. Made by `rehearsal`.

    Attributes:
        model: keras.Model.
        optimizer: Its optimizer for now.
    """

    def __init__(self, model, optimizer):
        self.model = model
        self.optimizer = optimizer
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        self._before = [
            (variable, keras.ops.convert_to_numpy(variable))
            for variable in [*model.variables, *optimizer.variables]
        ]

    def fit(self, batches, steps, callback):
        """Keras's `fit`, past a task's own: the batches are prepared.

        Args:
            batches: Dataset, repeated.
            steps: int.
            callback: keras.callbacks.Callback.
        """
        keras.Model.fit(
            self.model,
            batches,
            steps_per_epoch=steps,
            callbacks=[callback],
            shuffle=False,
            verbose=0,
        )

    def start_over(self):
        """Gives model and optimizer what they had at the beginning."""
        for variable, value in self._before:
            variable.assign(value)


@contextlib.contextmanager
def rehearsal(model, batches, optimizer_fn):
    """Trains a compiled model with another optimizer, and undoes it.

    Weights, the state of random layers, the model's own optimizer and its traced
    functions are in the end what they were; metrics are reset. What was not built is
    built then, as `fit` would have done. Weights are copied to memory meanwhile.

    Args:
        model: A compiled keras.Model.
        batches: Dataset, as `prepared_batches` gives it.
        optimizer_fn: Function that makes the optimizer.

    Yields:
        Rehearsal, whose `fit` takes one step a call.

    Raises:
        ValueError: the model is not compiled.
    """
    if not model.compiled:
        raise ValueError(
            f"This {type(model).__name__} has no loss yet. Try `model.compile(...)`."
        )
    _build(model, batches)
    attributes = vars(model)  # past Keras and TensorFlow, which would track these
    before = {name: attributes[name] for name in _TRACES if name in attributes}
    with model.distribute_strategy.scope():
        optimizer = optimizer_fn()
        scales = model.dtype_policy.name == "mixed_float16"
        if scales and not hasattr(optimizer, "inner_optimizer"):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        trial = Rehearsal(model, optimizer)
    attributes.update(
        optimizer=optimizer,
        train_function=None,
        test_function=None,
        steps_per_execution=1,
    )

    try:
        yield trial
    finally:
        for name in _TRACES:
            attributes.pop(name, None)
        attributes.update(before)
        trial.start_over()
        model.reset_metrics()


def _build(model, batches):
    """Makes the weights, if there are none: Keras would make them in the first step."""
    if all(layer.built for layer in model._flatten_layers()):
        return
    x, _, _ = keras.utils.unpack_x_y_sample_weight(next(iter(batches)))
    with model.distribute_strategy.scope():
        model(x, training=False)
