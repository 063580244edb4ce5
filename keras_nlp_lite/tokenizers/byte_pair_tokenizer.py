"""Byte-level byte-pair encoding: any text, as the tokens that its bytes merge to."""

import os

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.tokenizers.byte_pair_alphabet import ALPHABET, unspell
from keras_nlp_lite.tokenizers.byte_pair_merging import BytePairMerges
from keras_nlp_lite.tokenizers.byte_pair_splitting import split_byte_words
from keras_nlp_lite.tokenizers.byte_pair_vocabulary import BytePairVocabulary
from keras_nlp_lite.tokenizers.strings import as_strings, on_cpu
from keras_nlp_lite.tokenizers.tokenizer import Tokenizer
from keras_nlp_lite.tokenizers.whole_tokens import check_whole_tokens, split_off

_VOCABULARY_ASSET = "vocabulary.json"
_MERGES_ASSET = "merges.txt"


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class BytePairTokenizer(Tokenizer):
    """Cuts text into words, and merges each word's bytes, the way GPT-2 and RoBERTa do.

    A word keeps the space before it. It starts as single bytes; then, of the pairs of
    neighbours, the one that stands first in `merges` becomes one token, again and
    again. In the vocabulary a byte is a printable character: " " is "Ġ", "é" is "Ã©".

    No text is lost: `detokenize` gives back every byte, be the text UTF-8 or not (bytes
    that are not count as symbols), if the vocabulary has the 256 bytes. A byte that it
    lacks becomes id -1. For UTF-8 the ids are those of GPT-2's own tokenizer.

    Shapes: B batch, T tokens, different in each row.

    Args:
        vocabulary: A dict from token to id, or the path of a JSON file of one. Ids may
            have gaps. None where `set_vocabulary_and_merges` or loading follows.
        merges: A list of strings, two tokens with a space between, the first to be
            merged first; or the path of a text file with one a line.
        sequence_length: T, in tokens: longer rows are cut, shorter ones padded with 0
            (with "" for strings). None for ragged rows.
        add_prefix_space: Whether a text, or what follows a whole token in it, gets a
            space in front where it has none, so that its first word is no special case.
        unsplittable_tokens: Tokens of the vocabulary, such as "<mask>", that stay whole
            where they stand in the text; of two that both fit, the longer.
        dtype: Of the tokens: an integer type for ids, or "string" for tokens, in
            printable characters.
        special_tokens: Tokens such as "<s>" that mean no text.
        special_tokens_in_strings: Whether to look for `special_tokens` in the text, as
            for `unsplittable_tokens`.
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: string, a scalar, [B] or of higher rank; str, lists and arrays do.

    Returns:
        Ragged [B, T] without `sequence_length`, dense [B, T] with it; [T] for a scalar.

    Raises:
        ValueError: no vocabulary yet, or one without a token that stays whole; a merge
            of tokens that the vocabulary lacks; an input that is not of strings.

    Example:

    >>> vocabulary = {"<s>": 0, "Ġ": 1, "l": 2, "o": 3, "w": 4, "lo": 5, "low": 6}
    >>> tokenizer = BytePairTokenizer(vocabulary, merges=["l o", "lo w"])
    >>> tokenizer(["low low", "owl"]).to_list()
    [[6, 1, 6], [3, 4, 2]]
    >>> tokenizer.detokenize([6, 1, 5]).numpy()
    b'low lo'

    References: Sennrich et al., "Neural Machine Translation of Rare Words with Subword
    Units", arXiv:1508.07909; Radford et al., "Language Models are Unsupervised
    Multitask Learners", 2019, section 2.2.
    """

    def __init__(
        self,
        vocabulary=None,
        merges=None,
        sequence_length=None,
        add_prefix_space=False,
        unsplittable_tokens=None,
        dtype="int32",
        special_tokens=None,
        special_tokens_in_strings=False,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        check_positive_int("sequence_length", sequence_length, none_ok=True)
        self.sequence_length = sequence_length
        self.add_prefix_space = add_prefix_space
        self.unsplittable_tokens = check_whole_tokens(
            "unsplittable_tokens", unsplittable_tokens
        )
        self.special_tokens = check_whole_tokens("special_tokens", special_tokens)
        self.special_tokens_in_strings = special_tokens_in_strings
        self.set_vocabulary_and_merges(vocabulary, merges)

    # Vocabulary

    def set_vocabulary_and_merges(self, vocabulary, merges):
        """Gives the tokens, their ids, and what merges to them.

        Args:
            vocabulary: A dict from token to id, a JSON file of one, or None.
            merges: A list of strings "left right", a text file with one a line; None if
                `vocabulary` is.

        Raises:
            ValueError: one of both is missing; an id comes twice, or does not fit the
                dtype; a merge, or a token that stays whole, is not in the vocabulary.
        """
        self._vocabulary = self._tables = None
        if (vocabulary is None) != (merges is None):
            missing = "vocabulary" if vocabulary is None else "merges"
            raise ValueError(
                "`vocabulary` and `merges` must come together. Received: "
                f"{missing}=None."
            )
        if vocabulary is None:
            return
        vocabulary = BytePairVocabulary(vocabulary, merges)
        for token in self._whole_tokens():
            if token not in vocabulary:
                raise ValueError(
                    "Tokens that stay whole in the text must be in the vocabulary. "
                    f"Received: {token!r}, which is not."
                )
        ids = tf.as_dtype(
            "int32" if self.compute_dtype == "string" else self.compute_dtype
        )
        if vocabulary.ids[-1] > ids.max:
            raise ValueError(
                f"`dtype` must hold every id. Received: dtype={ids.name!r}, and an id "
                f"{vocabulary.ids[-1]}."
            )
        # Constants must not belong to a graph that is being traced: a loader may call
        # this in one.
        with tf.init_scope(), on_cpu():
            self._tables = _Tables(vocabulary, self._whole_tokens())
        self._vocabulary = vocabulary

    def get_vocabulary(self):
        """list of str: every token, in the order of the ids, which may have gaps."""
        return self._ready().tokens

    def vocabulary_size(self):
        """int: how many tokens there are."""
        return len(self._ready())

    def id_to_token(self, id):
        return self._ready().token(id)

    def token_to_id(self, token):
        return self._ready().id(token)

    def _ready(self):
        if self._vocabulary is None:
            raise ValueError(
                "BytePairTokenizer has no vocabulary yet. Pass `vocabulary` and "
                "`merges` when you make it, or call `set_vocabulary_and_merges`."
            )
        return self._vocabulary

    def _whole_tokens(self):
        """The tokens that stay whole in the text."""
        special = self.special_tokens if self.special_tokens_in_strings else []
        return list(dict.fromkeys([*self.unsplittable_tokens, *special]))

    # Strings to tokens and back

    def tokenize(self, inputs):
        self._ready()
        with on_cpu():
            text = as_strings(inputs)
            if text.shape.rank == 0:
                return self._rows(text[tf.newaxis])[0]
            return self._rows(text)

    def _rows(self, text):
        """Strings [..., B] to tokens [..., B, T]."""
        rank = text.shape.rank
        if rank > 1 and not isinstance(text, tf.RaggedTensor):
            text = tf.RaggedTensor.from_tensor(text, ragged_rank=rank - 1)
        flat = text.flat_values if rank > 1 else text  # [N]
        numbers = self._numbers(flat)  # ragged [N, T]
        if self.compute_dtype == "string":
            tokens = tf.gather(self._tables.tokens, numbers)
        else:
            tokens = tf.cast(tf.gather(self._tables.ids, numbers), self.compute_dtype)
        if rank > 1:
            tokens = text.with_flat_values(tokens)
        if self.sequence_length is None:
            return tokens
        return tokens.to_tensor(shape=[*text.shape.as_list(), self.sequence_length])

    def _numbers(self, text):
        """Strings [N] to the places of their tokens in the tables, ragged [N, None]."""
        whole = self._whole_tokens()
        if not whole:
            return self._merged(text)
        segments = split_off(text, whole)  # ragged [N, S]
        flat = segments.flat_values
        number = self._tables.number_of_whole.lookup(flat)  # -1 where it is text
        text = self._merged(tf.where(number < 0, flat, ""))  # none where it is a token
        whole = tf.ragged.boolean_mask(
            number[:, tf.newaxis], number[:, tf.newaxis] >= 0
        )
        return segments.with_flat_values(tf.concat([text, whole], 1)).merge_dims(1, 2)

    def _merged(self, text):
        """The same of texts without tokens that stay whole."""
        if self.add_prefix_space:
            first = tf.strings.substr(text, 0, 1)
            fits = (first == " ") | (first == "")
            text = tf.where(fits, text, tf.strings.join([" ", text]))
        return self._tables.numbers(text)

    def detokenize(self, inputs):
        """Joins tokens to the text that they came from.

        Args:
            inputs: int ids, a scalar, [T], or dense or ragged [B, T].

        Returns:
            string, a scalar or [B]. An id that no token has stands for no text.
        """
        self._ready()
        with on_cpu():
            ids = tf.ragged.constant(inputs) if isinstance(inputs, list) else inputs
            pieces = self._tables.text_of_id.lookup(tf.cast(ids, tf.int64))
            if pieces.shape.rank == 0:
                return pieces
            return tf.strings.reduce_join(pieces, axis=-1)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(
            (*inputs.shape, self.sequence_length),
            dtype=self.compute_dtype,
            ragged=bool(inputs.shape) and self.sequence_length is None,
        )

    # Saving

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary": None,  # assets, not settings: tens of thousands of tokens
            "merges": None,
            "sequence_length": self.sequence_length,
            "add_prefix_space": self.add_prefix_space,
            "unsplittable_tokens": list(self.unsplittable_tokens),
            "special_tokens": list(self.special_tokens),
            "special_tokens_in_strings": self.special_tokens_in_strings,
        }

    @classmethod
    def from_config(cls, config):
        for name in ("vocabulary", "merges"):
            if isinstance(config.get(name), str):
                # `get_config` never writes a path. Whoever did would have the loader
                # of a model read a file of their choice.
                raise ValueError(
                    "A config may not name a file to read. Received: "
                    f"{name}={config[name]!r}."
                )
        return super().from_config(config)

    def save_assets(self, dir_path):
        if self._vocabulary is not None:
            self._vocabulary.write(*_asset_paths(dir_path))

    def load_assets(self, dir_path):
        paths = _asset_paths(dir_path)
        if all(map(os.path.exists, paths)):
            self.set_vocabulary_and_merges(*paths)


