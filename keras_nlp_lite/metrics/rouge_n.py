"""How many of a summary's n-grams its reference has, and the other way round."""

import keras

from keras_nlp_lite.metrics.n_grams import count_n_grams
from keras_nlp_lite.metrics.rouge import Rouge


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class RougeN(Rouge):
    """ROUGE-N: the n-grams that a summary and its reference have in common.

    Precision is their share of the summary, recall that of the reference, and F1 the
    harmonic mean; each is averaged over texts. Words are runs of the ASCII letters and
    digits, in lower case: for other scripts this says nothing.

    Texts are taken apart in Python, on the CPU, which XLA cannot do: compile a model
    with this metric and `jit_compile=False`.

    Shapes: B batch.

    Args:
        order: n, in words, from 1 to 9.
        use_stemmer: Whether words of more than three letters are reduced to their
            stems first, by the Porter stemmer of NLTK, which has to be installed.
        name: str.
        **kwargs: `dtype` and the rest of `keras.metrics.Metric`.

    Call arguments:
        y_true: string [B] or [B, 1], or a single string; the references.
        y_pred: The summaries, likewise.
        sample_weight: Not used.

    Returns:
        dict of the scalars `precision`, `recall` and `f1_score`; 0 before any text.

    Raises:
        ValueError: `order` or `dtype` is out of range; texts have another shape, or
            are not equally many.
        ImportError: `use_stemmer` without NLTK.

    Example:

    >>> rouge = RougeN(order=1)
    >>> scores = rouge("The cat sat on the mat.", "A cat on a mat")
    >>> {name: round(float(score), 2) for name, score in scores.items()}
    {'precision': 0.6, 'recall': 0.5, 'f1_score': 0.55}

    Reference: Lin, "ROUGE", aclanthology.org/W04-1013.
    """

    def __init__(self, order=2, use_stemmer=False, name="rouge-n", **kwargs):
        if isinstance(order, bool) or order not in range(1, 10):
            raise ValueError(
                f"`order` must be an integer from 1 to 9. Received: order={order!r}."
            )
        super().__init__(use_stemmer=use_stemmer, name=name, **kwargs)
        self.order = order

    def overlap(self, reference, summary):
        reference, summary = (
            count_n_grams(words, [self.order]) for words in (reference, summary)
        )
        return tuple(
            sum(n_grams.values())
            for n_grams in (reference & summary, summary, reference)
        )

    def get_config(self):
        return {**super().get_config(), "order": self.order}
