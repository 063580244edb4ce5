"""What byte-pair encoders are made of: a vocabulary, and which tokens stay whole."""

import numpy as np

from keras_nlp_lite.tokenizers.byte_pair_alphabet import ALPHABET, unspell


class BytePairModel:
    """Tokens by number, which is their place in the vocabulary.

    Args:
        vocabulary: A `BytePairVocabulary` of V tokens.
        whole: list of str, tokens that stay whole where they stand in a text.
        takes_space: Those of them that take the white space before them along.
        words: Tokens that a word that they spell becomes without any merge.

    Raises:
        ValueError: a token that stays whole is the spelling of other bytes, as "é" is
            that of the byte 0xE9.

    Attributes:
        tokens: list of str [V], in the order of their ids.
        texts: list of bytes [V], what each stands for.
        ids: list of int [V], rising.
        merges: list of pairs of str.
        whole, takes_space, words: list of int, numbers of the tokens.
    """

    def __init__(self, vocabulary, whole=(), takes_space=(), words=()):
        self.tokens = vocabulary.tokens
        self.ids = vocabulary.ids
        self.merges = vocabulary.merges
        self._numbers = {token: i for i, token in enumerate(self.tokens)}
        self.whole = [self._numbers[token] for token in whole]
        self.takes_space = [self._numbers[token] for token in takes_space]
        self.words = [self._numbers[token] for token in words]
        literal = set(whole)
        spelled = {*ALPHABET, *(a + b for a, b in self.merges)} & literal
        for token in spelled:
            if unspell(token) != as_bytes(token):
                raise ValueError(
                    "A token that stays whole cannot also be the spelling of other "
                    f"bytes. Received: {token!r}, which stands for {unspell(token)!r}."
                )
        self.texts = [
            as_bytes(token) if token in literal else unspell(token)
            for token in self.tokens
        ]

    def as_numbers(self):
        """(int32 [256], each byte's number, and int32 [R, 3], each merge's left, right
        and what they make). A byte b that the vocabulary lacks is V + b."""
        numbers, V = self._numbers, len(self.tokens)
        of_byte = [numbers.get(c, V + byte) for byte, c in enumerate(ALPHABET)]
        merges = [(numbers[a], numbers[b], numbers[a + b]) for a, b in self.merges]
        return np.array(of_byte, "int32"), np.array(merges, "int32").reshape(-1, 3)


def as_bytes(token):
    """A token in UTF-8, lone surrogates included."""
    return token.encode("utf-8", "surrogatepass")
