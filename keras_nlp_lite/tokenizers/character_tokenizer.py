"""What the tokenizers of bytes and of code points share: text that needs no vocabulary."""

import tensorflow as tf

from keras_nlp_lite.checks import check_choice, check_positive_int
from keras_nlp_lite.tokenizers.normalizing import (
    ERRORS,
    FORMS,
    normalize,
    spans_of_tokens,
    split_chunks,
)
from keras_nlp_lite.tokenizers.strings import as_strings, byte_lengths, on_cpu
from keras_nlp_lite.tokenizers.text_rows import (
    as_id_rows,
    flat_strings,
    rows_like,
    rows_spec,
)
from keras_nlp_lite.tokenizers.tokenizer import Tokenizer


class CharacterTokenizer(Tokenizer):
    """Normalizes text, and gives the numbers that it is written in.

    Subclasses say what the numbers are: `_numbers`, `_sources`, `_word_numbers` and
    `_text`.

    Args:
        lowercase, sequence_length, normalization_form, errors, replacement_char, dtype,
            **kwargs: As in `ByteTokenizer` and `UnicodeCodepointTokenizer`.
    """

    def __init__(
        self,
        lowercase,
        sequence_length,
        normalization_form,
        errors,
        replacement_char,
        dtype,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        if self.compute_dtype == "string":
            raise ValueError(
                "`dtype` must be an integer type. Received: dtype='string'."
            )
        check_positive_int("sequence_length", sequence_length, none_ok=True)
        check_choice("normalization_form", normalization_form, FORMS)
        check_choice("errors", errors, ERRORS)
        self.lowercase = lowercase
        self.sequence_length = sequence_length
        self.normalization_form = normalization_form
        self.errors = errors
        self.replacement_char = replacement_char

    def _numbers(self, text):
        """Ragged integers [N, T] of normalized UTF-8 strings [N]."""
        raise self._missing("_numbers")

    def _sources(self, text, chunks):
        """What spans are counted in.

        Args:
            text: string [N], as it came in.
            chunks: string [K], what it is made of, as UTF-8.

        Returns:
            (starts, ends, counts): int64 [S], [S] and [K]; where in its string each
            source begins and ends, and how many of them each chunk has.
        """
        raise self._missing("_sources")

    def _word_numbers(self, text):
        """The word of each of `_numbers`; ragged int64 [N, T]."""
        raise self._missing("_word_numbers")

    def _text(self, rows):
        """Strings [N] of ragged int32 [N, T]."""
        raise self._missing("_text")

    def tokenize(self, inputs):
        with on_cpu():
            text = as_strings(inputs)
            normal = self._normalize(self._as_utf8(flat_strings(text)))
            return self._rows(text, self._tokens(self._numbers(normal)))

    def tokenize_with_offsets(self, inputs):
        """Turns strings into ids, and says what of the string each comes from.

        Where normalization made one character of several, it has the place of all of
        them; where it made more of them than there were, the surplus is empty and
        stands behind. Between two spans lies only what normalization removed, such as a
        soft hyphen, and with errors="ignore" bytes that are no text.

        Returns:
            (tokens, starts, ends): what `tokenize` gives, and int64 of the same shape,
            padded with 0: a token is of the bytes from start up to end of the string
            that came in. Spans ascend and do not overlap.
        """
        with on_cpu():
            text = as_strings(inputs)
            strings = flat_strings(text)
            chunks = split_chunks(self._as_utf8(strings))  # ragged [N, K]
            numbers = self._numbers(self._normalize(chunks.values))  # ragged [K, None]
            spans = spans_of_tokens(
                *self._sources(strings, chunks.values), numbers.row_lengths()
            )
            return tuple(
                self._rows(
                    text, chunks.with_values(numbers.with_values(x)).merge_dims(1, 2)
                )
                for x in (self._tokens(numbers).values, *spans)
            )

    def word_ids(self, inputs):
        """Which word of its text each token is of.

        Returns:
            int64, shaped as the tokens, padded with -1. Words are runs between white
            space, numbered from 0. White space belongs to the word behind it; at the
            end of a text it is a word of its own.
        """
        with on_cpu():
            text = as_strings(inputs)
            normal = self._normalize(self._as_utf8(flat_strings(text)))
            return self._rows(text, self._word_numbers(normal), pad_value=-1)

    def detokenize(self, inputs, skip_special_tokens=False):
        """Turns ids back into text; id 0, the padding, stands for none.

        Args:
            inputs: int ids, a scalar, [T], or dense or ragged [B, T].
            skip_special_tokens: Changes nothing: beside the padding there are none.

        Returns:
            string, a scalar or [B].
        """
        with on_cpu():
            rows, restore = as_id_rows(inputs)
            rows = tf.ragged.boolean_mask(rows, rows != 0)
            return restore(self._text(tf.cast(rows, tf.int32)))

    def compute_output_spec(self, inputs):
        return rows_spec(inputs, self.sequence_length, self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "lowercase": self.lowercase,
            "sequence_length": self.sequence_length,
            "normalization_form": self.normalization_form,
            "errors": self.errors,
            "replacement_char": self.replacement_char,
        }

    def _as_utf8(self, text):
        return text

    def _normalize(self, text):
        if not self.lowercase and self.normalization_form is None:
            return text
        return normalize(text, self.lowercase, self.normalization_form)

    def _tokens(self, numbers):
        return tf.cast(numbers, self.compute_dtype)

    def _rows(self, text, values, pad_value=None):
        return rows_like(text, values, self.sequence_length, pad_value)


def decode_with_places(text, encoding="UTF-8", errors="replace"):
    """Code points, and where each stands.

    Args:
        text: string [N].
        encoding, errors: As in `tf.strings.unicode_decode`.

    Returns:
        (int32 ragged [N, None], int64 [C], int64 [C]): the code points, and the bytes
        of its string that each begins with and ends before. It ends where the next one
        begins.
    """
    characters, starts = tf.strings.unicode_decode_with_offsets(
        text, encoding, errors=errors
    )
    lengths = byte_lengths(text)
    full = starts.row_lengths() > 0
    last = tf.boolean_mask(starts.row_limits() - 1, full)
    ends = tf.tensor_scatter_nd_update(
        tf.roll(starts.values, -1, axis=0),
        last[:, tf.newaxis],
        tf.boolean_mask(lengths, full),
    )
    return characters, starts.values, ends
