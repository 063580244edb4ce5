"""Sentences and their translations from files that are parallel line by line."""

import array
import os

import numpy as np
import tensorflow as tf

from keras_nlp_lite.data.pipeline import Batching, Examples
from keras_nlp_lite.data.text_file import TextFile


def read_parallel(
    source,
    target,
    *,
    batch_size=32,
    shuffle=True,
    seed=None,
    validation_split=None,
    encoding="utf-8",
):
    r"""Pairs of texts, where the nth line of one file belongs to the nth of the other.

    A line ends with "\n" or "\r\n", which are no part of the text; a line end at the
    end of a file begins no further line. The files are gone through once now, so that
    their errors are raised at this call, and read while iterating; what is compressed
    is decompressed into memory.

    A pair is left out if either line is empty or holds nothing but white space. Such
    lines mark what nobody translated: a model that trains on them learns to answer
    with nothing, or to make a text up from none. Where the nth answer must belong to
    the nth line, use `read_lines`, which keeps every line.

    Args:
        source: The file of the texts to translate, or a list of files, which are read
            one after the other; with the suffix `.gz`, compressed.
        target: The file of their translations, or a list of as many files: the nth of
            them translates the nth of `source`.
        batch_size: B, in pairs; the last batch may be smaller.
        shuffle: Whether each epoch sees the training pairs in a new order. If not,
            they come in the order of the files.
        seed: Makes the order and the split reproducible. Without one, the order
            follows `keras.utils.set_random_seed`; the split is then that of seed 0.
        validation_split: Fraction of all pairs to hold out, rounded to a whole pair,
            drawn from all files. The held-out ones come in one fixed order, mixed
            unless `shuffle=False`.
        encoding: How the files are encoded.

    Returns:
        A `tf.data.Dataset` of (string [B], string [B]), source and target, with the
        attribute `class_names`, None; with `validation_split`, a pair (train,
        validation).

    Raises:
        ValueError: No such file, unequally many files or lines, no pair with a text on
            both sides, or bytes that are no text.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / "train.en").write_text("A man sleeps.\n\nTwo dogs.\n")
    25
    >>> (folder / "train.de").write_text("Ein Mann schläft.\n\nZwei Hunde.\n")
    31
    >>> pairs = read_parallel(folder / "train.en", folder / "train.de", shuffle=False)
    >>> next(pairs.as_numpy_iterator())
    (array([b'A man sleeps.', b'Two dogs.'], dtype=object),
     array([b'Ein Mann schl\xc3\xa4ft.', b'Zwei Hunde.'], dtype=object))
    """
    batching = Batching(batch_size, shuffle, seed, validation_split)
    sources, targets = _paths("source", source), _paths("target", target)
    if len(sources) != len(targets):
        raise ValueError(
            "`source` and `target` must be equally many files, each translated by one. "
            f"Received: {len(sources)} in `source`, {len(targets)} in `target`."
        )
    parts = [
        _FilePair(TextFile(a, encoding), TextFile(b, encoding))
        for a, b in zip(sources, targets)
    ]
    ends = np.cumsum([part.count for part in parts])  # pairs, up to each part's last
    names = f"{sources[0]} and {targets[0]}"
    if not ends[-1]:
        raise ValueError(
            "`source` and `target` must share a line that holds text in both. "
            f"Received: none in {names}."
        )

    def read(numbers):
        texts = [None] * len(numbers)
        part_of = np.searchsorted(ends, numbers, side="right")
        for i in np.unique(part_of):
            rows = np.flatnonzero(part_of == i)
            first = ends[i] - parts[i].count
            for row, text in zip(rows, parts[i].read(numbers[rows] - first)):
                texts[row] = text
        return texts

    return batching.datasets(Examples(int(ends[-1]), read, names, unpack=_unpack))


def _paths(name, paths):
    if isinstance(paths, (str, bytes, os.PathLike)):
        paths = [paths]
    paths = [os.fsdecode(path) for path in paths]
    if not paths:
        raise ValueError(f"`{name}` must name a file. Received: {name}=[].")
    return paths


class _FilePair:
    """Two files' lines that hold text on both sides, counted once and found again."""

    def __init__(self, source, target):
        self._files = source, target
        (source_limits, source_blank), (target_limits, target_blank) = (
            _limits(file) for file in self._files
        )
        if len(source_blank) != len(target_blank):
            raise ValueError(
                "`source` and `target` must have a line for each line of the other. "
                f"Received: {len(source_blank):,} lines in {source.path!r}, "
                f"{len(target_blank):,} in {target.path!r}."
            )
        kept = np.flatnonzero(~(source_blank | target_blank))
        self.count = len(kept)
        self._spans = [
            (limits[kept], limits[kept + 1])
            for limits in (source_limits, target_limits)
        ]

    def read(self, numbers):
        r"""The pairs of these numbers, list of `bytes`: source, "\n", target."""
        lines = [
            file.slices(starts[numbers], ends[numbers])
            for file, (starts, ends) in zip(self._files, self._spans)
        ]
        return [b"\n".join(map(_text, pair)) for pair in zip(*lines)]


def _limits(file):
    """Where the lines begin and the last one ends, int [N + 1]; which are blank, [N]."""
    limits, blank = array.array("q", [file.start]), bytearray()
    for end, line in file.lines():
        limits.append(end)
        blank.append(not line.strip())
    return np.array(limits), np.frombuffer(blank, bool)


def _text(line):
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _unpack(pairs):
    halves = tf.strings.split(pairs, "\n").to_tensor(shape=[None, 2])  # [B, 2]
    return halves[:, 0], halves[:, 1]
