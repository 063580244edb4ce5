"""SentencePiece: text as the pieces of a trained model, white space included."""

import os

import keras
import tensorflow as tf

from keras_nlp_lite.atomic import replacing
from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.tokenizers.sentence_piece_model import (
    SentencePieceModel,
    is_encoded,
)
from keras_nlp_lite.tokenizers.strings import as_strings, on_cpu
from keras_nlp_lite.tokenizers.text_rows import (
    as_id_rows,
    flat_strings,
    rows_like,
    rows_spec,
)
from keras_nlp_lite.tokenizers.tokenizer import Tokenizer
from keras_nlp_lite.tokenizers.whole_tokens import check_whole_tokens

_ASSET = "vocabulary.spm"


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class SentencePieceTokenizer(Tokenizer):
    """Cuts text into the pieces of a SentencePiece model, the way T5 and Llama do.

    The model says how text is normalized and which pieces there are; "▁" in a piece is
    a space.

    Shapes: B batch, T tokens, different in each row.

    Args:
        proto: A trained model: its bytes, the same in base64, or the path of a file.
            None where `set_proto` or loading follows.
        sequence_length: T, in tokens: longer rows are cut, shorter ones padded with
            `pad_token_id` where a subclass has one, otherwise with 0 (with "" for
            strings). None for ragged rows.
        dtype: Of the tokens: an integer type for ids, or "string" for pieces.
        add_bos: Whether a row begins with the model's token for that.
        add_eos: Whether a row ends with the model's token for that; what is cut to
            `sequence_length` loses it.
        special_tokens: Pieces of the model, such as "</s>", that mean no text.
        special_tokens_in_strings: Whether they stay whole where they stand in the text;
            of two that both fit, the longer. Behind one, a piece begins with "▁" only if
            white space stands there. (So do Hugging Face's T5 and Llama tokenizers with
            legacy=False.)
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: string, a scalar, [B] or of higher rank; str, lists and arrays do.

    Returns:
        Ragged [B, T] without `sequence_length`, dense [B, T] with it; [T] for a scalar.

    Raises:
        ValueError: no model yet, or what is none; one without the token for `add_bos` or
            `add_eos`, or without a special token; an input that is not of strings.

    Example, with a model of seven pieces, as bytes:

    >>> pieces = ["<unk>", "<s>", "</s>", "▁", "l", "▁low", "er"]
    >>> def field(number, value):  # of a protocol buffer
    ...     return bytes([8 * number + 2, len(value)]) + value
    >>> kinds = [2, 3, 3, 1, 1, 1, 1]  # unknown, control, and normal
    >>> proto = b"".join(
    ...     field(1, field(1, piece.encode()) + bytes([8 * 3, kind]))
    ...     for piece, kind in zip(pieces, kinds)
    ... )
    >>> tokenizer = SentencePieceTokenizer(proto, add_eos=True)
    >>> tokenizer(["low lower", "l"]).to_list()
    [[5, 5, 6, 2], [3, 4, 2]]
    >>> tokenizer.detokenize([5, 5, 6, 2]).numpy()
    b'low lower'

    It runs as a compiled op. Where that is not there, for models of words or characters,
    and in what must load anywhere, such as a task's export, tensorflow-text's op gives
    the same tokens, more slowly. A program that loads an export of this layer must import
    `tensorflow_text` first; one with the compiled op in it loads where that was loaded,
    too: `ops.portable_ops` makes one without.

    Reference: Kudo and Richardson, "SentencePiece", arXiv:1808.06226.
    """

    def __init__(
        self,
        proto=None,
        sequence_length=None,
        dtype="int32",
        add_bos=False,
        add_eos=False,
        *,
        special_tokens=None,
        special_tokens_in_strings=False,
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        check_positive_int("sequence_length", sequence_length, none_ok=True)
        self.sequence_length = sequence_length
        self.add_bos = add_bos
        self.add_eos = add_eos
        self.special_tokens = check_whole_tokens("special_tokens", special_tokens)
        self.special_tokens_in_strings = special_tokens_in_strings
        self.set_proto(proto)

    # Model

    def set_proto(self, proto):
        """Gives the model.

        Args:
            proto: Its bytes, the same in base64, the path of a file, or None.

        Raises:
            ValueError: it is no SentencePiece model, or one without a token that is
                asked for, or with more than `dtype` can count.
        """
        self._model = None
        if proto is None:
            return
        is_string = self.compute_dtype == "string"
        model = SentencePieceModel(
            proto,
            tf.string if is_string else tf.int32,
            self.add_bos,
            self.add_eos,
            self.special_tokens if self.special_tokens_in_strings else (),
        )
        size = len(model.vocabulary)
        if not is_string and size - 1 > tf.as_dtype(self.compute_dtype).max:
            raise ValueError(
                f"`dtype` must hold every id. Received: dtype={self.compute_dtype!r}, "
                f"and {size} pieces."
            )
        self._model = model

    @property
    def proto(self):
        """bytes: the model; None where there is none yet."""
        return None if self._model is None else self._model.proto

    def get_vocabulary(self):
        return list(self._ready().vocabulary.tokens)

    def vocabulary_size(self):
        return len(self._ready().vocabulary)

    def id_to_token(self, id):
        return self._ready().vocabulary.token(id)

    def token_to_id(self, token):
        """int: the id that a piece has; of what is no piece, that of unknown text."""
        return self._ready().id(token)

    def _has_token(self, token):
        return token in self._ready().vocabulary

    def _ready(self):
        if self._model is None:
            raise ValueError(
                "SentencePieceTokenizer has no model yet. Pass `proto` when you make "
                "it, or call `set_proto`."
            )
        return self._model

    # Strings to tokens and back

    def tokenize(self, inputs):
        model = self._ready()
        with on_cpu():
            text = as_strings(inputs)
            tokens = model.tokenize(flat_strings(text), self.sequence_length)
            tokens = self._cast(tokens)
            return self._rows(text, tokens, self._pad_value())

    def tokenize_with_offsets(self, inputs):
        """Turns strings into tokens, and says where each stands.

        A piece that begins with "▁" has the white space before its word. What stands
        for no text of its own is empty: a "▁" that was added in front, "<s>" and "</s>",
        and all but the last of the pieces that one character became. Between two spans
        lies only what normalization removed, such as white space at the end.

        Returns:
            (tokens, starts, ends): what `tokenize` gives, and int64 of the same shape,
            padded with 0: a token is of the bytes from start up to end of the string
            that came in. Spans ascend and do not overlap.
        """
        model = self._ready()
        with on_cpu():
            text = as_strings(inputs)
            tokens, starts, ends = model.tokenize_with_offsets(flat_strings(text))
            return (
                self._rows(text, self._cast(tokens), self._pad_value()),
                self._rows(text, starts),
                self._rows(text, ends),
            )

    def word_ids(self, inputs):
        """Which word of its text each token is of.

        Returns:
            int64, shaped as the tokens, padded with -1. A word begins at a piece that
            begins with "▁", and a "▁" alone is of the word behind it. (Where the model
            puts the space behind a word, a piece that ends with "▁" ends it.) A special
            token in the text is a word of its own. What `add_bos` and `add_eos` add is
            of none: -1.
        """
        model = self._ready()
        with on_cpu():
            text = as_strings(inputs)
            return self._rows(text, model.word_ids(flat_strings(text)), pad_value=-1)

    def detokenize(self, inputs, skip_special_tokens=False):
        """Joins pieces to the text, as it was after normalization.

        Args:
            inputs: int ids, a scalar, [T], or dense or ragged [B, T].
            skip_special_tokens: Whether to leave out special tokens and padding.

        Returns:
            string, a scalar or [B]. Control tokens such as "</s>" stand for no text,
            what is unknown for " ⁇ ".

        Raises:
            tf.errors.OutOfRangeError: an id that the model does not have.
        """
        model = self._ready()
        with on_cpu():
            rows, restore = as_id_rows(inputs)
            rows = self._without_special_tokens(rows, skip_special_tokens)
            return restore(model.detokenize(tf.cast(rows, tf.int32)))

    def compute_output_spec(self, inputs):
        return rows_spec(inputs, self.sequence_length, self.compute_dtype)

    def _rows(self, text, values, pad_value=None):
        return rows_like(text, values, self.sequence_length, pad_value)

    # Saving

    def get_config(self):
        return {
            **super().get_config(),
            "proto": None,  # an asset, not a setting: up to megabytes
            "sequence_length": self.sequence_length,
            "add_bos": self.add_bos,
            "add_eos": self.add_eos,
            "special_tokens": list(self.special_tokens),
            "special_tokens_in_strings": self.special_tokens_in_strings,
        }

    @classmethod
    def from_config(cls, config):
        proto = config.get("proto")
        if isinstance(proto, (str, os.PathLike)) and not is_encoded(proto):
            # `get_config` never writes a path. Whoever did would have the loader of a
            # model read a file of their choice.
            raise ValueError(
                f"A config may not name a model file. Received: proto={proto!r}."
            )
        return super().from_config(config)

    def save_assets(self, dir_path):
        if self._model is None:
            return
        path = os.path.join(dir_path, _ASSET)
        with replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(self._model.proto)

    def load_assets(self, dir_path):
        path = os.path.join(dir_path, _ASSET)
        if os.path.exists(path):
            self.set_proto(path)
