"""Byte pairs with the special tokens of BART."""

import keras

from keras_nlp_lite.tokenizers.special_byte_pairs import SpecialBytePairs


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class BartTokenizer(SpecialBytePairs):
    """`BytePairTokenizer` with "<s>", "</s>", "<pad>" and, if it is there, "<mask>".

    Args:
        vocabulary, merges, **kwargs: As in `BytePairTokenizer`; the vocabulary must
            hold the first three.

    Raises:
        ValueError: one of them is not in the vocabulary.

    Example:

    >>> special = {"<s>": 0, "<pad>": 1, "</s>": 2}
    >>> tokenizer = BartTokenizer({**special, "l": 3, "o": 4, "lo": 5}, ["l o"])
    >>> print(tokenizer("lol").numpy(), tokenizer.pad_token_id)
    [5 3] 1
    """

    start_token = "<s>"
    end_token = "</s>"
    pad_token = "<pad>"
    mask_token = "<mask>"
    num_separators = 2

    @property
    def required_token_names(self):
        return [self.start_token, self.end_token, self.pad_token]
