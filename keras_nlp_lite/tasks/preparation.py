"""From raw input to what every replica trains on."""

import typing
import weakref

import tensorflow as tf

from keras_nlp_lite.data.raw_batches import (
    any_number_of,
    as_array,
    as_input,
    given,
    raw_batches,
)
from keras_nlp_lite.data.row_cache import RowStore, cache_rows
from keras_nlp_lite.tasks.layer_parts import with_parts
from keras_nlp_lite.tasks.plain_errors import plain_errors
from keras_nlp_lite.tasks.spread import spread, with_class_weights
from keras_nlp_lite.tasks.waiting_bar import waiting_bar
from keras_nlp_lite.untuned import untuned


class Preparation:
    """What a task does with raw data: adapts to it, prepares it, keeps it, spreads it.

    A mixin for `Task`, whose `preprocess` it runs on the CPU, inside `tf.data`.
    """

    def adapt(self, data):
        """Adapts the preprocessor to a corpus, in one pass over it.

        Args:
            data: Training data as `fit` takes it; a tuple (texts, labels); or texts.

        Raises:
            ValueError: the model has weights already, which would come to stand for
                other words.
        """
        if self.built and getattr(self.preprocessor, "is_adapted", False):
            raise ValueError(
                f"This {type(self).__name__} has a vocabulary, and weights for it. To "
                "adapt to another corpus, make a new model."
            )
        with plain_errors():
            dataset = raw_batches(*(data if isinstance(data, tuple) else (data,)))
            self.check_data(dataset, labels=False)
            dataset = self.with_numbered_labels(dataset)
            if self._can_take_numbers():
                # The corpus is most often what `fit` gets next: its tokens stay, as
                # numbers, and need not be read and cut again.
                store = RowStore() if _batch_size(data) else None
                self.preprocessor.adapt(dataset, on_batch=store and store.append)
                if store:
                    numbering = self.preprocessor.numbering
                    self._adapted = _Adapted(weakref.ref(data), store, numbering)
            elif getattr(self.preprocessor, "adapts_on_labels", False):
                self.preprocessor.adapt(dataset)
            else:
                self.preprocessor.adapt(dataset.map(_first))
        self._ensure_built()

    def _can_take_numbers(self):
        """Whether preprocessing is this package's, which takes numbers for its texts."""
        return "takes_numbers" in vars(type(self.preprocessor)) and (
            type(self).preprocess.__module__.startswith("keras_nlp_lite.")
        )

    def _rows_adapted_to(self, dataset, budget, shuffle):
        """Dataset of prepared rows, if `dataset` is what `adapt` just read; else None."""
        adapted, self._adapted = self._adapted, None
        if adapted is None or adapted.dataset() is not dataset or not budget:
            return None
        if adapted.numbering is not getattr(self.preprocessor, "numbering", None):
            return None  # it has another vocabulary by now
        numbered = adapted.store.dataset()
        return numbered and cache_rows(
            untuned(self._mapped(numbered)),
            budget=budget,
            shuffle=shuffle,
            batch_size=_batch_size(dataset),
        )

    def _mapped(self, raw, preprocess=None):
        """Dataset of prepared batches, out of raw ones."""
        preprocess = preprocess or self.preprocess

        def prepare(*parts):
            with tf.device("CPU:0"):
                prepared = preprocess(*parts)
            return prepared[0] if len(prepared) == 1 else prepared

        parts = with_parts(self.preprocessor) or [self.preprocessor]
        known = ("keras_nlp_lite.", "keras.")
        ours = all(type(part).__module__.startswith(known) for part in parts)
        users = ("_standardize", "_split")  # functions that TextVectorization may hold
        if ours and not any(callable(getattr(self.preprocessor, n, 0)) for n in users):
            # Nothing to convert: AutoGraph would take half a second to find that out.
            prepare = tf.autograph.experimental.do_not_convert(prepare)
        return raw.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def _kept(self, raw, budget, shuffle, verbose):
        """Dataset of prepared batches in memory; None if they take over `budget` bytes."""
        if not budget or getattr(self.preprocessor, "is_random", False):
            return None
        progress = waiting_bar(raw) if verbose in ("auto", 1) else None
        rows = untuned(self._mapped(raw))
        return cache_rows(rows, budget=budget, shuffle=shuffle, progress=progress)

    def _given_out(self, kept, raw, class_weight=None):
        """Prepared batches for every replica: those in memory, or made as they come."""

        def prepare(slices):
            prepared = slices if kept else self._mapped(slices)
            if class_weight is not None:
                prepared = with_class_weights(prepared, class_weight)
            return prepared if prepared is slices else untuned(prepared.prefetch(2))

        return spread(kept or raw, self.distribute_strategy, prepare)

    def _questions(self, raw):
        """Prepared batches that want answers, for every replica."""

        def prepare(slices):
            mapped = self._mapped(slices.map(_first), self.preprocess_question)
            return untuned(mapped.prefetch(2))

        return spread(raw, self.distribute_strategy, prepare)

    def _batch(self, *parts, preprocess=None):
        """One raw batch, prepared."""
        preprocess = preprocess or self.preprocess
        if self.preprocessor is None:
            return given(*parts)
        x, *others = parts
        others = (None if part is None else as_array(part) for part in others)
        parts = given(as_input(x), *others)
        # Any number of rows: otherwise each new one would trace anew.
        signature = tf.nest.map_structure(any_number_of, parts)
        # Tuples within tuples, too, tell it from others.
        key = preprocess.__name__, repr(signature)
        functions = self._on_batch.preprocess
        if key not in functions:
            functions[key] = tf.function(preprocess, signature)
        with plain_errors(), tf.device("CPU:0"):
            return functions[key](*parts)


class _Adapted(typing.NamedTuple):
    """What `adapt` read, as numbers, for `fit` to take up."""

    dataset: weakref.ref
    store: RowStore
    numbering: object


def _first(x, *_):
    # A Dataset of a pair by itself would be one of texts and labels.
    return (x,) if isinstance(x, tuple) else x


def _batch_size(data):
    """What a Dataset of ours was batched to; None for any other data."""
    return (
        getattr(data, "batch_size", None) if isinstance(data, tf.data.Dataset) else None
    )
