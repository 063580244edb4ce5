"""Byte-level byte-pair encoding: any text, as the tokens that its bytes merge to."""

import itertools
import os

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_choice, check_positive_int
from keras_nlp_lite.ops import library
from keras_nlp_lite.ops.portable import may_use_compiled
from keras_nlp_lite.tokenizers.byte_pair_alphabet import ALPHABET
from keras_nlp_lite.tokenizers.byte_pair_formula import BytePairFormula
from keras_nlp_lite.tokenizers.byte_pair_model import BytePairModel, as_bytes
from keras_nlp_lite.tokenizers.byte_pair_op import BytePairOp
from keras_nlp_lite.tokenizers.byte_pair_patterns import PATTERNS
from keras_nlp_lite.tokenizers.byte_pair_vocabulary import BytePairVocabulary
from keras_nlp_lite.tokenizers.strings import as_strings, on_cpu
from keras_nlp_lite.tokenizers.text_rows import (
    as_id_rows,
    flat_strings,
    rows_like,
    rows_spec,
)
from keras_nlp_lite.tokenizers.tokenizer import Tokenizer
from keras_nlp_lite.tokenizers.whole_tokens import check_whole_tokens

_VOCABULARY_ASSET = "vocabulary.json"
_MERGES_ASSET = "merges.txt"


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class BytePairTokenizer(Tokenizer):
    """Cuts text into words, and merges each word's bytes, the way GPT-2 and Llama 3 do.

    A word keeps the space before it. It starts as single bytes; then, of the pairs of
    neighbours, the one that stands first in `merges` becomes one token, again and
    again. In the vocabulary a byte is a printable character: " " is "Ġ", "é" is "Ã©".

    No text is lost: `detokenize` gives back every byte, be the text UTF-8 or not (bytes
    that are not count as symbols), if the vocabulary has the 256 bytes. A byte that it
    lacks becomes id -1. For UTF-8 the ids are those of the models' own tokenizers.

    Shapes: B batch, T tokens, different in each row.

    Args:
        vocabulary: A dict from token to id, or the path of a JSON file of one. Ids may
            have gaps. None where `set_vocabulary_and_merges` or loading follows.
        merges: A list of strings, two tokens with a space between, the first to be
            merged first; or the path of a text file with one a line.
        sequence_length: T, in tokens: longer rows are cut, shorter ones padded with
            `pad_token_id` where a subclass has one, otherwise with 0 (with "" for
            strings). None for ragged rows.
        add_prefix_space: Whether a text, or what follows a whole token in it, gets a
            space in front where it has none, so that its first word is no special case.
        unsplittable_tokens: Tokens of the vocabulary, such as "<mask>", that stay whole
            where they stand in the text; of two that both fit, the longer.
        dtype: Of the tokens: an integer type for ids, or "string" for tokens, in
            printable characters.
        special_tokens: Tokens such as "<s>" that mean no text.
        special_tokens_in_strings: Whether to look for `special_tokens` in the text, as
            for `unsplittable_tokens`.
        split_pattern: How text is cut into words: "gpt2", as RoBERTa and BART do, too;
            "llama3", in which also a symbol or a tab goes with the word behind it,
            newlines with the symbols before them, and numbers have three digits at
            most; or "qwen2", the same with single digits.
        ignore_merges: Whether a word that is in the vocabulary is that token, whatever
            its bytes would merge to, as with Llama 3.
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

    It runs as a compiled op. Where that is not there, and in what must load anywhere,
    such as a task's export, plain TensorFlow ops give the same ids, slowly. A graph with
    the op loads where the op was loaded: `ops.portable_ops` makes one without.

    References: Sennrich et al., "Neural Machine Translation of Rare Words with Subword
    Units", arXiv:1508.07909; Radford et al., "Language Models are Unsupervised
    Multitask Learners", 2019, section 2.2.
    """

    # Of the tokens that stay whole, those that take the white space before them along.
    taking_space = ()

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
        *,
        split_pattern="gpt2",
        ignore_merges=False,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        check_choice("split_pattern", split_pattern, tuple(PATTERNS))
        check_positive_int("sequence_length", sequence_length, none_ok=True)
        self.sequence_length = sequence_length
        self.add_prefix_space = add_prefix_space
        self.unsplittable_tokens = check_whole_tokens(
            "unsplittable_tokens", unsplittable_tokens
        )
        self.special_tokens = check_whole_tokens("special_tokens", special_tokens)
        self.special_tokens_in_strings = special_tokens_in_strings
        self.split_pattern = split_pattern
        self.ignore_merges = ignore_merges
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
        if (vocabulary is None) != (merges is None):
            missing = "vocabulary" if vocabulary is None else "merges"
            raise ValueError(
                "`vocabulary` and `merges` must come together. Received: "
                f"{missing}=None."
            )
        if vocabulary is None:
            self._vocabulary = None
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
            whole = self._whole_tokens()
            taking_space = [token for token in self.taking_space if token in whole]
            words = self._words(vocabulary) if self.ignore_merges else ()
            model = BytePairModel(vocabulary, whole, taking_space, words)
            settings = (self.add_prefix_space, self.split_pattern)
            self._formula = BytePairFormula(model, *settings)
            self._compiled = None
            if library.load() is not None:
                self._compiled = BytePairOp(model, *settings)
            # Behind the vocabulary come the bytes that it does not have.
            if self.compute_dtype == "string":
                tokens = [as_bytes(token) for token in [*model.tokens, *ALPHABET]]
                self._tokens_of_numbers = tf.constant(tokens)
            else:
                of_numbers = model.ids + [-1] * len(ALPHABET)
                self._tokens_of_numbers = tf.constant(of_numbers, self.compute_dtype)
        self._vocabulary = vocabulary

    def add_tokens(self, tokens, special=False):
        """Gives the vocabulary more tokens, which stay whole where they stand in a text.

        They get the ids behind the largest, in the order given. A backbone gets room for
        them by `Backbone.resize_vocabulary`: to the largest id and one more, where ids
        have gaps.

        Args:
            tokens: A list of str. Those that are in the vocabulary keep their ids.
            special: Whether they are `special_tokens`, and so only looked for with
                `special_tokens_in_strings`, or `unsplittable_tokens`.

        Returns:
            int: how many were new.

        Raises:
            ValueError: one is the spelling of other bytes, or its id does not fit the
                dtype; nothing is changed then.
        """
        vocabulary = self._ready()
        tokens = list(dict.fromkeys(check_whole_tokens("tokens", tokens)))
        new = [token for token in tokens if token not in vocabulary]
        ids = dict(zip(vocabulary.tokens, vocabulary.ids))
        ids.update(zip(new, itertools.count(vocabulary.ids[-1] + 1)))
        whole = self.special_tokens if special else self.unsplittable_tokens
        before = list(whole)
        whole.extend(token for token in tokens if token not in whole)
        try:
            self.set_vocabulary_and_merges(ids, self.get_merges())
        except ValueError:
            whole[:] = before
            raise
        return len(new)

    def get_vocabulary(self):
        """list of str: every token, in the order of the ids, which may have gaps."""
        return self._ready().tokens

    def get_merges(self):
        """list of str: "left right", the first to be merged first."""
        return [" ".join(pair) for pair in self._ready().merges]

    def vocabulary_size(self):
        """int: how many tokens there are."""
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
                "BytePairTokenizer has no vocabulary yet. Pass `vocabulary` and "
                "`merges` when you make it, or call `set_vocabulary_and_merges`."
            )
        return self._vocabulary

    def _whole_tokens(self):
        """The tokens that stay whole in the text."""
        special = self.special_tokens if self.special_tokens_in_strings else []
        return list(dict.fromkeys([*self.unsplittable_tokens, *special]))

    def _words(self, vocabulary):
        """Tokens that words become without any merge: all but those of no text."""
        no_text = {*self.special_tokens, *self.unsplittable_tokens}
        return [token for token in vocabulary.tokens if token not in no_text]

    # Strings to tokens and back

    def tokenize(self, inputs):
        self._ready()
        with on_cpu():
            text = as_strings(inputs)
            numbers = self._encoder.encode(flat_strings(text))
            return self._rows(text, self._tokens(numbers), self._pad_value())

    def tokenize_with_offsets(self, inputs):
        with on_cpu():
            text = as_strings(inputs)
            tokens, *places, _ = self._places(text)
            tokens = self._rows(text, tokens, self._pad_value())
            return tokens, *(self._rows(text, x) for x in places)

    def word_ids(self, inputs):
        """Which word each token is of, from 0 in each text: words as `split_pattern` has
        them, and a token that stays whole is one; padding is of none: -1."""
        with on_cpu():
            text = as_strings(inputs)
            return self._rows(text, self._places(text)[3], pad_value=-1)

    def _places(self, text):
        """Tokens, starts, ends and words, each ragged [N, None], of all strings."""
        self._ready()
        numbers, ends, words = self._encoder.encode_with_places(flat_strings(text))
        starts = tf.concat([[0], ends[:-1]], 0)[: tf.size(ends)]
        is_first = tf.ragged.range(numbers.row_lengths()).flat_values == 0
        starts = tf.where(is_first, tf.zeros_like(starts), starts)
        return self._tokens(numbers), *map(numbers.with_values, (starts, ends, words))

    def _tokens(self, numbers):
        """Tokens by number as ids, or as strings."""
        return numbers.with_values(tf.gather(self._tokens_of_numbers, numbers.values))

    def _rows(self, text, values, pad_value=None):
        return rows_like(text, values, self.sequence_length, pad_value)

    @property
    def _encoder(self):
        """What encodes: the compiled ops, where they are and may be used."""
        if self._compiled is not None and may_use_compiled():
            return self._compiled
        return self._formula

    def detokenize(self, inputs, skip_special_tokens=False):
        """Joins tokens to the text that they came from.

        Args:
            inputs: int ids, a scalar, [T], or dense or ragged [B, T].
            skip_special_tokens: Whether to leave out special tokens and padding.

        Returns:
            string, a scalar or [B]. An id that no token has stands for no text.
        """
        self._ready()
        with on_cpu():
            rows, restore = as_id_rows(inputs)
            rows = self._without_special_tokens(rows, skip_special_tokens)
            row_splits = tf.cast(rows.row_splits, tf.int64)
            return restore(self._encoder.decode(rows.values, row_splits))

    def compute_output_spec(self, inputs):
        return rows_spec(inputs, self.sequence_length, self.compute_dtype)

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
            "split_pattern": self.split_pattern,
            "ignore_merges": self.ignore_merges,
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


def _asset_paths(dir_path):
    return tuple(
        os.path.join(dir_path, name) for name in (_VOCABULARY_ASSET, _MERGES_ASSET)
    )
