"""What a byte-pair tokenizer knows: tokens, their ids, and which pairs merge."""

import os

from keras_nlp_lite.tokenizers.token_ids import TokenIds, read_text

_VERSION = "#version:"  # begins the first line of a file of merges


class BytePairVocabulary(TokenIds):
    """Tokens and their ids, in both directions, and the merges that make them.

    Args:
        vocabulary: A dict from token to id, or the path of a JSON file of one.
        merges: A list of strings, two tokens with a space between, the first to be
            merged first; or the path of a text file with one a line.

    Raises:
        ValueError: neither; an id that is no integer from 0, or comes twice; a merge
            that is no pair, or whose tokens `vocabulary` lacks.
    """

    def __init__(self, vocabulary, merges):
        super().__init__(vocabulary)
        self.merges = [self._as_pair(merge) for merge in _as_lines(merges)]

    def write(self, vocabulary_path, merges_path):
        """Writes both files, as they can be read again."""
        self.write_ids(vocabulary_path)
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
            if token not in self:
                raise ValueError(
                    "The tokens of a merge, and what they make, must be in the "
                    f"vocabulary. Received: {merge!r}, without {token!r} in it."
                )
        return tuple(pair)


def _as_lines(merges):
    """A list of merges, from a list or a file, without the line of the version."""
    if isinstance(merges, (str, os.PathLike)):
        # `str.splitlines` would also cut at characters that tokens may have.
        text = read_text("merges", merges).replace("\r\n", "\n")
        merges = text.removesuffix("\n").split("\n") if text else []
    if not isinstance(merges, (list, tuple)):
        raise ValueError(
            "`merges` must be a list of strings, or a text file of them. Received: "
            f"{type(merges).__name__} {str(merges)[:80]}."
        )
    return [m for m in merges if not (isinstance(m, str) and m.startswith(_VERSION))]
