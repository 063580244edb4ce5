"""Which classes a model takes for which: the counts, and their picture."""

import numpy as np

from keras_nlp_lite.monitoring.drawing import (
    GREY,
    INK,
    MARGIN,
    PALE,
    WHITE,
    letters,
    sheet,
    short_name,
    text_width,
    widest,
    write_upwards,
)

_ROOMY = 420  # pixels for the cells together, as long as they stay within:
_SMALLEST_CELL, _LARGEST_CELL = 32, 84
_TITLE_SIZE = 18  # pixels, and the most that other letters have
_GAP = 8  # pixels between a cell and its name

_RIGHT, _WRONG = np.array([[8, 81, 156], [178, 34, 24]])  # a whole row's blue and red


def confusion_matrix(labels, predictions, num_classes):
    """How often each class was taken for each.

    Args:
        labels: int [N], the true classes.
        predictions: int [N], the predicted classes.
        num_classes: C; every class lies in [0, C).

    Returns:
        int64 [C, C]: a row for each true class, a column for each predicted one. It
        sums to N.

    Raises:
        ValueError: `labels` and `predictions` are not equally many, or name a class
            outside [0, C).

    Example:

    >>> print(confusion_matrix([0, 0, 0, 1], [0, 1, 1, 1], num_classes=2))
    [[1 2]
     [0 1]]
    """
    labels, predictions = np.asarray(labels, int), np.asarray(predictions, int)
    if labels.shape != predictions.shape:
        raise ValueError(
            "`labels` and `predictions` must be equally many. Received: "
            f"{labels.size} labels, {predictions.size} predictions."
        )
    for name, classes in (("labels", labels), ("predictions", predictions)):
        outside = classes[(classes < 0) | (classes >= num_classes)]
        if outside.size:
            raise ValueError(
                f"`{name}` must lie in [0, {num_classes}), one class each. Received: "
                f"class {outside[0]}."
            )
    cells = np.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def draw_confusion_matrix(matrix, class_names):
    """Draws a confusion matrix: counts in the cells, shaded by their share of the row.

    The diagonal, where the model is right, is blue and the rest red, so a good model
    is a blue line on white.

    Args:
        matrix: int [C, C], rows true, columns predicted. Readable up to about 50
            classes.
        class_names: C strings. Above 20 characters they are cut; one that Pillow's
            own font cannot write (it knows Latin letters) becomes its number, "#7".

    Returns:
        uint8 [height, width, 3]. About 500 pixels either way up to 12 classes, then
        32 a class.

    Raises:
        ValueError: `class_names` and `matrix` differ in their classes.
    """
    matrix, C = np.asarray(matrix), len(class_names)
    if matrix.shape != (C, C):
        raise ValueError(
            "`class_names` must name each row and column of `matrix`. Received: "
            f"{C} names for a matrix of shape {list(matrix.shape)}."
        )
    title = _title(int(matrix.sum()), int(np.trace(matrix)))
    counts = [[f"{count:,}" for count in row] for row in matrix.tolist()]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)  # [C, C]

    cell = int(np.clip(_ROOMY // max(C, 1), _SMALLEST_CELL, _LARGEST_CELL))
    font = letters(int(np.clip(cell // 3, 12, _TITLE_SIZE)))
    title_font = letters(_TITLE_SIZE)
    names = [short_name(name, i, font) for i, name in enumerate(class_names)]
    widest_count = widest(font, (count for row in counts for count in row))
    cell = max(cell, widest_count + _GAP)
    widest_name = widest(font, names)
    turned = widest_name > cell - _GAP  # column names that do not fit read upwards

    # From left to right: axis title, row names, cells.
    # From top to bottom: title, axis title, column names, cells.
    line = _TITLE_SIZE + MARGIN
    left = MARGIN + line + widest_name + _GAP
    top = MARGIN + 2 * line + (widest_name if turned else font.size) + _GAP
    side = cell * C
    width = max(left + side, MARGIN + text_width(title_font, title)) + MARGIN
    image, draw = sheet(width, top + side + MARGIN)

    def write(x, y, text, ink=INK, font=font, anchor="mm"):
        draw.text((x, y), text, tuple(ink), font, anchor)

    write(MARGIN, MARGIN, title, INK, title_font, "la")
    write(left + side // 2, MARGIN + line, "predicted", GREY, title_font, "ma")
    start = top + (side + text_width(title_font, "true")) // 2
    write_upwards(image, MARGIN + _TITLE_SIZE // 2, start, "true", title_font, GREY)
    for i, name in enumerate(names):
        middle = cell * i + cell // 2
        write(left - _GAP, top + middle, name, anchor="rm")
        if turned:
            write_upwards(image, left + middle, top - _GAP, name, font)
        else:
            write(left + middle, top - _GAP, name, anchor="ms")

    for row, column in np.ndindex(C, C):
        x, y, share = left + cell * column, top + cell * row, shares[row, column]
        full = _RIGHT if row == column else _WRONG
        shade = np.rint(WHITE + share * (full - WHITE)).astype(int)
        draw.rectangle((x, y, x + cell, y + cell), tuple(shade), tuple(PALE))
        ink = WHITE if share > 0.5 else INK if matrix[row, column] else PALE
        write(x + cell // 2, y + cell // 2, counts[row][column], ink)
    return np.array(image)


def _title(examples, right):
    title = f"{examples:,} validation example{'' if examples == 1 else 's'}"
    return f"{title}, {right / examples:.1%} right" if examples else title
