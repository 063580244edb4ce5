"""An even sample of a stream whose length nobody knows, in bounded memory."""

import contextlib
import sys
import warnings

import numpy as np
from rich.console import Console
from rich.progress import Progress, TextColumn

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.tokenizers.corpus_texts import read_texts

MAX_BYTES = 256 * 2**20

# Of a full sample, the share that stays when it is thinned: the smaller, the rarer
# that is, and the less of `max_bytes` is used in the end.
_KEEP = 0.8


def sample_texts(data, max_bytes=MAX_BYTES):
    """Reads a corpus once, and keeps all of it or as much as `max_bytes` hold.

    Each text draws a number, and those below a bound are kept. Whenever there are too
    many, the bound is lowered: at any time each text that was read so far has had the
    same chance. The draws are the same every time.

    Args:
        data: As for `read_texts`.
        max_bytes: How much text to keep, in bytes. In memory a text takes some 75 bytes
            more.

    Returns:
        list of bytes, in the order of the corpus.

    Raises:
        ValueError: `data` is no corpus, or holds no text.

    Example:

    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     len(sample_texts((f"text {i}" for i in range(1000)), max_bytes=1000))
    104
    """
    check_positive_int("max_bytes", max_bytes)
    sample = _Sample(max_bytes)
    with _reading() as show:
        for texts in read_texts(data):
            sample.add(texts)
            show(sample.bytes_read)
    if not sample.texts:
        raise ValueError(
            f"`data` must hold text. Received: {sample.texts_read:,} strings of "
            f"{sample.bytes_read:,} bytes, none of which is both text and within "
            f"max_bytes={max_bytes:,}."
        )
    if len(sample.texts) < sample.texts_read:
        warnings.warn(
            f"Training on an even sample: {sample.bytes_kept / 2**20:,.1f} MiB of the "
            f"{sample.bytes_read / 2**20:,.1f} MiB that were read. Pass a larger "
            f"`max_bytes` than {max_bytes:,} to train on more.",
            stacklevel=3,
        )
    return sample.texts


class _Sample:
    def __init__(self, max_bytes):
        self.max_bytes = max_bytes
        self.texts = []
        self.texts_read = self.bytes_read = self.bytes_kept = 0
        self._draws = []
        self._bound = 1.0
        self._random = np.random.default_rng(0)

    def add(self, texts):
        texts = [text for text in texts if text]
        self.texts_read += len(texts)
        for text, draw in zip(texts, self._random.random(len(texts)).tolist()):
            self.bytes_read += len(text)
            if draw < self._bound:
                self.texts.append(text)
                self._draws.append(draw)
                self.bytes_kept += len(text)
                if self.bytes_kept > self.max_bytes:
                    self._thin()

    def _thin(self):
        """Lowers the bound until what is below it fits with room to spare."""
        draws = np.array(self._draws)
        order = draws.argsort()
        sizes = np.cumsum([len(self.texts[i]) for i in order])
        fitting = np.searchsorted(sizes, _KEEP * self.max_bytes, side="right")
        self._bound = draws[order[fitting]]  # of the first that does not fit
        kept = [i for i in range(len(draws)) if draws[i] < self._bound]
        self.texts = [self.texts[i] for i in kept]
        self._draws = [self._draws[i] for i in kept]
        self.bytes_kept = sum(map(len, self.texts))


@contextlib.contextmanager
def _reading():
    """A line on a terminal that says how far reading has come; elsewhere nothing."""
    line = TextColumn("Reading text, {task.completed:,.0f} MiB")
    console = Console(file=sys.stderr)
    with Progress(
        line, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda size: progress.update(task, completed=size / 2**20)
