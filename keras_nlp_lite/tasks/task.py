"""The base of every task model: strings in, answers out."""

import contextlib
import math
import os
import types
import typing
import weakref

import keras
import tensorflow as tf

from keras_nlp_lite.data.raw_batches import (
    any_number_of,
    as_array,
    as_input,
    given,
    holds_text,
    is_stream,
    raw_batches,
    split_arrays,
)
from keras_nlp_lite.data.row_cache import CACHE_BYTES, RowStore, cache_rows
from keras_nlp_lite.memory import give_back
from keras_nlp_lite.ops import portable_ops
from keras_nlp_lite.optimizers import LossScaleOptimizer
from keras_nlp_lite.tasks.plain_errors import plain_errors
from keras_nlp_lite.tasks.replay import Replay, resumable_run
from keras_nlp_lite.tasks.spread import (
    EvenMean,
    batch_spec,
    several_steps,
    share_of_loss,
    spread,
    with_class_weights,
    with_peers,
)
from keras_nlp_lite.tasks.steps import choose_steps, count_batches
from keras_nlp_lite.tasks.waiting_bar import waiting_bar
from keras_nlp_lite.untuned import untuned
from keras_nlp_lite.workers import is_chief, replacing_by_chief


class Task(keras.Model):
    """A Keras model that preprocesses its own input.

    `fit`, `evaluate`, `predict` and the `*_on_batch` methods take raw input, strings
    for a text model, and run `preprocessor` on it on the CPU, inside `tf.data`, in
    parallel with the model. What is saved or exported carries the preprocessor.

    Subclasses define `call` on what the preprocessor gives, and may override what
    stands under "What a subclass may change".

    Args:
        preprocessor: A layer or function from raw to prepared input. None: the model
            takes prepared tensors, as any Keras model does.
        **kwargs: `name`, `dtype` and the rest of `keras.Model`.
    """

    # One call of the training function runs so many steps, where a step takes less
    # time than Keras takes to start one. Callbacks hear of batches as often as that.
    steps_a_call = 1

    def __init__(self, *, preprocessor=None, **kwargs):
        if "inputs" in kwargs or "outputs" in kwargs:
            # Keras would rewrite this class, and break every other task model.
            raise ValueError(
                "A task is no functional model. Received: `inputs` or `outputs`. Try "
                "`Classifier(num_classes, preprocessor, encoder=keras.Model(...))`."
            )
        super().__init__(**kwargs)
        self.preprocessor = preprocessor
        # In plain objects: TensorFlow would track datasets and functions that are
        # attributes, and try to export them.
        self._fitting = types.SimpleNamespace(
            validation=None, rows=None, replay=None, logs=None
        )
        self._adapted = None
        self._on_batch = types.SimpleNamespace(
            preprocess={}, answer=tf.function(self.answer)
        )
        self._auto_steps = False

    # What monitoring may look at while `fit` runs

    @property
    def validation_source(self):
        """Dataset of raw validation batches while `fit` runs on such; else None."""
        return self._fitting.validation

    @property
    def training_examples(self):
        """int, the rows of an epoch while `fit` runs, where that is known; else None."""
        return self._fitting.rows

    # What a subclass may change

    def preprocess(self, x, y=None, sample_weight=None):
        """Raw to prepared, as TensorFlow ops: a tuple of those that were given."""
        return given(self.preprocessor(x), y, sample_weight)

    def preprocess_question(self, x):
        """`preprocess` of raw input that wants an answer: for `predict` and exports."""
        return self.preprocess(x)

    def answers(self, outputs):
        """What `predict` and an export give, from what the model gives."""
        return outputs

    def answer(self, prepared):
        """`answers` to prepared input, a batch."""
        return self.answers(self(prepared, training=False))

    def serve(self, *raw):
        """What an export computes, in one graph, from what `serving_signature` says."""
        with portable_ops():
            with tf.device("CPU:0"):
                prepared = self.preprocess_question(raw if len(raw) > 1 else raw[0])[0]
            return self.answer(prepared)

    def auto_optimizer(self):
        """The optimizer that `compile` takes where none is named."""
        return keras.optimizers.Adam(1e-3)

    def auto_loss(self):
        """The loss that `compile` takes where none is named."""
        raise ValueError(
            f"{type(self).__name__} has no loss of its own. Give `loss` to `compile`."
        )

    def auto_metrics(self):
        """The metrics that `compile` takes where none are named."""
        return

    def check_data(self, dataset, labels):
        """Refuses a raw dataset that this task cannot use.

        Args:
            dataset: Dataset of raw batches.
            labels: Whether there must be labels.

        Raises:
            ValueError: the dataset has another structure than the task needs.
        """

    def with_numbered_labels(self, dataset):
        """A raw dataset whose labels are numbers, whatever they are in `dataset`."""
        return dataset

    def ensure_built(self):
        """Makes the weights, if there are none; the preprocessor must be adapted."""
        if not getattr(self.preprocessor, "is_adapted", True):
            raise ValueError(
                f"The {type(self.preprocessor).__name__} of this model has no "
                "vocabulary yet. Call `model.adapt(train)` first, or give it a "
                "`vocabulary`."
            )

    def serving_signature(self):
        """tf.TensorSpec of what an export takes; a list of them for several texts."""
        return tf.TensorSpec([None], tf.string, name="text")

    def serving_resources(self):
        """Layers whose variables an export holds."""
        return [self]

    # Compiling

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

    def _xla_helps(self):
        # XLA cannot compile a step in which replicas wait for each other.
        if self._is_spread or not tf.config.list_physical_devices("GPU"):
            return False
        outside = [self, *_with_parts(self.preprocessor)]
        inside = [x for x in self._flatten_layers() if not any(x is y for y in outside)]
        return all(getattr(layer, "supports_jit", True) for layer in inside)

    def get_compile_config(self):
        config = super().get_compile_config()
        return {**config, **self._policies} if config else config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def _refuse_text(self, x):
        """Text is of no use to a model that has nobody to prepare it."""
        if holds_text(x):
            raise ValueError(
                f"This {type(self).__name__} has no preprocessor, and takes prepared "
                "tensors. Received: text. Try preprocessor=..., which makes ids of it."
            )

    def _ensure_built(self):
        with self.distribute_strategy.scope():
            self.ensure_built()

    def _get_ready(self):
        """Before anything runs: weights, and a compiled state."""
        self._ensure_built()
        if not self.compiled:
            self.compile()

    def _choose_steps(self, batches, wanted=None, callbacks=None):
        """How many steps one call of the training function is to run."""
        if not self._auto_steps:
            return self.steps_per_execution
        # Keras cannot loop over batches that are spread over several devices.
        most = 1 if self._is_spread else self.steps_a_call
        return choose_steps(most, batches, wanted, callbacks)

    # Training and answering, on raw input

    def adapt(self, data):
        """Adapts the preprocessor to a corpus, in one pass over it.

        Args:
            data: Training data as `fit` takes it; a tuple (texts, labels); or texts.

        Raises:
            ValueError: the model has weights already, which would come to stand for
                other words.
        """
        if self.built and getattr(self.preprocessor, "is_adapted", False):
            raise ValueError(
                f"This {type(self).__name__} has a vocabulary, and weights for it. To "
                "adapt to another corpus, make a new model."
            )
        with plain_errors():
            dataset = raw_batches(*(data if isinstance(data, tuple) else (data,)))
            self.check_data(dataset, labels=False)
            dataset = self.with_numbered_labels(dataset)
            if self._can_take_numbers():
                # The corpus is most often what `fit` gets next: its tokens stay, as
                # numbers, and need not be read and cut again.
                store = RowStore() if _batch_size(data) else None
                self.preprocessor.adapt(dataset, on_batch=store and store.append)
                if store:
                    numbering = self.preprocessor.numbering
                    self._adapted = _Adapted(weakref.ref(data), store, numbering)
            elif getattr(self.preprocessor, "adapts_on_labels", False):
                self.preprocessor.adapt(dataset)
            else:
                self.preprocessor.adapt(dataset.map(_first))
        self._ensure_built()

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
        *,
        cache=True,
    ):
        """Keras's `fit`, on raw input.

        Args:
            x: A Dataset of batches (raw, label) or (raw, label, weight); a generator
                or PyDataset of such; or raw input as a list or array, with `y`.
            y: Labels, where `x` has none.
            shuffle: Whether to train on the rows in a new order each epoch. Holds for
                a Dataset, too, where its rows are kept in memory (`cache`); otherwise
                a Dataset decides its own order.
            cache: Whether to preprocess once and keep the rows in memory, so that
                later epochs do no text work: True up to 1 GiB for training and as much
                for validation data, a number of bytes, or False. Generators, PyDatasets,
                data without end and preprocessors that draw random numbers are never
                kept. Set it to False where the Dataset itself draws random numbers.

        The other arguments are those of `keras.Model.fit`.

        Returns:
            keras.callbacks.History.
        """
        keras_arguments = {
            "epochs": epochs,
            "verbose": self._verbosity(verbose),
            "callbacks": _and_tidy_up(callbacks),
            "steps_per_epoch": steps_per_epoch,
            "validation_steps": validation_steps,
            "validation_freq": validation_freq,
        }
        run = resumable_run(callbacks)
        if run is not None:  # before anything draws random numbers
            run.take_up(self, keras_arguments["callbacks"], epochs)
        goes_on = steps_per_epoch is not None or is_stream(x)
        if self.preprocessor is None:
            self._refuse_text(x)
            self._get_ready()
            self._set_steps(self._choose_steps(None, steps_per_epoch or 1, callbacks))
            batches = steps_per_epoch or count_batches(x, batch_size, validation_split)
            with (
                self._planned(batches, epochs, initial_epoch),
                self._resumed(run, initial_epoch, goes_on) as first_epoch,
            ):
                return super().fit(
                    x,
                    y,
                    initial_epoch=first_epoch,
                    batch_size=batch_size,
                    class_weight=class_weight,
                    validation_split=validation_split,
                    validation_data=validation_data,
                    shuffle=shuffle,
                    sample_weight=sample_weight,
                    validation_batch_size=validation_batch_size,
                    **keras_arguments,
                )
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split_arrays(
                validation_split, x, y, sample_weight
            )
        budget = CACHE_BYTES if cache is True else int(cache)
        if epochs - initial_epoch < 2:
            budget = 0  # what is read once need not be kept
        with plain_errors(), with_peers(self.distribute_strategy), self._watched():
            raw = raw_batches(
                x, y, sample_weight, batch_size=batch_size, shuffle=shuffle
            )
            self.check_data(raw, labels=True)
            if validation_data is not None:
                if not isinstance(validation_data, tuple):
                    validation_data = (validation_data,)
                held_out = raw_batches(
                    *validation_data, batch_size=validation_batch_size or batch_size
                )
                self.check_data(held_out, labels=True)
                if not is_stream(validation_data[0]):  # which could be looked at once
                    self._fitting.validation = self.with_numbered_labels(held_out)
            self._get_ready()
            finite = steps_per_epoch is None and not is_stream(x)
            rows = finite and self._rows_adapted_to(x, budget, shuffle)
            if not rows and finite:
                rows = self._kept(raw, budget, shuffle, verbose)
            if finite:
                self._fitting.rows = getattr(rows, "num_rows", None)
            if validation_data is not None:
                finite = validation_steps is None and not is_stream(validation_data[0])
                kept = finite and self._kept(held_out, budget, False, verbose)
                validation_data = self._given_out(kept, held_out)
            batches = int((rows or raw).cardinality())
            rows = self._given_out(rows, raw, class_weight)
            steps = self._choose_steps(batches, steps_per_epoch, callbacks)
            if validation_steps:
                steps = math.gcd(steps, validation_steps)
            self._set_steps(steps)
            with (
                self._planned(steps_per_epoch or batches, epochs, initial_epoch),
                self._resumed(run, initial_epoch, goes_on) as first_epoch,
            ):
                return super().fit(
                    rows,
                    initial_epoch=first_epoch,
                    shuffle=False,
                    validation_data=validation_data,
                    **keras_arguments,
                )

    def evaluate(
        self, x=None, y=None, batch_size=None, sample_weight=None, steps=None, **kwargs
    ):
        """Keras's `evaluate`, on raw input as `fit` takes it."""
        kwargs["steps"] = steps
        if "_use_cached_eval_dataset" in kwargs:  # Keras's own call, from inside `fit`
            return super().evaluate(x, y, **kwargs)
        with plain_errors():
            self._get_ready()
            if self.preprocessor is None:
                self._refuse_text(x)
                with self._steps(1):
                    return super().evaluate(
                        x,
                        y,
                        batch_size=batch_size,
                        sample_weight=sample_weight,
                        **kwargs,
                    )
            dataset = raw_batches(x, y, sample_weight, batch_size=batch_size)
            self.check_data(dataset, labels=True)
            with self._steps(self._choose_steps(int(dataset.cardinality()), steps)):
                return super().evaluate(self._given_out(None, dataset), **kwargs)

    def predict(self, x, batch_size=None, **kwargs):
        """Keras's `predict`, on raw input; labels in a Dataset are passed over.

        Returns:
            `answers` for every row, a NumPy array.
        """
        self._ensure_built()
        with plain_errors(), self._steps(1):
            if self.preprocessor is None:
                self._refuse_text(x)
                return super().predict(x, batch_size=batch_size, **kwargs)
            dataset = raw_batches(x, batch_size=batch_size)
            self.check_data(dataset, labels=False)
            rows = spread(
                dataset,
                self.distribute_strategy,
                lambda slices: untuned(
                    self._mapped(slices.map(_first), self.preprocess_question).prefetch(
                        2
                    )
                ),
            )
            return super().predict(rows, **kwargs)

    def predict_step(self, data):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.answer(x)

    def __call__(self, x, *args, **kwargs):
        first = x[0] if isinstance(x, (list, tuple)) and x else x
        first = first[0] if isinstance(first, list) and first else first
        if isinstance(first, str) or getattr(first, "dtype", None) == tf.string:
            raise ValueError(
                "Called as a function, the model takes prepared input. For texts, try "
                "`model.predict(texts)`, or `model(model.preprocess(texts)[0])`."
            )
        return super().__call__(x, *args, **kwargs)

    def train_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """Keras's `train_on_batch`, on one batch of raw input."""
        self._get_ready()
        return super().train_on_batch(*self._batch(x, y, sample_weight), **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """Keras's `test_on_batch`, on one batch of raw input."""
        self._get_ready()
        return super().test_on_batch(*self._batch(x, y, sample_weight), **kwargs)

    def predict_on_batch(self, x):
        """Keras's `predict_on_batch`, on one batch of raw input."""
        self._ensure_built()
        (batch,) = self._batch(x, preprocess=self.preprocess_question)
        if self._is_spread:  # where each replica would answer the whole batch
            outputs = self._on_batch.answer(batch)
            return tf.nest.map_structure(lambda part: part.numpy(), outputs)
        with self._steps(1):
            return super().predict_on_batch(batch)

    def _verbosity(self, verbose):
        """Keras's `verbose`: of several workers, the chief alone speaks."""
        return verbose if is_chief(self.distribute_strategy) else 0

    def _can_take_numbers(self):
        """Whether preprocessing is this package's, which takes numbers for its texts."""
        return "takes_numbers" in vars(type(self.preprocessor)) and (
            type(self).preprocess.__module__.startswith("keras_nlp_lite.")
        )

    def _rows_adapted_to(self, dataset, budget, shuffle):
        """Dataset of prepared rows, if `dataset` is what `adapt` just read; else None."""
        adapted, self._adapted = self._adapted, None
        if adapted is None or adapted.dataset() is not dataset or not budget:
            return None
        if adapted.numbering is not getattr(self.preprocessor, "numbering", None):
            return None  # it has another vocabulary by now
        numbered = adapted.store.dataset()
        return numbered and cache_rows(
            untuned(self._mapped(numbered)),
            budget=budget,
            shuffle=shuffle,
            batch_size=_batch_size(dataset),
        )

    def _mapped(self, raw, preprocess=None):
        """Dataset of prepared batches, out of raw ones."""
        preprocess = preprocess or self.preprocess

        def prepare(*parts):
            with tf.device("CPU:0"):
                prepared = preprocess(*parts)
            return prepared[0] if len(prepared) == 1 else prepared

        parts = _with_parts(self.preprocessor) or [self.preprocessor]
        known = ("keras_nlp_lite.", "keras.")
        ours = all(type(part).__module__.startswith(known) for part in parts)
        users = ("_standardize", "_split")  # functions that TextVectorization may hold
        if ours and not any(callable(getattr(self.preprocessor, n, 0)) for n in users):
            # Nothing to convert: AutoGraph would take half a second to find that out.
            prepare = tf.autograph.experimental.do_not_convert(prepare)
        return raw.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def _kept(self, raw, budget, shuffle, verbose):
        """Dataset of prepared batches in memory; None if they take over `budget` bytes."""
        if not budget or getattr(self.preprocessor, "is_random", False):
            return None
        progress = waiting_bar(raw) if verbose in ("auto", 1) else None
        rows = untuned(self._mapped(raw))
        return cache_rows(rows, budget=budget, shuffle=shuffle, progress=progress)

    def _given_out(self, kept, raw, class_weight=None):
        """Prepared batches for every replica: those in memory, or made as they come."""

        def prepare(slices):
            prepared = slices if kept else self._mapped(slices)
            if class_weight is not None:
                prepared = with_class_weights(prepared, class_weight)
            return prepared if prepared is slices else untuned(prepared.prefetch(2))

        return spread(kept or raw, self.distribute_strategy, prepare)

    def _batch(self, *parts, preprocess=None):
        """One raw batch, prepared."""
        preprocess = preprocess or self.preprocess
        if self.preprocessor is None:
            return given(*parts)
        x, *others = parts
        others = (None if part is None else as_array(part) for part in others)
        parts = given(as_input(x), *others)
        # Any number of rows: otherwise each new one would trace anew.
        signature = tf.nest.map_structure(any_number_of, parts)
        # Tuples within tuples, too, tell it from others.
        key = preprocess.__name__, repr(signature)
        functions = self._on_batch.preprocess
        if key not in functions:
            functions[key] = tf.function(preprocess, signature)
        with plain_errors(), tf.device("CPU:0"):
            return functions[key](*parts)

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
            self._fitting.replay = Replay(run, self, goes_on)
            self._fitting.logs = position["logs"]
        try:
            yield position["epoch"] if position else initial_epoch
        finally:
            self._fitting.replay = self._fitting.logs = None
            if run:
                run.let_go()

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None:
            # Keras would take a batch, which moves every shuffle on, and its mean.
            data_batch = batch_spec(iterator._distributed_dataset)
        super()._maybe_symbolic_build(data_batch=data_batch)
        replay = self._fitting.replay
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
        replay, self._fitting.replay = self._fitting.replay, None
        if replay is not None:
            replay.start()

    def _get_metrics_result_or_logs(self, logs):
        # An epoch that was over but for its validation has no batch to tell of.
        before, self._fitting.logs = self._fitting.logs, None
        return super()._get_metrics_result_or_logs(logs or before or logs)

    @contextlib.contextmanager
    def _watched(self):
        """`fit` shows its raw data while it runs, and lets go of it afterwards."""
        try:
            yield
        finally:
            self._fitting.validation = self._fitting.rows = None

    # Keeping

    def save(self, filepath, overwrite=True, **kwargs):
        """Keras's `save`; an interrupted one leaves the old file as it was.

        Several workers call it together: the chief's file stays.
        """
        if "://" in str(filepath):  # no disk of ours: Keras's own way
            super().save(filepath, overwrite=overwrite, **kwargs)
            return
        if not overwrite and os.path.exists(filepath):
            raise ValueError(
                f"There is a file already. Received: filepath={str(filepath)!r}. "
                "Try overwrite=True."
            )
        if not str(filepath).endswith(".keras"):
            raise ValueError(
                "A model with its vocabulary goes into a .keras file. Received: "
                f"filepath={str(filepath)!r}."
            )
        with replacing_by_chief(filepath, self.distribute_strategy) as temporary:
            super().save(temporary, **kwargs)

    def export(self, filepath, format="tf_saved_model", verbose=None, **kwargs):
        """Writes one graph, from raw input to `answers`, for serving.

        `served = tf.saved_model.load(filepath)`, then `served.serve(strings)`, needs
        nothing of this package. An interrupted export leaves the old one as it was.
        Several workers call it together: the chief's folder stays.

        Args:
            filepath: Folder to write.
            format: "tf_saved_model"; for others the model without its preprocessor is
                exported as Keras does it.
            verbose: Whether Keras says what it wrote.
            **kwargs: For other formats, the rest of `keras.Model.export`.

        Raises:
            ValueError: there is something at `filepath` that is no export.
        """
        self._ensure_built()
        if format != "tf_saved_model" or self.preprocessor is None:
            super().export(filepath, format=format, verbose=verbose, **kwargs)
            return
        if kwargs:
            raise ValueError(
                "An export of strings takes no further arguments. Received: "
                f"{', '.join(kwargs)}."
            )

        held = os.listdir(filepath) if os.path.isdir(filepath) else [filepath]
        if os.path.exists(filepath) and "saved_model.pb" not in held:
            raise ValueError(
                "An export replaces the folder that it is written to. Received: "
                f"filepath={str(filepath)!r}, which holds no export. Try a new folder."
            )

        signature = self.serving_signature()
        signature = signature if isinstance(signature, list) else [signature]

        archive = keras.export.ExportArchive()
        for resource in self.serving_resources():
            archive.track(resource)
        archive.add_endpoint("serve", self.serve, signature)
        with replacing_by_chief(filepath, self.distribute_strategy) as temporary:
            archive.write_out(temporary, verbose=bool(verbose))


class _Adapted(typing.NamedTuple):
    """What `adapt` read, as numbers, for `fit` to take up."""

    dataset: weakref.ref
    store: RowStore
    numbering: object


def _with_parts(layer):
    """A layer and all within it; nothing for a function."""
    return layer._flatten_layers() if isinstance(layer, keras.layers.Layer) else ()


def _and_tidy_up(callbacks):
    """Callbacks, and one more that hands memory back: each epoch shuffles anew, and
    leaves holes of other sizes than the next one needs. One that keeps what the others
    remember hears of everything after them."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    tidy_up = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: give_back())
    callbacks = [*keras.tree.flatten(callbacks or []), tidy_up]
    run = resumable_run(callbacks)
    return [c for c in callbacks if c is not run] + ([run] if run else [])


def _auto(value):
    return isinstance(value, str) and value == "auto"


def _first(x, *_):
    # A Dataset of a pair by itself would be one of texts and labels.
    return (x,) if isinstance(x, tuple) else x


def _batch_size(data):
    """What a Dataset of ours was batched to; None for any other data."""
    return (
        getattr(data, "batch_size", None) if isinstance(data, tf.data.Dataset) else None
    )
