"""Byte pairs with the special tokens of RoBERTa, and of ModernBERT."""

import keras

from keras_nlp_lite.tokenizers.byte_pair_tokenizer import BytePairTokenizer
from keras_nlp_lite.tokenizers.special_tokens import SpecialTokens
from keras_nlp_lite.tokenizers.strings import as_strings, on_cpu
from keras_nlp_lite.tokenizers.text_rows import flat_strings


class _EncoderBytePairs(SpecialTokens, BytePairTokenizer):
    """`BytePairTokenizer` whose mask, in a text, takes the space before it."""

    def __init__(self, vocabulary=None, merges=None, **kwargs):
        kwargs["special_tokens"] = kwargs.get("special_tokens") or (
            self.special_token_names
        )
        super().__init__(vocabulary, merges, **kwargs)

    def set_vocabulary_and_merges(self, vocabulary, merges):
        super().set_vocabulary_and_merges(vocabulary, merges)
        if vocabulary is None:
            return
        known = set(self.get_vocabulary())
        missing = [x for x in self.special_token_names if x not in known]
        if missing:
            self._vocabulary = None
            raise ValueError(
                f"`vocabulary` must hold {', '.join(self.special_token_names)}. "
                f"Received: one without {', '.join(missing)}."
            )

    @property
    def taking_space(self):
        return (self.mask_token,)

    def continues_word(self):
        special = set(self.special_token_names)
        return [
            not token.startswith("Ġ") and token not in special
            for token in self.get_vocabulary()
        ]


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class RobertaTokenizer(_EncoderBytePairs):
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
class ModernBertTokenizer(_EncoderBytePairs):
    """`BytePairTokenizer` with "[CLS]", "[SEP]", "[PAD]" and "[MASK]", after NFC.

    Args:
        vocabulary, merges, **kwargs: As in `RobertaTokenizer`.
    """

    start_token = "[CLS]"
    end_token = "[SEP]"
    pad_token = "[PAD]"
    mask_token = "[MASK]"
    unk_token = "[UNK]"

    def tokenize(self, inputs):
        import tensorflow_text  # here, since it takes a second to import

        with on_cpu():
            text = as_strings(inputs)
            return super().tokenize(tensorflow_text.normalize_utf8(text, "NFC"))

    def _places(self, text):
        import tensorflow_text

        text, origins = tensorflow_text.normalize_utf8_with_offsets_map(
            flat_strings(text), "NFC"
        )
        tokens, *places, words = super()._places(text)
        places = (tensorflow_text.find_source_offsets(origins, x) for x in places)
        return tokens, *places, words
