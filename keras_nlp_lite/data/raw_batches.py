"""Whatever `fit` may be given, as a Dataset of raw batches."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_fraction
from keras_nlp_lite.tokenizers.strings import is_ragged

WANTED = (
    "Give a Dataset, generator or PyDataset of batches (texts [B], labels [B]), or "
    "texts and labels as lists or arrays."
)


def raw_batches(x, y=None, sample_weight=None, *, batch_size=None, shuffle=False):
    """A Dataset of raw batches out of a Dataset, arrays, lists, generator or PyDataset.

    Args:
        x: Dataset, generator or `keras.utils.PyDataset` of batches; or texts as a
            list, array or tensor; or a tuple of such, for pairs.
        y: Labels, if `x` are texts.
        sample_weight: float [N], if `x` are texts.
        batch_size: Of texts in lists or arrays; 32 by default.
        shuffle: Whether texts in lists or arrays, and the batches of a PyDataset, come
            in a new order at each pass. Datasets and generators keep theirs.

    Returns:
        Dataset of x, (x, y) or (x, y, sample_weight), each with the batch first. Where
        x is a tuple, it is in a tuple by itself, too: (x,).

    Raises:
        ValueError: `x` is none of these, or its parts do not fit together.
    """
    if isinstance(x, tf.data.Dataset) or is_stream(x):
        if y is not None or sample_weight is not None:
            raise ValueError(
                f"`y` and `sample_weight` belong inside the {type(x).__name__} that "
                f"holds the texts. {WANTED}"
            )
        if isinstance(x, tf.data.Dataset):
            return x
        if isinstance(x, keras.utils.PyDataset):
            return _from_py_dataset(x, shuffle)
        return _from_generator(x)
    return _from_arrays(x, y, sample_weight, batch_size or 32, shuffle)


def is_stream(x):
    """Whether `x` makes its batches in Python, and so may make others next time."""
    return isinstance(x, keras.utils.PyDataset) or hasattr(x, "__next__")


def holds_text(x):
    """Whether `x` is text, or begins with some: a list, an array or a Dataset."""
    if isinstance(x, tf.data.Dataset):
        x = tf.nest.flatten(x.element_spec)[0]
    while isinstance(x, (list, tuple)) and len(x):
        x = x[0]
    if isinstance(x, (str, bytes)):
        return True
    dtype = getattr(x, "dtype", None)
    return dtype == tf.string or getattr(dtype, "kind", "") in ("U", "S", "O")


def as_array(x):
    """Texts, labels or weights as a tensor; strings however they are spelled.

    Texts as lists of words become ragged, [N, (words)], where they differ in length.
    """
    if isinstance(x, tf.RaggedTensor):
        return x
    if isinstance(x, (str, bytes)):
        raise ValueError(
            f"Texts come several at a time. Received: the one string {x!r}. "
            f"Try [{x!r}]."
        )
    try:
        if isinstance(x, (list, tuple)) and x and isinstance(x[0], str):
            # Through NumPy objects: ten times as fast as TensorFlow's own conversion.
            x = _encoded(x)
        elif is_ragged(x) and all(isinstance(word, str) for row in x for word in row):
            words = _encoded([word for row in x for word in row])
            return tf.RaggedTensor.from_row_lengths(words, [len(row) for row in x])
        tensor = tf.convert_to_tensor(x)
    except (TypeError, ValueError, AttributeError) as error:
        if hasattr(x, "to_numpy"):  # a pandas column
            return as_array(x.to_numpy())
        odd = ""
        if isinstance(x, (list, tuple)):
            kinds = sorted({type(part).__name__ for part in x})
            odd = f" of {' and '.join(kinds)}"
        raise ValueError(
            f"Received: {type(x).__name__}{odd}, which makes no array. {WANTED}"
        ) from error
    if tensor.shape.rank == 0:
        raise ValueError(f"Received: the single value {x!r}. {WANTED}")
    return tensor


def as_input(x):
    """Raw input as tensors: one, or a tuple for pairs, or a dict."""
    if isinstance(x, dict):
        return {name: as_array(part) for name, part in x.items()}
    if _is_several(x):
        return tuple(as_array(part) for part in x)
    return as_array(x)


def _encoded(strings):
    """UTF-8 bytes, an array of objects."""
    return np.array([s.encode("utf-8", "surrogateescape") for s in strings], object)


def any_number_of(batch):
    """The spec of batches that are like this one, a tensor, but for the rows' number."""
    shape = [None, *batch.shape[1:]]
    if isinstance(batch, tf.RaggedTensor):
        return tf.RaggedTensorSpec(shape, batch.dtype, batch.ragged_rank)
    return tf.TensorSpec(shape, batch.dtype)


