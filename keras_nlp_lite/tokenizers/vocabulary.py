"""A vocabulary: which token has which id, and the text file that says so."""

import collections
import os

import numpy as np
import tensorflow as tf


class Vocabulary:
    """Tokens and their ids, in both directions.

    A plain object, and not a list or dict on the layer: Keras and TensorFlow would wrap
    and watch each of its tens of thousands of entries.

    Args:
        tokens: Tokens in the order of their ids, from 0, each once: a list or array of
            strings, or the path of a text file with one a line.

    Raises:
        ValueError: no list and no path; a token comes twice.
    """

    def __init__(self, tokens):
        self.tokens = as_tokens(tokens)
        self._ids = {token: id for id, token in enumerate(self.tokens)}
        if len(self._ids) < len(self.tokens):
            counts = collections.Counter(self.tokens)
            twice = [token for token, count in counts.items() if count > 1]
            raise ValueError(
                "`vocabulary` must hold each token once. Received more than once: "
                f"{', '.join(map(repr, twice[:5]))}{', ...' if twice[5:] else ''}."
            )

    def __len__(self):
        return len(self.tokens)

    def __contains__(self, token):
        return token in self._ids

    def token(self, id):
        """The token that has an id; a ValueError where none has."""
        if not 0 <= id < len(self):
            raise ValueError(
                f"`id` must be in the range [0, {len(self) - 1}]. Received: id={id}."
            )
        return self.tokens[id]

    def id(self, token):
        """The id that a token has; a ValueError where it has none."""
        if token not in self._ids:
            raise ValueError(
                f"`token` must be in the vocabulary. Received: token={token!r}."
            )
        return self._ids[token]

    def write(self, path):
        """Writes the tokens, one a line."""
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{token}\n" for token in self.tokens)


def as_tokens(tokens):
    """A vocabulary as a list of str, from a list, an array, a tensor or a file.

    Args:
        tokens: Strings or UTF-8 bytes, or the path of a text file with one token a
            line; the path may be of any file system that `tf.io.gfile` knows.

    Returns:
        list of str. Bytes that are no UTF-8 become surrogates, as in `os.fsdecode`.

    Raises:
        ValueError: neither strings nor a path, or no such file.
    """
    if isinstance(tokens, dict):
        raise ValueError(
            "`vocabulary` must be a list of tokens in the order of their ids. Received: "
            "a dict. Try sorted(vocabulary, key=vocabulary.get)."
        )
    if isinstance(tokens, (str, os.PathLike)):
        path = os.fspath(tokens)
        if not tf.io.gfile.exists(path):
            raise ValueError(
                f"`vocabulary` must be a list of tokens or a file. Received: {path!r}, "
                "which does not exist."
            )
        with tf.io.gfile.GFile(path, "rb") as file:
            # Lines end where a text editor ends them. `str.splitlines` also cuts at
            # U+0085 and U+2028, which are characters of real tokens.
            tokens = file.read().replace(b"\r\n", b"\n").split(b"\n")
        if tokens[-1] == b"":
            tokens.pop()
    elif tf.is_tensor(tokens) or isinstance(tokens, np.ndarray):
        tokens = np.asarray(tokens).tolist()
    else:
        tokens = list(tokens)
    if not all(isinstance(token, (str, bytes)) for token in tokens):
        wrong = next(t for t in tokens if not isinstance(t, (str, bytes)))
        raise ValueError(
            "`vocabulary` must hold strings and nothing else. Received: "
            f"{wrong!r} of type {type(wrong).__name__}."
        )
    return [
        str(t) if isinstance(t, str) else t.decode("utf-8", "surrogateescape")
        for t in tokens
    ]
