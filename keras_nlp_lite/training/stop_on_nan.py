"""Training that ends at the first NaN, and says where it came from."""

import itertools
import threading
import warnings

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.monitoring.step_hooks import StepHook
from keras_nlp_lite.training.batch_texts import texts_of
from keras_nlp_lite.training.kept_batch import KeptBatch
from keras_nlp_lite.training.non_finite import NonFinite, find_non_finite

_MOST_TEXTS = 3
_TEXT_LENGTH = 120  # characters


class StopOnNaN(StepHook, keras.callbacks.Callback):
    """Stops training at the first loss or gradient that is NaN or infinite.

    The step that would spread it to the weights is not taken, nor is any after it:
    the model keeps the last weights that were good. The batch is then computed once
    more, layer by layer, and a warning names the layer and the tensor in which the
    first NaN or infinity stood, the batch and, where known, its texts. A task with a
    tokenizer tells the texts as the model read them.

    Costs one pass over the gradients a step. Where Keras scales the loss (float16), an
    overflow of the scaled gradients is no error; the loss itself is watched, and
    gradients once they overflow at a scale of 1. Weights that an update made infinite
    are found at the next step, or at the end of the epoch.

    Layers that draw random numbers draw in the second computation what they drew in
    the first, but for models that XLA compiles or that are spread over devices.

    Attributes:
        found: `NonFinite`, after training that it stopped; else None. Its `layer` and
            `tensor` are "" if the batch gives finite numbers when computed again.
        epoch, batch: int, where that was, counted from 0.
        data: The batch, as `train_step` got it: x, (x, y) or (x, y, sample_weight);
            one replica's.
        texts: list of str, the batch's; empty where they cannot be told.

    Example:

    >>> model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x, stop = np.array([[1.0], [float("nan")]]), StopOnNaN()
    >>> with warnings.catch_warnings(action="ignore"):
    ...     history = model.fit(
    ...         x, x, batch_size=1, shuffle=False, verbose=0, callbacks=[stop]
    ...     )
    >>> stop.batch, stop.found.tensor
    (1, 'input')
    """

    def __init__(self):
        super().__init__()
        self._forget()

    def _forget(self):
        self.found = self.epoch = self.batch = self.data = None
        self.texts = []
        self._kept, self._fed = [], []

    # Around the step, in the graph

    def set_model(self, model):
        super().set_model(model)
        self._forget()
        strategy = model.distribute_strategy
        with strategy.scope():
            self._steps = _counter(0)  # since `fit` began
            self._bad_step = _counter(-1)
        self._loss = threading.local()  # each replica has a thread
        optimizer = model.optimizer
        self._own = optimizer.apply, model.compute_loss
        self._given = vars(optimizer).get("apply"), vars(model).get("compute_loss")
        self._optimizer = optimizer
        vars(optimizer)["apply"] = self._apply
        vars(model)["compute_loss"] = self._compute_loss

    def unhook(self):
        self._free()
        owners = (self._optimizer, "apply"), (self.model, "compute_loss")
        for (owner, name), given in zip(owners, self._given, strict=True):
            vars(owner).pop(name, None)
            if given is not None:
                vars(owner)[name] = given

    def around_step(self, step, data):
        self._loss.values, self._loss.batch = [], None
        if not self.model.jit_compile:  # else `feed` keeps it
            spread = self.model.distribute_strategy.num_replicas_in_sync > 1
            states = [] if spread else _states(self.model)
            kept = KeptBatch(data, [tf.identity(state.value) for state in states])
            self._kept.append(kept)
            self._loss.batch = kept
        logs = step(data)
        self._steps.assign_add(1)
        return logs

    def _compute_loss(self, *args, **kwargs):
        loss = self._own[1](*args, **kwargs)
        if hasattr(self._loss, "values"):
            self._loss.values.append(tf.cast(loss, tf.float32))
        return loss

    def _apply(self, grads, trainable_variables=None):
        apply = self._own[0]
        optimizer, replica = self._optimizer, tf.distribute.get_replica_context()
        if not optimizer.built:
            with tf.init_scope():
                optimizer.build(trainable_variables)
        sums = [_sum(g) for g in grads if g is not None]
        bad_gradient = tf.reduce_any([~tf.math.is_finite(x) for x in sums])
        if hasattr(optimizer, "inner_optimizer"):
            # Above 1, the optimizer will find a scale that fits.
            scale = tf.convert_to_tensor(optimizer.dynamic_scale.value)
            bad_gradient &= scale <= 1.0
        bad_loss = tf.reduce_any([~tf.math.is_finite(x) for x in self._loss.values])
        bad_here = bad_loss | bad_gradient
        bad = replica.all_reduce("sum", tf.cast(bad_here, tf.float32)) > 0
        first = bad & (_local(self._bad_step) < 0)
        if self._loss.batch is not None:
            tf.cond(first & bad_here, self._loss.batch.keep, _nothing)
        step = tf.where(first, _local(self._steps), _local(self._bad_step))
        self._bad_step.assign(step)
        self._unless(step >= 0, apply, tuple(grads), trainable_variables)

    def _unless(self, stopped, apply, grads, variables):
        """Applies gradients, unless training has stopped."""
        if tf.__internal__.distribute.strategy_supports_no_merge_call():
            tf.cond(stopped, _nothing, lambda: _done(apply(grads, variables)))
            return

        # Replicas that wait for each other may not do so inside a condition of theirs:
        # the condition has to be that of all of them.
        def of_all(strategy, stopped, grads):
            def go_on():
                strategy.extended.call_for_each_replica(apply, args=(grads, variables))
                return True

            tf.cond(strategy.experimental_local_results(stopped)[0], _nothing, go_on)

        tf.distribute.get_replica_context().merge_call(of_all, args=(stopped, grads))

    # Around the batches, in Python

    def feed(self, iterator):
        # XLA cannot store a batch whose size it does not know. So Python does, and
        # calls the compiled step for each batch.
        if not self.model.jit_compile or not isinstance(iterator, tf.data.Iterator):
            return iterator
        self._fed = []
        first = next(iterator)
        return self._remembered(itertools.chain([first], iterator))

    def _remembered(self, batches):
        for batch in batches:
            self._fed.append(batch)
            yield batch

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._steps_before = int(self._steps.numpy())

    def on_train_batch_end(self, batch, logs=None):
        bad_step = int(self._bad_step.numpy())
        if self.model.run_eagerly and bad_step < 0:
            self._free()  # each step has made one
        if bad_step < 0 or self.found is not None:
            return
        self._stop(bad_step - self._steps_before)
        kept = next((each for each in self._kept if each.is_full()), None)
        if kept:
            self.data = kept.data()
            kept.rewind(_states(self.model))
        elif self._fed:
            self.data = self._fed[bad_step - int(self._steps.numpy())]
        if self.data is None:
            said = "It is in the batch of another worker, or of a device under XLA."
            self.found = NonFinite("", "", hint=said)
        else:
            said = (
                "Computed again, the batch gives finite numbers: it depends on random "
                "numbers, or the gradients' sum overflows."
            )
            found = find_non_finite(self.model, self.data)
            self.found = found or NonFinite("", "", hint=said)
            self.texts = texts_of(self.model, self.data)
        if kept:
            kept.rewind(_states(self.model))
        self._say()

    def on_epoch_end(self, epoch, logs=None):
        if self.found is not None:
            return
        for variable in self.model.trainable_variables:
            if not np.isfinite(float(_sum(variable.value))):
                self._stop(int(self._steps.numpy()) - self._steps_before - 1)
                owner, _, name = variable.path.rpartition("/")
                hint = "An update made it so: is the learning rate too high?"
                self.found = NonFinite(owner, f"weight {name}", hint=hint)
                self._say()
                return

    def _free(self):
        for each in self._kept:
            each.free()
        self._kept, self._fed = [], []

    def _stop(self, batch):
        self.epoch, self.batch = self._epoch, batch
        self.model.stop_training = True

    def _say(self):
        where = f"Training stopped in epoch {self.epoch}, batch {self.batch} (from 0)"
        what = f"first not finite: {self.found}" if self.found.tensor else ""
        said = f"{where}; {what or self.found.hint}"
        rows = self.texts and (self.found.rows or range(len(self.texts)))
        for row in itertools.islice(rows, _MOST_TEXTS):
            said += f"\nRow {row}: {self.texts[row][:_TEXT_LENGTH]!r}"
        warnings.warn(said, RuntimeWarning, stacklevel=2)


def _counter(value):
    # Each replica has its own, and all are the same.
    return tf.Variable(
        value,
        dtype=tf.int64,
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def _local(counter):
    return tf.convert_to_tensor(counter)


def _states(model):
    """What layers change as they run, in the same order each time: random numbers'
    seeds, moving averages. No frozen weights, which may be large."""
    states = {}
    for layer in model._flatten_layers():
        for generator in layer._seed_generators:
            states[id(generator.state)] = generator.state
        for variable in layer._non_trainable_variables:
            states[id(variable)] = variable
    return list(states.values())


def _sum(x):
    """float32: not finite if any number in x is not. One pass, nothing stored."""
    x = x.values if isinstance(x, tf.IndexedSlices) else x
    return tf.reduce_sum(tf.cast(x, tf.float32))


def _nothing():
    return True


def _done(_):
    return True
