"""What a model generates while it learns, and how good that is."""

import itertools
import os
import weakref

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.metrics import Bleu
from keras_nlp_lite.monitoring.misclassified import markdown_escape
from keras_nlp_lite.workers import is_chief

_SEED = 20_212
_MOST_TEXTS_READ = 100_000  # of validation data, to draw the sample from
_BATCH = 32  # texts generated at once
_SHOWN = 10  # texts in a table
_TEXT_LENGTH = 300  # characters of each: enough to see what it is about

_WANTED = (
    "`data` must be a Dataset of batches (sources [B], references [B]), a tuple of two "
    "lists, or without references a Dataset or list of prompts."
)


class GenerationSample(keras.callbacks.Callback):
    """Generates from a sample of validation texts after each epoch, and scores it.

    The score is put in the epoch's logs as `val_bleu`. Callbacks see the logs one
    after the other, so this one comes before those that are to see it:

        callbacks=[GenerationSample(val), EarlyStopping("val_bleu", mode="max"), ...]

    Args:
        data: Sources and their references: a Dataset of batches (string [B], string
            [B]), or a tuple of two lists; references may be several a source, [B, R]
            or lists. Or prompts alone, a Dataset of string [B] or a list: then there
            is no score.
        every_epochs: The epochs from one sample to the next; the last of them has one.
        max_rows: The most sources to generate from. If there are more, so many are
            drawn at random when training starts, and are the same in every epoch; of
            a large Dataset, from its first 100,000.
        metric: "bleu", sacrebleu's number divided by 100; None; or a Keras metric with
            `update_state(references, texts)`, whose result is put in the logs as Keras
            would put it, `val_` before each name.
        log_dir: Folder of the run, where TensorBoard finds sources, texts and
            references of ten of them, under `generation/`. None for no tables.
        **generate_arguments: For the model's `generate`, such as `max_length`.

    The model's `generate(sources, **generate_arguments)` takes a list of str and gives
    as many str. It is called for 32 sources at a time, of about equal length.

    Raises:
        ValueError: An argument is out of its range; or, when training starts, the data
            is of another structure, there would be neither score nor table, or the
            model has no `generate`; or that gives something else.

    Example:

    >>> class Echo(keras.Sequential):
    ...     def generate(self, sources, ending):
    ...         return [source + ending for source in sources]
    >>> model = Echo([keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> watch = GenerationSample((["Two dogs run"], ["Two dogs run."]), ending=".")
    >>> history = model.fit(np.ones([1, 1]), np.ones(1), verbose=0, callbacks=[watch])
    >>> history.history["val_bleu"]
    [1.0]
    """

    def __init__(
        self,
        data,
        *,
        every_epochs=1,
        max_rows=256,
        metric="bleu",
        log_dir=None,
        **generate_arguments,
    ):
        super().__init__()
        check_positive_int("every_epochs", every_epochs)
        check_positive_int("max_rows", max_rows)
        if metric == "bleu":
            # Float64, or the last digits would be others than sacrebleu's.
            metric = Bleu(tokenize="13a", smooth_method="exp", dtype="float64")
        elif metric is not None and not hasattr(metric, "update_state"):
            raise ValueError(
                f"`metric` must be 'bleu', a Keras metric or None. Received: {metric!r}."
            )
        self.data = data
        self.every_epochs = every_epochs
        self.max_rows = max_rows
        self.metric = metric
        self.log_dir = log_dir
        self.generate_arguments = generate_arguments
        self._sources = self._references = None  # during training
        self._writer = self._close = None

    def on_train_begin(self, logs=None):
        if not callable(getattr(self.model, "generate", None)):
            raise ValueError(
                "A model under GenerationSample must have a method `generate`. "
                f"Received: {type(self.model).__name__}."
            )
        self._sources, self._references = _sample(self.data, self.max_rows)
        scored = self.metric is not None and self._references is not None
        if not scored and self.log_dir is None:
            raise ValueError(
                "GenerationSample must have references and a `metric`, or a `log_dir`. "
                f"Received: metric={self.metric!r}, log_dir=None, and "
                f"{'no' if self._references is None else 'some'} references."
            )

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every_epochs:
            return
        texts = self._generated()
        scores = self._scores(texts)
        if logs is not None:
            logs.update(scores)
        if self.log_dir is not None and is_chief():
            table = generation_table(self._sources, texts, self._references, scores)
            with self._open_writer().as_default():
                tf.summary.text("generation", table, step=epoch)
            self._writer.flush()

    def on_train_end(self, logs=None):
        self._sources = self._references = None
        if self._close is not None:
            self._close()
            self._writer = self._close = None

    def _generated(self):
        texts = []
        for start in range(0, len(self._sources), _BATCH):
            sources = self._sources[start : start + _BATCH]
            batch = self.model.generate(sources, **self.generate_arguments)
            batch = np.asarray(batch, object)
            if batch.shape != (len(sources),) or not all(map(_is_text, batch)):
                raise ValueError(
                    "`generate` must give one text for each source. Received: for "
                    f"{len(sources)} sources, shape {list(batch.shape)} of "
                    f"{type(batch.flat[0]).__name__ if batch.size else 'nothing'}."
                )
            texts += map(_as_str, batch)
        return texts

    def _scores(self, texts):
        """What goes into the logs, dict of str to float."""
        if self.metric is None or self._references is None:
            return {}
        self.metric.reset_state()
        self.metric.update_state(self._references, texts)
        result = self.metric.result()
        if not isinstance(result, dict):
            result = {self.metric.name: result}
        return {f"val_{name}": float(score) for name, score in result.items()}

    def _open_writer(self):
        """A folder of its own: TensorBoard reads one file at a time of each."""
        if self._writer is None:
            folder = os.path.join(os.fspath(self.log_dir), "generation")
            self._writer = tf.summary.create_file_writer(folder)
            # Keras does not tell its callbacks when `fit` is interrupted.
            self._close = weakref.finalize(self, self._writer.close)
        return self._writer


