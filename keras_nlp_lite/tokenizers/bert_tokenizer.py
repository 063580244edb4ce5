"""BERT's word pieces and special tokens."""

import keras

from keras_nlp_lite.tokenizers.special_tokens import SpecialTokens
from keras_nlp_lite.tokenizers.word_piece_tokenizer import WordPieceTokenizer


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class BertTokenizer(SpecialTokens, WordPieceTokenizer):
    """`WordPieceTokenizer` with "[CLS]", "[SEP]", "[PAD]" and "[MASK]".

    Args:
        vocabulary: As in `WordPieceTokenizer`; must hold the special tokens.
        lowercase: Whether to lowercase, as uncased checkpoints want it.
        **kwargs: The rest of `WordPieceTokenizer`.

    Raises:
        ValueError: a special token is not in the vocabulary.

    Example:

    >>> special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> tokenizer = BertTokenizer([*special, "the", "fox"], lowercase=True)
    >>> print(tokenizer("The fox").numpy(), tokenizer.mask_token_id)
    [5 6] 4
    """

    start_token = "[CLS]"
    end_token = "[SEP]"
    pad_token = "[PAD]"
    mask_token = "[MASK]"
    unk_token = "[UNK]"
    has_segments = True

    def __init__(self, vocabulary=None, lowercase=False, **kwargs):
        kwargs["special_tokens"] = kwargs.get("special_tokens") or (
            self.special_token_names
        )
        super().__init__(vocabulary, lowercase=lowercase, **kwargs)

    def set_vocabulary(self, vocabulary):
        super().set_vocabulary(vocabulary)
        if self._vocabulary is None:
            return
        try:
            self.check_special_tokens()
        except ValueError:
            self._vocabulary = self._model = None
            raise

    def continues_word(self):
        return [
            token.startswith(self.suffix_indicator) for token in self.get_vocabulary()
        ]


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class DistilBertTokenizer(BertTokenizer):
    """`BertTokenizer` for DistilBERT, which has no segments.

    Args:
        vocabulary, lowercase, **kwargs: As in `BertTokenizer`.
    """

    has_segments = False
