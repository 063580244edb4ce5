"""Labels as people write them to class numbers, and the names that go with these."""

import array
import math

import numpy as np

from keras_nlp_lite.data.paths import did_you_mean


def check_class_names(class_names):
    """Refuses class names that are no list of different names.

    Args:
        class_names: Iterable of str or int, or None.

    Returns:
        list of str, or None.

    Raises:
        ValueError: A lone string, no name at all, or a name twice.
    """
    if class_names is None:
        return None
    names = [] if isinstance(class_names, str) else [str(name) for name in class_names]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            "`class_names` must list each class once, such as ['neg', 'pos']. "
            f"Received: class_names={class_names!r}."
        )
    return names


def sort_class_names(names):
    """Class names in the order of their numbers: by value if all are numbers.

    Args:
        names: Iterable of str.

    Returns:
        list of str.

    Example:

    >>> sort_class_names(["10", "9", "1"]), sort_class_names(["pos", "10", "9"])
    (['1', '9', '10'], ['10', '9', 'pos'])
    """
    names = sorted(names)
    try:
        values = [float(name) for name in names]
    except ValueError:
        return names
    if not all(map(math.isfinite, values)):
        return names
    return [name for _, name in sorted(zip(values, names))]


class LabelColumn:
    """Collects one label per example, in the order of the examples.

    Args:
        path: The file they come from, for the errors.
        column: How the user names the column, for the errors.
        class_names: list of the only labels allowed, in the order of their numbers;
            None takes whatever comes.
    """

    def __init__(self, path, column, class_names=None):
        self._path = path
        self._column = column
        self._given = class_names
        self._numbers = {name: i for i, name in enumerate(class_names or ())}
        self._labels = array.array("i")

    def add(self, label, line):
        """Takes the next example's label.

        Args:
            label: str.
            line: Its line in the file, counted from 1.

        Raises:
            ValueError: An empty label, or one that is not among the class names.
        """
        number = self._numbers.get(label)
        if number is None:
            number = self._number_new(label, line)
        self._labels.append(number)

    def _number_new(self, label, line):
        where = f"{self._path!r}, line {line}, column {self._column!r}"
        if label == "":
            raise ValueError(
                "Every example must have a label. Received: an empty one in "
                f"{where}. Try to label the example, or to leave it out of the file."
            )
        if self._given is not None:
            raise ValueError(
                "Every label must be among "
                f"class_names={self._given}. Received: label {label!r} in {where}."
                f"{did_you_mean(label, self._given)}"
            )
        return self._numbers.setdefault(label, len(self._numbers))

    def finish(self):
        """All labels as class numbers.

        Returns:
            (labels, class_names): int32 [N], and list of str.

        Raises:
            ValueError: No class names were given, and all labels are the same.
        """
        labels = np.array(self._labels, "int32")
        if self._given is not None:
            return labels, self._given
        found = list(self._numbers)  # in order of appearance, as the labels count them
        check_several(found, f"column {self._column!r} of {self._path!r}")
        names = sort_class_names(found)
        ranks = np.array([names.index(name) for name in found], "int32")
        return ranks[labels], names


def check_several(names, place):
    """Refuses a single class, from which nothing can be learned.

    Args:
        names: list of str, the classes found.
        place: Where they were looked for, in words.

    Raises:
        ValueError: There is but one.
    """
    if len(names) == 1:
        raise ValueError(
            "Labels must be of two or more classes. Received: a single class "
            f"{names[0]!r} in {place}. If the others are in another file or folder, "
            f"name all of them: class_names=[{names[0]!r}, ...]."
        )
