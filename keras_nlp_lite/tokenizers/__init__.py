"""Text to token ids and back, inside the TensorFlow graph."""

from keras_nlp_lite.tokenizers.bert_tokenizer import (
    BertTokenizer,
    DistilBertTokenizer,
)
from keras_nlp_lite.tokenizers.byte_pair_tokenizer import BytePairTokenizer
from keras_nlp_lite.tokenizers.roberta_tokenizer import (
    ModernBertTokenizer,
    RobertaTokenizer,
)
from keras_nlp_lite.tokenizers.tokenizer import Tokenizer
from keras_nlp_lite.tokenizers.word_piece_tokenizer import WordPieceTokenizer

__all__ = [
    "BertTokenizer",
    "BytePairTokenizer",
    "DistilBertTokenizer",
    "ModernBertTokenizer",
    "RobertaTokenizer",
    "Tokenizer",
    "WordPieceTokenizer",
]
