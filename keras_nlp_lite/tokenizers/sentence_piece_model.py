"""A SentencePiece model, and what it makes of strings, as TensorFlow ops.

Shapes: N strings, P parts of all of them, T tokens.
"""

import base64
import binascii
import functools
import os

import tensorflow as tf

from keras_nlp_lite.ops import library
from keras_nlp_lite.ops.portable import may_use_compiled
from keras_nlp_lite.tokenizers.sentence_piece_op import SentencePieceOp
from keras_nlp_lite.tokenizers.strings import byte_lengths, on_cpu
from keras_nlp_lite.tokenizers.vocabulary import Vocabulary
from keras_nlp_lite.tokenizers.whole_tokens import WHITE_SPACE, split_off
from keras_nlp_lite.tokenizers.word_numbers import number_words

SPACE = "▁"

# Behind a model's bytes this is merged into what they say on normalization, since they
# are a protocol buffer: `normalizer_spec { add_dummy_prefix: false }`.
_NO_SPACE_IN_FRONT = b"\x1a\x02\x18\x00"

# `\C` is any byte: `.` would not match what is no UTF-8.
_STARTS_WITH_SPACE = rf"({WHITE_SPACE}|{SPACE})\C*"


class SentencePieceModel(tf.Module):
    """Makes tokens of strings, and says their places and words.

    Args:
        proto: A trained model: its bytes, the same in base64, or the path of a file.
        token_type: tf.int32 for ids, tf.string for pieces.
        add_bos, add_eos: Whether rows begin and end with the model's tokens for that.
        whole_tokens: Pieces that stay whole in the text.

    Raises:
        ValueError: it is no model, or one without a token that is asked for.
    """

    def __init__(self, proto, token_type, add_bos, add_eos, whole_tokens=()):
        super().__init__()
        self.proto = as_model_bytes(proto)
        self._token_type = token_type
        # The model must not belong to a graph that is being traced: a loader may make
        # this in one.
        with tf.init_scope(), on_cpu():
            self._load()
            self._compiled = _compile(self.proto, token_type)
            self._set_ends(add_bos, add_eos)
            self._set_whole_tokens(whole_tokens)

    def _load(self):
        try:
            self._pieces = _load(self.proto, self._token_type)
            size = self._pieces.vocab_size()
        except (tf.errors.InternalError, tf.errors.InvalidArgumentError) as error:
            raise ValueError(
                "`proto` must be a SentencePiece model: its bytes, the same in base64, "
                f"or the path of a file. Received: {len(self.proto)} bytes that begin "
                f"with {self.proto[:16]!r}, which are none."
            ) from error
        tokens = self._pieces.id_to_string(tf.range(size))
        self.vocabulary = Vocabulary(tokens)
        no_piece = max(self.vocabulary.tokens, key=len) + "."
        self._unknown_id = int(self._pieces.string_to_id(no_piece))
        in_front = tf.strings.regex_full_match(tokens, rf"{SPACE}+[^{SPACE}]\C*")
        behind = tf.strings.regex_full_match(tokens, rf"\C*[^{SPACE}]{SPACE}+")
        self._space_is_behind = int(tf.math.count_nonzero(in_front)) < int(
            tf.math.count_nonzero(behind)
        )

    def _set_ends(self, add_bos, add_eos):
        # Only the op itself knows which tokens these are in a model.
        self._pieces.add_bos, self._pieces.add_eos = bool(add_bos), bool(add_eos)
        try:
            (ends,) = self._pieces.tokenize([""])
        except tf.errors.InternalError as error:
            raise ValueError(
                "The model must have the tokens that `add_bos` and `add_eos` ask for. "
                f"Received: add_bos={add_bos}, add_eos={add_eos}, and a model that "
                "lacks one. Leave it out."
            ) from error
        self._pieces.add_bos = self._pieces.add_eos = False
        self._add_bos, self._add_eos = bool(add_bos), bool(add_eos)
        self._first, self._last = ends[:1], ends[-1:]

    def _set_whole_tokens(self, whole_tokens):
        self._whole_tokens = self._going_on = self._compiled_going_on = None
        if not whole_tokens:
            return
        missing = [x for x in whole_tokens if x not in self.vocabulary]
        if missing:
            raise ValueError(
                "Special tokens that stay whole in the text must be pieces of the "
                f"model. Received: {', '.join(map(repr, missing))}."
            )
        if self._space_is_behind:
            raise ValueError(
                "`special_tokens_in_strings` goes with models that put the space in "
                "front of a word. Received: one that puts it behind."
            )
        self._whole_tokens = tf.constant(whole_tokens)
        self._split = functools.partial(split_off, tokens=whole_tokens)
        ids = [self.vocabulary.id(token) for token in whole_tokens]
        is_string = self._token_type == tf.string
        self._of_whole_tokens = tf.constant(whole_tokens if is_string else ids)
        going_on = self.proto + _NO_SPACE_IN_FRONT
        self._going_on = _load(going_on, self._token_type)
        self._compiled_going_on = _compile(going_on, self._token_type)
        self._drops_space = not self._pieces.tokenize([" "]).row_lengths()[0]

    def id(self, token):
        """int: the id of a piece, or that of unknown text."""
        if token not in self.vocabulary:
            return self._unknown_id
        return self.vocabulary.id(token)

    # Strings [N] to ragged tokens [N, T], and back

    def tokenize(self, text, most=None):
        """Tokens; of each text perhaps only the first `most`, and some behind them."""

        def encode(pieces, text):
            if isinstance(pieces, SentencePieceOp):
                return (pieces.tokenize(text, most or 0),)
            return (pieces.tokenize(text),)

        (tokens,), _ = self._encode(text, encode)
        return self._between(self._first, tokens, self._last)

    def tokenize_with_offsets(self, text):
        """(tokens, starts, ends): the latter int64, in bytes of the string."""
        (tokens, starts, ends), _ = self._encode(
            text, lambda pieces, text: pieces.tokenize_with_offsets(text)
        )
        begin = tf.zeros([1], tf.int64)
        end = byte_lengths(text)[:, tf.newaxis]  # [N, 1]
        return (
            self._between(self._first, tokens, self._last),
            self._between(begin, tf.cast(starts, tf.int64), end),
            self._between(begin, tf.cast(ends, tf.int64), end),
        )

    def word_ids(self, text):
        """int64; -1 for the tokens that are added in front and behind."""
        (tokens,), whole = self._encode(
            text, lambda pieces, text: (pieces.tokenize(text),)
        )
        pieces = tokens.values
        if self._token_type != tf.string:
            pieces = self._pieces.id_to_string(pieces)
        blank = tf.strings.regex_full_match(pieces, f"{SPACE}+")
        if self._space_is_behind:
            spaced = tf.strings.regex_full_match(pieces, rf"\C*{SPACE}")
            begins = _before(spaced) & ~blank
        else:
            spaced = tf.strings.regex_full_match(pieces, rf"{SPACE}\C*")
            begins = spaced & ~_before(blank)
        begins = tokens.with_values(begins | whole | _before(whole))
        none = tf.constant([-1], tf.int64)
        return self._between(none, number_words(begins), none)

    def detokenize(self, ids):
        """Text [N] of int32 ids, ragged [N, T]."""
        return self._pieces.detokenize(ids)

    def _encode(self, text, encode):
        """Tokens, in parts where whole tokens stand in the text.

        Args:
            text: string [N].
            encode: A function from loaded pieces and strings to a tuple: ragged tokens,
                and perhaps their starts and ends.

        Returns:
            (that tuple for `text`, bool [T]: whether each is a whole token)
        """
        pieces, going_on = self._encoders()
        if self._whole_tokens is None:
            results = encode(pieces, text)
            return results, tf.zeros_like(results[0].values, tf.bool)
        parts = self._split(text)
        strings = parts.values  # [P]
        same = strings[:, tf.newaxis] == self._whole_tokens
        is_whole = tf.reduce_any(same, axis=1)
        goes_on = tf.ragged.range(parts.row_lengths()).values > 0
        if self._drops_space:
            # Without a space in front, no model that drops spaces would write one.
            goes_on &= ~tf.strings.regex_full_match(strings, _STARTS_WITH_SPACE)

        def of(condition):
            return tf.where(condition & ~is_whole, strings, "")

        lengths = byte_lengths(strings)
        tokens = tf.gather(self._of_whole_tokens, tf.argmax(same, axis=1))
        kinds = zip(
            encode(pieces, of(~goes_on)),
            encode(going_on, of(goes_on)),
            (_only(x, is_whole) for x in (tokens, tf.zeros_like(lengths), lengths)),
        )
        # Of the three, two are empty in each part.
        tokens, *places = (
            tf.concat([tf.cast(x, kind[-1].dtype) for x in kind], axis=1)
            for kind in kinds
        )
        counts = tokens.row_lengths()
        # Where each part begins in its string.
        shifts = tf.cumsum(lengths, exclusive=True)
        shifts -= tf.repeat(tf.gather(shifts, parts.row_starts()), parts.row_lengths())
        places = [x.with_values(x.values + tf.repeat(shifts, counts)) for x in places]
        results = (parts.with_values(x).merge_dims(1, 2) for x in (tokens, *places))
        return tuple(results), tf.repeat(is_whole, counts)

    def _encoders(self):
        """What encodes a text, and what goes on behind a whole token: the compiled op,
        where it is, may be used and knows such models."""
        if self._compiled is not None and may_use_compiled():
            return self._compiled, self._compiled_going_on
        return self._pieces, self._going_on

    def _between(self, first, values, last):
        """Rows with something more in front and behind, where that is asked for."""
        rows = [values]
        if self._add_bos:
            rows.insert(0, tf.broadcast_to(first, [values.nrows(), 1]))
        if self._add_eos:
            rows.append(tf.broadcast_to(last, [values.nrows(), 1]))
        return tf.concat(rows, axis=1) if len(rows) > 1 else values


