"""WordPiece: words as the longest pieces that the vocabulary has."""

import os

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.tokenizers.strings import as_strings, on_cpu
from keras_nlp_lite.tokenizers.text_rows import as_id_rows, flat_strings, rows_like
from keras_nlp_lite.tokenizers.tokenizer import Tokenizer
from keras_nlp_lite.tokenizers.vocabulary import Vocabulary
from keras_nlp_lite.tokenizers.whole_tokens import check_whole_tokens
from keras_nlp_lite.tokenizers.word_piece_model import WordPieceModel

_ASSET = "vocabulary.txt"


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class WordPieceTokenizer(Tokenizer):
    """Cuts text into words, and each word into pieces, the way BERT does.

    Control and format characters, such as U+200B, and bytes that are no UTF-8 are left
    out. A word becomes the longest piece of the vocabulary that it starts with, then the
    longest that goes on from there, and so on; a word of which some part is no piece,
    or of over 100 characters, becomes `oov_token`. The time is linear in the text's
    length.

    Ids, places and words are those of Hugging Face's `BertTokenizer`, of its fast kind,
    whatever the text, but for one thing: with `strip_accents`, marks that are no accents
    to it, such as those that came to Unicode after 8.0, stay in their order where
    several marks follow one letter; there they go in Unicode's canonical order.

    KerasHub's class of this name departs from BERT, and so from this one: there control
    and format characters part words, lowercasing makes "ss" of "\u00df", and a word may
    have 100 bytes.

    Shapes: B batch, W words, T tokens, different in each row.

    Args:
        vocabulary: Tokens in the order of their ids, from 0: a list of strings, or a
            text file with one a line. None where `set_vocabulary` or loading follows.
        sequence_length: T, in tokens: longer rows are cut, shorter ones padded with 0
            (with "" for strings). None for ragged rows.
        lowercase: Whether to lowercase, each character by itself.
        strip_accents: Whether to decompose characters (NFD) and remove accents.
        split: Whether to cut at white space and around punctuation; otherwise the
            input is words, in which nothing is left out.
        split_on_cjk: Whether each Chinese, Japanese or Korean ideograph is a word; only
            with `split`.
        suffix_indicator: What pieces that go on with a word start with.
        oov_token: The token for what the vocabulary cannot spell.
        special_tokens: Tokens such as "[CLS]" that are neither cut nor lowercased
            where they stand in the text.
        special_tokens_in_strings: Whether to look for `special_tokens` in the text;
            only with `split`.
        dtype: Of the tokens: an integer type for ids, or "string".
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: string, a scalar, [B] or of higher rank; str, lists and arrays do. With
            split=False words: [W], or dense or ragged [B, W].

    Returns:
        Ragged [B, T] without `sequence_length`, dense [B, T] with it; [T] for a scalar
        or, with split=False, for one row of words.

    Raises:
        ValueError: no vocabulary yet; one without `oov_token` or with a token twice; an
            input that is not of strings.

    Example:

    >>> vocabulary = ["[UNK]", "the", "qu", "##ick", "br", "##own", "fox", "."]
    >>> tokenizer = WordPieceTokenizer(vocabulary, lowercase=True)
    >>> tokenizer(["The quick brown fox.", "The dog"]).to_list()
    [[1, 2, 3, 4, 5, 6, 7], [1, 0]]
    >>> tokenizer.detokenize([1, 2, 3, 6]).numpy()
    b'the quick fox'

    A program that loads an export of this layer must import `tensorflow_text` first:
    that is where TensorFlow finds the ops.

    Reference: Song et al., "Fast WordPiece Tokenization", arXiv:2012.15524.
    """

    def __init__(
        self,
        vocabulary=None,
        sequence_length=None,
        lowercase=False,
        strip_accents=False,
        split=True,
        split_on_cjk=True,
        suffix_indicator="##",
        oov_token="[UNK]",
        special_tokens=None,
        special_tokens_in_strings=False,
        dtype="int32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        check_positive_int("sequence_length", sequence_length, none_ok=True)
        if not oov_token:
            raise ValueError(
                "`oov_token` must be a token of the vocabulary. "
                f"Received: oov_token={oov_token!r}."
            )
        self.sequence_length = sequence_length
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.split = split
        self.split_on_cjk = split_on_cjk
        self.suffix_indicator = suffix_indicator
        self.oov_token = oov_token
        self.special_tokens = check_whole_tokens("special_tokens", special_tokens)
        self.special_tokens_in_strings = special_tokens_in_strings
        self.set_vocabulary(vocabulary)

    # Vocabulary

    def set_vocabulary(self, vocabulary):
        """Gives the tokens, in the order of their ids.

        Args:
            vocabulary: A list of strings, a text file with one a line, or None.

        Raises:
            ValueError: `oov_token` is missing, or a token comes twice.
        """
        self._vocabulary = self._model = None
        if vocabulary is None:
            return
        vocabulary = Vocabulary(vocabulary)
        if self.oov_token not in vocabulary:
            raise ValueError(
                f"`vocabulary` must hold oov_token={self.oov_token!r}. Received: "
                f"{len(vocabulary)} tokens without it. Add it, or pass the `oov_token` "
                "that the vocabulary has."
            )
        self._model = WordPieceModel(
            vocabulary,
            self.suffix_indicator,
            self.oov_token,
            self.lowercase,
            self.strip_accents,
            self.split,
            self.split_on_cjk,
            whole_tokens=self._whole_tokens(),
            as_strings=self.compute_dtype == "string",
        )
        self._vocabulary = vocabulary

    def add_tokens(self, tokens, special=False):
        """Gives the vocabulary more tokens, behind the others, in the order given.

        A word that is a token is not cut further. A backbone gets room for them by
        `Backbone.resize_vocabulary`.

        Args:
            tokens: A list of str. Those that are in the vocabulary keep their ids.
            special: Whether they are `special_tokens`, too, which stay whole wherever
                they stand in a text with `special_tokens_in_strings`.

        Returns:
            int: how many were new.
        """
        vocabulary = self._ready()
        tokens = list(dict.fromkeys(check_whole_tokens("tokens", tokens)))
        new = [token for token in tokens if token not in vocabulary]
        if special:
            known = self.special_tokens
            known.extend(token for token in tokens if token not in known)
        self.set_vocabulary([*vocabulary.tokens, *new])
        return len(new)

    def get_vocabulary(self):
        return list(self._ready().tokens)

    def vocabulary_size(self):
        return len(self._ready())

    def id_to_token(self, id):
        return self._ready().token(id)

    def token_to_id(self, token):
        return self._ready().id(token)

    def _has_token(self, token):
        return token in self._ready()

    def _ready(self):
        if self._vocabulary is None:
            raise ValueError(
                "WordPieceTokenizer has no vocabulary yet. Pass `vocabulary` when you "
                "make it, or call `set_vocabulary`."
            )
        return self._vocabulary

    # Strings to tokens and back

    def tokenize(self, inputs):
        self._ready()
        with on_cpu():
            text = as_strings(inputs)
            tokens = self._cast(self._model.tokens(flat_strings(text)))
            return self._rows(text, tokens, self._pad_value())

    def tokenize_with_offsets(self, inputs):
        """Turns strings into tokens, and says where each stands.

        A token stands where the characters did that it is made of; one that is made of
        a part of a character stands where the whole of it did. What is between two
        tokens is white space, or what BERT leaves out: accents that are characters of
        their own, control and format characters, and bytes that are no UTF-8.

        Returns:
            (tokens, starts, ends): what `tokenize` gives, and int64 of the same shape,
            padded with 0: a token is of the bytes from start up to end of the string
            that came in; with split=False of its word.

        Example:

        >>> tokenizer = WordPieceTokenizer(
        ...     ["[UNK]", "ca", "##fe", "!"], lowercase=True, strip_accents=True
        ... )
        >>> tokens, starts, ends = tokenizer.tokenize_with_offsets("Un Café!")
        >>> print(tokens.numpy(), starts.numpy(), ends.numpy())
        [0 1 2 3] [0 3 5 8] [2 5 8 9]
        """
        self._ready()
        with on_cpu():
            text = as_strings(inputs)
            placed = self._model.place(flat_strings(text))
            tokens = self._rows(text, self._cast(placed.tokens), self._pad_value())
            return tokens, *(self._rows(text, x) for x in (placed.starts, placed.ends))

    def word_ids(self, inputs):
        """Which word of its text each token is of.

        Returns:
            int64, shaped as the tokens, padded with -1. Words are counted from 0; a
            punctuation mark, an ideograph and a special token in the text are words.
        """
        self._ready()
        with on_cpu():
            text = as_strings(inputs)
            words = self._model.place(flat_strings(text)).words
            if not self.split:  # where each text is a word, and the row has the number
                numbers = tf.ragged.range(_rows_of_words(text).row_lengths(axis=-1))
                numbers = tf.gather(numbers.flat_values, words.value_rowids())
                words = words.with_values(tf.cast(numbers, tf.int64))
            return self._rows(text, words, pad_value=-1)

    def _rows(self, text, values, pad_value=None):
        """Ragged [N, T], of all strings, as rows [..., B, T]."""
        if self.split:
            return rows_like(text, values, self.sequence_length, pad_value)
        if text.shape.rank < 2:  # one row of words
            row = tf.RaggedTensor.from_tensor(values.values[tf.newaxis])
            return rows_like(tf.constant(""), row, self.sequence_length, pad_value)
        rows = _rows_of_words(text)
        values = rows.with_flat_values(values).merge_dims(-2, -1)
        if self.sequence_length is None:
            return values
        shape = [*rows.shape.as_list()[:-1], self.sequence_length]
        return values.to_tensor(pad_value, shape=shape)

    def _whole_tokens(self):
        """The tokens that stay whole in the text."""
        return (
            self.special_tokens if self.special_tokens_in_strings and self.split else []
        )

    def detokenize(self, inputs, skip_special_tokens=False):
        """Joins pieces to words, and words with a space.

        Args:
            inputs: int ids, a scalar, [T], or dense or ragged [B, T].
            skip_special_tokens: Whether to leave out special tokens and padding.

        Returns:
            string, a scalar or [B]. Not what was tokenized where that was lowercased,
            held punctuation or had more than one space.

        Raises:
            tf.errors.InvalidArgumentError: an id that the vocabulary does not have.
        """
        size = len(self._ready())
        with on_cpu():
            rows, restore = as_id_rows(inputs)
            rows = self._without_special_tokens(rows, skip_special_tokens)
            ids = rows.values
            # The op reads past its table where an id is not in it, and the process dies.
            in_range = [
                tf.debugging.assert_non_negative(ids),
                tf.debugging.assert_less(
                    ids, tf.cast(size, ids.dtype), f"Ids must be below {size}."
                ),
            ]
            with tf.control_dependencies(in_range):
                rows = rows.with_values(tf.cast(ids, tf.int32))
            return restore(self._model.detokenize(rows))

    def compute_output_spec(self, inputs):
        shape = list(inputs.shape)
        if not self.split and shape:
            shape = shape[:-1]  # the words
        return keras.KerasTensor(
            (*shape, self.sequence_length),
            dtype=self.compute_dtype,
            ragged=bool(shape) and self.sequence_length is None,
        )

    # Saving

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary": None,  # an asset, not a setting: tens of thousands of tokens
            "sequence_length": self.sequence_length,
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
            "split": self.split,
            "split_on_cjk": self.split_on_cjk,
            "suffix_indicator": self.suffix_indicator,
            "oov_token": self.oov_token,
            "special_tokens": list(self.special_tokens),
            "special_tokens_in_strings": self.special_tokens_in_strings,
        }

    @classmethod
    def from_config(cls, config):
        if isinstance(config.get("vocabulary"), str):
            # `get_config` never writes a path. Whoever did would have the loader of a
            # model read a file of their choice.
            raise ValueError(
                "A config may not name a vocabulary file. Received: "
                f"vocabulary={config['vocabulary']!r}."
            )
        return super().from_config(config)

    def save_assets(self, dir_path):
        if self._vocabulary is not None:
            self._vocabulary.write(os.path.join(dir_path, _ASSET))

    def load_assets(self, dir_path):
        path = os.path.join(dir_path, _ASSET)
        if os.path.exists(path):
            self.set_vocabulary(path)


def _rows_of_words(words):
    """Words [..., W] as ragged rows; those of one row, or one word, as [1, W]."""
    rank = words.shape.rank
    if isinstance(words, tf.RaggedTensor):
        return words
    if rank < 2:
        return tf.RaggedTensor.from_tensor(tf.reshape(words, [1, -1]))
    return tf.RaggedTensor.from_tensor(words, ragged_rank=rank - 1)
