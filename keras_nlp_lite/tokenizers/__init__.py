"""Text to token ids and back, inside the TensorFlow graph."""

from keras_nlp_lite.tokenizers.bert_tokenizer import (
    BertTokenizer,
    DistilBertTokenizer,
)
from keras_nlp_lite.tokenizers.byte_pair_tokenizer import BytePairTokenizer
from keras_nlp_lite.tokenizers.byte_pair_training import compute_byte_pair_vocabulary
from keras_nlp_lite.tokenizers.byte_tokenizer import ByteTokenizer
from keras_nlp_lite.tokenizers.roberta_tokenizer import (
    ModernBertTokenizer,
    RobertaTokenizer,
)
from keras_nlp_lite.tokenizers.sentence_piece_tokenizer import SentencePieceTokenizer
from keras_nlp_lite.tokenizers.sentence_piece_training import (
    compute_sentence_piece_proto,
)
from keras_nlp_lite.tokenizers.tokenizer import Tokenizer
from keras_nlp_lite.tokenizers.tokenizer_folder import load_tokenizer, save_tokenizer
from keras_nlp_lite.tokenizers.tokenizer_json_writing import write_tokenizer_json
from keras_nlp_lite.tokenizers.unicode_codepoint_tokenizer import (
    UnicodeCodepointTokenizer,
)
from keras_nlp_lite.tokenizers.word_piece_tokenizer import WordPieceTokenizer
from keras_nlp_lite.tokenizers.word_piece_training import (
    compute_word_piece_vocabulary,
)

__all__ = [
    "BertTokenizer",
    "BytePairTokenizer",
    "ByteTokenizer",
    "DistilBertTokenizer",
    "ModernBertTokenizer",
    "RobertaTokenizer",
    "SentencePieceTokenizer",
    "Tokenizer",
    "UnicodeCodepointTokenizer",
    "WordPieceTokenizer",
    "compute_byte_pair_vocabulary",
    "compute_sentence_piece_proto",
    "compute_word_piece_vocabulary",
    "load_tokenizer",
    "save_tokenizer",
    "write_tokenizer_json",
]
