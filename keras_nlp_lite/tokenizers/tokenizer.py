"""What every tokenizer is: a layer from text to tokens, and often back."""

import keras
import tensorflow as tf

from keras_nlp_lite.tokenizers.strings import accept_raw_inputs


class Tokenizer(keras.layers.Layer):
    """A layer that turns strings into token ids, or into the tokens themselves.

    Subclasses define `tokenize`, as TensorFlow ops, so that the layer works in
    `Dataset.map`, in a model that takes strings and in an export; and of the other
    methods those that make sense for them. Calling the layer is `tokenize`.

    Args:
        dtype: Of the tokens: an integer type for ids, or "string".
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Raises:
        ValueError: `dtype` is neither.
    """

    def __init__(self, dtype="int32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        if self.compute_dtype != "string" and "int" not in self.compute_dtype:
            raise ValueError(
                "`dtype` must be an integer type or 'string'. "
                f"Received: dtype={self.compute_dtype!r}."
            )
        accept_raw_inputs(self)

    def build(self, *args, **kwargs):
        """There is nothing to build; Keras asks all the same."""

    def tokenize(self, inputs):
        """Turns strings into tokens."""
        raise self._missing("tokenize")

    def detokenize(self, inputs, skip_special_tokens=False):
        """Turns token ids back into strings.

        Args:
            inputs: int ids.
            skip_special_tokens: Whether to leave out `special_tokens`, those of a family
                of models and the token for padding, as is wanted of generated text.
        """
        raise self._missing("detokenize")

    def tokenize_with_offsets(self, inputs):
        """Turns strings into tokens, and says where each stands.

        Returns:
            (tokens, starts, ends): what `tokenize` gives, and int64 of the same shape:
            a token is of the bytes from start up to end of the string that came in.
        """
        raise self._missing("tokenize_with_offsets")

    def word_ids(self, inputs):
        """int64, shaped as the tokens: which of its text's words, from 0, a token is
        of; -1 for padding."""
        raise self._missing("word_ids")

    def add_tokens(self, tokens):
        """Gives the vocabulary more tokens, behind the others: int, how many were new."""
        raise self._missing("add_tokens")

    def get_vocabulary(self):
        """list of str: every token, in the order of the ids."""
        raise self._missing("get_vocabulary")

    def vocabulary_size(self):
        """int: how many ids there are."""
        raise self._missing("vocabulary_size")

    def id_to_token(self, id):
        """str: the token that has an id."""
        raise self._missing("id_to_token")

    def token_to_id(self, token):
        """int: the id that a token has."""
        raise self._missing("token_to_id")

    def call(self, inputs):
        return self.tokenize(inputs)

    def _cast(self, tokens):
        """Ids in the layer's dtype; strings as they are."""
        if self.compute_dtype == "string":
            return tokens
        return tf.cast(tokens, self.compute_dtype)

    def _pad_value(self):
        """What fills short rows of tokens: `pad_token_id`, where there is one."""
        if self.compute_dtype == "string":
            return ""
        return getattr(self, "pad_token_id", 0)

    def _has_token(self, token):
        return token in self.get_vocabulary()

    def _without_special_tokens(self, rows, skip):
        """Ragged ids [N, T], without special tokens where these are to be skipped."""
        if not skip:
            return rows
        names = {
            *getattr(self, "special_tokens", ()),
            *getattr(self, "special_token_names", ()),
        }
        special = [self.token_to_id(name) for name in names if self._has_token(name)]
        if not special:
            return rows
        same = rows.values[:, tf.newaxis] == tf.constant(special, rows.dtype)
        return tf.ragged.boolean_mask(
            rows, rows.with_values(~tf.reduce_any(same, axis=1))
        )

    def _missing(self, method):
        return NotImplementedError(
            f"{type(self).__name__} has no `{method}`. A subclass may define it."
        )
