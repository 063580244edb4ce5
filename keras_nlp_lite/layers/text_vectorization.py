"""Keras's TextVectorization, where it saves, loads and describes itself rightly."""

import json
import os

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.tokenizers.vocabulary import as_tokens

_ASSET = "vocabulary.json"


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TextVectorization(keras.layers.TextVectorization):
    """Turns texts into token numbers, or into bags of words or n-grams.

    `keras.layers.TextVectorization` with its arguments, methods and numbers; see there.
    What it mends (Keras 3.15):

    - A token that holds a line break (with split="character" or None, and U+0085 or
      U+2028 always) tore the saved vocabulary apart: here it is saved as JSON.
    - Tokens of invalid UTF-8 could be adapted on, but neither listed nor saved.
    - output_mode="tf_idf" with `pad_to_max_tokens` could be saved but not loaded.
    - A vocabulary set with `set_vocabulary` over one given to the constructor was
      forgotten on saving, and the old one came back.
    - A vocabulary given as bytes or as a tensor made a model that could not be loaded.
    - A vocabulary file could not be of a layer's own `get_vocabulary()`, which starts
      with an empty line; its layer forgot it in `from_config(get_config())`.
    - sparse=True with "tf_idf" always failed; with the other modes, on zero rows.
    - What a model was told of the output was wrong: its shape for inputs [batch, 1],
      its dtype except for "int" and "tf_idf", and that it is sparse or ragged.
    - `from_config(get_config())` failed where `standardize` or `split` is a function.
    - Calling it before `adapt` said "Table not initialized".

    Shapes: B batch, T tokens of the longest row (or `output_sequence_length`), V
    `vocabulary_size()` (or `max_tokens`, with `pad_to_max_tokens`).

    Args:
        max_tokens: The largest V. One entry is for unknown tokens, and for "int" one
            for padding.
        standardize: None, "lower_and_strip_punctuation", "lower", "strip_punctuation",
            or a function from strings to strings.
        split: None, "whitespace", "character", or a function from strings [B] to ragged
            tokens [B, None].
        ngrams: n for n-grams of 1 to n tokens jointly, or a tuple of the sizes wanted.
        output_mode: "int" for the tokens' numbers in order; "multi_hot", "count" or
            "tf_idf" for a column for each vocabulary entry.
        output_sequence_length: For "int", T: longer rows are cut, shorter ones padded.
        pad_to_max_tokens: For bags, whether V is `max_tokens` however few there are.
        vocabulary: Tokens, in place of `adapt`: a list, an array, or a text file with
            one a line.
        idf_weights: float, one for each token of `vocabulary`, for "tf_idf".
        sparse: For bags, whether to return a `tf.SparseTensor`.
        ragged: For "int", whether to return a `tf.RaggedTensor` in place of padding.
        encoding: Kept from Keras; TensorFlow's string ops know UTF-8.
        name: Of the layer.
        **kwargs: The rest of `keras.layers.Layer`.

    Call arguments:
        inputs: string [B] or [B, 1].

    Returns:
        int64 [B, T] for "int"; [B, V] for the others, int64, or float32 for "tf_idf".

    Raises:
        RuntimeError: called without a vocabulary.

    Example:

    >>> layer = TextVectorization(output_mode="tf_idf", ngrams=2, sparse=True)
    >>> layer.adapt(["not good", "good", "good"])
    >>> layer.get_vocabulary()
    ['[UNK]', 'good', 'not good', 'not']
    >>> layer(["Not good!", ""]).shape
    TensorShape([2, 4])
    """

    def __init__(
        self,
        max_tokens=None,
        standardize="lower_and_strip_punctuation",
        split="whitespace",
        ngrams=None,
        output_mode="int",
        output_sequence_length=None,
        pad_to_max_tokens=False,
        vocabulary=None,
        idf_weights=None,
        sparse=False,
        ragged=False,
        encoding="utf-8",
        name=None,
        **kwargs,
    ):
        if sparse and output_mode == "one_hot":
            raise ValueError(
                "output_mode='one_hot' has no sparse form. Received: sparse=True. Try "
                "output_mode='multi_hot'."
            )
        super().__init__(
            max_tokens=max_tokens,
            standardize=standardize,
            split=split,
            ngrams=ngrams,
            output_mode=output_mode,
            output_sequence_length=output_sequence_length,
            pad_to_max_tokens=pad_to_max_tokens,
            vocabulary=None if vocabulary is None else as_tokens(vocabulary),
            idf_weights=idf_weights,
            sparse=sparse,
            ragged=ragged,
            encoding=encoding,
            name=name,
            **kwargs,
        )
        # The saver visits the inner layer too, which would write and read its own
        # vocabulary, line by line.
        self._lookup_layer.save_assets = self._lookup_layer.load_assets = _nothing

    # Vocabulary

    @property
    def is_adapted(self):
        """Whether there is a vocabulary."""
        return bool(self._lookup_layer.lookup_table.size())

    def get_vocabulary(self, include_special_tokens=True):
        table = self._lookup_layer.lookup_table
        if not table.size():
            return super().get_vocabulary(include_special_tokens)
        tokens, numbers = (part.numpy() for part in table.export())
        tokens = as_tokens(tokens[np.argsort(numbers)])
        specials = ["", "[UNK]"] if self._output_mode == "int" else ["[UNK]"]
        return specials + tokens if include_special_tokens else tokens

    def set_vocabulary(self, vocabulary, idf_weights=None):
        # Bytes, since surrogates for invalid UTF-8 have no other way back. The special
        # tokens stay strings, by which Keras knows them.
        tokens = np.array(
            [
                t if t in ("", "[UNK]") else t.encode("utf-8", "surrogateescape")
                for t in as_tokens(vocabulary)
            ],
            dtype=object,
        )
        super().set_vocabulary(tokens, idf_weights)
        # What the constructor was given is no longer this layer's vocabulary, neither
        # for its config nor, in place of an asset, for saving.
        self._lookup_layer.input_vocabulary = None
        self._lookup_layer.input_idf_weights = None

    # Strings to numbers

    def call(self, inputs):
        try:
            if self._lookup_layer.sparse:
                return self._sparse_bag(self._preprocess(inputs))
            return super().call(inputs)
        except tf.errors.FailedPreconditionError as error:
            raise RuntimeError(
                "TextVectorization has no vocabulary yet. Call `adapt` with texts, or "
                "pass `vocabulary`."
            ) from error

    def _sparse_bag(self, tokens):
        """Counts tokens, dense or ragged [B, T], into sparse columns [B, V]."""
        if tokens.shape.rank == 1:  # one text by itself, or its tokens
            return tf.sparse.reshape(self._sparse_bag(tokens[tf.newaxis]), [-1])
        lookup = self._lookup_layer
        lookup._ensure_known_vocab_size()
        with tf.device("CPU:0"):
            if not isinstance(tokens, tf.RaggedTensor):
                tokens = tf.RaggedTensor.from_tensor(tokens)
            V = self._num_columns()
            numbers = lookup.lookup_table.lookup(tokens.values)
            # Beyond the last column, nothing is counted.
            numbers = tf.where(tokens.values == "", tf.constant(V, tf.int64), numbers)
            dtype = self._output_dtype()
            # One more row, an empty one: the op refuses to count none.
            splits = tf.concat([tokens.row_splits, tokens.row_splits[-1:]], axis=0)
            indices, counts, _ = tf.raw_ops.RaggedCountSparseOutput(
                splits=splits,
                values=numbers,
                weights=tf.zeros([0], dtype),
                minlength=V,
                maxlength=V,
                binary_output=self._output_mode == "multi_hot",
            )
            if self._output_mode == "tf_idf":
                counts *= tf.gather(lookup.idf_weights_const, indices[:, 1])
            # V stands there as a number, for the layer that is built on this one.
            return tf.SparseTensor(indices, counts, tf.stack([tokens.nrows(), V]))

    def compute_output_shape(self, input_shape):
        tokens = tuple(input_shape)
        if self._split is not None:
            tokens = (tokens[:-1] if len(tokens) > 1 else tokens) + (None,)
        elif self._ngrams is not None:
            tokens = (*tokens[:-1], None)
        if self._output_mode == "int":
            T = None if self._ragged else self._output_sequence_length
            return (*tokens[:-1], T or tokens[-1])
        if self._output_mode == "one_hot":
            return self._lookup_layer.compute_output_shape(tokens)
        return (*tokens[:-1], self._num_columns())

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(
            self.compute_output_shape(inputs.shape),
            dtype=self._output_dtype(),
            sparse=self._lookup_layer.sparse,
            ragged=self._ragged
            or (self._output_mode == "one_hot" and bool(self._split)),
        )

    def _num_columns(self):
        return self._lookup_layer.compute_output_shape((None, None))[-1]

    def _output_dtype(self):
        return keras.config.floatx() if self._output_mode == "tf_idf" else "int64"

    # Saving

    def get_config(self):
        return {
            **super().get_config(),
            "standardize": keras.saving.serialize_keras_object(self._standardize),
            "split": keras.saving.serialize_keras_object(self._split),
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
        return super().from_config(dict(config))

    def save_assets(self, dir_path):
        if self._lookup_layer.input_vocabulary is not None:
            return  # it is in the config
        with open(os.path.join(dir_path, _ASSET), "w", encoding="ascii") as file:
            json.dump(self.get_vocabulary(), file)

    def load_assets(self, dir_path):
        path = os.path.join(dir_path, _ASSET)
        if not os.path.exists(path):
            return
        with open(path, encoding="ascii") as file:
            tokens = json.load(file)
        if not tokens[2 if self._output_mode == "int" else 1 :]:
            return  # saved before it was adapted
        weights = None
        if self._output_mode == "tf_idf":
            # Loaded just before, and longer than the vocabulary where it is padded.
            weights = self._lookup_layer.idf_weights_const.numpy()[: len(tokens)]
        self.set_vocabulary(tokens, weights)


def _nothing(dir_path):
    """Saves or loads no asset."""
