"""What tasks that put texts into classes share: the labels."""

import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.tasks.texts import check_texts


class ClassLabels:
    """Labels by number, by name or as one-hot rows, for a subclass of this and `Task`.

    Shapes: B batch, C classes.

    Args:
        num_classes: C, at least 2; with `multi_label`, at least 1.
        multi_label: Whether a text may have any number of classes; labels are then
            0 or 1, [B, C].
        class_names: The classes' names, in order of their labels; taken from the
            training data where it knows them.
    """

    # How many texts are judged together, at most.
    most_texts = 1
    # What `predict` gives for a class that is as likely as not.
    even_odds = 0.5

    def set_classes(self, num_classes, multi_label, class_names):
        """What `__init__` does with these arguments."""
        check_positive_int("num_classes", num_classes)
        if num_classes < 2 and not multi_label:
            raise ValueError(
                f"A text is of one of at least 2 classes. Received: num_classes="
                f"{num_classes}. Try num_classes=2: one unit, two answers."
            )
        self.num_classes = num_classes
        self.multi_label = multi_label
        self.class_names = None if class_names is None else list(class_names)
        self._check_names(self.class_names)
        self._labels_by_number = True  # which the losses of our own choice want

    # Data

    def preprocess(self, x, y=None, sample_weight=None):
        if y is not None:
            y = self._labels(y)
        return super().preprocess(x, y, sample_weight)

    def with_numbered_labels(self, dataset):
        spec = dataset.element_spec
        if not isinstance(spec, tuple) or len(spec) < 2 or spec[1].dtype != tf.string:
            return dataset
        return dataset.map(lambda x, y, *weight: (x, self._labels(y), *weight))

    def _labels(self, y):
        """int [B] in 0..C-1 or float [B, C], out of numbers, names or one-hot rows."""
        if y.dtype == tf.string:
            if self.class_names is None or self.multi_label:
                raise ValueError(
                    "Labels that are strings need the classes' names, one class a text. "
                    f"Received: class_names={self.class_names}, multi_label="
                    f"{self.multi_label}. Try class_names=[...], in the order of the "
                    "outputs, or labels that are numbers."
                )
            y = tf.reshape(y, [-1])
            match = y[:, None] == tf.constant(self.class_names)
            names = ", ".join(self.class_names)
            _refuse_unless(tf.reduce_any(match, axis=1), y, f"one of {names}")
            return tf.argmax(match, axis=1, output_type=tf.int32)
        one_hot = y.shape.rank == 2 and y.shape[-1] == self.num_classes
        if self.multi_label:
            if y.shape.rank != 2 or y.shape[-1] not in (None, self.num_classes):
                raise ValueError(
                    "With multi_label=True a text has 0 or 1 for each of the "
                    f"{self.num_classes} classes. Received: labels of shape {y.shape}."
                )
            inside = tf.reduce_all((y >= 0) & (y <= 1), axis=1)
            _refuse_unless(inside, tf.reduce_max(y, axis=1), "0 or 1")
            return y
        if one_hot and self.num_classes > 1:
            by_number = self._labels_by_number
            return tf.argmax(y, axis=1, output_type=tf.int32) if by_number else y
        y = tf.reshape(y, [-1])
        number = tf.cast(y, tf.int32)
        fine = (
            (tf.cast(number, y.dtype) == y)
            & (number >= 0)
            & (number < self.num_classes)
        )
        last = self.num_classes - 1
        _refuse_unless(fine, y, f"a whole number from 0 to {last}, num_classes in all")
        return number

    def check_data(self, dataset, labels):
        wanted = "label [B]" if labels else None
        check_texts(type(self).__name__, dataset, wanted, self.most_texts)
        names = getattr(dataset, "class_names", None)
        if names is not None and labels:
            self._check_names(list(names))
            if self.class_names is None:
                self.class_names = list(names)
            elif self.class_names != list(names):
                raise ValueError(
                    f"The data's classes are not the model's. Received: {list(names)}; "
                    f"the model has {self.class_names}. Try class_names="
                    f"{self.class_names} where the data is read."
                )

    def _check_names(self, names):
        if names is not None and len(names) != self.num_classes:
            raise ValueError(
                f"There must be a name for each class. Received: {len(names)} classes, "
                f"{list(names)}, with num_classes={self.num_classes}. Try num_classes="
                f"{len(names)}, or class_names=[...] with those wanted, where the data "
                "is read."
            )

    # Answers with names

    def predict_labels(self, x, **kwargs):
        """The likeliest class of each text, by name.

        Args:
            x: Texts, as `predict` takes them.
            **kwargs: The rest of `predict`.

        Returns:
            list of names (numbers, if the model knows no names); with `multi_label`, a
            list of all classes of at least even odds, for each text.
        """
        probabilities = self.predict(x, **kwargs)
        names = np.array(self.class_names or range(self.num_classes), object)
        if self.multi_label:
            return [list(names[row >= self.even_odds]) for row in probabilities]
        return list(names[probabilities.argmax(axis=-1)])


def name_of(loss):
    """A loss's name, however it was given."""
    if isinstance(loss, str):
        return loss
    return getattr(loss, "__name__", type(loss).__name__)


def _refuse_unless(fine, labels, wanted):
    """Stops the graph with a sentence that names the first label that is not fine."""
    first = tf.boolean_mask(labels, tf.logical_not(fine))[:1]  # there may be no label
    if first.dtype != tf.string:
        first = tf.as_string(first, shortest=first.dtype.is_floating)
    first = tf.strings.reduce_join(first)
    tf.debugging.Assert(
        tf.reduce_all(fine),
        [tf.strings.join([f"A label must be {wanted}. Received: ", first, "."])],
    )
