"""Which token looked at which: a model's attention to a text, layer by layer."""

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.monitoring.projector import vocabulary_of
from keras_nlp_lite.ops.listening import listening
from keras_nlp_lite.ops.reference import reference_attention


def attention_maps(model, text, vocabulary=None):
    """Runs a text through a model, and keeps the weights of its attention.

    The model computes as ever, and stores no weights. What its self-attention layers
    are given is heard in passing, and the weights are computed from it by the plain
    formula. Dropout is off.

    Shapes: H heads, N tokens of the text, without padding.

    Args:
        model: A task with a `preprocessor` and attention of this package.
        text: str.
        vocabulary: list of str, what token ids are called; the model's own by default.

    Returns:
        (list of N str, list of float32 [H, N, N]): the tokens, and for each layer in
        which a token looks at all tokens, the share of its attention, row by row.

    Raises:
        ValueError: There is no such layer.

    Example:

    >>> from keras_nlp_lite import models
    >>> model = models.TransformerClassifier(2, max_tokens=9, num_heads=2)
    >>> model.adapt(["not good"])
    >>> tokens, layers = attention_maps(model, "not good")
    >>> tokens, [weights.shape for weights in layers]
    (['not', 'good'], [(2, 2, 2)])
    """
    with tf.device("CPU:0"):
        prepared = _prepare(model)(tf.constant([text]))[0]
    ids, keep = _ids_and_mask(prepared)
    heard = []
    with listening(lambda **arguments: heard.append(_weights(**arguments))):
        _run(model, prepared)
    T, places = len(keep), np.flatnonzero(keep)
    layers = []
    for weights in heard:
        if weights.shape[1:] == (T, T):
            layers.append(weights[:, places][:, :, places])
        elif weights.shape[1:] == (len(places), len(places)):  # padding was dropped
            layers.append(weights)
    if not layers:
        raise ValueError(
            "Attention maps need a model with self-attention layers of this package. "
            f"Received: {type(model).__name__}. Try attention_texts=()."
        )
    vocabulary = vocabulary or vocabulary_of(model) or []
    known = dict(enumerate(vocabulary))
    return [known.get(i, f"#{i}") for i in ids[places].tolist()], layers


def _weights(q, k, v, **options):
    """float32 [H, T, S]: where every key has a value of its own, a mean of the values
    tells the weights."""
    S, G = k.shape[-3], k.shape[-2]
    each = np.eye(S, dtype="float32")[:, None, :].repeat(G, axis=1)  # [S, G, S]
    if options.get("splits") is None:
        each = each[None].repeat(k.shape[0], axis=0)
    options.update(dropout=0.0, seed=None)
    q, k = (keras.ops.cast(x, "float32") for x in (q, k))
    seen, _ = reference_attention(q, k, keras.ops.convert_to_tensor(each), **options)
    seen = keras.ops.convert_to_numpy(seen)  # [1, T, H, S] or [T, H, S]
    return np.moveaxis(seen if seen.ndim == 3 else seen[0], 1, 0)


def _prepare(model):
    """Raw to prepared: as it is for an answer, or where texts are written, for training,
    which leaves them whole."""
    if callable(getattr(model, "generate", None)):
        return model.preprocess
    return getattr(model, "preprocess_question", model.preprocess)


def _run(model, prepared):
    """What reads all tokens: the backbone, where a head would read the first alone."""
    backbone = getattr(model, "backbone", None)
    if hasattr(model, "sequence_features"):
        model.sequence_features(prepared, training=False)
    elif isinstance(backbone, keras.Model):
        taken = backbone.input
        backbone({name: prepared[name] for name in taken}, training=False)
    else:
        model(prepared, training=False)


def _ids_and_mask(prepared):
    """int [T] and bool [T], of a batch of one text."""
    if isinstance(prepared, dict):
        ids, mask = prepared["token_ids"], prepared.get("padding_mask")
    else:
        ids, mask = prepared, None
    ids = keras.ops.convert_to_numpy(ids)[0]
    mask = ids != 0 if mask is None else keras.ops.convert_to_numpy(mask)[0] > 0
    return ids, mask
