"""Whether a model is as often right as it says: the numbers, and their picture."""

from typing import NamedTuple

import numpy as np

from keras_nlp_lite.monitoring.drawing import (
    BLUE,
    GREY,
    INK,
    MARGIN,
    ORANGE,
    PALE,
    letters,
    sheet,
    text_width,
)

BINS = 10
_SIDE, _BARS = 300, 70  # pixels: of the diagram, and the height of the bars under it
_LEFT, _LINE = 64, 22


class Calibration(NamedTuple):
    """Examples by how sure the model was of them, in bins of equal width.

    Attributes:
        count: int [K], examples in each bin of the probabilities from 0 to 1.
        confidence: float [K], the mean of what the model said; NaN in an empty bin.
        accuracy: float [K], the share that was so; NaN in an empty bin.
    """

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    def error(self):
        """float, expected calibration error: how far confidence and accuracy lie apart,
        in the mean over examples."""
        some = self.count > 0
        apart = np.abs(self.confidence - self.accuracy)[some]
        return float(np.average(apart, weights=self.count[some])) if some.any() else 0.0


def calibration(labels, probabilities, bins=BINS):
    """Compares how sure a model is with how often it is right.

    Args:
        labels: int [N], the true classes: the most probable class is judged. Or [N, C]
            of 0 and 1, whether each class applies: each class's probability is judged.
        probabilities: float [N, C].
        bins: K.

    Returns:
        Calibration.

    Example:

    >>> found = calibration([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    >>> print(found.count, round(found.error(), 3))
    [0 0 0 0 0 0 0 1 1 1] 0.333

    Reference: Guo et al., "On Calibration of Modern Neural Networks",
    arXiv:1706.04599.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, float)
    if labels.ndim == 1:
        said = probabilities.max(axis=1)
        true = probabilities.argmax(axis=1) == labels
    else:
        said, true = probabilities.ravel(), labels.ravel() > 0.5
    # To the digits that a float32 has: 0.3 lies in the bin that begins there.
    place = np.clip((np.round(said * bins, 5)).astype(int), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(place, said, minlength=bins) / count
        accuracy = np.bincount(place, true, minlength=bins) / count
    return Calibration(count, confidence, accuracy)


def draw_calibration(found):
    """Draws a reliability diagram: how often the model was right, by how sure it was.

    On the diagonal it is as often right as it says; below, it is too sure of itself.
    The bars under it say how many examples each point stands for.

    Args:
        found: Calibration.

    Returns:
        uint8 [height, width, 3].
    """
    font, small = letters(16), letters(13)
    top = MARGIN + 2 * _LINE
    image, draw = sheet(
        _LEFT + _SIDE + 2 * MARGIN,
        top + _SIDE + MARGIN + _BARS + 2 * _LINE + MARGIN,
    )
    total = int(found.count.sum())
    title = f"{total:,} predictions, calibration error {found.error():.3f}"
    draw.text((MARGIN, MARGIN), title, tuple(INK), font)
    draw.text((_LEFT, top - _LINE), "share that is right", tuple(GREY), small)

    def at(x, y):
        return _LEFT + x * _SIDE, top + (1 - y) * _SIDE

    for tenth in range(0, 11, 2):
        share = tenth / 10
        draw.line([at(0, share), at(1, share)], tuple(PALE))
        draw.line([at(share, 0), at(share, 1)], tuple(PALE))
        x, y = at(0, share)
        label = f"{share:.1f}"
        draw.text((x - 8 - text_width(small, label), y - 8), label, tuple(GREY), small)
        x = at(share, 0)[0] - text_width(small, label) / 2
        under = top + _SIDE + MARGIN + _BARS
        draw.text((x, under + 4), label, tuple(GREY), small)
    draw.line([at(0, 0), at(1, 1)], tuple(GREY), 2)

    points = [
        at(confidence, accuracy)
        for confidence, accuracy in zip(found.confidence, found.accuracy)
        if confidence == confidence
    ]
    if len(points) > 1:
        draw.line(points, tuple(BLUE), 2)
    for x, y in points:
        draw.ellipse([x - 5, y - 5, x + 5, y + 5], tuple(BLUE))

    bottom, width = top + _SIDE + MARGIN + _BARS, _SIDE / len(found.count)
    for number, count in enumerate(found.count.tolist()):
        height = round(_BARS * count / max(found.count.max(), 1))
        if height:
            left = _LEFT + number * width
            box = [left + 1, bottom - height, left + width - 1, bottom]
            draw.rectangle(box, tuple(ORANGE))
    draw.line([(_LEFT, bottom), (_LEFT + _SIDE, bottom)], tuple(GREY))
    foot = "how sure the model is; bars: how many examples"
    draw.text((MARGIN, bottom + _LINE + 2), foot, tuple(GREY), small)
    return np.array(image)
