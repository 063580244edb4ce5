"""A training run that goes on where it was when its script is started again."""

import math
import os
import time
import warnings

import keras
import tensorflow as tf

from keras_nlp_lite.training.agreement import numbers_of_all
from keras_nlp_lite.training.callback_states import (
    get_callback_state,
    set_callback_state,
)
from keras_nlp_lite.training.checkpoints import Checkpoints
from keras_nlp_lite.training.cluster import count_workers
from keras_nlp_lite.training.end_request import EndRequest
from keras_nlp_lite.training.random_state import (
    get_random_state,
    is_seeded,
    set_random_state,
)
from keras_nlp_lite.training.states import pack, unpack
from keras_nlp_lite.training.variables import (
    check_variables,
    count_variables,
    read_variable,
    readers,
    set_variables,
    training_variables,
)
from keras_nlp_lite.workers import is_chief


class ResumableRun(keras.callbacks.Callback):
    """Keeps a run on disk; the same script, started again, goes on with it.

    A checkpoint holds the weights, the optimizer, the metrics so far, the state of
    random generators and of callbacks, the place in the data, and the history. The
    losses that follow are those of a run that was never stopped, to the last bit, on
    the same machine and number of devices. `fit` of a run that is over returns at once
    with its history, or trains the epochs that there are more of.

    Checkpoints are written at the end of each epoch, every so many steps or minutes,
    and when the process is told to end (SIGTERM), which it then does, with status 143.
    A checkpoint counts only once it is whole on the disk. If one is damaged later, the
    one before it is taken. If the disk is full, training goes on with a warning, and
    what was written before stays. A loss that is not finite is not kept.

    The model is one of this package's tasks. Any other `keras.Model` goes on from the
    end of an epoch: its data must come in an order that does not depend on the epochs
    before, it must be built before `fit`, and other callbacks keep no state.

    What has to be the same in both processes: the script, with its data, and
    `keras.utils.set_random_seed`, called before data and model are made, without which
    a Dataset that shuffles has another order. On a GPU, losses are equal to the bit only under
    `tf.config.experimental.enable_op_determinism()`. A Dataset gives the same batches
    if its randomness is in `Dataset.shuffle`, `Dataset.random`, or this package's
    readers; its first batch is read again for each epoch that is over, and the batches
    of the epoch under way. A generator, and epochs of `steps_per_epoch`, are read again
    from their beginning.

    With several workers the folder is one that all can read; the first of them writes.
    When it is told to end, or the minutes are over, it does not wait for the others:
    metrics of the epoch under way, as shown, then begin anew.

    Args:
        folder: Of this run alone. Holds a folder for each checkpoint.
        every_steps: Batches, counted through all epochs, between checkpoints that come
            in addition to those at the end of each epoch; or a few more where a call of
            the training function runs several. A run that has fewer batches gets none
            of these. None: only at the end of each epoch.
        every_minutes: Minutes between them, in addition.
        keep: How many checkpoints stay. With 1 there is none to go back to where the
            newest is damaged.

    Raises:
        ValueError: in `fit`: no checkpoint is whole; the model is another one; workers
            find unlike checkpoints.

    Example:

    >>> import tempfile
    >>> from keras_nlp_lite.tasks import BagOfNgramsClassifier
    >>> folder = tempfile.mkdtemp()
    >>> def script(epochs):
    ...     keras.utils.set_random_seed(1)
    ...     model = BagOfNgramsClassifier(2)
    ...     model.adapt(["good", "bad"])
    ...     return model.fit(
    ...         ["good", "bad"],
    ...         [1, 0],
    ...         epochs=epochs,
    ...         callbacks=[ResumableRun(folder)],
    ...         verbose=0,
    ...     ).history["loss"]
    >>> begun = script(epochs=2)
    >>> ended = script(epochs=3)
    >>> len(ended), ended[:2] == begun
    (3, True)
    """

    resumes_fit = True  # a task's `fit` looks for this

    def __init__(self, folder, every_steps=None, every_minutes=None, keep=2):
        super().__init__()
        for name, value in (
            ("every_steps", every_steps),
            ("every_minutes", every_minutes),
            ("keep", keep),
        ):
            if value is not None and not value > 0:
                raise ValueError(
                    f"`{name}` must be more than 0. Received: {name}={value}."
                )
        self.every_steps = every_steps
        self.every_minutes = every_minutes
        self.checkpoints = Checkpoints(folder, keep)
        self._end_request = EndRequest()
        self._begin(None, [])

    def _begin(self, task, callbacks):
        self.position = None  # where an earlier process was, for `Replay`
        self._task = task
        self._others = [callback for callback in callbacks if callback is not self]
        self._found = None
        self._seed = self._random = None  # what `fit` began with
        self._epoch = self._step = 0  # batches of the epoch that are over
        self._ends = []  # the batches of epochs before
        self._steps_before = 0  # batches, of epochs before
        self._logs = None
        self._history = {"epoch": [], "logs": {}}
        self._metrics = None  # arrays, put aside while validation uses the metrics
        self._saved_at = time.monotonic()  # seconds

    # What a task's `fit` asks for

    def take_up(self, model, callbacks, epochs):
        """Looks for a run to go on with; `position` tells what there is.

        Args:
            model: The model that is to train; its weights are left as they are.
            callbacks: All of them, a list or a CallbackList.
            epochs: int, at whose end training is over.
        """
        self._begin(model, list(getattr(callbacks, "callbacks", callbacks)))
        self._find(model)
        if self._found is None:
            if not is_seeded() and not _workers(model):
                self._seed = int.from_bytes(os.urandom(4), "little")
            self._random = get_random_state()
        else:
            state = self._found.state
            self._seed = state["seed"]
            self._random = unpack(state["random_at_first"], self._found.arrays)
            set_random_state(self._random)
            over = state["stopped"] or state["epoch"] >= epochs
            self.position = {
                "epoch": epochs if over else state["epoch"],
                "step": 0 if over else state["step"],
                "ends": state["ends"],
                "logs": unpack(state["logs"], self._found.arrays)
                if state["step"]
                else None,
                "over": over,
            }
        if self._seed is not None:
            tf.random.set_seed(self._seed)

    def has_all_variables(self):
        """Whether the model and its optimizer have as many variables as they had."""
        model, arrays = self._task, self._found.arrays
        if not model.built or not _same_number("model", model.variables, arrays):
            return False
        if model.optimizer is not None and not model.optimizer.built:
            with model.distribute_strategy.scope():
                model.optimizer.build(model.trainable_variables)
        groups = training_variables(model).items()
        return all(_same_number(*group, arrays) for group in groups)

    def restore(self):
        """Gives all variables but the metrics' the values that they had."""
        model, found = self._task, self._found
        groups = training_variables(model)
        for group, variables in groups.items():
            check_variables(group, variables, found.arrays, found.path)
        for group, variables in groups.items():
            set_variables(group, variables, found.arrays, model.distribute_strategy)

    def let_go(self):
        """`fit` is over, or has failed: signals are again what they were."""
        self._end_request.let_go()

    # What Keras calls

    def on_train_begin(self, logs=None):
        if self._task is not self.model:
            self._begin(None, [])
            self._find(self.model)
            self._restore_epoch()
        if self._found is not None:
            self._go_on()
        self._saved_at = time.monotonic()
        # Should `fit` of a model that is no task fail, nobody would let go.
        self._end_request.listen(once=self._task is None)

    def on_epoch_begin(self, epoch, logs=None):
        if self._found is not None:
            if self._task is None:
                self.model._initial_epoch = None
            if self._step:
                self._restore_callbacks()
                self._restore_metrics()
            self._give_history()
            self._found = None
        else:
            self._step = 0
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        before, self._step = self._total(), batch + 1
        self._logs = logs
        if self._end_request.came:
            self._save_and_end()
        elif self.every_steps and (
            self._total() // self.every_steps > before // self.every_steps
        ):
            self._save()
        elif self.every_minutes and (
            time.monotonic() - self._saved_at >= 60 * self.every_minutes
        ):
            self._save(together=False)  # the clocks of other workers differ

    def on_test_begin(self, logs=None):
        # Validation is about to use the metrics for its own counts.
        if self._step:
            self._metrics = self._read_metrics()

    def on_test_batch_end(self, batch, logs=None):
        if self._end_request.came:
            self._save_and_end()

    def on_epoch_end(self, epoch, logs=None):
        self._steps_before = self._total()
        self._ends.append(self._step)
        self._epoch, self._step, self._metrics = epoch + 1, 0, None
        self._logs = logs
        self._history["epoch"].append(epoch)
        for name, value in (logs or {}).items():
            self._history["logs"].setdefault(name, []).append(value)
        self._save(at_epoch_end=True)
        if self._end_request.came:
            self._end()

    def on_train_end(self, logs=None):
        if self._found is not None:
            self.model._initial_epoch = None
            self._give_history()
            self._found = None
        if self._end_request.came:
            self._end()
        self.let_go()

    # Going on

    def _find(self, model):
        if is_chief(model.distribute_strategy):
            self.checkpoints.sweep()
        self._found, torn = self.checkpoints.newest()
        if torn and self._found is None:
            raise ValueError(
                f"No checkpoint of this run is whole. Received: {'; '.join(torn)}. Try "
                "a copy of the folder, or a new folder to begin again."
            )
        for line in torn:
            _say(f"A checkpoint is damaged, and the one before is taken. {line}")
        if _workers(model):
            self._check_that_workers_agree(model.distribute_strategy)

    def _check_that_workers_agree(self, strategy):
        steps = numbers_of_all(strategy, self._found.step if self._found else -1)
        if len(set(steps)) > 1:
            found = ", ".join("none" if step < 0 else f"step {step}" for step in steps)
            raise ValueError(
                "All workers must find the same checkpoint. Received: folder="
                f"{self.checkpoints.folder!r}, in which they find {found}. Try a folder "
                "that all machines share."
            )

    def _restore_epoch(self):
        """For a model that is no task: the last epoch's end."""
        if self._found is None:
            return
        model, state = self.model, self._found.state
        if not model.built:
            raise ValueError(
                "A model that is no task of this package must be built before it goes "
                f"on with a run. Received: {model.name!r}, with no weights. Try "
                "`model.build(input_shape)`, or call it on a batch."
            )
        self._task = model
        self.has_all_variables()  # it makes those of the optimizer
        self.restore()
        self._task = None
        epochs = self.params["epochs"]
        model._initial_epoch = epochs if state["stopped"] else state["epoch"]

    def _go_on(self):
        found, state = self._found, self._found.state
        self._epoch, self._step = state["epoch"], state["step"]
        self._ends = list(state["ends"])
        self._steps_before = state["steps_before"]
        self._history = unpack(state["history"], found.arrays)
        self._restore_callbacks()
        over = self.position is not None and self.position["over"]
        if self.params.get("verbose") and not over:
            print(
                f"Going on from {found.path}: epoch {self._epoch + 1}, "
                f"{self._step} batches of it done."
            )

    def _restore_callbacks(self):
        found = self._found
        states = list(found.state["callbacks"])
        for callback in self._others:
            name = type(callback).__name__
            kept = next((entry for entry in states if entry[0] == name), None)
            if kept is not None:
                states.remove(kept)
                set_callback_state(callback, unpack(kept[1], found.arrays))
        set_random_state(unpack(found.state["random"], found.arrays))

    def _restore_metrics(self):
        if not self._found.state["has_metrics"]:
            return
        variables, arrays = self.model.metrics_variables, self._found.arrays
        check_variables("metrics", variables, arrays, self._found.path)
        set_variables("metrics", variables, arrays, self.model.distribute_strategy)

    def _give_history(self):
        history = getattr(self.model, "history", None)
        if history is not None:
            history.epoch = list(self._history["epoch"])
            history.history = {k: list(v) for k, v in self._history["logs"].items()}

    # Keeping

    def _total(self):
        """int, batches of the whole run that are over."""
        most = self.params.get("steps") or math.inf
        return self._steps_before + int(min(self._step, most))

    def _read_metrics(self):
        return [read_variable(v) for v in self.model.metrics_variables]

    def _save(self, at_epoch_end=False, together=True):
        """Writes a checkpoint.

        Args:
            at_epoch_end: Whether the epoch is over, with all that belongs to it.
            together: Whether all workers are here.
        """
        if self._task is None and not at_epoch_end:
            return  # nobody could go on from there
        total = self._total()
        self._saved_at = time.monotonic()
        loss = (self._logs or {}).get("loss", 0.0)
        if isinstance(loss, float) and not math.isfinite(loss):
            _say(f"No checkpoint at step {total}: the loss is {loss}.")
            return
        metrics = None
        if self._step and (together or not _workers(self.model)):
            metrics = self._read_metrics() if self._metrics is None else self._metrics
        if not is_chief(self.model.distribute_strategy):
            return
        arrays = {}
        for group, variables in training_variables(self.model).items():
            arrays.update(readers(group, variables))
        if metrics is not None:
            variables = self.model.metrics_variables
            for name, value in zip(readers("metrics", variables), metrics):
                arrays[name] = _array(value)
        try:
            state = self._state(metrics is not None, arrays)
            self.checkpoints.write(total, arrays, state)
        except OSError as error:
            there = self.checkpoints.steps()
            stays = (
                f"{self.checkpoints.path(there[-1])} stays"
                if there
                else "none is there"
            )
            _say(
                f"No checkpoint at step {total} in {self.checkpoints.folder!r}: {error}. "
                f"Training goes on; {stays}."
            )

    def _state(self, has_metrics, arrays):
        """JSON; what is not, goes to `arrays`."""
        loose = {}
        callbacks = []
        for i, callback in enumerate(self._others):
            state = get_callback_state(callback)
            if state is not None:
                packed = pack(state, f"callbacks/{i}", loose)
                callbacks.append([type(callback).__name__, packed])
        state = {
            "epoch": self._epoch,
            "step": self._step,
            "steps_before": self._steps_before,
            "ends": self._ends,
            "stopped": bool(self.model.stop_training),
            "seed": self._seed,
            "has_metrics": has_metrics,
            "callbacks": callbacks,
            "logs": pack(dict(self._logs or {}), "logs", loose),
            "history": pack(self._history, "history", loose),
            "random": pack(get_random_state(), "random", loose),
            "random_at_first": pack(self._random, "random_at_first", loose),
        }
        arrays.update({name: _array(value) for name, value in loose.items()})
        return state

    # Being told to end

    def _save_and_end(self):
        self._save(together=False)
        self._end()

    def _end(self):
        there = self.checkpoints.steps()
        where = self.checkpoints.path(there[-1]) if there else "no checkpoint"
        self._end_request.obey(f"Told to end (SIGTERM). The run goes on from {where}.")


def _same_number(group, variables, arrays):
    return len(variables) == count_variables(group, arrays)


def _array(value):
    return value.dtype, value.shape, lambda: value


def _say(line):
    warnings.warn(line, stacklevel=3)


def _workers(model):
    """Whether there are several workers."""
    resolver = getattr(model.distribute_strategy, "cluster_resolver", None)
    return resolver is not None and count_workers(resolver) > 1
