"""Sentences word by word, each word with its tag, from a file of columns."""

import array

import numpy as np
import tensorflow as tf

from keras_nlp_lite.data.labels import check_several, sort_class_names
from keras_nlp_lite.data.pipeline import Batching, Examples
from keras_nlp_lite.data.text_file import TextFile


def read_conll(
    path,
    *,
    word=0,
    label=1,
    batch_size=32,
    shuffle=True,
    seed=None,
    validation_split=None,
    encoding="utf-8",
):
    r"""Sentences as words and as many labels, from a file of a word a line.

    A line holds a word and what is known of it in columns: between tabs, or between
    spaces where it has no tab. Lines with nothing but white space end a sentence. Lines
    of "-DOCSTART-" are passed over, and so are comments: lines without a tab that begin
    with "# " before the first word of a sentence. Every other line is a word of its
    own, one that CoNLL-U numbers "1-2", too. The file is gone through once now, so that
    its errors are raised at this call.

    Shapes: B batch, W words, different in each sentence.

    Args:
        path: The file; with the suffix `.gz` it is decompressed into memory.
        word: The words' column, a number counted from 0, or from the end as -1; in
            CoNLL-U, 1.
        label: The labels' column, such as 3 for the part of speech in CoNLL-U, or -1
            for the names of CoNLL-2003.
        batch_size: B, in sentences; the last batch may be smaller.
        shuffle: Whether each epoch sees the training sentences in a new order.
        seed: Makes the order and the split reproducible. Without one, the order
            follows `keras.utils.set_random_seed`; the split is then that of seed 0.
        validation_split: Fraction of all sentences to hold out, rounded to a whole
            one. The held-out ones come in one fixed order, mixed unless they are not
            shuffled at all.
        encoding: How the file is encoded.

    Returns:
        A `tf.data.Dataset` of (words, labels), both ragged string [B, W], with the
        attribute `class_names`: all labels of the file, sorted, numerically if all are
        numbers. With `validation_split`, a pair (train, validation).

    Raises:
        ValueError: No such file, no word, a line without one of the columns or with
            nothing in it, a single class, or bytes that are no text.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "train.conll"
    >>> path.write_text("A\tDET\njoy\tNOUN\n\nDelicious\tADJ\n")
    30
    >>> dataset = read_conll(path, shuffle=False)
    >>> dataset.class_names
    ['ADJ', 'DET', 'NOUN']
    >>> words, labels = next(iter(dataset))
    >>> words.to_list(), labels.to_list()
    ([[b'A', b'joy'], [b'Delicious']], [[b'DET', b'NOUN'], [b'ADJ']])
    """
    batching = Batching(batch_size, shuffle, seed, validation_split)
    file = TextFile(path, encoding)
    columns = _Columns(file.path, word, label)
    starts, ends = array.array("q"), array.array("q")
    labels = set()
    end, inside = file.start, False  # of a sentence
    for number, (next_end, line) in enumerate(file.lines(), 1):
        start, end = end, next_end
        is_word = _holds_word(line, inside)
        if is_word:
            _, name = columns.check(line, number)
            labels.add(name)
            if not inside:
                starts.append(start)
                ends.append(end)
            ends[-1] = end
        inside = is_word
    if not starts:
        raise ValueError(f"{file.path!r} must hold a word. Received: none in it.")
    class_names = sort_class_names(labels)
    check_several(class_names, f"column {label} of {file.path!r}")
    starts, ends = np.array(starts), np.array(ends)

    def read(numbers):
        return [
            columns.pack(raw) for raw in file.slices(starts[numbers], ends[numbers])
        ]

    return batching.datasets(
        Examples(len(starts), read, file.path, class_names=class_names, unpack=_unpack)
    )


def _holds_word(line, inside):
    """Whether a line is of a sentence; `inside` tells whether the line before it was."""
    if line.isspace() or line.startswith("-DOCSTART-"):
        return False
    comment = line.startswith("# ") and "\t" not in line
    return inside or not comment


class _Columns:
    """The two columns of a line, checked once and found again."""

    def __init__(self, path, word, label):
        for name, column in (("word", word), ("label", label)):
            if isinstance(column, bool) or not isinstance(column, int):
                raise ValueError(
                    f"`{name}` must be the number of a column. Received: "
                    f"{name}={column!r}."
                )
        self._path = path
        self._word = word
        self._label = label

    def check(self, line, number):
        """The line's word and label, both str; refuses a line without one of them."""
        cells = _cells(line.rstrip("\r\n"))
        for name, column in (("word", self._word), ("label", self._label)):
            if not -len(cells) <= column < len(cells):
                raise ValueError(
                    f"Each line must have a {name} in column {column}. Received: "
                    f"{self._path!r}, line {number}, with {len(cells)} columns: "
                    f"{cells}. Columns are counted from 0."
                )
            if not cells[column]:
                raise ValueError(
                    f"Each line must have a {name} in column {column}. Received: "
                    f"{self._path!r}, line {number}, with nothing there: {cells}."
                )
        return cells[self._word], cells[self._label]

    def pack(self, raw):
        """A sentence's bytes as bytes: a line for each word, a tab before its label."""
        lines = raw.decode().rstrip("\n").split("\n")
        rows = (_cells(line.rstrip("\r")) for line in lines)
        return "\n".join(f"{r[self._word]}\t{r[self._label]}" for r in rows).encode()


def _cells(line):
    if "\t" in line:
        return line.split("\t")
    return [cell for cell in line.split(" ") if cell]


def _unpack(sentences):
    """Packed sentences, string [B], to words and labels, both ragged [B, W]."""
    lines = tf.strings.split(sentences, "\n")
    cells = tf.strings.split(lines.values, "\t").values
    words, labels = tf.unstack(tf.reshape(cells, [-1, 2]), axis=1)
    return lines.with_values(words), lines.with_values(labels)
