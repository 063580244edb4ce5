"""Labelled texts from a folder of class folders, one file a text."""

import os
import threading

import numpy as np

from keras_nlp_lite.data import text_file
from keras_nlp_lite.data.decoding import check_encoding, to_utf8
from keras_nlp_lite.data.labels import (
    check_class_names,
    check_several,
    sort_class_names,
)
from keras_nlp_lite.data.paths import check_path, did_you_mean
from keras_nlp_lite.data.pipeline import Batching, Examples

# In bytes; most texts are shorter, and take one read.
_READ = 2**16


def read_directory(
    path,
    *,
    batch_size=32,
    shuffle=True,
    seed=None,
    validation_split=None,
    class_names=None,
    encoding="utf-8",
):
    """Texts whose class is the folder they lie in.

    Every file in a class folder is one example, whole, empty ones too. Its name ends
    in `.txt` or has no suffix; anything else there, a folder too, is refused rather than
    passed over. Names that begin with a dot are not looked at, and neither are files
    beside the class folders. A leading byte order mark is dropped.

    The files are listed now and read while iterating; texts that are read a second time
    stay in memory up to `text_file.KEEP_IN_MEMORY` bytes, so that looking at a small
    corpus again and again costs no file access.

    Args:
        path: The folder that holds the class folders.
        batch_size: B, in examples; the last batch may be smaller.
        shuffle: Whether each epoch sees the training examples in a new order. If not,
            they come sorted by class, then by file name.
        seed: Makes the order and the split reproducible. Without one, the order
            follows `keras.utils.set_random_seed`; the split is then that of seed 0.
        validation_split: Fraction of all examples to hold out, rounded to a whole
            example. The held-out ones come in one fixed order, mixed over the classes
            unless `shuffle=False`.
        class_names: The class folders to read, in the order of their labels. By
            default all of them, sorted; numerically if all are numbers. ["neg", "pos"]
            leaves out a folder of unlabelled texts beside these two.
        encoding: How the files are encoded.

    Returns:
        A `tf.data.Dataset` of (string [B], int32 [B]), text and label, with the
        attribute `class_names`; with `validation_split`, a pair (train, validation).

    Raises:
        ValueError: No such folder, no class folder or a single one, an empty class
            folder, or something in one that is no text file. While iterating,
            TensorFlow raises InvalidArgumentError around the sentence: bytes that are
            no text, or a file that is gone.

    Example:

    >>> import tempfile
    >>> from keras_nlp_lite import data
    >>> folder = data.write_sample_reviews(tempfile.mkdtemp(), examples=100)
    >>> train, validation = read_directory(folder + "/train", validation_split=0.2)
    >>> train.class_names, len(train), len(validation)
    (['neg', 'pos'], 3, 1)
    >>> train.element_spec
    (TensorSpec(shape=(None,), dtype=tf.string, name=None),
     TensorSpec(shape=(None,), dtype=tf.int32, name=None))
    """
    batching = Batching(batch_size, shuffle, seed, validation_split)
    encoding = check_encoding(encoding)
    path = check_path(path, "folder")
    class_names = _class_folders(path, check_class_names(class_names))
    files = [_text_files(os.path.join(path, name)) for name in class_names]
    labels = np.repeat(np.arange(len(files), dtype="int32"), [*map(len, files)])
    texts = _FileTexts([file for folder in files for file in folder], encoding)
    return batching.datasets(
        Examples(len(labels), texts.read, path, labels, class_names)
    )


def _class_folders(path, wanted):
    """The class folders' names in the order of their labels, checked."""
    folders, files = [], 0
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir() and not entry.name.startswith("."):
                folders.append(entry.name)
            files += entry.is_file()
    if not folders:
        raise ValueError(
            f"{path!r} must hold one folder per class. Received: no folder and {files} "
            "files. Try the folder above it, or read_lines for texts without labels."
        )
    if wanted is None:
        check_several(folders, f"the folder {path!r}")
        return sort_class_names(folders)
    for name in wanted:
        if name not in folders:
            raise ValueError(
                f"{path!r} must hold a folder for each class name. Received: "
                f"class_names={wanted}, but the folders are {sorted(folders)}."
                f"{did_you_mean(name, folders)}"
            )
    return wanted


def _text_files(folder):
    """The paths of a class folder's files, sorted; the directory says what is a file."""
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            if entry.is_dir():
                raise ValueError(
                    f"The class folder {folder!r} must hold text files only. Received: "
                    f"a folder {name!r} in it. If that is a class, try "
                    f"read_directory({folder!r})."
                )
            if "." in name and not name.lower().endswith(".txt"):
                raise ValueError(
                    f"The class folder {folder!r} must hold text files only. Received: "
                    f"{name!r} in it. Try to move it away, or to rename it to '.txt' "
                    "if it is an example."
                )
            names.append(name)
    if not names:
        raise ValueError(
            f"The class folder {folder!r} must hold text files. Received: an empty "
            "folder. Try class_names=[...] with the other folders only."
        )
    return [os.path.join(folder, name) for name in sorted(names)]


class _FileTexts:
    """Whole files as texts; keeps those it reads again, while there is room.

    Much is read once, to be kept in another form: that is not worth its memory here.
    """

    def __init__(self, paths, encoding):
        self._paths = paths
        self._encoding = encoding
        self._kept = [None] * len(paths)
        self._seen = bytearray(len(paths))
        self._room = text_file.KEEP_IN_MEMORY
        self._lock = threading.Lock()

    def read(self, numbers):
        texts = []
        for number in numbers.tolist():
            text = self._kept[number]
            if text is None:
                text = self._read_file(self._paths[number])
                self._keep(number, text)
            texts.append(text)
        return texts

    def _keep(self, number, text):
        with self._lock:
            again, self._seen[number] = self._seen[number], 1
            if again and self._kept[number] is None and len(text) <= self._room:
                self._room -= len(text)
                self._kept[number] = text

    def _read_file(self, path):
        try:
            raw = _read_bytes(path)
        except OSError as error:
            raise ValueError(
                f"{path!r} must stay where it was when its dataset was made. "
                f"Received: {error.strerror}. Try to read the folder again."
            ) from None
        return to_utf8(raw, self._encoding, path)


def _read_bytes(path):
    """A file's bytes. `open` would ask the system for its size and kind: half the time."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        raw = os.read(file, _READ)
        if len(raw) == _READ:  # fewer bytes than asked for: that was all
            parts = [raw]
            while part := os.read(file, 2**24):
                parts.append(part)
            raw = b"".join(parts)
    finally:
        os.close(file)
    return raw
