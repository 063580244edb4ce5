"""The two SentencePiece models and the one vocabulary of Marian's translators."""

import os

import keras
import tensorflow as tf

from keras_nlp_lite.atomic import replacing
from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.tokenizers.sentence_piece_model import (
    SPACE,
    SentencePieceModel,
    as_model_bytes,
    is_encoded,
)
from keras_nlp_lite.tokenizers.special_tokens import SpecialTokens
from keras_nlp_lite.tokenizers.strings import as_strings, on_cpu
from keras_nlp_lite.tokenizers.text_rows import (
    as_id_rows,
    flat_strings,
    rows_like,
    rows_spec,
)
from keras_nlp_lite.tokenizers.token_ids import TokenIds
from keras_nlp_lite.tokenizers.tokenizer import Tokenizer
from keras_nlp_lite.tokenizers.vocabulary import as_tokens

_SOURCE_ASSET = "source.spm"
_TARGET_ASSET = "target.spm"
_VOCABULARY_ASSET = "vocab.json"

# What tells a translator into several languages which is meant, such as ">>fra<<".
# (`\C` is any byte: `.` would not match what is no UTF-8.)
_LANGUAGE_AND_TEXT = r"^(>>\C*?<<)?(\C*)$"


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class MarianTokenizer(SpecialTokens, Tokenizer):
    """Cuts text into pieces by SentencePiece, and numbers them by a vocabulary of its own.

    The opus-mt translators have one model for the language that they read, another one
    for the language that they write, and one vocabulary for both. A text that begins
    with a code such as ">>fra<<" begins with that token.

    Shapes: B batch, T tokens, different in each row.

    Args:
        source_proto: The SentencePiece model of the language that is read: its bytes,
            the same in base64, or the path of a file. None where loading follows.
        target_proto: That of the language that is written; None for the same one.
        vocabulary: A dict from piece to id, the path of a JSON file of one, or a list
            of the pieces in the order of their ids. It must hold "</s>", "<unk>", for
            every piece that it lacks, and "<pad>", with which also a translation starts.
        sequence_length: T, in tokens: longer rows are cut, shorter ones padded. None
            for ragged rows.
        dtype: Of the tokens: an integer type for ids, or "string" for pieces.
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Call arguments:
        inputs: string, a scalar, [B] or of higher rank, in the language that is read.
            `tokenize_target` takes those of the other.

    Returns:
        Ragged [B, T] without `sequence_length`, dense [B, T] with it; [T] for a scalar.
        No "</s>" is added.

    Raises:
        ValueError: no model or no vocabulary yet, or what is none; a special token is
            not in the vocabulary; an input that is not of strings.

    Example:

    >>> from keras_nlp_lite.tokenizers import compute_sentence_piece_proto
    >>> english = compute_sentence_piece_proto(["low lower"] * 9, 12)
    >>> german = compute_sentence_piece_proto(["tief tiefer"] * 9, 12)
    >>> special = ["</s>", "<unk>", "<pad>"]
    >>> pieces = [*special, "▁low", "er", "▁tief", "▁tie", "f"]
    >>> tokenizer = MarianTokenizer(english, german, pieces)
    >>> tokenizer.detokenize([5, 6, 7, 4, 0]).numpy()
    b'tief tiefer</s>'
    >>> tokenizer.detokenize([5, 6, 7, 4, 0], skip_special_tokens=True).numpy()
    b'tief tiefer'

    A program that loads an export of this layer must import `tensorflow_text` first.

    Reference: Junczys-Dowmunt et al., "Marian: Fast Neural Machine Translation in C++",
    arXiv:1804.00344.
    """

    end_token = "</s>"
    pad_token = "<pad>"
    unk_token = "<unk>"
    adds_start = False

    def __init__(
        self,
        source_proto=None,
        target_proto=None,
        vocabulary=None,
        sequence_length=None,
        dtype="int32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        check_positive_int("sequence_length", sequence_length, none_ok=True)
        self.sequence_length = sequence_length
        self.set_protos_and_vocabulary(source_proto, target_proto, vocabulary)

    # Models and vocabulary

    def set_protos_and_vocabulary(self, source_proto, target_proto, vocabulary):
        """Gives the models, and the ids of their pieces.

        Args:
            source_proto, target_proto, vocabulary: As in `MarianTokenizer`.

        Raises:
            ValueError: a model comes without vocabulary or the other way round; one is
                none; a special token is missing, or an id does not fit the dtype.
        """
        self._vocabulary = None
        if source_proto is None and target_proto is None and vocabulary is None:
            return
        if source_proto is None or vocabulary is None:
            missing = "source_proto" if source_proto is None else "vocabulary"
            raise ValueError(
                "`source_proto` and `vocabulary` must come together. Received: "
                f"{missing}=None."
            )
        if isinstance(vocabulary, (list, tuple)):
            vocabulary = {token: id for id, token in enumerate(as_tokens(vocabulary))}
        vocabulary = TokenIds(vocabulary)
        dtype = "int32" if self.compute_dtype == "string" else self.compute_dtype
        if vocabulary.ids[-1] > tf.as_dtype(dtype).max:
            raise ValueError(
                f"`dtype` must hold every id. Received: dtype={dtype!r}, and an id "
                f"{vocabulary.ids[-1]}."
            )
        source_proto = as_model_bytes(source_proto)
        target_proto = source_proto if target_proto is None else target_proto
        self._source = SentencePieceModel(source_proto, tf.string, False, False)
        self._target = SentencePieceModel(target_proto, tf.string, False, False)
        self._vocabulary = vocabulary
        try:
            self.check_special_tokens()
        except ValueError:
            self._vocabulary = None
            raise
        # Constants must not belong to a graph that is being traced: a loader may call
        # this in one.
        with tf.init_scope(), on_cpu():
            tokens, ids = vocabulary.tokens, tf.constant(vocabulary.ids, tf.int64)
            unknown = tf.constant(vocabulary.id(self.unk_token), tf.int64)
            self._id_of_piece = _table(tf.constant(tokens), ids, unknown)
            special = set(self.special_token_names)
            texts = [x if x in special else x.replace(SPACE, " ") for x in tokens]
            self._text_of_id = _table(ids, tf.constant(texts), tf.constant(""))

    @property
    def source_proto(self):
        """bytes: the model of the language that is read; None where there is none."""
        return None if self._vocabulary is None else self._source.proto

    @property
    def target_proto(self):
        """bytes: the model of the language that is written; None where there is none."""
        return None if self._vocabulary is None else self._target.proto

    def get_vocabulary(self):
        return self._ready().tokens

    def vocabulary_size(self):
        return len(self._ready())

    def id_to_token(self, id):
        return self._ready().token(id)

    def token_to_id(self, token):
        return self._ready().id(token)

    def continues_word(self):
        special = set(self.special_token_names)
        return [
            not token.startswith(SPACE) and token not in special
            for token in self.get_vocabulary()
        ]

    def _has_token(self, token):
        return token in self._ready()

    def _ready(self):
        if self._vocabulary is None:
            raise ValueError(
                "MarianTokenizer has no vocabulary yet. Pass `source_proto` and "
                "`vocabulary` when you make it, or call `set_protos_and_vocabulary`."
            )
        return self._vocabulary

    # Strings to tokens and back

    def tokenize(self, inputs):
        """Turns strings of the language that is read into tokens."""
        self._ready()
        return self._tokenize(self._source, inputs)

    def tokenize_target(self, inputs):
        """Turns strings of the language that is written into tokens."""
        self._ready()
        return self._tokenize(self._target, inputs)

    def _tokenize(self, model, inputs):
        with on_cpu():
            text = as_strings(inputs)
            flat = flat_strings(text)  # [N]
            code, bare = (
                tf.strings.regex_replace(flat, _LANGUAGE_AND_TEXT, part)
                for part in (r"\1", r"\2")
            )
            code = tf.ragged.boolean_mask(
                code[:, tf.newaxis], code[:, tf.newaxis] != ""
            )
            tokens = tf.concat(
                [code, model.tokenize(bare, self.sequence_length)], axis=1
            )  # [N, None]
            if self.compute_dtype != "string":
                ids = self._id_of_piece.lookup(tokens.values)
                tokens = tokens.with_values(self._cast(ids))
            return rows_like(text, tokens, self.sequence_length, self._pad_value())

    def detokenize(self, inputs, skip_special_tokens=False):
        """Joins pieces to the text, as it was after normalization.

        Args:
            inputs: int ids, a scalar, [T], or dense or ragged [B, T], of pieces of any
                of both languages.
            skip_special_tokens: Whether to leave out "</s>", "<unk>" and "<pad>".

        Returns:
            string, a scalar or [B]. An id that no piece has stands for no text.
        """
        self._ready()
        with on_cpu():
            rows, restore = as_id_rows(inputs)
            rows = self._without_special_tokens(rows, skip_special_tokens)
            pieces = rows.with_values(self._text_of_id.lookup(rows.values))
            text = tf.strings.reduce_join(pieces, axis=-1)
            return restore(tf.strings.regex_replace(text, "^ +| +$", ""))

    def compute_output_spec(self, inputs):
        return rows_spec(inputs, self.sequence_length, self.compute_dtype)

    # Saving

    def get_config(self):
        return {
            **super().get_config(),
            "source_proto": None,  # assets, not settings: up to megabytes
            "target_proto": None,
            "vocabulary": None,
            "sequence_length": self.sequence_length,
        }

    @classmethod
    def from_config(cls, config):
        for name in ("source_proto", "target_proto", "vocabulary"):
            value = config.get(name)
            if isinstance(value, (str, os.PathLike)) and not is_encoded(value):
                # `get_config` never writes a path. Whoever did would have the loader
                # of a model read a file of their choice.
                raise ValueError(
                    f"A config may not name a file to read. Received: {name}={value!r}."
                )
        return super().from_config(config)

    def save_assets(self, dir_path):
        if self._vocabulary is None:
            return
        source, target, vocabulary = _asset_paths(dir_path)
        for path, model in ((source, self._source), (target, self._target)):
            with replacing(path) as temporary, open(temporary, "wb") as file:
                file.write(model.proto)
        with replacing(vocabulary) as temporary:
            self._vocabulary.write_ids(temporary)

    def load_assets(self, dir_path):
        paths = _asset_paths(dir_path)
        if all(map(os.path.exists, paths)):
            self.set_protos_and_vocabulary(*paths)


def _asset_paths(dir_path):
    names = (_SOURCE_ASSET, _TARGET_ASSET, _VOCABULARY_ASSET)
    return tuple(os.path.join(dir_path, name) for name in names)


def _table(keys, values, default):
    initializer = tf.lookup.KeyValueTensorInitializer(keys, values)
    return tf.lookup.StaticHashTable(initializer, default)
