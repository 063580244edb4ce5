"""How many of a translation's n-grams its references have."""

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_choice, check_positive_int
from keras_nlp_lite.metrics.bleu_words import (
    characters,
    words_13a,
    words_like_keras_hub,
)
from keras_nlp_lite.metrics.inputs import (
    as_tensor,
    check_equally_many,
    check_float,
    decoded,
    without_unit_axis,
)
from keras_nlp_lite.metrics.n_grams import count_n_grams

_WORDS = {
    None: words_like_keras_hub,
    "13a": words_13a,
    "char": characters,
    "none": str.split,
}
_FLOOR = 0.1  # matches that "floor" gives an order without one
_ADDED = 1.0  # matches that "add-k" adds


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Bleu(keras.metrics.Metric):
    """BLEU of a corpus: the geometric mean of n-gram precisions, less if too short.

    Counts add up over all texts seen, and the score is theirs: no mean of the batches'
    scores. `Bleu(tokenize="13a", smooth_method="exp")` is the number that sacrebleu
    prints (and that papers report), divided by 100.

    Texts are taken apart in Python, on the CPU, which XLA cannot do: compile a model
    with this metric and `jit_compile=False`.

    Shapes: B batch, R references, which may differ from text to text.

    Args:
        tokenizer: Takes string [N], gives tokens, ragged [N, (tokens)]; such as a
            tokenizer layer. By default texts are taken apart as `tokenize` says.
        max_order: The longest n-grams that count, in tokens.
        smooth: Whether to add 1 to the matches and to the n-grams of each order.
        dtype: Of the result, floating point. With "float64" it agrees with sacrebleu
            to 1e-9.
        name: str.
        tokenize: "13a", as sacrebleu does by default; "char", a token for each
            character; "none", at white space; None, as KerasHub's `Bleu` does, which
            is 13a but for a point or comma at either end of the text. With None the
            shortest of several references counts as the wanted length; otherwise, as
            in sacrebleu, the one nearest to the translation's.
        effective_order: Whether orders longer than every translation are left out of
            the mean, which they would make 0. For scores of single sentences.
        smooth_method: What an order without a match counts as: None, 0, and so does
            the score then; "exp", half a match, and half of that for the next such
            order; "floor", 0.1 matches; "add-k" adds 1 to the matches and n-grams of
            each order but the first, whether it has a match or not.
        **kwargs: The rest of `keras.metrics.Metric`.

    Call arguments:
        y_true: string [B, R], or [B, R, 1], dense or ragged, or nested lists; string
            [R] for a single translation; string [B], a reference each.
        y_pred: string [B], [B, 1] or a single string.
        sample_weight: Not used.

    Returns:
        A scalar in [0, 1].

    Raises:
        ValueError: An argument is out of its range, texts have another shape, or
            references and translations are not equally many.

    Example:

    >>> bleu = Bleu(tokenize="13a", smooth_method="exp")
    >>> references = [["A man sleeps on a bench.", "A man is asleep."], ["Two dogs."]]
    >>> print(f"{bleu(references, ['A man sleeps on the bench.', 'Two dogs.']):.4f}")
    0.5390

    Reference: Papineni et al., "BLEU", aclanthology.org/P02-1040; Post, "A Call for
    Clarity in Reporting BLEU Scores", arXiv:1804.08771; Chen and Cherry, "A Systematic
    Comparison of Smoothing Techniques", aclanthology.org/W14-3346.
    """

    def __init__(
        self,
        tokenizer=None,
        max_order=4,
        smooth=False,
        dtype="float32",
        name="bleu",
        *,
        tokenize=None,
        effective_order=False,
        smooth_method=None,
        **kwargs,
    ):
        check_float(dtype)
        check_positive_int("max_order", max_order)
        check_choice("tokenize", tokenize, tuple(_WORDS))
        check_choice("smooth_method", smooth_method, (None, "exp", "floor", "add-k"))
        if tokenizer is not None and tokenize is not None:
            raise ValueError(
                "`tokenizer` and `tokenize` exclude each other. Received: "
                f"tokenizer={tokenizer!r}, tokenize={tokenize!r}."
            )
        if smooth and smooth_method is not None:
            raise ValueError(
                "`smooth` and `smooth_method` exclude each other. Received: "
                f"smooth={smooth!r}, smooth_method={smooth_method!r}."
            )
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.tokenizer = tokenizer
        self.max_order = max_order
        self.smooth = smooth
        self.tokenize = tokenize
        self.effective_order = effective_order
        self.smooth_method = smooth_method
        self._matches = self._counts("bleu_matches", [max_order])
        self._possible_matches = self._counts("bleu_possible_matches", [max_order])
        self._translation_length = self._counts("bleu_translation_length", [])
        self._reference_length = self._counts("bleu_reference_length", [])

    def _counts(self, name, shape):
        # As integers: float32 would lose count beyond 16 million n-grams.
        return self.add_weight(
            shape=shape, initializer="zeros", dtype="int64", name=name
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        with tf.device("CPU:0"):
            references, predictions = _paired(as_tensor(y_true), as_tensor(y_pred))
            counts = tf.numpy_function(
                self._count,
                [
                    references.row_lengths(),
                    *self._tokens(references.values),
                    *self._tokens(predictions),
                ],
                tf.int64,
            )
            counts = tf.ensure_shape(counts, [2 * self.max_order + 2])
        self._matches.assign_add(counts[: self.max_order])
        self._possible_matches.assign_add(counts[self.max_order : -2])
        self._translation_length.assign_add(counts[-2])
        self._reference_length.assign_add(counts[-1])

    def _tokens(self, texts):
        """Texts, string [N], as two tensors that `_token_lists` makes lists of."""
        if self.tokenizer is None:
            return texts, ()
        tokens = self.tokenizer(texts)
        if not isinstance(tokens, tf.RaggedTensor):
            tokens = tf.RaggedTensor.from_tensor(tokens)
        return tokens.flat_values, tokens.row_lengths()

    def _token_lists(self, tokens, lengths):
        if self.tokenizer is None:
            return [_WORDS[self.tokenize](text) for text in decoded(tokens)]
        ends = np.cumsum(lengths)
        return [tokens[end - n : end].tolist() for end, n in zip(ends, lengths)]

    def _count(self, num_references, *tokens):
        """Matches and n-grams of each order, and both lengths: int64 [2 * orders + 2]."""
        references = iter(self._token_lists(*tokens[:2]))
        translations = self._token_lists(*tokens[2:])
        if len(translations) != len(num_references):
            raise ValueError(
                "`y_true` and `y_pred` must have the same number of samples. Received: "
                f"{len(num_references)} in `y_true`, {len(translations)} in `y_pred`."
            )
        orders = np.arange(1, self.max_order + 1)
        counts = np.zeros(2 * self.max_order + 2, "int64")
        for translation, several in zip(translations, num_references):
            of_this = [next(references) for _ in range(several)]
            wanted = count_n_grams([], orders)
            for reference in of_this:
                wanted |= count_n_grams(reference, orders)
            for n_gram, count in (count_n_grams(translation, orders) & wanted).items():
                counts[len(n_gram) - 1] += count
            length = len(translation)
            counts[self.max_order : -2] += np.maximum(length - orders + 1, 0)
            counts[-2:] += length, self._wanted_length(length, map(len, of_this))
        return counts

    def _wanted_length(self, length, reference_lengths):
        if self.tokenize is None:
            return min(reference_lengths, default=0)
        return min(reference_lengths, key=lambda n: (abs(n - length), n), default=0)

    def result(self):
        matches, n_grams, length, wanted_length = (
            tf.cast(tf.convert_to_tensor(counts), tf.float64)
            for counts in (
                self._matches,
                self._possible_matches,
                self._translation_length,
                self._reference_length,
            )
        )
        found = self.smooth or tf.reduce_any(matches > 0)
        matches, n_grams = self._smoothed(matches, n_grams)
        logs = tf.math.log(tf.math.divide_no_nan(matches, n_grams))
        count = tf.cast(
            n_grams > 0, tf.float64
        )  # 1 for an order that translations have
        if not self.effective_order:
            count = tf.ones_like(count)
        logs = tf.where(count > 0, logs, 0)
        mean = tf.math.divide_no_nan(tf.reduce_sum(logs), tf.reduce_sum(count))
        brevity = tf.minimum(1 - wanted_length / tf.maximum(length, 1), 0)
        score = tf.exp(mean + brevity)
        return tf.cast(tf.where(found & (length > 0), score, 0), self.dtype)

    def _smoothed(self, matches, n_grams):
        """Matches and n-grams of each order, both float64 [orders]."""
        if self.smooth:
            return matches + 1, n_grams + 1
        if self.smooth_method == "add-k":
            added = tf.constant([0.0] + [_ADDED] * (self.max_order - 1), tf.float64)
            return matches + added, n_grams + added
        missing = (matches == 0) & (n_grams > 0)
        if self.smooth_method == "exp":
            nth = tf.cumsum(tf.cast(missing, tf.float64))
            matches = tf.where(missing, 0.5**nth, matches)
        if self.smooth_method == "floor":
            matches = tf.where(missing, tf.constant(_FLOOR, tf.float64), matches)
        return matches, n_grams

    def get_config(self):
        return {
            **super().get_config(),
            "tokenizer": self.tokenizer,
            "max_order": self.max_order,
            "smooth": self.smooth,
            "tokenize": self.tokenize,
            "effective_order": self.effective_order,
            "smooth_method": self.smooth_method,
        }

    @classmethod
    def from_config(cls, config):
        if isinstance(config.get("tokenizer"), dict):
            tokenizer = keras.saving.deserialize_keras_object(config["tokenizer"])
            config = {**config, "tokenizer": tokenizer}
        return cls(**config)


def _paired(y_true, y_pred):
    """References, ragged string [B, R], and translations, string [B]."""
    y_true = without_unit_axis("y_true", y_true, 1)
    y_pred = without_unit_axis("y_pred", y_pred, 0)
    single = y_pred.shape.rank == 0
    predictions = tf.reshape(y_pred, [-1])
    if y_true.shape.rank == 1:
        # A reference each; or if there is one translation, all are its own.
        size = tf.size(y_true, tf.int64)
        one = single | (tf.size(predictions) == 1)
        lengths = tf.cond(
            one, lambda: size[tf.newaxis], lambda: tf.ones(size, tf.int64)
        )
        y_true = tf.RaggedTensor.from_row_lengths(y_true, lengths)
    elif not isinstance(y_true, tf.RaggedTensor):
        y_true = tf.RaggedTensor.from_tensor(y_true)
    check_equally_many(y_true, predictions)
    return y_true, predictions
