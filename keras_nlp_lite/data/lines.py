"""Texts without labels from a file of lines."""

import array

import numpy as np

from keras_nlp_lite.data.pipeline import Batching, Examples
from keras_nlp_lite.data.text_file import TextFile


def read_lines(
    path,
    *,
    batch_size=32,
    shuffle=False,
    seed=None,
    validation_split=None,
    encoding="utf-8",
):
    r"""Texts of one line each, in the order of the file.

    Every line is an example, empty ones too, so that the nth example is the nth line
    and parallel files stay parallel. A line ends with "\n" or "\r\n", which are no part
    of the text; a line end at the end of the file begins no further line. The file is
    gone through once now, so that its errors are raised at this call.

    Args:
        path: The file; with the suffix `.gz` it is decompressed into memory.
        batch_size: B, in lines; the last batch may be smaller.
        shuffle: Whether each epoch sees the training lines in a new order. Not by
            default, so that predictions line up with the file.
        seed: Makes the order and the split reproducible. Without one, the order
            follows `keras.utils.set_random_seed`; the split is then that of seed 0.
        validation_split: Fraction of all lines to hold out, rounded to a whole line,
            drawn from the whole file.
        encoding: How the file is encoded.

    Returns:
        A `tf.data.Dataset` of string [B], with the attribute `class_names`, None; with
        `validation_split`, a pair (train, validation).

    Raises:
        ValueError: No such file, an empty one, or bytes that are no text.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "reviews.txt"
    >>> path.write_text("A joy\n\nNot good\n")
    16
    >>> next(read_lines(path).as_numpy_iterator())
    array([b'A joy', b'', b'Not good'], dtype=object)
    """
    batching = Batching(batch_size, shuffle, seed, validation_split)
    file = TextFile(path, encoding)
    limits = array.array("q", [file.start])
    limits.extend(end for end, _ in file.lines())
    if len(limits) == 1:
        raise ValueError(f"{file.path!r} must hold a line. Received: an empty file.")
    limits = np.array(limits)  # [N + 1]

    def read(numbers):
        raws = file.slices(limits[numbers], limits[numbers + 1])
        return [raw.removesuffix(b"\n").removesuffix(b"\r") for raw in raws]

    return batching.datasets(Examples(len(limits) - 1, read, file.path))
