"""Byte pairs with the special tokens of Llama 3."""

import keras

from keras_nlp_lite.tokenizers.special_byte_pairs import SpecialBytePairs

_HEADER = frozenset({"<|start_header_id|>", "<|end_header_id|>"})


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Llama3Tokenizer(SpecialBytePairs):
    """`BytePairTokenizer` with "<|begin_of_text|>" and "<|end_of_text|>".

    Words are cut, and looked up before they are merged, as in Llama 3. Short rows are
    filled up with id 0, which also is a token of the text.

    Args:
        vocabulary, merges: As in `BytePairTokenizer`; the vocabulary must hold the
            special tokens.
        bos_token: Begins a text.
        eos_token: Ends one. By default "<|eot_id|>" ends one, too, as `end_token2`:
            models that were taught to chat say that.
        misc_special_tokens: The other special tokens, a set of str.
        **kwargs: The rest of `BytePairTokenizer`, with split_pattern="llama3" and
            ignore_merges=True.

    Raises:
        ValueError: a special token is not in the vocabulary.

    Example:

    >>> names = ["begin_of_text", "end_of_text", "eot_id"]
    >>> names += ["start_header_id", "end_header_id"]
    >>> special = {f"<|{name}|>": 3 + i for i, name in enumerate(names)}
    >>> tokenizer = Llama3Tokenizer({"l": 0, "o": 1, "lo": 2, **special}, ["l o"])
    >>> print(tokenizer("lol").numpy(), tokenizer.start_token_id)
    [2 0] 3
    >>> tokenizer.end_token_id, tokenizer.end_token2_id
    (4, 5)
    """

    adds_end = False

    def __init__(
        self,
        vocabulary=None,
        merges=None,
        bos_token="<|begin_of_text|>",
        eos_token="<|end_of_text|>",
        misc_special_tokens=_HEADER,
        **kwargs,
    ):
        self.start_token = bos_token
        self.end_token = eos_token
        self.end_token2 = "<|eot_id|>" if eos_token == "<|end_of_text|>" else None
        self.misc_special_tokens = sorted(
            {*misc_special_tokens} - {bos_token, eos_token}
        )
        kwargs = {"split_pattern": "llama3", "ignore_merges": True, **kwargs}
        super().__init__(vocabulary, merges, **kwargs)

    @property
    def special_token_names(self):
        second = [] if self.end_token2 is None else [self.end_token2]
        names = [*super().special_token_names, *second, *self.misc_special_tokens]
        return list(dict.fromkeys(names))

    @property
    def end_token2_id(self):
        """int: what else a text ends with; None where nothing does."""
        return None if self.end_token2 is None else self.token_to_id(self.end_token2)

    def get_config(self):
        return {
            **super().get_config(),
            "bos_token": self.start_token,
            "eos_token": self.end_token,
            "misc_special_tokens": list(self.misc_special_tokens),
        }
