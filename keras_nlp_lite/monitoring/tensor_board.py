"""What a text run shows in TensorBoard."""

import contextlib
import tempfile
import weakref

import keras
import numpy as np

from keras_nlp_lite.monitoring.confusion_matrix import (
    confusion_matrix,
    draw_confusion_matrix,
)
from keras_nlp_lite.monitoring.misclassified import misclassified_table
from keras_nlp_lite.monitoring.training_pace import TrainingPace
from keras_nlp_lite.monitoring.validation_sample import validation_sample
from keras_nlp_lite.workers import is_chief

_BATCH = 256  # texts predicted at once
_MOST_CLASSES = 100  # in the confusion matrix: beyond, nothing in it can be read


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's callback, with what a text run needs on top.

    Beside Keras's scalars, `train/` under `log_dir` gets the learning rate and the
    training examples per second: after each epoch (`epoch_learning_rate`,
    `epoch_examples_per_second`) and, if `update_freq` asks for it, every so many
    batches (`batch_...`). Seconds are those of training alone. Where the number of
    examples is unknown there is `..._batches_per_second` instead.

    Where there is validation data as text, `validation/` gets after each epoch:

    - `misclassified`, the texts that the model gets most confidently wrong;
    - `confusion_matrix`, an image; not for multi-label models, nor above 100 classes.

    Both are about a sample of `examples` validation examples, drawn at random when
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
        **kwargs: Arguments of `keras.callbacks.TensorBoard`. `write_graph` is off by
            default, since it is slow and makes large files.

    A model is asked for, and may lack: `validation_source`, what `validation_data`
    would be; `class_names`; `multi_label`, whether labels are [B, C] of 0 and 1;
    `training_examples`, the examples in an epoch. `predict_on_batch` of an array of
    strings [B] gives float [B, C], probabilities; a single column is that of class 1.

    Raises:
        ValueError: `examples` or `misclassified` is no count; or, when training
            starts, the validation data is no text with labels.

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
        **kwargs,
    ):
        for name, count in (("examples", examples), ("misclassified", misclassified)):
            if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                raise ValueError(
                    f"`{name}` must be an integer of at least 0, where 0 is none. "
                    f"Received: {name}={count!r}."
                )
        if not is_chief():  # of several workers: what it logs is for nobody
            self._for_nobody = tempfile.TemporaryDirectory()
            log_dir = self._for_nobody.name
        super().__init__(log_dir, **{"write_graph": False, **kwargs})
        self.validation_data = validation_data
        self.examples = examples
        self.misclassified = misclassified
        self.class_names = class_names
        self._pace = TrainingPace()
        self._sample = None  # (texts [N], labels [N] or [N, C]) during training
        self._finish_writing = None

    def on_train_begin(self, logs=None):
        self._clear_up()
        self._pace = TrainingPace()
        self._sample = self._draw_sample()
        super().on_train_begin(logs)
        # Keras does not tell its callbacks when `fit` is interrupted. What is open
        # then closes with the next `fit`, with this callback, or with Python.
        self._finish_writing = weakref.finalize(self, _close_all, self._writers)

    def on_train_end(self, logs=None):
        super().on_train_end(logs)
        self._clear_up()

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self._pace.start_epoch()

    def on_train_batch_end(self, batch, logs=None):
        # Keras counts `steps_per_execution` batches at once, past the end if need be.
        self._pace.finish_batches(min(batch + 1, self._steps() or batch + 1))
        if self.update_freq != "epoch" and (
            self._global_train_batch % self.update_freq == 0
        ):
            logs = {**(logs or {}), **self._rate(*self._pace.lap())}
            logs = self._collect_learning_rate(logs)
        super().on_train_batch_end(batch, logs)

    def on_test_end(self, logs=None):
        with self._every_step():
            super().on_test_end(logs)

    def on_epoch_end(self, epoch, logs=None):
        # A callback that measures the rate better may have told it already.
        logs = {**self._rate(*self._pace.epoch()), **(logs or {})}
        with self._every_step():
            super().on_epoch_end(epoch, logs)
            if self._sample is not None:
                self._write_predictions(epoch)

    def _write_predictions(self, epoch):
        texts, labels = self._sample
        probabilities = self._predict(texts)
        multi_label = getattr(self.model, "multi_label", False)
        if not multi_label:
            probabilities = _column_per_class(probabilities)
            labels = _class_numbers(labels)
        names = self._names(max(probabilities.shape[1], _num_classes(labels)))
        with self._val_writer.as_default():
            if self.misclassified:
                table = misclassified_table(
                    texts.ravel(), labels, probabilities, names, self.misclassified
                )
                self.summary.text("misclassified", table, step=epoch)
            if not multi_label and len(names) <= _MOST_CLASSES:
                matrix = confusion_matrix(labels, probabilities.argmax(1), len(names))
                image = draw_confusion_matrix(matrix, names)
                self.summary.image("confusion_matrix", image[np.newaxis], step=epoch)

    def _draw_sample(self):
        data = self.validation_data
        if data is None:
            data = getattr(self.model, "validation_source", None)
        if data is None or not self.examples:
            return None
        return validation_sample(data, self.examples)

    def _predict(self, texts):
        """float32 [N, C or 1], the model's probabilities."""
        batches = [texts[i : i + _BATCH] for i in range(0, len(texts), _BATCH)]
        outputs = [self.model.predict_on_batch(batch) for batch in batches]
        probabilities = np.concatenate([np.asarray(o, "float32") for o in outputs])
        return probabilities.reshape(len(texts), -1)

    def _names(self, num_classes):
        """A name for each class; its number where it has none."""
        names = self.class_names
        if names is None:
            names = getattr(self.model, "class_names", None)
        names = [] if names is None else [str(name) for name in names]
        return names + [str(number) for number in range(len(names), num_classes)]

    def _steps(self):
        """Batches in an epoch; None if Keras does not know it."""
        return (self.params or {}).get("steps")

    def _rate(self, batches, seconds):
        """The scalar that says how fast batches went; none if there were none."""
        if not batches:
            return {}
        steps = self._steps() or self._pace.longest_epoch
        examples = getattr(self.model, "training_examples", None)
        if examples is None:
            return {"batches_per_second": batches / seconds}
        return {"examples_per_second": batches * examples / steps / seconds}

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
        self._sample = None
        for _ in list(self._prev_summary_state):
            self._pop_writer()
        if self._finish_writing is not None:
            self._finish_writing()


def _close_all(writers):
    for writer in writers.values():
        writer.close()


def _column_per_class(probabilities):
    """A single column is the probability of class 1: [N, 1] -> [N, 2]."""
    if probabilities.shape[1] > 1:
        return probabilities
    return np.concatenate([1 - probabilities, probabilities], axis=1)


def _class_numbers(labels):
    """Class numbers as such: [N], [N, 1] or one-hot [N, C] -> int [N]."""
    if labels.ndim > 1 and labels.shape[1] > 1:
        return labels.argmax(axis=1)
    return labels.reshape(len(labels)).astype(int)


def _num_classes(labels):
    """Classes that labels name, or have a column for."""
    return labels.max() + 1 if labels.ndim == 1 else labels.shape[1]
