"""Numbered examples to batches: split, shuffled, read in parallel, prefetched."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.data.row_slices import row_slices
from keras_nlp_lite.untuned import untuned

# A call from TensorFlow into Python costs about 0.2 ms, as much as reading 30 small
# files, so that one call reads several batches.
READ_AT_ONCE = 128  # examples
# While one waits for the disk the other works: files not yet in the system's cache
# come in half the time. More gain nothing, as Python works on one core at a time.
READERS = 2
# In batches: enough to hide the hand-over between threads.
PREFETCH = 2


@dataclasses.dataclass(frozen=True)
class Examples:
    """Texts that can be read by number, and what is known of each.

    Attributes:
        count: N.
        read: Takes int64 [B], numbers from 0 to N - 1; returns a list of B `bytes`,
            UTF-8. Called from several threads. What it raises surfaces while iterating.
        labels: int32 [N], or None.
        class_names: list of str, or None.
        origin: The path, for errors.
        unpack: TensorFlow function from a batch of texts, string [B], to the dataset's
            element, where that is no plain text; or None.
    """

    count: int
    read: Callable
    origin: str
    labels: np.ndarray | None = None
    class_names: list | None = None
    unpack: Callable | None = None


@dataclasses.dataclass(frozen=True)
class Batching:
    """How examples become a dataset: the arguments that all readers share.

    Attributes:
        batch_size: B, in examples.
        shuffle: bool; None shuffles examples that have labels.
        seed: int from 0 to 2**32 - 1, or None.
        validation_split: The fraction to hold out, or None.

    Raises:
        ValueError: One of them is something else.
    """

    batch_size: int = 32
    shuffle: bool | None = True
    seed: int | None = None
    validation_split: float | None = None

    def __post_init__(self):
        check_positive_int("batch_size", self.batch_size)
        if self.shuffle not in (True, False, None):
            raise ValueError(
                f"`shuffle` must be True or False. Received: shuffle={self.shuffle!r}."
            )
        seed, split = self.seed, self.validation_split
        if seed is not None and not (_is_integer(seed) and 0 <= seed < 2**32):
            raise ValueError(
                "`seed` must be an integer from 0 to 2**32 - 1, or None. "
                f"Received: seed={seed!r}."
            )
        if split is not None and not (isinstance(split, float) and 0 < split < 1):
            raise ValueError(
                "`validation_split` must be a fraction between 0 and 1, or None. "
                f"Received: validation_split={split!r}. Try 0.2."
            )

    def datasets(self, examples):
        """The dataset, or the training and the validation dataset.

        Which examples are held out depends on the seed and on how many there are,
        and on nothing else; without a seed, seed 0 stands in. So a run that is
        resumed, or repeated with another model, never trains on what it validates on.

        Args:
            examples: An `Examples`.

        Returns:
            A Dataset, or a pair of them: string [B], or (string [B], int32 [B]), or
            what `examples.unpack` makes of them.

        Raises:
            ValueError: There are too few examples to split.
        """
        shuffle = self.shuffle
        if shuffle is None:
            shuffle = examples.labels is not None
        everything = np.arange(examples.count, dtype="int64")
        if self.validation_split is None:
            return self._dataset(examples, everything, shuffle)
        held_out = round(examples.count * self.validation_split)
        if not 0 < held_out < examples.count:
            raise ValueError(
                "`validation_split` must leave examples on both sides. Received: "
                f"validation_split={self.validation_split} of {examples.count} "
                f"examples in {examples.origin!r}, which leaves "
                f"{examples.count - held_out} to train and {held_out} to validate."
            )
        # NumPy promises that RandomState's numbers stay the same in every release.
        mixed = np.random.RandomState(self.seed or 0).permutation(everything)
        train, validation = mixed[held_out:], mixed[:held_out]
        if not shuffle:
            train, validation = np.sort(train), np.sort(validation)
        return (
            self._dataset(examples, train, shuffle),
            self._dataset(examples, validation, False),
        )

    def _dataset(self, examples, chosen, reshuffle):
        """Batches of the chosen examples, int [n], in that order or reshuffled.

        Its `sliced` reads no more than some parts of each batch, as `row_slices` cuts
        them: for replicas that share the batches.
        """
        size = self.batch_size
        at_once = max(1, READ_AT_ONCE // size) * size  # whole batches: rebatch splits
        batches = -(-len(chosen) // size)
        mixer = None
        if reshuffle:
            seed = self.seed
            if seed is None:
                seed = np.random.randint(
                    2**32, dtype="uint32"
                )  # as set_random_seed says
            # 1: other numbers than the split's. One for the dataset and its slices, so
            # that an epoch's order does not depend on who reads it.
            mixer = np.random.RandomState([seed, 1])

        def read(numbers, count):
            dataset = numbers.map(
                _reader(examples), num_parallel_calls=READERS, deterministic=True
            )
            if count is None and at_once != size:
                dataset = dataset.rebatch(size)
            if examples.unpack is not None:
                unpack = tf.autograph.experimental.do_not_convert(examples.unpack)
                dataset = dataset.map(unpack)
            count = tf.data.experimental.assert_cardinality(count or batches)
            return untuned(dataset.apply(count).prefetch(PREFETCH))

        def sliced(mine, parts):
            numbers = _numbers(chosen, size, mixer)
            return read(row_slices(numbers, mine, parts), batches * len(mine))

        dataset = read(_numbers(chosen, at_once, mixer), None)
        dataset.class_names = examples.class_names
        dataset.batch_size = size
        dataset.sliced = sliced
        return dataset


def _is_integer(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _numbers(chosen, size, mixer):
    """The chosen examples' numbers, `size` at a time, in a new order each epoch if there
    is a mixer, np.random.RandomState.

    A permutation of all numbers mixes better than a shuffle buffer that is smaller
    than the data, and takes less memory than one as large: 8 bytes an example.
    """
    if mixer is None:
        return _slices(chosen, size)

    def epoch(_):
        mixed = tf.numpy_function(lambda: mixer.permutation(chosen), [], tf.int64)
        return _slices(tf.ensure_shape(mixed, [len(chosen)]), size)

    return tf.data.Dataset.range(1).flat_map(epoch)


def _slices(numbers, size):
    with tf.device("CPU"):
        return tf.data.Dataset.from_tensor_slices(numbers).batch(size)


def _reader(examples):
    """A function for `Dataset.map`: numbers to texts, and to labels if there are any."""

    def read_texts(numbers):
        texts = np.empty(len(numbers), object)
        texts[:] = examples.read(numbers)
        return texts

    def read_pairs(numbers):
        return read_texts(numbers), examples.labels[numbers]

    @tf.autograph.experimental.do_not_convert  # there is nothing to convert
    def read(numbers):
        if examples.labels is None:
            texts = tf.numpy_function(read_texts, [numbers], tf.string)
            return tf.ensure_shape(texts, [None])
        texts, labels = tf.numpy_function(read_pairs, [numbers], (tf.string, tf.int32))
        return tf.ensure_shape(texts, [None]), tf.ensure_shape(labels, [None])

    return read