def as_model_bytes(proto):
    """A model as bytes.

    Args:
        proto: Bytes, the same in base64, or the path of a file of any file system that
            `tf.io.gfile` knows.

    Raises:
        ValueError: none of them, or no such file.
    """
    if isinstance(proto, bytes):
        return proto
    if not isinstance(proto, (str, os.PathLike)):
        raise ValueError(
            "`proto` must be bytes, the same in base64, or the path of a file. "
            f"Received: proto={proto!r} of type {type(proto).__name__}."
        )
    if is_encoded(proto):
        return base64.b64decode(proto)
    path = os.fspath(proto)
    if not tf.io.gfile.exists(path):
        raise ValueError(
            "`proto` must be bytes, the same in base64, or the path of a file. "
            f"Received: {path[:200]!r}, which does not exist."
        )
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read()


def is_encoded(proto):
    """Whether this is a model in base64, and not a path."""
    try:
        # A model begins with a piece: field 1 of a protocol buffer.
        return base64.b64decode(proto, validate=True).startswith(b"\n")
    except (TypeError, ValueError, binascii.Error):
        return False


def _load(proto, token_type):
    import tensorflow_text  # here, since it takes a second to import

    return tensorflow_text.SentencepieceTokenizer(proto, token_type)


def _compile(proto, token_type):
    """The compiled op for a model, or None where it is not there or does not encode it."""
    if library.load() is None:
        return None
    try:
        return SentencePieceOp(proto, token_type)
    except tf.errors.InvalidArgumentError:
        return None


def _before(flags):
    """Each place's neighbour on the left; False for the first."""
    return tf.concat([[False], flags], 0)[:-1]


def _only(values, condition):
    """Rows of one value where the condition holds, and of none elsewhere."""
    return tf.RaggedTensor.from_row_lengths(
        tf.boolean_mask(values, condition), tf.cast(condition, tf.int64), validate=False
    )
