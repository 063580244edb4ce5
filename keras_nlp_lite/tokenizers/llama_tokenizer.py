"""SentencePiece with the special tokens of Llama, and of Mistral."""

import keras

from keras_nlp_lite.tokenizers.sentence_piece_tokenizer import SentencePieceTokenizer
from keras_nlp_lite.tokenizers.special_tokens import SpecialTokens


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class LlamaTokenizer(SpecialTokens, SentencePieceTokenizer):
    """`SentencePieceTokenizer` with "<s>", which begins a text, and "</s>".

    It is that of Llama 1 and 2; `Llama3Tokenizer` is for those after. Short rows are
    filled up with id 0.

    Args:
        proto, **kwargs: As in `SentencePieceTokenizer`; the model must have both
            special tokens.

    Raises:
        ValueError: a special token is no piece of the model.

    Example:

    >>> from keras_nlp_lite.tokenizers import compute_sentence_piece_proto
    >>> proto = compute_sentence_piece_proto(["low lower lowest"] * 9, 15)
    >>> tokenizer = LlamaTokenizer(proto)
    >>> tokenizer.start_token_id, tokenizer.end_token_id
    (2, 3)
    >>> ids = [2, *tokenizer("low lower").numpy(), 3]
    >>> tokenizer.detokenize(ids, skip_special_tokens=True).numpy()
    b'low lower'
    """

    start_token = "<s>"
    end_token = "</s>"
    unk_token = "<unk>"
    adds_end = False

    def __init__(self, proto=None, **kwargs):
        kwargs["special_tokens"] = kwargs.get("special_tokens") or (
            self.special_token_names
        )
        super().__init__(proto, **kwargs)

    @property
    def required_token_names(self):
        return [self.start_token, self.end_token]

    def set_proto(self, proto):
        super().set_proto(proto)
        if proto is None:
            return
        try:
            self.check_special_tokens()
        except ValueError:
            self._model = None
            raise

    def continues_word(self):
        special = set(self.special_token_names)
        return [
            not token.startswith("▁") and token not in special
            for token in self.get_vocabulary()
        ]


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class MistralTokenizer(LlamaTokenizer):
    """`LlamaTokenizer`, for the Mistral models that have a SentencePiece model.

    Args:
        proto, **kwargs: As in `LlamaTokenizer`.
    """
