"""What a model makes of validation examples, and what TensorBoard shows of it."""

import numpy as np
import tensorflow as tf

from keras_nlp_lite.monitoring.calibration import calibration, draw_calibration
from keras_nlp_lite.monitoring.confusion_matrix import (
    confusion_matrix,
    draw_confusion_matrix,
)
from keras_nlp_lite.monitoring.misclassified import misclassified_table
from keras_nlp_lite.monitoring.precision_recall import (
    average_precision,
    precision_recall,
    write_precision_recall,
)

_BATCH = 256  # texts predicted at once
_MOST_CLASSES = 100  # in the confusion matrix: beyond, nothing in it can be read
_MOST_CURVES = 20


class ValidationReport:
    """Predicts a sample of validation texts, and writes what there is to see.

    Args:
        texts: N str or bytes.
        labels: int [N] or float [N, C], as validation data has them.
        misclassified: Rows of the table of mistakes; 0 for none.
        confusion_matrix, calibration, precision_recall: Whether to write these.
        class_names: A string for each class, instead of the model's own.
    """

    def __init__(
        self,
        texts,
        labels,
        *,
        misclassified=10,
        confusion_matrix=True,
        calibration=True,
        precision_recall=True,
        class_names=None,
    ):
        self.texts, self.labels = texts, labels
        self.misclassified = misclassified
        self.confusion_matrix = confusion_matrix
        self.calibration = calibration
        self.precision_recall = precision_recall
        self.class_names = class_names

    def write(self, model, step):
        """Predicts with the model as it is, and writes by the default writer."""
        labels, probabilities = self.labels, self._predict(model)
        multi_label = getattr(model, "multi_label", False)
        if not multi_label:
            probabilities = _column_per_class(probabilities)
            labels = _class_numbers(labels)
        names = self._names(model, max(probabilities.shape[1], _num_classes(labels)))
        if self.misclassified:
            table = misclassified_table(
                self.texts.ravel(), labels, probabilities, names, self.misclassified
            )
            tf.summary.text("misclassified", table, step=step)
        if self.confusion_matrix and not multi_label and len(names) <= _MOST_CLASSES:
            matrix = confusion_matrix(labels, probabilities.argmax(1), len(names))
            image = draw_confusion_matrix(matrix, names)
            tf.summary.image("confusion_matrix", image[np.newaxis], step=step)
        if self.calibration:
            found = calibration(labels, probabilities)
            tf.summary.scalar("calibration_error", found.error(), step=step)
            image = draw_calibration(found)
            tf.summary.image("calibration", image[np.newaxis], step=step)
        if self.precision_recall and probabilities.shape[1] <= _MOST_CURVES:
            self._write_curves(labels, probabilities, names, step)

    def _write_curves(self, labels, probabilities, names, step):
        """A curve for each class; of two classes, for the second alone."""
        C = probabilities.shape[1]
        for number in range(C):
            if C == 2 and labels.ndim == 1 and number == 0:
                continue
            truth = labels == number if labels.ndim == 1 else labels[:, number]
            scores, name = probabilities[:, number], names[number]
            curve = precision_recall(truth, scores)
            write_precision_recall(f"precision_recall/{name}", curve, step)
            area = average_precision(truth, scores)
            tf.summary.scalar(f"average_precision/{name}", area, step=step)

    def _predict(self, model):
        """float32 [N, C or 1], the model's probabilities."""
        texts = self.texts
        batches = [texts[i : i + _BATCH] for i in range(0, len(texts), _BATCH)]
        outputs = [model.predict_on_batch(batch) for batch in batches]
        probabilities = np.concatenate([np.asarray(o, "float32") for o in outputs])
        return probabilities.reshape(len(texts), -1)

    def _names(self, model, num_classes):
        """A name for each class; its number where it has none."""
        names = self.class_names
        if names is None:
            names = getattr(model, "class_names", None)
        names = [] if names is None else [str(name) for name in names]
        return names + [str(number) for number in range(len(names), num_classes)]


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
