"""A text's vector, out of its tokens' vectors."""

from keras import ops

POOLINGS = ("cls", "mean", "max")


def pool(features, padding_mask, how, cls_token_index=0):
    """One vector a text.

    Shapes: B batch, T tokens, D features.

    Args:
        features: float [B, T, D].
        padding_mask: bool or int [B, T], 0 at padding; None if there is none.
        how: "cls" for the vector of one token; "mean" or "max" of all that are no
            padding.
        cls_token_index: Which token "cls" takes.

    Returns:
        float [B, D]; float32 for "mean" and "max", which gather many small numbers. A
        row of nothing but padding has a mean and maximum of 0.

    Example:

    >>> features = ops.array([[[1.0], [3.0], [9.0]]])
    >>> float(pool(features, ops.array([[1, 1, 0]]), "mean")[0, 0])
    2.0
    """
    if how == "cls":
        return features[:, cls_token_index]
    features = ops.cast(features, "float32")
    if padding_mask is None:
        return {"mean": ops.mean, "max": ops.max}[how](features, axis=1)
    keep = ops.cast(padding_mask, "bool")[:, :, None]  # [B, T, 1]
    if how == "mean":
        total = ops.sum(ops.where(keep, features, 0.0), axis=1)
        count = ops.sum(ops.cast(keep, "float32"), axis=1)
        return total / ops.maximum(count, 1.0)
    highest = ops.max(ops.where(keep, features, -float("inf")), axis=1)
    return ops.where(ops.any(keep, axis=1), highest, 0.0)


def padding_mask_of(inputs, features):
    """Where padding is, int or bool [B, T]; None where nobody says.

    Args:
        inputs: What the backbone got.
        features: What it made of them; a Keras mask on it, as `mask_zero` makes it, is
            asked where the inputs have no "padding_mask".
    """
    if isinstance(inputs, dict) and "padding_mask" in inputs:
        return inputs["padding_mask"]
    return getattr(features, "_keras_mask", None)
