"""Text as bytes: 256 ids, no vocabulary, no unknown words."""

import keras
import tensorflow as tf

from keras_nlp_lite.tokenizers.character_tokenizer import (
    CharacterTokenizer,
    decode_with_places,
)
from keras_nlp_lite.tokenizers.strings import byte_lengths
from keras_nlp_lite.tokenizers.word_numbers import number_words_of_characters


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class ByteTokenizer(CharacterTokenizer):
    """Gives the bytes of text, as UTF-8.

    Shapes: B batch, T tokens, different in each row.

    Args:
        lowercase: Whether to lowercase, by Unicode's NFKC_Casefold, which also replaces
            characters such as "ﬁ" and "①" and drops invisible ones.
        sequence_length: T, in tokens: longer rows are cut, shorter ones padded with 0.
            None for ragged rows.
        normalization_form: How to write characters that Unicode can write in several
            ways, after lowercasing: None, "NFC", "NFKC", "NFD" or "NFKD".
        errors: What `detokenize` does about bytes that are not UTF-8: "replace",
            "ignore", or "strict" for an error. `tokenize` passes them on.
        replacement_char: The code point that stands for them with errors="replace".
        dtype: Of the tokens: an integer type.
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: string, a scalar, [B] or of higher rank; str, lists and arrays do.

    Returns:
        Ragged [B, T] without `sequence_length`, dense [B, T] with it; [T] for a scalar.

    Raises:
        ValueError: another `normalization_form`, `errors` or `dtype`; an input that is
            not of strings.

    Example:

    >>> tokenizer = ByteTokenizer()
    >>> tokenizer(["Hé", "ox"]).to_list()
    [[104, 195, 169], [111, 120]]
    >>> tokenizer.detokenize([104, 195, 169, 0, 0]).numpy().decode()
    'hé'

    A program that loads an export of this layer must import `tensorflow_text` first,
    where text is normalized: that is where TensorFlow finds the ops.
    """

    def __init__(
        self,
        lowercase=True,
        sequence_length=None,
        normalization_form=None,
        errors="replace",
        replacement_char=65533,
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

    def get_vocabulary(self):
        """dict from token to id: each byte, as the character of that code point."""
        return {chr(byte): byte for byte in range(256)}

    def vocabulary_size(self):
        return 256

    def id_to_token(self, id):
        """str: a byte, as the character of that code point."""
        if not 0 <= id < 256:
            raise ValueError(f"`id` must be in the range [0, 255]. Received: id={id}.")
        return chr(id)

    def token_to_id(self, token):
        """int: the byte that is written as a character."""
        if len(token) != 1 or ord(token) > 255:
            raise ValueError(
                "`token` must be one of the first 256 characters of Unicode. Received: "
                f"token={token!r}."
            )
        return ord(token)

    def _numbers(self, text):
        # One long string: to cut each one up would make a string of every byte.
        flat = tf.io.decode_raw(tf.strings.reduce_join(text), tf.uint8)
        return tf.RaggedTensor.from_row_lengths(
            flat, byte_lengths(text), validate=False
        )

    def _sources(self, text, chunks):
        starts = tf.ragged.range(byte_lengths(text)).values
        return starts, starts + 1, byte_lengths(chunks)

    def _word_numbers(self, text):
        characters, starts, ends = decode_with_places(text)
        words = number_words_of_characters(characters).values
        return tf.RaggedTensor.from_row_lengths(
            tf.repeat(words, ends - starts), byte_lengths(text), validate=False
        )

    def _text(self, rows):
        each_byte = tf.constant([bytes([byte]) for byte in range(256)])
        text = tf.strings.reduce_join(tf.gather(each_byte, rows), axis=-1)
        return tf.strings.unicode_transcode(
            text,
            "UTF-8",
            "UTF-8",
            errors=self.errors,
            replacement_char=self.replacement_char,
        )
