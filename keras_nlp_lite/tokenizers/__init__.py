"""Text to token ids and back, inside the TensorFlow graph."""

from keras_nlp_lite.tokenizers.bart_folder import bart_from_folder, bart_to_folder
from keras_nlp_lite.tokenizers.bart_tokenizer import BartTokenizer
from keras_nlp_lite.tokenizers.bert_tokenizer import (
    BertTokenizer,
    DistilBertTokenizer,
)
from keras_nlp_lite.tokenizers.byte_pair_tokenizer import BytePairTokenizer
from keras_nlp_lite.tokenizers.byte_pair_training import compute_byte_pair_vocabulary
from keras_nlp_lite.tokenizers.byte_tokenizer import ByteTokenizer
from keras_nlp_lite.tokenizers.gpt2_folder import gpt2_from_folder, gpt2_to_folder
from keras_nlp_lite.tokenizers.gpt2_tokenizer import GPT2Tokenizer
from keras_nlp_lite.tokenizers.llama3_tokenizer import Llama3Tokenizer
from keras_nlp_lite.tokenizers.llama_folder import llama_from_folder, llama_to_folder
from keras_nlp_lite.tokenizers.llama_tokenizer import LlamaTokenizer, MistralTokenizer
from keras_nlp_lite.tokenizers.marian_folder import marian_from_folder, marian_to_folder
from keras_nlp_lite.tokenizers.marian_tokenizer import MarianTokenizer
from keras_nlp_lite.tokenizers.qwen_folder import qwen_from_folder, qwen_to_folder
from keras_nlp_lite.tokenizers.qwen_tokenizer import QwenTokenizer
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
    "BartTokenizer",
    "BertTokenizer",
    "BytePairTokenizer",
    "ByteTokenizer",
    "DistilBertTokenizer",
    "GPT2Tokenizer",
    "Llama3Tokenizer",
    "LlamaTokenizer",
    "MarianTokenizer",
    "MistralTokenizer",
    "ModernBertTokenizer",
    "QwenTokenizer",
    "RobertaTokenizer",
    "SentencePieceTokenizer",
    "Tokenizer",
    "UnicodeCodepointTokenizer",
    "WordPieceTokenizer",
    "bart_from_folder",
    "bart_to_folder",
    "compute_byte_pair_vocabulary",
    "compute_sentence_piece_proto",
    "compute_word_piece_vocabulary",
    "gpt2_from_folder",
    "gpt2_to_folder",
    "llama_from_folder",
    "llama_to_folder",
    "load_tokenizer",
    "marian_from_folder",
    "marian_to_folder",
    "qwen_from_folder",
    "qwen_to_folder",
    "save_tokenizer",
    "write_tokenizer_json",
]
