"""The texts of a corpus, from a dataset, files or any Python iterable, as a stream."""

import gzip
import itertools
import os
import zlib

import tensorflow as tf

_BLOCK = 2**20  # bytes read at once; a line that is longer is cut at a space
_BATCH = 1024  # texts handed on at once, where nothing else says how many


def read_texts(data):
    r"""Reads a corpus once, from its beginning to its end.

    Args:
        data: One of

            - a `tf.data.Dataset` of strings of any shape, dense or ragged;
            - a list of files, `os.PathLike` or str: a line a text, in UTF-8; a name that
              ends in ".gz" is decompressed;
            - texts, str or UTF-8 bytes: a list of them or any other iterable, which may
              nest them in lists.

            A list of str is one of files if they all exist, and otherwise of texts.

    Returns:
        Iterator of lists of bytes. Lines come without their end, and empty ones do not
        come at all.

    Raises:
        ValueError: `data` is something else; or some of its files do not exist, while
            others do or while all of them look like names of files.

    Example:

    >>> list(read_texts(["a text", "another"]))
    [[b'a text', b'another']]
    >>> list(read_texts(tf.data.Dataset.from_tensor_slices([["a", "b"], ["c", "d"]])))
    [[b'a', b'b'], [b'c', b'd']]
    """
    if isinstance(data, tf.data.Dataset):
        return _of_dataset(data)
    if is_list_of_files(data):
        return itertools.chain.from_iterable(map(_of_file, data))
    if isinstance(data, (str, bytes, os.PathLike, dict)) or not hasattr(
        data, "__iter__"
    ):
        raise ValueError(
            "`data` must be a `tf.data.Dataset` of strings, a list of files, or a list "
            f"or another iterable of texts. Received: {str(data)[:80]!r} of type "
            f"{type(data).__name__}."
        )
    return _batched(_flattened(data))


def is_list_of_files(data):
    """Whether a list means the files that it names, and not texts of its own.

    Args:
        data: As for `read_texts`.

    Returns:
        bool.

    Raises:
        ValueError: the list names a file that does not exist, as far as one can tell.
    """
    if not isinstance(data, (list, tuple)) or not data:
        return False
    if not all(isinstance(item, (str, os.PathLike)) for item in data):
        return False
    missing = [str(item) for item in data if not _is_file(item)]
    if not missing:
        return True
    if len(missing) == len(data) and not all(map(_looks_like_file, data)):
        return False
    raise ValueError(
        "`data` must be files that exist, or texts. Received: files that do not exist: "
        f"{', '.join(map(repr, missing[:5]))}{', ...' if missing[5:] else ''}."
    )


def _is_file(item):
    try:
        return os.path.isfile(item)
    except ValueError:  # a text with a NUL in it
        return False


def _looks_like_file(item):
    """One word with a suffix or a folder, such as "reviews.txt.gz" or "data/train"."""
    if isinstance(item, os.PathLike):
        return True
    suffix = os.path.splitext(item)[1][1:].isalnum()
    return len(item.split()) == 1 and (suffix or os.sep in item)


def _of_dataset(data):
    spec = data.element_spec
    if not isinstance(spec, (tf.TensorSpec, tf.RaggedTensorSpec)) or (
        spec.dtype != tf.string
    ):
        raise ValueError(
            "`data` must be a `tf.data.Dataset` of strings. Received: one of "
            f"{str(spec)[:200]}. Try `.map(lambda text, label: text)`."
        )
    if spec.shape.rank == 0:
        data = data.batch(_BATCH)
    return map(_strings, data)


def _strings(x):
    flat = x.flat_values if isinstance(x, tf.RaggedTensor) else x
    return tf.reshape(flat, [-1]).numpy().tolist()


def _of_file(path):
    opened = gzip.open if str(path).lower().endswith(".gz") else open
    rest = b""
    with opened(path, "rb") as file:
        try:
            while block := file.read(_BLOCK):
                *lines, rest = (rest + block).split(b"\n")
                if len(rest) > _BLOCK:
                    head, _, rest = rest.rpartition(b" ")
                    lines.append(head or rest)
                    rest = rest if head else b""
                yield _without_ends(lines)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(
                f"{str(path)!r} must be a whole gzip file, as its suffix says. "
                f"Received: {error}. Try to fetch or compress it again."
            ) from None
    yield _without_ends([rest])


def _without_ends(lines):
    lines = (line.removesuffix(b"\r") for line in lines)
    return [line for line in lines if line]


def _flattened(data):
    """Every text of nested lists, as bytes."""
    for item in data:
        if isinstance(item, str):
            yield item.encode("utf-8", "surrogateescape")
        elif isinstance(item, bytes):
            yield item
        elif tf.is_tensor(item) and item.dtype == tf.string:
            yield from _strings(item)
        elif hasattr(item, "__iter__") and not isinstance(item, dict):
            yield from _flattened(item)
        else:
            raise ValueError(
                "`data` must hold texts and nothing else. Received: "
                f"{str(item)[:80]!r} of type {type(item).__name__}."
            )


def _batched(items):
    while batch := list(itertools.islice(items, _BATCH)):
        yield batch
