"""Byte pairs with the special tokens of Qwen 2 and those after it."""

import keras

from keras_nlp_lite.tokenizers.composed_text import ComposedText
from keras_nlp_lite.tokenizers.special_byte_pairs import SpecialBytePairs


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class QwenTokenizer(ComposedText, SpecialBytePairs):
    """`BytePairTokenizer` with "<|endoftext|>", which ends a text, after NFC.

    No token begins a text. Short rows are filled up with id 0, which also is a token of
    the text.

    Args:
        vocabulary, merges: As in `BytePairTokenizer`; the vocabulary must hold the
            special token.
        eos_token: Ends a text; models that were taught to chat say "<|im_end|>".
        **kwargs: The rest of `BytePairTokenizer`, with split_pattern="qwen2".

    Raises:
        ValueError: the special token is not in the vocabulary.

    Example:

    >>> vocabulary = {"l": 0, "o": 1, "lo": 2, "<|endoftext|>": 3}
    >>> tokenizer = QwenTokenizer(vocabulary, ["l o"])
    >>> print(
    ...     tokenizer("lol").numpy(), tokenizer.start_token_id, tokenizer.end_token_id
    ... )
    [2 0] None 3
    """

    adds_start = adds_end = False

    def __init__(
        self, vocabulary=None, merges=None, *, eos_token="<|endoftext|>", **kwargs
    ):
        self.end_token = eos_token
        super().__init__(vocabulary, merges, **{"split_pattern": "qwen2", **kwargs})

    def get_config(self):
        return {**super().get_config(), "eos_token": self.end_token}
