"""WordPiece: words as the longest pieces that the vocabulary has."""

import os

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.tokenizers.strings import as_strings, on_cpu
from keras_nlp_lite.tokenizers.tokenizer import Tokenizer
from keras_nlp_lite.tokenizers.vocabulary import Vocabulary
from keras_nlp_lite.tokenizers.word_splitting import (
    fold_case,
    split_words,
    strip_accent_marks,
)

_ASSET = "vocabulary.txt"


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class WordPieceTokenizer(Tokenizer):
    """Cuts text into words, and each word into pieces, the way BERT does.

    A word becomes the longest piece of the vocabulary that it starts with, then the
    longest that goes on from there, and so on; a word of which some part is no piece,
    or of over 100 bytes, becomes `oov_token`. The time is linear in the text's length.

    Shapes: B batch, W words, T tokens, different in each row.

    Args:
        vocabulary: Tokens in the order of their ids, from 0: a list of strings, or a
            text file with one a line. None where `set_vocabulary` or loading follows.
        sequence_length: T, in tokens: longer rows are cut, shorter ones padded with 0
            (with "" for strings). None for ragged rows.
        lowercase: Whether to lowercase, by Unicode's case folding.
        strip_accents: Whether to remove accents.
        split: Whether to cut at white space and around punctuation; otherwise the
            input is words.
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
        self.special_tokens = list(special_tokens or [])
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
        self._vocabulary = self._pieces = None
        if vocabulary is None:
            return
        vocabulary = Vocabulary(vocabulary)
        if self.oov_token not in vocabulary:
            raise ValueError(
                f"`vocabulary` must hold oov_token={self.oov_token!r}. Received: "
                f"{len(vocabulary)} tokens without it. Add it, or pass the `oov_token` "
                "that the vocabulary has."
            )
        import tensorflow_text  # here, since it takes a second to import

        # Its model becomes a constant, which must not belong to a graph that is being
        # traced: `set_vocabulary` may be called in one, by a loader.
        with tf.init_scope(), on_cpu():
            self._pieces = tensorflow_text.FastWordpieceTokenizer(
                vocab=vocabulary.tokens,
                token_out_type=tf.string
                if self.compute_dtype == "string"
                else tf.int32,
                suffix_indicator=self.suffix_indicator,
                unknown_token=self.oov_token,
                no_pretokenization=True,
                support_detokenization=True,
            )
        self._vocabulary = vocabulary

    def get_vocabulary(self):
        return list(self._ready().tokens)

    def vocabulary_size(self):
        return len(self._ready())

    def id_to_token(self, id):
        return self._ready().token(id)

    def token_to_id(self, token):
        return self._ready().id(token)

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
            if text.shape.rank == 0:
                return self._rows(text[tf.newaxis])[0]
            if text.shape.rank == 1 and not self.split:
                return self._rows(text[tf.newaxis])[0]
            return self._rows(text)

    def _rows(self, text):
        """Strings [..., B] or words [..., B, W] to tokens [..., B, T]."""
        rank = text.shape.rank
        if rank > 1 and not isinstance(text, tf.RaggedTensor):
            text = tf.RaggedTensor.from_tensor(text, ragged_rank=rank - 1)
        flat = text.flat_values if rank > 1 else text  # [N]
        words = self._words(flat)  # ragged [N, W], or [N] where the input is words
        tokens = self._pieces.tokenize(words)  # another ragged dimension: the pieces
        if self.split:
            tokens = tokens.merge_dims(-2, -1)  # ragged [N, T]
        if self.compute_dtype != "string":
            tokens = tf.cast(tokens, self.compute_dtype)
        if rank > 1:
            tokens = text.with_flat_values(tokens)
        if not self.split and rank > 1:
            tokens = tokens.merge_dims(-2, -1)
        if self.sequence_length is None:
            return tokens
        return tokens.to_tensor(
            shape=[*tokens.shape.as_list()[:-1], self.sequence_length]
        )

    def _words(self, text):
        special = self._specials()
        if self.strip_accents:
            text = strip_accent_marks(text)
        if self.split:
            text = split_words(text, self.split_on_cjk, special)
        return fold_case(text, special) if self.lowercase else text

    def _specials(self):
        return (
            self.special_tokens if self.special_tokens_in_strings and self.split else []
        )

    def detokenize(self, inputs):
        """Joins pieces to words, and words with a space.

        Args:
            inputs: int ids, [T], or dense or ragged [B, T].

        Returns:
            string, a scalar or [B]. Not what was tokenized where that was lowercased,
            held punctuation or had more than one space.

        Raises:
            tf.errors.InvalidArgumentError: an id that the vocabulary does not have.
        """
        size = len(self._ready())
        with on_cpu():
            ids = tf.ragged.constant(inputs) if isinstance(inputs, list) else inputs
            ids = tf.cast(ids, tf.int32)
            flat = ids.flat_values if isinstance(ids, tf.RaggedTensor) else ids
            # The op reads past its table where an id is not in it, and the process dies.
            in_range = [
                tf.debugging.assert_non_negative(flat),
                tf.debugging.assert_less(flat, size, f"Ids must be below {size}."),
            ]
            with tf.control_dependencies(in_range):
                return self._pieces.detokenize(tf.identity(ids))

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
