"""Keras's trainer, led where Keras does not go by itself."""

import contextlib
import types

import keras
import tensorflow as tf

from keras_nlp_lite.optimizers import LossScaleOptimizer
from keras_nlp_lite.tasks.layer_parts import with_parts
from keras_nlp_lite.tasks.replay import Replay
from keras_nlp_lite.tasks.spread import (
    EvenMean,
    batch_spec,
    several_steps,
    share_of_loss,
)
from keras_nlp_lite.tasks.steps import choose_steps
from keras_nlp_lite.workers import is_chief


class Trainer(keras.Model):
    """A Keras model that trains on what `spread` gives, and goes on where a run was.

    Losses and metrics are those of one replica, whatever the number of them; a rate
    that can be told how long training is to be, knows it.

    Args:
        **kwargs: Those of `keras.Model`.
    """

    # One call of the training function runs so many steps, where a step takes less
    # time than Keras takes to start one. Callbacks hear of batches as often as that.
    steps_a_call = 1

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # In a plain object: TensorFlow would track functions that are attributes.
        self._resuming = types.SimpleNamespace(replay=None, logs=None)
        self._auto_steps = False

    def compile(
        self,
        optimizer="auto",
        loss="auto",
        metrics="auto",
        *,
        jit_compile="auto",
        steps_per_execution="auto",
        **kwargs,
    ):
        """Keras's `compile`, in which "auto" may stand for what suits the task.

        Args:
            optimizer: "auto", or any Keras value.
            loss: "auto", or any Keras value.
            metrics: "auto", or any Keras value.
            jit_compile: Whether XLA compiles the step. "auto": on a GPU, where the
                layers allow it; never on a CPU, where it is the slower way.
            steps_per_execution: Steps in one call of the training function, which is
                how often callbacks hear of batches. "auto": up to 64 for the
                baselines, whose steps are short; 1 on encoders.
            **kwargs: The rest of `keras.Model.compile`.
        """
        with self.distribute_strategy.scope():
            super().compile(
                optimizer=self._scaled(
                    self.auto_optimizer() if _auto(optimizer) else optimizer,
                    kwargs.get("auto_scale_loss", True),
                ),
                loss=self.auto_loss() if _auto(loss) else loss,
                metrics=self.auto_metrics() if _auto(metrics) else metrics,
                jit_compile=False,
                steps_per_execution=1
                if _auto(steps_per_execution)
                else steps_per_execution,
                **kwargs,
            )
            if self._is_spread:  # past the setter, which would list one more metric
                vars(self)["_loss_tracker"] = EvenMean(name="loss")
        self._auto_steps = _auto(steps_per_execution)
        # Keras would let no model be compiled that holds a string layer; ours runs
        # outside the compiled step.
        self._jit_compile = self._xla_helps() if _auto(jit_compile) else jit_compile
        self._policies = {
            "jit_compile": jit_compile,
            "steps_per_execution": steps_per_execution,
        }
        if _auto(optimizer):  # whose config does not tell which weights may decay
            self._policies["optimizer"] = optimizer

    def _scaled(self, optimizer, auto_scale_loss):
        """The optimizer, with a loss scale where Keras would give it one."""
        optimizer = keras.optimizers.get(optimizer)
        if (
            not (auto_scale_loss and self.dtype_policy.name == "mixed_float16")
            or optimizer is None
            or isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        ):
            return optimizer
        return LossScaleOptimizer(optimizer, name="loss_scale_optimizer")

    def get_compile_config(self):
        config = super().get_compile_config()
        return {**config, **self._policies} if config else config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def _xla_helps(self):
        # XLA cannot compile a step in which replicas wait for each other.
        if self._is_spread or not tf.config.list_physical_devices("GPU"):
            return False
        outside = [self, *with_parts(self.preprocessor)]
        inside = [x for x in self._flatten_layers() if not any(x is y for y in outside)]
        return all(getattr(layer, "supports_jit", True) for layer in inside)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        share = share_of_loss(self.loss, y, sample_weight, y_pred)
        return loss if share is None else loss * tf.cast(share, loss.dtype)

    @property
    def _is_spread(self):
        """Whether batches are spread over several replicas."""
        return self.distribute_strategy.num_replicas_in_sync > 1

    def _choose_steps(self, batches, wanted=None, callbacks=None):
        """How many steps one call of the training function is to run."""
        if not self._auto_steps:
            return self.steps_per_execution
        # Keras cannot loop over batches that are spread over several devices.
        most = 1 if self._is_spread else self.steps_a_call
        return choose_steps(most, batches, wanted, callbacks)

    def _verbosity(self, verbose):
        """Keras's `verbose`: of several workers, the chief alone speaks."""
        return verbose if is_chief(self.distribute_strategy) else 0

    def _set_steps(self, steps):
        """For `fit`: the functions have the number of steps built in."""
        if steps != self.steps_per_execution:
            self.steps_per_execution = steps
            self.train_function = self.test_function = None

    @contextlib.contextmanager
    def _steps(self, steps):
        """Another number of steps a call, for a while, `fit`'s functions untouched."""
        before = self.steps_per_execution, self.test_function
        if steps != before[0]:
            self.steps_per_execution, self.test_function = steps, None
        try:
            yield
        finally:
            if steps != before[0]:
                self.steps_per_execution, self.test_function = before

    @contextlib.contextmanager
    def _planned(self, batches, epochs, initial_epoch):
        """A learning rate that can be told how long training is to be, knows it.

        Args:
            batches: int, of an epoch; negative or None if that is not known.
            epochs: int, at whose end training ends.
            initial_epoch: int, epochs that count as done.
        """
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        # Keras's `learning_rate` is the rate of the moment.
        schedule = getattr(optimizer, "_learning_rate", None)
        if not hasattr(schedule, "plan"):
            yield
            return
        batches = max(batches or 0, 0)
        start = int(optimizer._iterations.numpy()) - batches * initial_epoch
        schedule.plan(start, batches * epochs)
        try:
            yield
        finally:
            schedule.plan(0, 0)  # steps after the last would change nothing

    @contextlib.contextmanager
    def _resumed(self, run, initial_epoch, goes_on):
        """`fit` goes on where a run was, if there is one.

        Args:
            run: What `resumable_run` found, or None.
            initial_epoch: int, where `fit` begins if there is nothing to go on from.
            goes_on: As in `Replay`.

        Yields:
            int, the epoch that Keras is to begin with.
        """
        position = run and run.position
        if position:
            self._resuming.replay = Replay(run, self, goes_on)
            self._resuming.logs = position["logs"]
        try:
            yield position["epoch"] if position else initial_epoch
        finally:
            self._resuming.replay = self._resuming.logs = None
            if run:
                run.let_go()

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None:
            # Keras would take a batch, which moves every shuffle on, and its mean.
            data_batch = batch_spec(iterator._distributed_dataset)
        super()._maybe_symbolic_build(data_batch=data_batch)
        replay = self._resuming.replay
        if replay is not None and replay.iterator is None:
            replay.iterator = iterator  # nowhere else does Keras show it

    def _make_function(self, step_function):
        if self.steps_per_execution == 1 or not self._is_spread:
            return super()._make_function(step_function)
        return several_steps(
            step_function, self.distribute_strategy, self.steps_per_execution
        )

    def make_train_function(self, force=False):
        super().make_train_function(force)
        # Keras has all that it trains with, and no callback has heard of it yet.
        replay, self._resuming.replay = self._resuming.replay, None
        if replay is not None:
            replay.start()

    def _get_metrics_result_or_logs(self, logs):
        # An epoch that was over but for its validation has no batch to tell of.
        before, self._resuming.logs = self._resuming.logs, None
        return super()._get_metrics_result_or_logs(logs or before or logs)


def _auto(value):
    return isinstance(value, str) and value == "auto"
