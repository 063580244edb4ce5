"""From the one path that a user names to datasets."""

import dataclasses
import os

import tensorflow as tf

from keras_nlp_lite import data


@dataclasses.dataclass(frozen=True)
class Reading:
    """How to read labelled texts: what the options of several commands say.

    Attributes:
        text: Column or field of the text, in a file.
        label: Column or field of the label, in a file.
        header: Whether the first row of a table names its columns; if not, `text` and
            `label` are numbers, counted from 0.
        encoding: How the files are encoded.
        class_names: The classes' names, in order of their labels; None takes those
            that are found.
        batch_size: B, in texts.
        seed: Of the order and of the split.
    """

    text: str = "text"
    label: str = "label"
    header: bool = True
    encoding: str = "utf-8"
    class_names: list | None = None
    batch_size: int = 32
    seed: int = 0

    def read(self, path, **kwargs):
        """A Dataset of (string [B], int32 [B]), or the pair that a split makes.

        Args:
            path: A folder of class folders, or a .csv, .tsv or .jsonl file, which may
                be compressed (.gz).
            **kwargs: `validation_split` or `shuffle`, as the readers take them.

        Raises:
            ValueError: Nothing is there, or nothing that can be read.
        """
        kwargs.update(
            batch_size=self.batch_size,
            seed=self.seed,
            class_names=self.class_names,
            encoding=self.encoding,
        )
        kind = _kind(path)
        if kind == "table":
            columns = {name: self._column(name) for name in ("text", "label")}
            return data.read_csv(path, header=self.header, **columns, **kwargs)
        if kind == "jsonl":
            return data.read_jsonl(path, text=self.text, label=self.label, **kwargs)
        if os.path.isdir(path) or not os.path.exists(path):
            return data.read_directory(path, **kwargs)
        raise ValueError(
            "--data must be a folder of class folders, or a .csv, .tsv or .jsonl file. "
            f"Received: {path!r}. Try to unpack or rename it."
        )

    def about(self, path):
        """dict of what of this matters for reading `path`."""
        kind = _kind(path)
        return {
            "data": path,
            **({"text": self.text, "label": self.label} if kind else {}),
            **({"header": self.header} if kind == "table" else {}),
            "encoding": self.encoding,
            "batch_size": self.batch_size,
        }

    def _column(self, name):
        column = getattr(self, name)
        if self.header:
            return column
        if not column.isdecimal():
            raise ValueError(
                f"--{name} must be a column's number, counted from 0, where a table has "
                f"no header. Received: {column!r}."
            )
        return int(column)


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Labelled texts for a run; what there is none of is None."""

    train: tf.data.Dataset
    validation: tf.data.Dataset | None
    test: tf.data.Dataset | None

    @property
    def class_names(self):
        return self.train.class_names


def read_corpus(path, reading, validation_split):
    """The parts that a run trains on, validates on and tests on.

    Args:
        path: As for `Reading.read`; or a folder with such a folder `train` in it, and
            maybe one `test`.
        reading: A `Reading`.
        validation_split: Share of the training texts to hold out; 0 for none.

    Returns:
        A `Corpus`.

    Raises:
        ValueError: Nothing is there, or nothing that can be read; or `train` and
            `test` hold other classes.
    """
    train_path = _part(path, "train") or path
    test_path = _part(path, "test")
    if train_path == path:
        test_path = None  # a class of that name
    if validation_split:
        train, validation = reading.read(train_path, validation_split=validation_split)
    else:
        train, validation = reading.read(train_path), None
    test = reading.read(test_path, shuffle=False) if test_path else None
    if test is not None and test.class_names != train.class_names:
        shared = [name for name in train.class_names if name in test.class_names]
        raise ValueError(
            f"{path!r} must hold the same class folders in train and test. Received: "
            f"{train.class_names} and {test.class_names}. Try --classes "
            f"{','.join(shared)}."
        )
    return Corpus(train, validation, test)


def read_test(path, reading):
    """The texts that `path` has for a test: its folder `test`, or else all of it."""
    if _part(path, "train") and not _part(path, "test"):
        raise ValueError(
            "--data must hold texts to test with. Received: "
            f"{path!r}, which holds train, but no test. Try "
            f"{os.path.join(path, 'train')!r} if that is what you want."
        )
    return reading.read(_part(path, "test") or path, shuffle=False)


def _part(path, name):
    """The folder of that name inside, or None."""
    inside = os.path.join(path, name)
    return inside if os.path.isdir(inside) else None


def _kind(path):
    """What kind of file a path names: "table", "jsonl", or None."""
    if os.path.isdir(path):
        return None
    suffix = os.path.splitext(path.lower().removesuffix(".gz"))[1]
    return {".csv": "table", ".tsv": "table", ".jsonl": "jsonl"}.get(suffix)
