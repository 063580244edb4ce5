"""Tokens and their ids, which may have gaps: read from a dict or a JSON file."""

import json
import os

import tensorflow as tf


class TokenIds:
    """Tokens and their ids, in both directions.

    A plain object, as `Vocabulary` is: Keras would wrap and watch each entry of a dict.

    Args:
        vocabulary: A dict from token to id, or the path of a JSON file of one.

    Raises:
        ValueError: neither; an id that is no integer from 0, or comes twice.
    """

    def __init__(self, vocabulary):
        self._ids = _as_ids(vocabulary)
        self._tokens = {id: token for token, id in self._ids.items()}
        if len(self._tokens) < len(self._ids):
            twice = [t for t, id in self._ids.items() if self._tokens[id] != t]
            raise ValueError(
                "`vocabulary` must give each id to one token. Received: tokens whose "
                f"id another has, too: {', '.join(map(repr, twice[:5]))}."
            )

    def __len__(self):
        return len(self._ids)

    def __contains__(self, token):
        return token in self._ids

    @property
    def ids(self):
        """list of int: every id, rising."""
        return list(self._tokens)

    @property
    def tokens(self):
        """list of str: every token, in the order of the ids."""
        return list(self._ids)

    def token(self, id):
        """The token that has an id; a ValueError where none has."""
        if id not in self._tokens:
            raise ValueError(
                "`id` must be in the vocabulary, whose ids lie in "
                f"[{min(self._tokens)}, {max(self._tokens)}]. Received: id={id}."
            )
        return self._tokens[id]

    def id(self, token):
        """The id that a token has; a ValueError where it has none."""
        if token not in self._ids:
            raise ValueError(
                f"`token` must be in the vocabulary. Received: token={token!r}."
            )
        return self._ids[token]

    def write_ids(self, path):
        """Writes the JSON file, as it can be read again."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self._ids, file)


def read_text(name, path):
    """The text of a file on any file system that `tf.io.gfile` knows.

    Args:
        name: The argument's name, as its caller writes it.
        path: str or path-like.

    Raises:
        ValueError: it does not exist.
    """
    path = os.fspath(path)
    if not tf.io.gfile.exists(path):
        raise ValueError(
            f"`{name}` must be given itself, or as a file. Received: {path!r}, which "
            "does not exist."
        )
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read().decode("utf-8")


def _as_ids(vocabulary):
    """A dict from token to id, in the order of the ids, from a dict or a file."""
    if isinstance(vocabulary, (str, os.PathLike)):
        text = read_text("vocabulary", vocabulary)
        try:
            vocabulary = json.loads(text)
        except ValueError as error:
            raise ValueError(
                f"`vocabulary` must be a JSON file. Received: a file with {error}."
            ) from error
    if not isinstance(vocabulary, dict) or not vocabulary:
        raise ValueError(
            "`vocabulary` must be a dict from tokens to ids, or a JSON file of one. "
            f"Received: {type(vocabulary).__name__} {str(vocabulary)[:80]}."
        )
    for token, id in vocabulary.items():
        if not isinstance(token, str) or type(id) is not int or id < 0:
            raise ValueError(
                "`vocabulary` must give strings integers of at least 0. Received: "
                f"{token!r}: {id!r}."
            )
    return dict(sorted(vocabulary.items(), key=lambda item: item[1]))
