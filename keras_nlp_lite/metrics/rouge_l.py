"""How long a summary goes along with its reference."""

import keras

from keras_nlp_lite.metrics.rouge import Rouge


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class RougeL(Rouge):
    """ROUGE-L: the longest sequence of words that both have, gaps allowed.

    Precision is its share of the summary, recall that of the reference, and F1 the
    harmonic mean; each is averaged over texts. Words are runs of the ASCII letters and
    digits, in lower case: for other scripts this says nothing.

    Texts are taken apart in Python, on the CPU, which XLA cannot do: compile a model
    with this metric and `jit_compile=False`.

    Shapes: B batch.

    Args:
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
        ValueError: `dtype` is not floating point; texts have another shape, or are not
            equally many.
        ImportError: `use_stemmer` without NLTK.

    Example:

    >>> scores = RougeL()("The cat sat on the mat.", "A mat on which the cat sat")
    >>> {name: round(float(score), 2) for name, score in scores.items()}
    {'precision': 0.43, 'recall': 0.5, 'f1_score': 0.46}

    Reference: Lin, "ROUGE", aclanthology.org/W04-1013, section 3.
    """

    def __init__(self, use_stemmer=False, name="rouge-l", **kwargs):
        super().__init__(use_stemmer=use_stemmer, name=name, **kwargs)

    def overlap(self, reference, summary):
        common = longest_common_subsequence(reference, summary)
        return common, len(summary), len(reference)


def longest_common_subsequence(a, b):
    """Length of the longest sequence that both have, gaps allowed.

    A row of the usual table never falls, and rises by 1 at most: its steps are the
    bits of one integer, so a row costs three operations on integers of len(a) bits.

    Args:
        a: list of hashable tokens.
        b: list of hashable tokens.

    Returns:
        int.

    Example:

    >>> longest_common_subsequence("to be or not".split(), "not to be".split())
    2

    Reference: Hyyrö, "Bit-Parallel LCS-length Computation Revisited", 2004.
    """
    places = {}  # token: a bit for each place in `a`
    for place, token in enumerate(a):
        places[token] = places.get(token, 0) | 1 << place
    all_places = (1 << len(a)) - 1
    level = all_places  # 0 where the row rises
    for token in b:
        met = level & places.get(token, 0)
        level = ((level + met) | (level - met)) & all_places
    return len(a) - level.bit_count()
