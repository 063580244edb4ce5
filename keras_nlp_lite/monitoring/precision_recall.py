"""What a model finds of a class, and how much else it takes for it."""

import numpy as np
import tensorflow as tf

THRESHOLDS = 101


def precision_recall(labels, scores, thresholds=THRESHOLDS):
    """Counts, precision and recall at thresholds evenly spread from 0 to 1.

    A row counts as found where its score reaches the threshold. Where nothing is found,
    nothing found is wrong: precision is 1.

    Args:
        labels: bool or 0 and 1 [N], whether the class applies.
        scores: float [N], in [0, 1].
        thresholds: K.

    Returns:
        float64 [6, K]: true positives, false positives, true negatives, false
        negatives, precision and recall, as TensorBoard wants them.

    Example:

    >>> print(precision_recall([1, 0, 1], [0.9, 0.6, 0.4], thresholds=3))
    [[2.         1.         0.        ]
     [1.         1.         0.        ]
     [0.         0.         1.        ]
     [0.         1.         2.        ]
     [0.66666667 0.5        1.        ]
     [1.         0.5        0.        ]]
    """
    labels, scores = np.asarray(labels) > 0.5, np.asarray(scores, float)
    # The number of thresholds that a score reaches; float32 scores are rounded.
    reached = np.floor(np.round(scores * (thresholds - 1), 5)).astype(int)
    reached = np.clip(reached, 0, thresholds - 1)

    def found(rows):
        counts = np.bincount(reached[rows], minlength=thresholds)
        return counts[::-1].cumsum()[::-1].astype(float)  # [K]

    true, false = found(labels), found(~labels)
    positives, negatives = labels.sum(), (~labels).sum()
    precision = np.where(true + false > 0, true / np.maximum(true + false, 1), 1.0)
    recall = true / max(positives, 1)
    return np.stack(
        [true, false, negatives - false, positives - true, precision, recall]
    )


def average_precision(labels, scores):
    """The area under the curve of precision over recall, step by step.

    Args:
        labels: bool or 0 and 1 [N], whether the class applies.
        scores: float [N].

    Returns:
        float; NaN if the class applies to no row.

    Example:

    >>> average_precision([1, 0, 1], [0.9, 0.6, 0.4])  # (1 + 2 / 3) / 2
    0.8333333333333333
    """
    labels, scores = np.asarray(labels) > 0.5, np.asarray(scores, float)
    if not labels.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    found, scores = labels[order].cumsum(), scores[order]
    # Rows of one score are found together.
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    precision = found[last] / (last + 1)
    return float(np.sum(np.diff(found[last], prepend=0) * precision) / labels.sum())


def write_precision_recall(name, curve, step):
    """Writes a curve for TensorBoard's own tab, by the default writer.

    Args:
        name: The tag.
        curve: What `precision_recall` gives.
        step: int.
    """
    from tensorboard.plugins.pr_curve import metadata

    about = metadata.create_summary_metadata(
        display_name=name, description="", num_thresholds=curve.shape[1]
    )
    about = tf.compat.v1.SummaryMetadata.FromString(about.SerializeToString())
    tf.summary.write(f"{name}/pr_curves", curve.astype("float32"), step, about)
