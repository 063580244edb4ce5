"""Texts and labels from a file of JSON objects, one a line."""

import array
import json

import numpy as np

from keras_nlp_lite.data.labels import LabelColumn, check_class_names
from keras_nlp_lite.data.paths import did_you_mean
from keras_nlp_lite.data.pipeline import Batching, Examples
from keras_nlp_lite.data.text_file import TextFile


def read_jsonl(
    path,
    *,
    text,
    label=None,
    batch_size=32,
    shuffle=None,
    seed=None,
    validation_split=None,
    class_names=None,
    encoding="utf-8",
):
    r"""Texts from one field of JSON objects, and labels from another.

    Lines with nothing but white space hold no object; each other line is one example.
    The file is gone through once now, so that its errors are raised at this call.

    Args:
        path: The file; with the suffix `.gz` it is decompressed into memory.
        text: The text's field, a JSON string.
        label: The label's field, or None for texts alone. A JSON string, number, true
            or false; class names are written as JSON writes them, without quotes.
        batch_size: B, in examples; the last batch may be smaller.
        shuffle: Whether each epoch sees the training examples in a new order. By
            default they are shuffled if they have labels; without, they come in the
            order of the file, so that predictions line up with it.
        seed: Makes the order and the split reproducible. Without one, the order
            follows `keras.utils.set_random_seed`; the split is then that of seed 0.
        validation_split: Fraction of all examples to hold out, rounded to a whole
            example. The held-out ones come in one fixed order, mixed unless they are
            not shuffled at all.
        class_names: The only labels allowed, in the order of their numbers. By default
            all that occur, sorted; numerically if all are numbers.
        encoding: How the file is encoded.

    Returns:
        A `tf.data.Dataset` of (string [B], int32 [B]), text and label, or of string
        [B] if `label` is None, with the attribute `class_names` (None without labels);
        with `validation_split`, a pair (train, validation).

    Raises:
        ValueError: No such file, no object, a line that is none, a missing field, a
            text that is no string, a label that is no string, number or truth value
            or is not among the class names, a single class, or bytes that are no text.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "reviews.jsonl"
    >>> path.write_text('{"text": "A joy", "stars": 5}\n{"text": "No", "stars": 1}\n')
    57
    >>> dataset = read_jsonl(path, text="text", label="stars", shuffle=False)
    >>> dataset.class_names, next(dataset.as_numpy_iterator())
    (['1', '5'], (array([b'A joy', b'No'], dtype=object), array([1, 0], dtype=int32)))
    """
    batching = Batching(batch_size, shuffle, seed, validation_split)
    class_names = check_class_names(class_names)
    file = TextFile(path, encoding)
    labels = None if label is None else LabelColumn(file.path, label, class_names)
    starts, ends = array.array("q"), array.array("q")
    end = file.start
    for number, (next_end, line) in enumerate(file.lines(), 1):
        start, end = end, next_end
        if line.isspace():
            continue
        where = _Where(file.path, number)
        fields = where.parse(line)
        where.check_text(fields, text)
        if labels is not None:
            labels.add(where.label(fields, label), number)
        starts.append(start)
        ends.append(end)
    if not starts:
        raise ValueError(
            f"{file.path!r} must hold a JSON object. Received: an empty file."
        )
    starts, ends = np.array(starts), np.array(ends)

    def read(numbers):
        raws = file.slices(starts[numbers], ends[numbers])
        return [json.loads(raw)[text].encode() for raw in raws]

    return batching.datasets(
        Examples(len(starts), read, file.path, *(labels.finish() if labels else ()))
    )


class _Where:
    """One line of the file: what it holds, and what to say if that will not do."""

    def __init__(self, path, number):
        self._path = path
        self._number = number

    def __str__(self):
        return f"{self._path!r}, line {self._number}"

    def parse(self, line):
        """The line's object, a dict."""
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"Each line must be one JSON object. Received: {self}, column "
                f"{error.colno}: {error.msg}. Try to write an object a line, such as "
                '{"text": "a joy", "label": "pos"}.'
            ) from None
        if not isinstance(fields, dict):
            raise ValueError(
                f"Each line must be one JSON object. Received: {self}: {_kind(fields)}."
            )
        return fields

    def field(self, fields, name):
        """The field's value."""
        if name not in fields:
            raise ValueError(
                f"Each object must have a field {name!r}. Received: {self}, with the "
                f"fields {list(fields)}.{did_you_mean(name, fields)}"
            )
        return fields[name]

    def check_text(self, fields, name):
        """Refuses a text that is no string, or no Unicode text."""
        value = self.field(fields, name)
        if not isinstance(value, str):
            raise ValueError(
                f"The text must be a JSON string. Received: {self}, field {name!r}: "
                f"{_kind(value)}. Try another field, or quotes around the value."
            )
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"The text must be Unicode. Received: {self}, field {name!r}: half of "
                f"a surrogate pair, \\u{ord(value[error.start]):x}, at character "
                f"{error.start + 1}. Try to write the file again from its source."
            ) from None

    def label(self, fields, name):
        """The label as a class name."""
        value = self.field(fields, name)
        if isinstance(value, str):
            return value
        if isinstance(value, (bool, int, float)):
            return json.dumps(value)
        raise ValueError(
            f"The label must be a string, a number, true or false. Received: {self}, "
            f"field {name!r}: {_kind(value)}."
        )


def _kind(value):
    """What JSON calls a value that is no object's field of text."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kinds = {dict: "an object", list: "an array", str: "a string"}
    return kinds.get(type(value), f"the number {value}")