def given(*parts):
    """The parts up to the last that is not None, as a tuple of at least one."""
    while len(parts) > 1 and parts[-1] is None:
        parts = parts[:-1]
    return parts


def split_arrays(fraction, *arrays):
    """Cuts texts, labels and weights in two: the last rows are for validation.

    Args:
        fraction: Of the rows, in (0, 1).
        *arrays: Lists or arrays, equally long, or None.

    Returns:
        A tuple of all arrays' first parts, and one of their last parts, the latter
        without trailing None.

    Raises:
        ValueError: the first is no list or array; one side would have no row.
    """
    check_fraction("validation_split", fraction)
    if isinstance(arrays[0], tf.data.Dataset) or is_stream(arrays[0]):
        raise ValueError(
            "`validation_split` splits lists and arrays. Received: "
            f"{type(arrays[0]).__name__}. Try `validation_data`, or the split of the "
            "reader that made it."
        )
    x, *others = arrays
    arrays = [as_input(x), *(None if y is None else as_array(y) for y in others)]
    rows = int(tf.nest.flatten(arrays)[0].shape[0])
    cut = rows - int(rows * fraction)
    if not 0 < cut < rows:
        raise ValueError(
            f"`validation_split` must leave rows on both sides. Received: {fraction} of "
            f"{rows} rows."
        )

    def rows_of(part):
        return lambda array: None if array is None else array[part]

    train = tf.nest.map_structure(rows_of(slice(cut)), arrays)
    held_out = tf.nest.map_structure(rows_of(slice(cut, None)), arrays)
    return tuple(train), given(*held_out)


def _from_arrays(x, y, sample_weight, batch_size, shuffle):
    if x is None:
        raise ValueError(f"There are no texts. Received: x=None. {WANTED}")
    parts = [as_input(x)]
    if y is not None or sample_weight is not None:
        parts.append(None if y is None else as_array(y))
    if sample_weight is not None:
        parts.append(as_array(sample_weight))
    if len(parts) > 1 and parts[1] is None:
        raise ValueError("`sample_weight` weighs labels. Received: no `y`.")
    lengths = [int(part.shape[0]) for part in tf.nest.flatten(parts)]
    if not any(lengths):
        raise ValueError("There are no texts. Received: an empty list or array.")
    if len(set(lengths)) > 1:
        raise ValueError(
            "Texts, labels and weights must be equally many. Received: "
            f"{', '.join(map(str, lengths))}."
        )
    alone = len(parts) == 1 and not isinstance(parts[0], tuple)
    dataset = tf.data.Dataset.from_tensor_slices(parts[0] if alone else tuple(parts))
    if shuffle and lengths[0]:
        # TensorFlow's own seed counts what was made before, which workers that share
        # the batches may not have in common.
        seed = np.random.randint(2**31)
        dataset = dataset.shuffle(lengths[0], seed, reshuffle_each_iteration=True)
    return dataset.batch(batch_size)


def _is_several(x):
    """Whether `x` is a tuple of lists or arrays of texts, and not of texts."""
    return isinstance(x, tuple) and any(
        isinstance(part, (list, tuple)) or getattr(part, "ndim", 0) for part in x
    )


def _from_generator(batches):
    """Batches of a Python generator, which runs once: a later pass goes on with it."""
    first = next(batches, None)
    if first is None:
        raise ValueError(f"The generator gave no batch. {WANTED}")
    chained = itertools.chain([first], batches)
    return _generated(lambda: chained, first)


def _from_py_dataset(batches, shuffle):
    if not len(batches):
        raise ValueError(f"The PyDataset holds no batch. {WANTED}")
    state = {"passes": 0}

    def one_pass():
        if state["passes"]:
            batches.on_epoch_end()  # the one before has ended
        state["passes"] += 1
        order = np.arange(len(batches))
        if shuffle:
            np.random.shuffle(order)
        for i in order:
            yield batches[int(i)]

    dataset = _generated(one_pass, batches[0])
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))


def _generated(make, first):
    """A Dataset of what a function's iterators yield, which is like `first`."""

    def spec(tensor):
        shape = [None] * tensor.shape.rank
        if isinstance(tensor, tf.RaggedTensor):
            return tf.RaggedTensorSpec(shape, tensor.dtype, tensor.ragged_rank)
        return tf.TensorSpec(shape, tensor.dtype)

    return tf.data.Dataset.from_generator(
        lambda: map(_tensors, make()),
        output_signature=tf.nest.map_structure(spec, _tensors(first)),
    )


def _tensors(batch, outermost=True):
    """A batch's parts as tensors. Only the outermost list is a tuple of parts."""
    if isinstance(batch, tuple) or (outermost and isinstance(batch, list)):
        return tuple(_tensors(part, False) for part in batch)
    if isinstance(batch, dict):
        return {name: _tensors(part, False) for name, part in batch.items()}
    return as_array(batch)
