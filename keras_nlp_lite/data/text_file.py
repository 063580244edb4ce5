"""One file that holds many examples: its lines once, then any slice at any time."""

import gzip
import io
import os
import zlib

import numpy as np

from keras_nlp_lite.data.decoding import (
    BYTE_ORDER_MARK,
    check_encoding,
    is_utf8,
    to_utf8,
    undecodable,
)
from keras_nlp_lite.data.paths import check_path

# Bytes of text that one dataset keeps in memory, so that looking at a small corpus
# again costs no file access. Four times the text of 50,000 film reviews.
KEEP_IN_MEMORY = 256 * 2**20


class TextFile:
    """The UTF-8 text of a file, by line or by slice.

    A file of up to `KEEP_IN_MEMORY` bytes is read once and kept; so is one that is
    compressed (`.gz`) or in an encoding other than UTF-8, whatever its size, since its
    slices cannot be found on disk. Larger files stay on disk; they are opened for each
    `slices` and not held open between.

    Positions are bytes of UTF-8 text, counted from 0.

    Args:
        path: The file; the suffix `.gz` means gzip.
        encoding: Its encoding.

    Attributes:
        path: str.
        start: Where the text begins: 3 if the file opens with a byte order mark.

    Raises:
        ValueError: No such file, a damaged `.gz`, an unknown encoding, or (for others
            than UTF-8) bytes that are no text in it.
    """

    def __init__(self, path, encoding="utf-8"):
        self._encoding = check_encoding(encoding)
        self.path = check_path(path, "file")
        self._data = None
        compressed = self.path.lower().endswith(".gz")
        keep = compressed or not is_utf8(self._encoding)
        if keep or os.path.getsize(self.path) <= KEEP_IN_MEMORY:
            self._data = self._whole(compressed)
        with self._open() as stream:
            self._version = self._stamp(stream)
            start = stream.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK
        self.start = len(BYTE_ORDER_MARK) if start else 0

    def _whole(self, compressed):
        try:
            with (gzip.open if compressed else open)(self.path, "rb") as stream:
                data = stream.read()
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(
                f"{self.path!r} must be a whole gzip file, as its suffix says. "
                f"Received: {error}. Try to fetch or compress it again."
            ) from None
        if not is_utf8(self._encoding):
            data = to_utf8(data, self._encoding, self.path)
            self._encoding = "utf-8"
        return data

    def _open(self):
        if self._data is not None:
            return io.BytesIO(self._data)
        return open(self.path, "rb")

    def _stamp(self, stream):
        if self._data is not None:
            return None
        stat = os.fstat(stream.fileno())
        return stat.st_size, stat.st_mtime_ns

    def lines(self):
        r"""Walks the file once, line by line; lines end with "\n".

        Yields:
            (end, text): where the line ends, and the decoded line with its line end.
            It begins where the line before it ended; the first one at `start`.

        Raises:
            ValueError: Undecodable bytes; the sentence names file, line, column, byte.
        """
        end = self.start
        with self._open() as stream:
            stream.seek(end)
            for number, raw in enumerate(stream, 1):
                try:
                    text = raw.decode(self._encoding)
                except UnicodeDecodeError as error:
                    raise undecodable(
                        raw, error, self.path, self._encoding, line=number, offset=end
                    ) from None
                end += len(raw)
                yield end, text

    def slices(self, starts, ends):
        """Some stretches of the file. Safe to call from several threads.

        Args:
            starts: int [B], in bytes.
            ends: int [B], in bytes.

        Returns:
            list of B `bytes`.

        Raises:
            ValueError: The file on disk changed after it was first read.
        """
        spans = zip(np.asarray(starts).tolist(), np.asarray(ends).tolist())
        if self._data is not None:
            return [self._data[start:end] for start, end in spans]
        with self._open() as stream:
            if self._stamp(stream) != self._version:
                raise ValueError(
                    f"{self.path!r} must stay as it was when its dataset was made. "
                    "Received: another size or time of change. Try to read it again."
                )
            return [stream.read(end - stream.seek(start)) for start, end in spans]
