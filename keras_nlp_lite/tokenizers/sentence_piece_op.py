"""SentencePiece as a compiled op."""

import tensorflow as tf

from keras_nlp_lite.ops import library
from keras_nlp_lite.tokenizers.strings import on_cpu


class SentencePieceOp(tf.Module):
    """Encodes texts by the compiled op, which must be there.

    The model is one tensor that the op reads where it lies. It is a constant of every
    graph that encodes, and so a part of what is exported. Tokens and places are those of
    tensorflow-text's op.

    Shapes: N texts, T tokens.

    Args:
        proto: bytes, a model file.
        token_type: tf.int32 for ids, tf.string for pieces.

    Raises:
        tf.errors.InvalidArgumentError: it is a model that only tensorflow-text encodes.
    """

    def __init__(self, proto, token_type):
        super().__init__()
        self._token_type = token_type
        self._model = library.load().knl_sentence_piece_model(proto=proto)

    def tokenize(self, text, most=0):
        """string [N] -> ragged [N, None], tokens.

        Args:
            most: How many are wanted of each text: there may be fewer of the others, or
                none. 0: all.
        """
        return self._encode(text, most, 0)[0]

    def tokenize_with_offsets(self, text):
        """string [N] -> three ragged [N, None]: tokens, starts and ends (int64)."""
        tokens, places = self._encode(text, 0, 2)
        return tokens, *map(tokens.with_values, places)

    def _encode(self, text, most, num_places):
        with on_cpu():
            tokens, row_splits, places = library.loaded().knl_sentence_piece_encode(
                model=self._model,
                text=text,
                T=self._token_type,
                most=most,
                num_places=num_places,
            )
        rows = tf.RaggedTensor.from_row_splits(tokens, row_splits, validate=False)
        return rows, places
