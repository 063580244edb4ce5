"""What a text run shows in TensorBoard."""

import contextlib
import os
import tempfile
import weakref

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.monitoring.attention_image import draw_attention
from keras_nlp_lite.monitoring.attention_maps import attention_maps
from keras_nlp_lite.monitoring.generation_sample import GenerationSample
from keras_nlp_lite.monitoring.health import Health
from keras_nlp_lite.monitoring.hparams import check_hparams, write_end, write_start
from keras_nlp_lite.monitoring.memory_use import memory_use
from keras_nlp_lite.monitoring.model_graph import write_model_graph
from keras_nlp_lite.monitoring.projector import token_embeddings, write_projector
from keras_nlp_lite.monitoring.speed import Speed
from keras_nlp_lite.monitoring.step_counts import StepCounts
from keras_nlp_lite.monitoring.validation_report import ValidationReport
from keras_nlp_lite.monitoring.validation_sample import validation_sample
from keras_nlp_lite.workers import is_chief

_HEALTH_EVERY = 100  # steps


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's callback, with what a text run needs on top.

    Beside Keras's scalars, `train/` under `log_dir` gets the learning rate (and that of
    each layer, where an optimizer's `layer_decay` makes them differ), training examples
    and tokens per second, the share of padding, and memory in use: after each epoch
    (`epoch_learning_rate`, ...) and, if `update_freq` asks for it, every so many batches
    (`batch_...`). Seconds are those of training alone. Where the number of examples is
    unknown there is `..._batches_per_second` instead.

    Where there is validation data as text, `validation/` gets after each epoch:

    - `misclassified`, the texts that the model gets most confidently wrong;
    - `confusion_matrix`, an image; not for multi-label models, nor above 100 classes;
    - `calibration`, an image of how often the model is as right as it says, and
      `calibration_error`;
    - `precision_recall`, a curve a class in TensorBoard's tab PR Curves, and
      `average_precision`, its area; up to 20 classes.

    They are about a sample of `examples` validation examples, drawn at random when
    training starts, in one pass over the validation data, and the same in every epoch.
    A Dataset without a known end is read for 100,000 examples.

    Args:
        log_dir: Folder of the run; str or path.
        validation_data: Dataset of batches (texts [B], labels [B]), or a tuple (texts,
            labels) of lists or arrays. Needed only where the model does not offer its
            own, as task models do. Labels are class numbers, or rows of 0 and 1.
        examples: Validation examples to predict after each epoch; 0 for none.
        misclassified: Texts to show after each epoch; 0 for none.
        class_names: A string for each class, instead of the model's own.
        confusion_matrix, calibration, precision_recall: Whether to write these.
        throughput: Whether to count tokens, inside the training step.
        flops: Whether to write the arithmetic that the model needs for its tokens, in
            billions a second, and its share of what this machine reaches in a product
            of large matrices, for which it is measured once, in about half a second.
        health: Whether to write norms of gradients and weights of each layer, and the
            shares of zeros, NaN and infinities in gradients: True for every 100 steps,
            or an integer for every so many (`Health`).
        projector: Whether to write the vectors of the first 10,000 tokens after each
            epoch, for TensorBoard's tab Projector; or an integer for so many.
        attention_texts: Texts whose attention, by layer and head, is drawn after each
            epoch; for models with attention layers of this package.
        hparams: dict of the run's settings by name: the run has its row in the tab
            HParams. Open a folder that holds several runs to compare them there.
        generate: What to generate from after each epoch, as `GenerationSample` takes
            it: prompts, or sources with references; or a `GenerationSample`.
        **kwargs: Arguments of `keras.callbacks.TensorBoard`. `write_graph` is off by
            default, and writes the graph of the forward pass; `profile_batch=(10, 20)`
            profiles these batches, or calls of the training function, where one makes
            several steps.

    A model is asked for, and may lack: `validation_source`, what `validation_data`
    would be; `class_names`; `multi_label`, whether labels are [B, C] of 0 and 1;
    `training_examples`, the examples in an epoch; `preprocessor`, whose vocabulary
    names tokens. `predict_on_batch` of an array of strings [B] gives float [B, C],
    probabilities; a single column is that of class 1.

    Raises:
        ValueError: An argument is of the wrong kind; or, when training starts, the
            validation data is no text with labels, or the model has not what an option
            is to show.

    Example:

    >>> watch = TensorBoard("runs/bigram", misclassified=20, update_freq=100)
    >>> model.fit(train, validation_data=val, callbacks=[watch])  # doctest: +SKIP
    """

    def __init__(
        self,
        log_dir,
        *,
        validation_data=None,
        examples=1_000,
        misclassified=10,
        class_names=None,
        confusion_matrix=True,
        calibration=True,
        precision_recall=True,
        throughput=True,
        flops=False,
        health=False,
        projector=False,
        attention_texts=(),
        hparams=None,
        generate=None,
        **kwargs,
    ):
        _check_count("examples", examples)
        _check_count("misclassified", misclassified)
        for name, every in (("health", health), ("projector", projector)):
            if not isinstance(every, bool):
                _check_count(name, every)
        if isinstance(attention_texts, str):
            raise ValueError(
                "`attention_texts` must be a list of texts. Received: "
                f"{attention_texts!r}. Try [{attention_texts!r}]."
            )
        attention_texts = list(attention_texts or ())
        for text in attention_texts:
            if not isinstance(text, str):
                raise ValueError(
                    "`attention_texts` must be a list of texts. Received: "
                    f"{text!r} among them, of type {type(text).__name__}."
                )
        if not is_chief():  # of several workers: what it logs is for nobody
            self._for_nobody = tempfile.TemporaryDirectory()
            log_dir = self._for_nobody.name
        super().__init__(log_dir, **{"write_graph": False, **kwargs})
        self.validation_data = validation_data
        self.examples = examples
        self.misclassified = misclassified
        self.class_names = class_names
        self.confusion_matrix = confusion_matrix
        self.calibration = calibration
        self.precision_recall = precision_recall
        self.projector = projector
        self.attention_texts = attention_texts
        self.hparams = None if hparams is None else check_hparams(hparams)
        self.generate = generate
        counts = StepCounts() if throughput or flops or self.write_graph else None
        self._speed = Speed(counts if throughput or flops else None, flops)
        self._health = Health(_HEALTH_EVERY if health is True else health or 1)
        # Callbacks of its own, which hear of what they need.
        hooks = [counts, self._health if health else None]
        self._hooks = [hook for hook in hooks if hook is not None]
        self._generation = None
        self._report = None  # during training
        self._tables = None  # (vocabulary, embeddings), for the projector
        self._finish_writing = None

    # Keras's calls

    def set_model(self, model):
        for hook in self._hooks:
            hook.set_model(model)
        super().set_model(model)

    def on_train_begin(self, logs=None):
        try:
            self._begin(logs)
        except BaseException:
            for hook in self._hooks:  # which Keras will not tell that `fit` is over
                hook.leave_unless_training()
            raise

    def _begin(self, logs):
        self._clear_up()
        self._speed.start(self.model)
        self._report = self._make_report()
        self._tables = token_embeddings(self.model) if self.projector else None
        for text in self.attention_texts[:1]:
            attention_maps(self.model, text)  # refuses a model without them
        self._generation = self._make_generation()
        super().on_train_begin(logs)
        # Keras does not tell its callbacks when `fit` is interrupted. What is open
        # then closes with the next `fit`, with this callback, or with Python.
        self._finish_writing = weakref.finalize(self, _close_all, self._writers)
        if self.hparams is not None:
            with self._writer_of_run().as_default():
                write_start(self.hparams)
        for callback in self._others():
            callback.on_train_begin(logs)

    def on_train_end(self, logs=None):
        for callback in self._others():
            callback.on_train_end(logs)
        if self.hparams is not None:
            with self._writer_of_run().as_default():
                write_end()
        super().on_train_end(logs)
        self._clear_up()

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self._speed.start_epoch()

    def on_train_batch_begin(self, batch, logs=None):
        for hook in self._hooks:
            hook.on_train_batch_begin(batch, logs)
        super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        # Keras counts `steps_per_execution` batches at once, past the end if need be.
        done = min(batch + 1, self._steps() or batch + 1)
        self._speed.finish_batches(done)
        if self._health in self._hooks:
            self._write_health()
        if self.update_freq != "epoch" and (
            self._global_train_batch % self.update_freq == 0
        ):
            logs = {**_with_curves(logs), **self._speed.lap(self._steps())}
            logs = self._collect_learning_rate(logs)
        else:
            logs = None  # which Keras would go through, only to write nothing
        super().on_train_batch_end(batch, logs)

    def on_test_begin(self, logs=None):
        for hook in self._hooks:
            hook.on_test_begin(logs)
        super().on_test_begin(logs)

    def on_predict_begin(self, logs=None):
        for hook in self._hooks:
            hook.on_predict_begin(logs)
        super().on_predict_begin(logs)

    def on_test_end(self, logs=None):
        with self._every_step():
            super().on_test_end(_with_curves(logs))

    def on_epoch_end(self, epoch, logs=None):
        if self._generation is not None:
            self._generation.on_epoch_end(epoch, logs)  # may add to the logs
        logs = _with_curves(logs)
        # A callback that measures the rate better may have told it already.
        speed = self._speed.epoch(self._steps())
        with self._every_step():
            super().on_epoch_end(epoch, {**speed, **memory_use(), **logs})
            if self._report is not None:
                with self._val_writer.as_default():
                    self._report.write(self.model, epoch)
            with self._train_writer.as_default():
                self._draw_attention(epoch)
            if self.hparams is not None:
                self._write_metrics(epoch, logs)
        if self._tables is not None:
            most = {} if self.projector is True else {"most_tokens": self.projector}
            write_projector(self._train_dir, *self._tables, **most)

    # What Keras's callback does in other ways

    def _collect_learning_rate(self, logs):
        logs = super()._collect_learning_rate(logs)
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        by_depth = getattr(optimizer, "learning_rates", dict)()
        for depth, rate in by_depth.items():
            logs[f"learning_rate_{depth}_layers_below"] = rate
        return logs

    def _write_keras_model_train_graph(self):
        # Keras's finds no graph in the functions that Keras trains with.
        counts = self._hooks[0]
        if counts.input_spec is not None:
            with self._train_writer.as_default(), tf.summary.record_if(True):
                write_model_graph(self.model, counts.input_spec)

    # What is written on top

    def _make_report(self):
        data = self.validation_data
        if data is None:
            data = getattr(self.model, "validation_source", None)
        if data is None or not self.examples:
            return None
        sample = validation_sample(data, self.examples)
        return sample and ValidationReport(
            *sample,
            misclassified=self.misclassified,
            confusion_matrix=self.confusion_matrix,
            calibration=self.calibration,
            precision_recall=self.precision_recall,
            class_names=self.class_names,
        )

    def _make_generation(self):
        sample = self.generate
        if sample is None:
            return None
        if not isinstance(sample, GenerationSample):
            sample = GenerationSample(sample)
        if sample.log_dir is None:
            sample.log_dir = self.log_dir
        sample.set_model(self.model)
        sample.set_params(self.params)
        return sample

    def _write_health(self):
        found = self._health.last_look()
        if found is None:
            return
        step, summary = found
        with self._train_writer.as_default(), tf.summary.record_if(True):
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step)

    def _draw_attention(self, epoch):
        for number, text in enumerate(self.attention_texts):
            tokens, layers = attention_maps(self.model, text)
            for depth, weights in enumerate(layers):
                image = draw_attention(weights, tokens, f"layer {depth}")
                tag = f"attention/text_{number}/layer_{depth}"
                tf.summary.image(tag, image[np.newaxis], step=epoch)

    def _write_metrics(self, epoch, logs):
        """The epoch's scalars once more, in the folder that has the settings: the tab
        HParams looks for a run's metrics beside them."""
        with self._writer_of_run().as_default():
            for name, value in logs.items():
                tf.summary.scalar(name, value, step=epoch)

    # Around these

    def _others(self):
        generation = [] if self._generation is None else [self._generation]
        return [*self._hooks, *generation]

    def _writer_of_run(self):
        if "run" not in self._writers:
            self._writers["run"] = tf.summary.create_file_writer(
                os.fspath(self.log_dir)
            )
        return self._writers["run"]

    def _steps(self):
        """Batches in an epoch; None if Keras does not know it."""
        return (self.params or {}).get("steps")

    @contextlib.contextmanager
    def _every_step(self):
        """Lifts `update_freq`, which is about batches, from what follows.

        Keras lets it also drop the scalars of epochs and of validation, unless their
        last batch happens to be a multiple of it.
        """
        update_freq = self.update_freq
        if update_freq != "epoch":
            self.update_freq = 1
        try:
            yield
        finally:
            self.update_freq = update_freq

    def _clear_up(self):
        """Ends what a `fit` began, be it over or interrupted."""
        self._report = self._tables = self._generation = None
        for _ in list(self._prev_summary_state):
            self._pop_writer()
        if self._finish_writing is not None:
            self._finish_writing()


def _with_curves(logs):
    """dict of the metrics that are numbers; vectors, as metrics by class are, go."""
    return {name: value for name, value in (logs or {}).items() if np.ndim(value) == 0}


def _close_all(writers):
    for writer in writers.values():
        writer.close()


def _check_count(name, count):
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ValueError(
            f"`{name}` must be an integer of at least 0, where 0 is none. "
            f"Received: {name}={count!r}."
        )
