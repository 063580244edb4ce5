"""Losses and metrics beside a model that trains on logits and answers probabilities."""

import inspect

import keras


def loss_on_logits(loss):
    """The loss that is meant, on logits.

    Args:
        loss: Any Keras value. One by name, or a function of Keras's, such as
            "sparse_categorical_crossentropy", can be told that logits come.

    Returns:
        A Keras loss.

    Raises:
        ValueError: a loss object that takes probabilities.

    Example:

    >>> loss_on_logits("sparse_categorical_crossentropy").from_logits
    True
    """
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", "")
    if loss in (name, getattr(keras.losses, name, None)):
        words = name.split("_")
        name = "".join(w.capitalize() for w in words) if words[0].islower() else name
        kind = getattr(keras.losses, name, None)
        if kind and "from_logits" in inspect.signature(kind).parameters:
            return kind(from_logits=True)
    if getattr(loss, "from_logits", True) is False:
        raise ValueError(
            "The loss must take logits, which are the model's outputs. Received: "
            f"{type(loss).__name__} with from_logits=False. Try from_logits=True, or "
            'activation="softmax" for the model.'
        )
    return loss


def check_metrics_on_probabilities(metrics):
    """Refuses metrics that would take probabilities for logits.

    Args:
        metrics: Any Keras value.

    Raises:
        ValueError: one of them says from_logits=True.
    """
    for metric in keras.tree.flatten(metrics):
        if any(getattr(metric, x, False) for x in ("from_logits", "_from_logits")):
            raise ValueError(
                "Metrics see what `predict` gives, which are probabilities. Received: "
                f"{type(metric).__name__} with from_logits=True. Try "
                'from_logits=False, or activation="linear" for the model.'
            )
