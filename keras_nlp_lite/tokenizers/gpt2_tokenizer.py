"""Byte pairs with the special token of GPT-2."""

import keras

from keras_nlp_lite.tokenizers.special_byte_pairs import SpecialBytePairs


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class GPT2Tokenizer(SpecialBytePairs):
    """`BytePairTokenizer` with "<|endoftext|>", which begins and ends a text.

    Short rows are filled up with id 0, which also is a token of the text: a mask has to
    tell the one from the other.

    Args:
        vocabulary, merges, **kwargs: As in `BytePairTokenizer`; the vocabulary must
            hold the special token.

    Raises:
        ValueError: the special token is not in the vocabulary.

    Example:

    >>> vocabulary = {"l": 0, "o": 1, "lo": 2, "<|endoftext|>": 3}
    >>> tokenizer = GPT2Tokenizer(vocabulary, ["l o"])
    >>> print(tokenizer("lol").numpy(), tokenizer.end_token_id)
    [2 0] 3
    >>> tokenizer.detokenize([3, 2, 0, 3], skip_special_tokens=True).numpy()
    b'lol'
    """

    start_token = end_token = "<|endoftext|>"
    adds_start = adds_end = False
