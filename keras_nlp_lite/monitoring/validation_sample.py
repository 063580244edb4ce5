"""A few validation examples, drawn fairly in one pass over however many there are."""

import numpy as np

_SEED = 20_211
# Where a dataset does not say that it ends, it ends here.
_MOST_ROWS_READ = 100_000

_WANTED = (
    "Validation data must be a Dataset of batches (texts [B], labels [B]), or a tuple "
    "(texts, labels)."
)


def validation_sample(data, size):
    """Draws rows from validation data, each as likely as any other.

    A reservoir: one pass, and no more than a batch and the sample in memory. Data
    that is sorted by class gives a sample that is not. The same data in the same order
    gives the same sample.

    Args:
        data: Dataset of batches (texts [B], labels [B], ...), or a tuple of lists or
            arrays (texts [N], labels [N], ...). A Dataset without a known end is read
            for 100,000 rows.
        size: The rows to draw; fewer come if there are fewer.

    Returns:
        (texts, labels), NumPy arrays with the row first; None if there is no row.
        Texts are str or bytes, as they came.

    Raises:
        ValueError: `data` is of another structure, or has not a label for each text.

    Example:

    >>> texts, labels = validation_sample((["so so", "fine"], [0, 1]), size=1_000)
    >>> print(texts, labels)
    ['so so' 'fine'] [0 1]
    """
    rng = np.random.default_rng(_SEED)
    endless = hasattr(data, "cardinality") and int(data.cardinality()) < 0
    sample, seen = [], 0
    for batch in [data] if isinstance(data, tuple) else data:
        texts, labels = _texts_and_labels(batch)
        # The first rows fill the sample. Row number n then takes a random one of n
        # places, and is kept if the sample has that place.
        rows = np.arange(seen, seen + len(texts))
        places = np.where(rows < size, rows, rng.integers(rows + 1))
        sample.extend([None] * (min(size, seen + len(texts)) - len(sample)))
        for i in np.flatnonzero(places < size):
            sample[places[i]] = (texts[i], labels[i])
        seen += len(texts)
        if endless and seen >= _MOST_ROWS_READ:
            break
    if not sample:
        return None
    texts, labels = zip(*sample, strict=True)
    return np.array(texts, object), np.array(labels)


def _texts_and_labels(batch):
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise ValueError(f"{_WANTED} Received a batch: {type(batch).__name__}.")
    texts, labels = np.asarray(batch[0], object), np.asarray(batch[1])
    if not texts.ndim or not labels.ndim or len(texts) != len(labels):
        raise ValueError(
            f"{_WANTED} Received a batch: texts {list(texts.shape)}, labels "
            f"{list(labels.shape)}."
        )
    if not isinstance(texts.flat[0] if texts.size else "", (str, bytes)):
        raise ValueError(
            f"{_WANTED} Received a batch whose texts are no strings: "
            f"{type(texts.flat[0]).__name__}."
        )
    if labels.dtype.kind not in "biuf" or (labels.size and labels.min() < 0):
        raise ValueError(
            f"{_WANTED} Labels are class numbers from 0, or 0 and 1 for each class. "
            f"Received: labels={labels.flat[0]!r}, …"
        )
    return texts, labels
