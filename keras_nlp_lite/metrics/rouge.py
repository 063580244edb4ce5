"""What all ROUGE metrics share: words, and the mean of each text's scores."""

import re

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.metrics.inputs import (
    as_tensor,
    check_equally_many,
    check_float,
    decoded,
    without_unit_axis,
)

_WORD = re.compile("[a-z0-9]+")
_UNSTEMMED = 3  # words of up to so many letters stay as they are


class Rouge(keras.metrics.Metric):
    """The mean over texts of how much a summary and its reference have in common.

    A subclass defines `overlap(reference, summary)`, of two lists of words, which gives
    the size of what is common, of the summary and of the reference.

    Args:
        use_stemmer: Whether words of more than three letters are reduced to their
            stems first, by the Porter stemmer of NLTK, which has to be installed.
        dtype: Of the sums and the result, floating point.
        name: str.
        **kwargs: The rest of `keras.metrics.Metric`.

    Raises:
        ValueError: `dtype` is not floating point; texts have another shape, or are not
            equally many.
        ImportError: `use_stemmer` without NLTK.
    """

    def __init__(self, use_stemmer=False, dtype="float32", name="rouge", **kwargs):
        check_float(dtype)
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.use_stemmer = use_stemmer
        self._stem = _porter_stem() if use_stemmer else None
        self._precision = self._sum("rouge_precision")
        self._recall = self._sum("rouge_recall")
        self._f1_score = self._sum("rouge_f1_score")
        self._texts = self._sum("number_of_samples")

    def _sum(self, name):
        # Half precision would soon add nothing more.
        dtype = "float64" if self.dtype == "float64" else "float32"
        return self.add_weight(shape=(), initializer="zeros", dtype=dtype, name=name)

    def update_state(self, y_true, y_pred, sample_weight=None):
        with tf.device("CPU:0"):
            y_true, y_pred = _texts("y_true", y_true), _texts("y_pred", y_pred)
            check_equally_many(y_true, y_pred)
            sums = tf.numpy_function(self._sums, [y_true, y_pred], tf.float64)
            sums = tf.ensure_shape(sums, [4])
        totals = self._precision, self._recall, self._f1_score, self._texts
        for total, part in zip(totals, tf.unstack(sums)):
            total.assign_add(tf.cast(part, total.dtype))

    def _sums(self, references, summaries):
        """Sums over texts of precision, recall, F1 and 1: float64 [4]."""
        sums = np.zeros(4)
        for pair in zip(decoded(references), decoded(summaries), strict=True):
            common, summary, reference = self.overlap(*map(self._words, pair))
            precision, recall = common / max(summary, 1), common / max(reference, 1)
            both = precision + recall
            f1_score = 2 * precision * recall / both if both else 0.0
            sums += precision, recall, f1_score, 1
        return sums

    def _words(self, text):
        words = _WORD.findall(text.lower())
        if self._stem is None:
            return words
        return [self._stem(w) if len(w) > _UNSTEMMED else w for w in words]

    def overlap(self, reference, summary):
        raise NotImplementedError

    def result(self):
        texts = tf.convert_to_tensor(self._texts)
        sums = {
            "precision": self._precision,
            "recall": self._recall,
            "f1_score": self._f1_score,
        }
        return {
            name: tf.cast(
                tf.math.divide_no_nan(tf.convert_to_tensor(total), texts), self.dtype
            )
            for name, total in sums.items()
        }

    def get_config(self):
        return {**super().get_config(), "use_stemmer": self.use_stemmer}


def _texts(name, x):
    return tf.reshape(without_unit_axis(name, as_tensor(x), 0), [-1])


def _porter_stem():
    try:
        from nltk.stem.porter import PorterStemmer
    except ImportError:
        raise ImportError(
            "`use_stemmer=True` needs the Porter stemmer of NLTK, which is not "
            "installed. Try `pip install nltk`, or use_stemmer=False."
        ) from None
    return PorterStemmer().stem
