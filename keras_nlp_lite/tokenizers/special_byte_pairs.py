"""Byte pairs for a family of models, whose special tokens must be there."""

from keras_nlp_lite.tokenizers.byte_pair_tokenizer import BytePairTokenizer
from keras_nlp_lite.tokenizers.special_tokens import SpecialTokens


class SpecialBytePairs(SpecialTokens, BytePairTokenizer):
    """`BytePairTokenizer` whose mask, in a text, takes the space before it.

    A subclass names the special tokens.

    Args:
        vocabulary, merges, **kwargs: As in `BytePairTokenizer`.

    Raises:
        ValueError: a special token is not in the vocabulary.
    """

    def __init__(self, vocabulary=None, merges=None, **kwargs):
        kwargs["special_tokens"] = kwargs.get("special_tokens") or (
            self.special_token_names
        )
        super().__init__(vocabulary, merges, **kwargs)

    def set_vocabulary_and_merges(self, vocabulary, merges):
        super().set_vocabulary_and_merges(vocabulary, merges)
        if vocabulary is None:
            return
        try:
            self.check_special_tokens()
        except ValueError:
            self._vocabulary = None
            raise

    @property
    def taking_space(self):
        return () if self.mask_token is None else (self.mask_token,)

    def continues_word(self):
        special = set(self.special_token_names)
        return [
            not token.startswith("Ġ") and token not in special
            for token in self.get_vocabulary()
        ]
