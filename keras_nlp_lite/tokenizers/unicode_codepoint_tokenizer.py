"""Text as Unicode code points: a character an id, no vocabulary."""

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_choice, check_positive_int
from keras_nlp_lite.tokenizers.character_tokenizer import (
    CharacterTokenizer,
    decode_with_places,
)
from keras_nlp_lite.tokenizers.word_numbers import number_words_of_characters

_ENCODINGS = ("UTF-8", "UTF-16-BE", "UTF-32-BE")


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class UnicodeCodepointTokenizer(CharacterTokenizer):
    """Gives the code points of text.

    Shapes: B batch, T tokens, different in each row.

    Args:
        sequence_length: T, in tokens: longer rows are cut, shorter ones padded with 0.
            None for ragged rows.
        lowercase: Whether to lowercase, by Unicode's NFKC_Casefold, which also replaces
            characters such as "ﬁ" and "①" and drops invisible ones.
        normalization_form: How to write characters that Unicode can write in several
            ways, after lowercasing: None, "NFC", "NFKC", "NFD" or "NFKD"; only with
            input_encoding="UTF-8".
        errors: What to do about bytes that are no text, and ids that are no code point:
            "replace", "ignore", or "strict" for an error.
        replacement_char: The code point that stands for them with errors="replace".
        input_encoding: What `tokenize` reads: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
        output_encoding: What `detokenize` writes, one of the same.
        vocabulary_size: How many ids there are: a code point of that or more becomes
            the last id. None for all of Unicode.
        dtype: Of the tokens: an integer type.
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: string, a scalar, [B] or of higher rank; str, lists and arrays do.

    Returns:
        Ragged [B, T] without `sequence_length`, dense [B, T] with it; [T] for a scalar.

    Raises:
        ValueError: another `normalization_form`, `errors`, encoding or `dtype`; an input
            that is not of strings.
        tf.errors.InvalidArgumentError: with errors="strict", bytes that are no text.

    Example:

    >>> tokenizer = UnicodeCodepointTokenizer(vocabulary_size=256)
    >>> tokenizer(["Hé", "½ 中"]).to_list()
    [[104, 233], [49, 255, 50, 32, 255]]
    >>> tokenizer.detokenize([104, 233, 0]).numpy().decode()
    'hé'

    A program that loads an export of this layer must import `tensorflow_text` first,
    where text is normalized: that is where TensorFlow finds the ops.
    """

    def __init__(
        self,
        sequence_length=None,
        lowercase=True,
        normalization_form=None,
        errors="replace",
        replacement_char=65533,
        input_encoding="UTF-8",
        output_encoding="UTF-8",
        vocabulary_size=None,
        dtype="int32",
        **kwargs,
    ):
        super().__init__(
            lowercase,
            sequence_length,
            normalization_form,
            errors,
            replacement_char,
            dtype,
            **kwargs,
        )
        check_choice("input_encoding", input_encoding, _ENCODINGS)
        check_choice("output_encoding", output_encoding, _ENCODINGS)
        check_positive_int("vocabulary_size", vocabulary_size, none_ok=True)
        if normalization_form is not None and input_encoding != "UTF-8":
            raise ValueError(
                "`normalization_form` goes with input_encoding='UTF-8' only. Received: "
                f"normalization_form={normalization_form!r}, "
                f"input_encoding={input_encoding!r}."
            )
        self.input_encoding = input_encoding
        self.output_encoding = output_encoding
        self._vocabulary_size = vocabulary_size

    def get_vocabulary(self):
        """dict from token to id: the character of each id's code point."""
        return {chr(id): id for id in range(self._size())}

    def vocabulary_size(self):
        """int: how many ids there are; None where that was not set."""
        return self._vocabulary_size

    def id_to_token(self, id):
        """str: the character of a code point."""
        if not 0 <= id < self._size():
            raise ValueError(
                f"`id` must be in the range [0, {self._size() - 1}]. Received: id={id}."
            )
        return chr(id)

    def token_to_id(self, token):
        """int: the code point of a character."""
        if len(token) != 1 or ord(token) >= self._size():
            raise ValueError(
                f"`token` must be one of the first {self._size()} characters of "
                f"Unicode. Received: token={token!r}."
            )
        return ord(token)

    def get_config(self):
        return {
            **super().get_config(),
            "input_encoding": self.input_encoding,
            "output_encoding": self.output_encoding,
            "vocabulary_size": self._vocabulary_size,
        }

    def _size(self):
        return self._vocabulary_size or 0x110000

    def _as_utf8(self, text):
        if self.input_encoding == "UTF-8":
            return text  # with what is not UTF-8 left in it, for `_numbers`
        return tf.strings.unicode_transcode(
            text,
            self.input_encoding,
            "UTF-8",
            errors=self.errors,
            replacement_char=self.replacement_char,
        )

    def _numbers(self, text):
        return tf.strings.unicode_decode(
            text, "UTF-8", errors=self.errors, replacement_char=self.replacement_char
        )

    def _tokens(self, numbers):
        if self._vocabulary_size is not None:
            numbers = tf.minimum(numbers, self._vocabulary_size - 1)
        return super()._tokens(numbers)

    def _sources(self, text, chunks):
        # What is left out of other encodings is not in the chunks either.
        errors = "replace" if self.input_encoding == "UTF-8" else self.errors
        _, starts, ends = decode_with_places(text, self.input_encoding, errors)
        counts = tf.strings.unicode_decode(chunks, "UTF-8").row_lengths()
        return starts, ends, counts

    def _word_numbers(self, text):
        return number_words_of_characters(self._numbers(text))

    def _text(self, rows):
        return tf.strings.unicode_encode(
            rows,
            self.output_encoding,
            errors=self.errors,
            replacement_char=self.replacement_char,
        )
