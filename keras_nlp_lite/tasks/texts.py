"""Batches of texts, and what is said of anything else."""

import tensorflow as tf


def check_texts(task, dataset, labels=None, most=1):
    """Refuses a dataset whose first part are no texts.

    Args:
        task: str, who needs them.
        dataset: Dataset of raw batches.
        labels: What must come second, in words; None if nothing must.
        most: How many texts a row may have: (texts, texts) for pairs.

    Returns:
        int, how many texts a row has.

    Raises:
        ValueError: the dataset has another structure.
    """
    wanted = f"batches of (text string [B], {labels})" if labels else "texts"
    spec = dataset.element_spec
    parts = spec if isinstance(spec, tuple) else (spec,)
    came = ", ".join(map(_described, parts))
    texts = parts[0] if isinstance(parts[0], tuple) else (parts[0],)
    if not all(isinstance(x, tf.TensorSpec) and x.dtype == tf.string for x in texts):
        raise ValueError(
            f"{task} needs {wanted}. Received: {came}. Strings come "
            "first; to feed prepared tensors, set preprocessor=None."
        )
    if not 1 <= len(texts) <= most:
        raise ValueError(f"{task} needs {wanted}. Received: {came}.")
    if any(text.shape.rank == 0 for text in texts):
        raise ValueError(
            f"{task} needs {wanted}. Received single examples: "
            f"{came}. Try dataset.batch(32)."
        )
    if labels and len(parts) < 2:
        raise ValueError(
            f"{task} needs {wanted}. Received: {came}, without "
            "labels. If a reader of tables made it, name their column: label=..."
        )
    return len(texts)


def _described(part):
    """A part of a batch in a few words: "string [B]"."""
    if isinstance(part, tuple):
        return f"({', '.join(map(_described, part))})"
    if not isinstance(part, tf.TensorSpec):
        return str(part)
    shape = ", ".join("B" if d is None else str(d) for d in part.shape)
    return f"{part.dtype.name} [{shape}]"