class _Tables(tf.Module):
    """What the ops look up. Tokens go by number, as `BytePairMerges` has it."""

    def __init__(self, vocabulary, whole_tokens):
        super().__init__()
        tokens = vocabulary.tokens
        self.merges = BytePairMerges(tokens, vocabulary.merges)
        self.ids = tf.constant(vocabulary.ids + [-1] * len(ALPHABET), tf.int64)
        self.tokens = tf.constant([_utf8(t) for t in [*tokens, *ALPHABET]], tf.string)
        texts = [_utf8(t) if t in whole_tokens else unspell(t) for t in tokens]
        self.text_of_id = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(vocabulary.ids, tf.int64), tf.constant(texts, tf.string)
            ),
            default_value="",
        )
        self.number_of_whole = None
        if whole_tokens:
            numbers = [tokens.index(token) for token in whole_tokens]
            self.number_of_whole = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    tf.constant([_utf8(t) for t in whole_tokens], tf.string),
                    tf.constant(numbers, tf.int64),
                ),
                default_value=-1,
            )

    # A graph even where the caller is Python: one by one, the ops take ten times as long
    # for a sentence.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def numbers(self, text):
        """Strings [N] to the numbers of their tokens, ragged [N, None]."""
        with on_cpu():
            words = split_byte_words(text)  # ragged [N, W]
            # Each word is merged once, however often the batch has it.
            different, place = tf.unique(words.flat_values)
            numbers = tf.gather(self.merges(different), place)
            return words.with_flat_values(numbers).merge_dims(1, 2)


def _utf8(token):
    return token.encode("utf-8", "surrogatepass")


def _asset_paths(dir_path):
    return tuple(
        os.path.join(dir_path, name) for name in (_VOCABULARY_ASSET, _MERGES_ASSET)
    )
