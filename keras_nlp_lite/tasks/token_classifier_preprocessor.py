"""Words to what a backbone takes, and a label for each to where its answer will be."""

import keras
import tensorflow as tf

from keras_nlp_lite.layers.preprocessing_layer import on_cpu
from keras_nlp_lite.tasks.text_preprocessor import TextPreprocessor
from keras_nlp_lite.tasks.words import as_words, cut_words, number_labels, per_word
from keras_nlp_lite.tokenizers.packing import Rows, join_rows, same_in_each_row


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TokenClassifierPreprocessor(TextPreprocessor):
    """Cuts words into tokens, and puts each word's label at its first token.

    What no label stands at has a weight of 0: the other tokens of a word, special
    tokens and padding.

    Shapes: B texts, W words, different in each text, L `sequence_length`, R rows.

    Args:
        tokenizer: A tokenizer that knows its special tokens, such as `BertTokenizer`.
        sequence_length: L, in tokens, special ones included.
        labels: The labels' names, in order of their numbers; None where labels are
            numbers.
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Call arguments:
        words: Words, a ragged string [B, W], or dense with "" behind a text's last one;
            or texts, string [B], which are cut at white space and around punctuation.
        labels: A name or number for each word, ragged or dense as the words are.
        sample_weight: float, [B] or one for each word.
        names: In place of the layer's own `labels`.

    Returns:
        dict of [B, L], what the backbone takes; texts that are longer are cut.
        With labels: (that dict, labels int32 [B, L], weights float32 [B, L]).

    Raises:
        ValueError: `sequence_length` leaves no room for a token; labels without `names`.
        tf.errors.InvalidArgumentError: a label that is not among the names; not as many
            labels as words.

    Example:

    >>> from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
    >>> special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> tokenizer = BertTokenizer([*special, "fox", "##es", "run"])
    >>> preprocessor = TokenClassifierPreprocessor(tokenizer, 7, labels=["N", "V"])
    >>> features, labels, weights = preprocessor([["foxes", "run"]], [["N", "V"]])
    >>> print(features["token_ids"].numpy())
    [[2 5 6 7 3 0 0]]
    >>> print(labels.numpy(), weights.numpy())
    [[0 0 0 1 0 0 0]] [[0. 1. 0. 1. 0. 0. 0.]]
    """

    def __init__(self, tokenizer, sequence_length=512, labels=None, **kwargs):
        super().__init__(tokenizer, sequence_length, **kwargs)
        if sequence_length < 3:
            raise ValueError(
                "`sequence_length` must hold a token and the two around it. Received: "
                f"sequence_length={sequence_length}. Try 128."
            )
        self.labels = None if labels is None else list(labels)

    def call(self, words, labels=None, sample_weight=None, names=None):
        with on_cpu():
            words = as_words(words)
            tokens = cut_words(words, self.tokenizer)
            row_starts = tokens.row_splits[:-1]
            features = self._rows(tokens.ids, row_starts, tokens.row_lengths)
            if labels is None:
                return features
            labels = self._numbers(per_word(labels, words, "labels"), names)
            weights = _weights(sample_weight, words)
            place = tokens.words.values  # of each word, in tokens behind the first
            kept = place < self._room
            places = tf.stack([tokens.words.value_rowids(), place + 1], axis=1)
            places = tf.boolean_mask(places, kept)
            shape = tf.stack([words.nrows(), self.sequence_length])
            labels, weights = (
                tf.ensure_shape(
                    tf.scatter_nd(places, tf.boolean_mask(x, kept), shape),
                    [None, self.sequence_length],
                )
                for x in (labels, weights)
            )
            return features, labels, weights

    def windows(self, words):
        """Texts whole, in as many rows as they need.

        The rows of a text overlap by half, and each word is to be answered in the row
        where it has most text on either side.

        Args:
            words: As `call` takes them.

        Returns:
            dict: what the backbone takes, [R, L], and "word_places", ragged int64
            [B, W], where each word's first token is in the R * L tokens of all rows.
        """
        with on_cpu():
            words = as_words(words)
            tokens = cut_words(words, self.tokenizer)
            room = tf.constant(self._room, tf.int64)
            stride = tf.maximum(room // 2, 1)
            beyond = tf.maximum(tokens.row_lengths - room, 0)
            counts = 1 + (beyond + stride - 1) // stride  # rows of each text
            starts = tf.repeat(tokens.row_splits[:-1], counts)
            starts += tf.ragged.range(counts).values * stride
            lengths = tf.repeat(tokens.row_splits[1:], counts) - starts
            features = self._rows(tokens.ids, starts, lengths)

            text = tokens.words.value_rowids()
            place = tokens.words.values
            row = (place - room // 2 + stride // 2) // stride
            row = tf.clip_by_value(row, 0, tf.gather(counts, text) - 1)
            place -= row * stride
            row += tf.gather(tf.cumsum(counts, exclusive=True), text)
            place += row * self.sequence_length + 1  # behind the start token
            return {**features, "word_places": words.with_values(place)}

    @property
    def _room(self):
        """int, in tokens: what a row holds between start and end."""
        return self.sequence_length - 2

    def _rows(self, ids, starts, lengths):
        """What the backbone takes, of slices of `ids`, cut to the room."""
        tokenizer = self.tokenizer
        rows = Rows(ids, starts, tf.minimum(lengths, self._room))
        token_ids, owners = join_rows(
            [
                same_in_each_row("start_token", [tokenizer.start_token_id], rows),
                rows,
                same_in_each_row("end_token", [tokenizer.end_token_id], rows),
            ],
            self.sequence_length,
            "right",
            tokenizer.pad_token_id,
        )
        prepared = {"token_ids": token_ids, "padding_mask": owners >= 0}
        if tokenizer.has_segments:
            prepared["segment_ids"] = tf.zeros_like(token_ids)
        return prepared

    def _numbers(self, labels, names):
        """Flat labels, by name or number, as int32."""
        names = names or self.labels
        if names is not None:
            return number_labels(labels, names)
        if labels.dtype == tf.string:
            raise ValueError(
                "Labels that are names need an order. Received: labels=None. Try "
                "labels=[...]."
            )
        return tf.cast(labels, tf.int32)

    def compute_output_spec(self, words, labels=None, sample_weight=None, names=None):
        features = self.prepared_spec((words.shape[0],))
        if labels is None:
            return features
        shape = (words.shape[0], self.sequence_length)
        of_labels = keras.KerasTensor(shape, dtype="int32")
        return features, of_labels, keras.KerasTensor(shape, dtype="float32")

    def get_config(self):
        config = {**super().get_config(), "labels": self.labels}
        del config["truncate"]  # there is one text in a row
        return config


def _weights(sample_weight, words):
    """float32, one for each word of all texts."""
    if sample_weight is None:
        return tf.ones([tf.size(words.values)])
    if not tf.is_tensor(sample_weight):
        sample_weight = tf.ragged.constant(sample_weight)
    if sample_weight.shape.rank == 1:
        sample_weight = tf.repeat(sample_weight, words.row_lengths())
    else:
        sample_weight = per_word(sample_weight, words, "weights")
    return tf.cast(sample_weight, tf.float32)
