"""What a byte-pair tokenizer knows: tokens, their ids, and which pairs merge."""

import json
import os

import tensorflow as tf

_VERSION = "#version:"  # begins the first line of a file of merges


class BytePairVocabulary:
    """Tokens and their ids, in both directions, and the merges that make them.

    A plain object, as `Vocabulary` is: Keras would wrap and watch each entry of a dict.

    Args:
        vocabulary: A dict from token to id, or the path of a JSON file of one.
        merges: A list of strings, two tokens with a space between, the first to be
            merged first; or the path of a text file with one a line.

    Raises:
        ValueError: neither; an id that is no integer from 0, or comes twice; a merge
            that is no pair, or whose tokens `vocabulary` lacks.
    """

    def __init__(self, vocabulary, merges):
        self._ids = _as_ids(vocabulary)
        self._tokens = {id: token for token, id in self._ids.items()}
        if len(self._tokens) < len(self._ids):
            twice = [t for t, id in self._ids.items() if self._tokens[id] != t]
            raise ValueError(
                "`vocabulary` must give each id to one token. Received: tokens whose "
                f"id another has, too: {', '.join(map(repr, twice[:5]))}."
            )
        self.merges = [self._as_pair(merge) for merge in _as_lines(merges)]

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

    def write(self, vocabulary_path, merges_path):
        """Writes both files, as they can be read again."""
        with open(vocabulary_path, "w", encoding="utf-8") as file:
            json.dump(self._ids, file)
        with open(merges_path, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{a} {b}\n" for a, b in self.merges)

    def _as_pair(self, merge):
        """The two tokens of a merge."""
        pair = merge.split(" ") if isinstance(merge, str) else []
        if len(pair) != 2:
            raise ValueError(
                f"A merge must be two tokens with a space between. Received: {merge!r}."
            )
        for token in (*pair, "".join(pair)):
            if token not in self._ids:
                raise ValueError(
                    "The tokens of a merge, and what they make, must be in the "
                    f"vocabulary. Received: {merge!r}, without {token!r} in it."
                )
        return tuple(pair)


def _as_ids(vocabulary):
    """A dict from token to id, in the order of the ids, from a dict or a file."""
    if isinstance(vocabulary, (str, os.PathLike)):
        text = _read("vocabulary", vocabulary)
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


def _as_lines(merges):
    """A list of merges, from a list or a file, without the line of the version."""
    if isinstance(merges, (str, os.PathLike)):
        # `str.splitlines` would also cut at characters that tokens may have.
        text = _read("merges", merges).replace("\r\n", "\n")
        merges = text.removesuffix("\n").split("\n") if text else []
    if not isinstance(merges, (list, tuple)):
        raise ValueError(
            "`merges` must be a list of strings, or a text file of them. Received: "
            f"{type(merges).__name__} {str(merges)[:80]}."
        )
    return [m for m in merges if not (isinstance(m, str) and m.startswith(_VERSION))]


def _read(name, path):
    """The text of a file on any file system that `tf.io.gfile` knows."""
    path = os.fspath(path)
    if not tf.io.gfile.exists(path):
        raise ValueError(
            f"`{name}` must be given itself, or as a file. Received: {path!r}, which "
            "does not exist."
        )
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read().decode("utf-8")
