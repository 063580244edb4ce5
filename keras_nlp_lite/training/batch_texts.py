"""From numbers back to the texts that they stand for."""

import keras
import tensorflow as tf


def texts_of(model, data):
    """The texts of a prepared batch, as the model reads them.

    Args:
        model: A task, or any other model, of whose batches nothing is known.
        data: What its `train_step` takes: x, (x, y) or (x, y, sample_weight).

    Returns:
        list of str; empty where the preprocessor cannot tell.
    """
    preprocessor = getattr(model, "preprocessor", None)
    x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
    tokenizer = getattr(preprocessor, "tokenizer", None)
    if tokenizer is not None and isinstance(x, dict):
        ids = next((x[name] for name in x if name.endswith("token_ids")), None)
        if ids is None:
            return []
        return [_string(tokenizer.detokenize(row)) for row in ids]
    dense = isinstance(x, tf.Tensor) and x.shape.rank == 2 and x.dtype.is_integer
    if dense and hasattr(preprocessor, "get_vocabulary"):
        words = preprocessor.get_vocabulary()
        return [" ".join(words[i] for i in row if i) for row in x.numpy()]
    return []


def _string(text):
    text = text.numpy() if hasattr(text, "numpy") else text
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
