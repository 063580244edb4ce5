"""Byte pairs with the special tokens of RoBERTa, and of ModernBERT."""

import keras

from keras_nlp_lite.tokenizers.composed_text import ComposedText
from keras_nlp_lite.tokenizers.special_byte_pairs import SpecialBytePairs


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class RobertaTokenizer(SpecialBytePairs):
    """`BytePairTokenizer` with "<s>", "</s>", "<pad>" and "<mask>".

    Between two texts in a row stand two "</s>".

    Args:
        vocabulary, merges, **kwargs: As in `BytePairTokenizer`; the vocabulary must
            hold the special tokens.

    Raises:
        ValueError: a special token is not in the vocabulary.

    Example:

    >>> special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4}
    >>> tokenizer = RobertaTokenizer({**special, "l": 5, "o": 6, "lo": 7}, ["l o"])
    >>> print(tokenizer("lol").numpy(), tokenizer.mask_token_id)
    [7 5] 4
    """

    start_token = "<s>"
    end_token = "</s>"
    pad_token = "<pad>"
    mask_token = "<mask>"
    num_separators = 2


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class ModernBertTokenizer(ComposedText, SpecialBytePairs):
    """`BytePairTokenizer` with "[CLS]", "[SEP]", "[PAD]" and "[MASK]", after NFC.

    Args:
        vocabulary, merges, **kwargs: As in `RobertaTokenizer`.
    """

    start_token = "[CLS]"
    end_token = "[SEP]"
    pad_token = "[PAD]"
    mask_token = "[MASK]"
    unk_token = "[UNK]"
