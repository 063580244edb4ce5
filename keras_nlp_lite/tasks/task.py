"""The base of every task model: strings in, answers out."""

import contextlib
import math
import types

import keras
import tensorflow as tf

from keras_nlp_lite.data.raw_batches import (
    given,
    holds_text,
    is_stream,
    raw_batches,
    split_arrays,
)
from keras_nlp_lite.data.row_cache import CACHE_BYTES
from keras_nlp_lite.memory import give_back
from keras_nlp_lite.ops import portable_ops
from keras_nlp_lite.tasks.keeping import Keeping
from keras_nlp_lite.tasks.plain_errors import plain_errors
from keras_nlp_lite.tasks.preparation import Preparation
from keras_nlp_lite.tasks.replay import resumable_run
from keras_nlp_lite.tasks.spread import with_peers
from keras_nlp_lite.tasks.steps import count_batches
from keras_nlp_lite.tasks.trainer import Trainer


class Task(Preparation, Keeping, Trainer):
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
        self._fitting = types.SimpleNamespace(validation=None, rows=None)
        self._adapted = None
        self._on_batch = types.SimpleNamespace(
            preprocess={}, answer=tf.function(self.answer)
        )

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

    # Training and answering, on raw input

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
        verbose = self._verbosity(verbose)
        keras_arguments = {
            "epochs": epochs,
            "verbose": verbose,
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
                with_peers(self.distribute_strategy),
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
        kwargs["verbose"] = self._verbosity(kwargs.get("verbose", "auto"))
        with plain_errors(), with_peers(self.distribute_strategy):
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
        kwargs["verbose"] = self._verbosity(kwargs.get("verbose", "auto"))
        peers = with_peers(self.distribute_strategy)
        with plain_errors(), peers, self._steps(1):
            if self.preprocessor is None:
                self._refuse_text(x)
                return super().predict(x, batch_size=batch_size, **kwargs)
            dataset = raw_batches(x, batch_size=batch_size)
            self.check_data(dataset, labels=False)
            return super().predict(self._questions(dataset), **kwargs)

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

    @contextlib.contextmanager
    def _watched(self):
        """`fit` shows its raw data while it runs, and lets go of it afterwards."""
        try:
            yield
        finally:
            self._fitting.validation = self._fitting.rows = None

    # Keeping


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