def generation_table(sources, texts, references=None, scores=None):
    """Shows what a model made of some sources.

    Args:
        sources: N str.
        texts: N str, generated.
        references: N str or lists of str, of which the first is shown; or None.
        scores: dict of str to float, to mention.

    Returns:
        str, Markdown: a sentence, and a table of ten rows, evenly spread over those
        given. Texts are cut after 300 characters.

    Example:

    >>> print(generation_table(["Good day."], ["Guten *Tag*."], ["Guten Tag."]))
    1 of 1 validation text.
    <BLANKLINE>
    | source | generated | reference |
    | --- | --- | --- |
    | Good day. | Guten &#42;Tag&#42;. | Guten Tag. |
    """
    columns = {"source": sources, "generated": texts}
    if references is not None:
        columns["reference"] = [_first(reference) for reference in references]
    N = len(sources)
    chosen = np.unique(np.linspace(0, N - 1, min(N, _SHOWN)).round().astype(int))
    said = "".join(f" {name}: {score:.4f}." for name, score in (scores or {}).items())
    lines = [
        f"{len(chosen)} of {N:,} validation text{'' if N == 1 else 's'}.{said}",
        "",
        f"| {' | '.join(columns)} |",
        f"| {' | '.join('---' for _ in columns)} |",
    ]
    for i in chosen:
        cells = [_excerpt(column[i]) for column in columns.values()]
        lines.append(f"| {' | '.join(map(markdown_escape, cells))} |")
    return "\n".join(lines)


def _sample(data, size):
    """Sources and references of a sample, or None for these; the shortest first."""
    rows = list(itertools.islice(_rows(data), _MOST_TEXTS_READ))
    if not rows:
        raise ValueError(f"{_WANTED} Received: no text.")
    if len(rows) > size:
        chosen = np.random.default_rng(_SEED).choice(len(rows), size, replace=False)
        rows = [rows[i] for i in np.sort(chosen)]
    # Texts that are generated together take as long as the longest of them.
    rows.sort(key=lambda row: len(row[0]))
    sources, *references = map(list, zip(*rows))
    return sources, (references[0] if references else None)


def _rows(data):
    """Each source and its reference, or a tuple of the source alone."""
    if isinstance(data, tf.data.Dataset):
        batches = data
    elif isinstance(data, (list, tuple)):
        batches = [data]
    else:
        raise ValueError(f"{_WANTED} Received: {type(data).__name__}.")
    for batch in batches:
        columns = batch[:2] if isinstance(batch, tuple) else (batch,)
        columns = [_texts(column) for column in columns]
        if len({len(column) for column in columns}) != 1:
            counts = " and ".join(str(len(column)) for column in columns)
            raise ValueError(f"{_WANTED} Received: {counts} texts.")
        if not all(isinstance(source, str) for source in columns[0]):
            raise ValueError(f"{_WANTED} Received: {columns[0][0]!r} as a source.")
        yield from zip(*columns)


def _texts(column):
    """A column of a batch as a list of str, or of lists of str."""
    if isinstance(column, tf.RaggedTensor):
        column = column.to_list()
    elif hasattr(column, "numpy"):
        column = column.numpy()
    if not (isinstance(column, (list, tuple)) or getattr(column, "ndim", 0)):
        raise ValueError(f"{_WANTED} Received: {column!r} instead of several texts.")
    return [
        [*map(_as_str, text)] if isinstance(text, (list, np.ndarray)) else _as_str(text)
        for text in column
    ]


def _is_text(text):
    return isinstance(text, (str, bytes))


def _as_str(text):
    if not _is_text(text):
        raise ValueError(f"{_WANTED} Received: {text!r} instead of a text.")
    return text if isinstance(text, str) else text.decode("utf-8", "replace")


def _first(reference):
    if isinstance(reference, str):
        return reference
    return reference[0] if reference else ""


def _excerpt(text):
    return text if len(text) <= _TEXT_LENGTH else text[: _TEXT_LENGTH - 1] + "…"
