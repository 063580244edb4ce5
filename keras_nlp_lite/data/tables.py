"""Texts and labels from the columns of a CSV or TSV file."""

import array
import csv
import sys

import numpy as np

from keras_nlp_lite.data.labels import LabelColumn, check_class_names
from keras_nlp_lite.data.paths import did_you_mean
from keras_nlp_lite.data.pipeline import Batching, Examples
from keras_nlp_lite.data.text_file import TextFile


def read_csv(
    path,
    *,
    text,
    label=None,
    delimiter=None,
    header=True,
    quotechar='"',
    batch_size=32,
    shuffle=None,
    seed=None,
    validation_split=None,
    class_names=None,
    encoding="utf-8",
):
    r"""Texts from one column of a table, and labels from another.

    Fields in quotes may hold delimiters, line ends, and quotes doubled. Every row must
    have as many fields as the first; lines with nothing on them hold no row. The file
    is gone through once now, so that its errors are raised at this call.

    Args:
        path: The file; with the suffix `.gz` it is decompressed into memory.
        text: The text's column: its name, or its number counted from 0.
        label: The label's column, or None for texts alone.
        delimiter: One character. By default a tab if the file's suffix is `.tsv` (or
            `.tsv.gz`), else a comma.
        header: Whether the first row names the columns. If not, give columns by number.
        quotechar: One character, or None if quotes are characters like any other, as
            in many TSV files.
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
        ValueError: No such file or column, no row, a row of another width, a quote
            that never closes, bytes that are no text, an empty label, one that is not
            among the class names, or a single class.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "reviews.csv"
    >>> path.write_text('label,text\npos,"Oh, a joy"\nneg,Not good\n')
    40
    >>> dataset = read_csv(path, text="text", label="label", shuffle=False)
    >>> dataset.class_names, next(dataset.as_numpy_iterator())
    (['neg', 'pos'], (array([b'Oh, a joy', b'Not good'], dtype=object),
                      array([1, 0], dtype=int32)))
    """
    batching = Batching(batch_size, shuffle, seed, validation_split)
    class_names = check_class_names(class_names)
    table = _Table(TextFile(path, encoding), delimiter, header, quotechar)
    text = table.column("text", text)
    labels = None
    if label is not None:
        label = table.column("label", label)
        labels = LabelColumn(table.path, table.name(label), class_names)
    starts, ends = array.array("q"), array.array("q")
    for line, start, end, row in table.rows():
        starts.append(start)
        ends.append(end)
        if labels is not None:
            labels.add(row[label], line)
    starts, ends = np.array(starts), np.array(ends)

    def read(numbers):
        rows = table.parse(starts[numbers], ends[numbers])
        return [row[text].encode() for row in rows]

    return batching.datasets(
        Examples(len(starts), read, table.path, *(labels.finish() if labels else ()))
    )


class _Table:
    """The rows of a CSV file, checked once and found again by their bytes."""

    def __init__(self, file, delimiter, header, quotechar):
        # A field is as long as its text; the module's limit of 131,072 characters is
        # the whole process's, and raising it refuses nobody.
        csv.field_size_limit(max(csv.field_size_limit(), min(sys.maxsize, 2**31 - 1)))
        if delimiter is None:
            is_tsv = file.path.lower().removesuffix(".gz").endswith(".tsv")
            delimiter = "\t" if is_tsv else ","
        for name, value in (("delimiter", delimiter), ("quotechar", quotechar)):
            optional = name == "quotechar" and value is None
            if not optional and not (isinstance(value, str) and len(value) == 1):
                raise ValueError(
                    f"`{name}` must be one character. Received: {name}={value!r}."
                )
        self.path = file.path
        self._file = file
        self._header = header
        self._format = {"delimiter": delimiter, "strict": True}
        if quotechar is None:
            self._format.update(quoting=csv.QUOTE_NONE, quotechar=None)
        else:
            self._format.update(quotechar=quotechar)
        self._first = next((row for *_, row in self._all_rows()), None)
        if self._first is None:
            raise ValueError(f"{self.path!r} must hold a row. Received: an empty file.")

    def name(self, column):
        """What a user calls a column, given its number: its name if it has one."""
        return self._first[column] if self._header else column

    def column(self, argument, wanted):
        """The number of the column that an argument asks for."""
        names = self._first
        if isinstance(wanted, int) and 0 <= wanted < len(names):
            return wanted
        if isinstance(wanted, str) and self._header and names.count(wanted) == 1:
            return names.index(wanted)
        received = f"Received: {argument}={wanted!r} for {self.path!r}"
        if not self._header:
            raise ValueError(
                f"`{argument}` must be a column's number from 0 to {len(names) - 1} "
                f"where header=False. {received}."
            )
        times = names.count(wanted)
        found = f"line 1 has it {times} times" if times else f"line 1 has {names}"
        raise ValueError(
            f"`{argument}` must name a column of the header, or number it from 0 to "
            f"{len(names) - 1}. {received}, where {found}.{self._hint(wanted)}"
        )

    def _hint(self, wanted):
        if len(self._first) == 1:
            for other in "\t;,|":
                if other in self._first[0]:
                    return f" Did you mean delimiter={other!r}?"
        return did_you_mean(wanted, self._first)

    def rows(self):
        """Walks the rows below the header.

        Yields:
            (line, start, end, row): the line, counted from 1, in which the row begins;
            the bytes it takes; its fields, list of str.
        """
        rows = self._all_rows()
        if self._header:
            next(rows)
        empty = True
        for line, start, end, row in rows:
            if len(row) != len(self._first):
                raise ValueError(self._wrong_width(line, row))
            empty = False
            yield line, start, end, row
        if empty:
            raise ValueError(
                f"{self.path!r} must hold a row below its header. Received: the header "
                f"{self._first} alone. Try header=False if that is a row."
            )

    def _wrong_width(self, line, row):
        width = len(self._first)
        if len(row) < width:
            missing = ", ".join(repr(self.name(i)) for i in range(len(row), width))
            found = f"no column {missing}"
            hint = "Try to add what is missing"
        else:
            found = f"a field {row[width]!r} in column {width + 1}"
            hint = "Try quotes around a field that holds the delimiter"
        return (
            f"Each row of {self.path!r} must have {width} fields, as many as the first. "
            f"Received: {len(row)} in line {line}, {found}. {hint}, or another "
            f"`delimiter` than {self._format['delimiter']!r}."
        )

    def _all_rows(self):
        end = self._file.start

        def lines():
            nonlocal end
            for line_end, line in self._file.lines():
                end = line_end
                yield line

        reader = csv.reader(lines(), **self._format)
        while True:
            start, line = end, reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise ValueError(
                    f"{self.path!r} must be a table of fields delimited by "
                    f"{self._format['delimiter']!r}. Received: {error}, in the row "
                    f"that begins in line {line}. Try to double quotes within quotes, "
                    "or quotechar=None if quotes are plain characters."
                ) from None
            if row:
                yield line, start, end, row

    def parse(self, starts, ends):
        """The rows, list of list of str, that take these bytes of the file."""
        raws = self._file.slices(starts, ends)
        return csv.reader((raw.decode() for raw in raws), **self._format)
