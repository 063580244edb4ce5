"""Byte-pair encoding as compiled ops."""

import tensorflow as tf

from keras_nlp_lite.ops import library
from keras_nlp_lite.tokenizers.strings import on_cpu


class BytePairOp(tf.Module):
    """Encodes and decodes texts by the compiled ops, which must be there.

    The model is one tensor that the ops read where it lies. It is a constant of every
    graph that encodes, and so a part of what is exported.

    Shapes: N texts, C tokens of all.

    Args:
        model: A `BytePairModel`.
        prefix_space: Whether a text, or what follows a whole token in it, gets a space
            in front where it has none.
        split_pattern: How text is cut into words, one of
            `byte_pair_patterns.PATTERNS`.
    """

    def __init__(self, model, prefix_space, split_pattern="gpt2"):
        super().__init__()
        self._prefix_space = prefix_space
        self._split_pattern = split_pattern
        of_byte, merges = model.as_numbers()
        self._model = library.load().knl_byte_pair_model(
            texts=tf.constant(model.texts, tf.string),
            ids=tf.constant(model.ids, tf.int64),
            of_byte=of_byte,
            merges=merges,
            whole=tf.constant(model.whole, tf.int32),
            takes_space=[number in model.takes_space for number in model.whole],
            words=tf.constant(model.words, tf.int32),
        )

    def encode(self, text):
        """string [N] -> ragged int32 [N, None], tokens by number."""
        return self._encode(text, 0)[0]

    def encode_with_places(self, text):
        """string [N] -> (ragged int32 [N, None], ends int64 [C], words int64 [C])."""
        numbers, (ends, words) = self._encode(text, 2)
        return numbers, ends, words

    def decode(self, ids, row_splits):
        """int64 [C], int64 [N + 1] -> string [N]."""
        with on_cpu():
            return library.loaded().knl_byte_pair_decode(
                model=self._model, ids=ids, row_splits=row_splits
            )

    def _encode(self, text, num_places):
        with on_cpu():
            numbers, row_splits, places = library.loaded().knl_byte_pair_encode(
                model=self._model,
                text=text,
                prefix_space=self._prefix_space,
                num_places=num_places,
                split_pattern=self._split_pattern,
            )
        rows = tf.RaggedTensor.from_row_splits(numbers, row_splits, validate=False)
        return rows, places
