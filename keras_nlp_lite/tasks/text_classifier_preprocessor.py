"""Texts, or pairs of texts, to what a backbone takes."""

import keras
import tensorflow as tf

from keras_nlp_lite.layers.preprocessing_layer import as_strings, on_cpu
from keras_nlp_lite.tasks.text_preprocessor import TextPreprocessor


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TextClassifierPreprocessor(TextPreprocessor):
    """Tokenizes texts, and joins those that are judged together, into rows of ids.

    Shapes: B batch, L `sequence_length`.

    Args:
        tokenizer: A tokenizer that knows its special tokens, such as `BertTokenizer`.
        sequence_length: L, in tokens, special ones included; longer texts are cut.
        truncate: "round_robin", "waterfall" or "middle": as in `MultiSegmentPacker`, which
            text of a pair gives way where both are too long together, and where it is
            cut. "middle" keeps the ends of long texts.
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Call arguments:
        x: string, a scalar or [B]: a tensor, an array or a list; or a tuple of such,
            for texts that stand in one row.
        y: Labels, which pass through.
        sample_weight: Weights, which pass through.

    Returns:
        x, (x, y) or (x, y, sample_weight), as they were given, where x is a dict of
        "token_ids" int32 [B, L], "padding_mask" bool [B, L], False at padding, and, for
        families that have them, "segment_ids" int32 [B, L]; each [L] for a scalar.

    Raises:
        ValueError: texts of rank 2; a scalar beside [B].

    Example:

    >>> from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
    >>> special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> tokenizer = BertTokenizer([*special, "a", "quick", "fox"])
    >>> preprocessor = TextClassifierPreprocessor(tokenizer, sequence_length=8)
    >>> print(preprocessor(("a fox", "quick"))["token_ids"].numpy())
    [2 5 7 3 6 3 0 0]
    """

    def call(self, x, y=None, sample_weight=None):
        x = tuple(x) if _is_several(x) else (x,)
        with on_cpu():
            segments = tuple(self.tokenizer(_texts(part)) for part in x)
        prepared = self.prepared(segments)
        return keras.utils.pack_x_y_sample_weight(prepared, y, sample_weight)

    def compute_output_spec(self, x, y=None, sample_weight=None):
        first = x[0] if _is_several(x) else x
        prepared = self.prepared_spec(tuple(first.shape[:1]))
        return keras.utils.pack_x_y_sample_weight(prepared, y, sample_weight)


def _is_several(x):
    # A model that was loaded from a file calls with a list what it was built with as a
    # tuple; a list of tensors is no list of texts.
    tensors = (tf.Tensor, keras.KerasTensor)
    return isinstance(x, tuple) or (
        isinstance(x, list) and bool(x) and all(isinstance(y, tensors) for y in x)
    )


def _texts(x):
    """string, a scalar or [B], also out of a column [B, 1]."""
    texts = as_strings(x)
    if texts.shape.rank == 2 and texts.shape[1] == 1:
        return tf.reshape(texts, [-1])
    if texts.shape.rank not in (0, 1):
        raise ValueError(
            "Texts must be a string or strings [batch]; those that stand in one row "
            f"come as a tuple. Received: shape {texts.shape}."
        )
    return texts
