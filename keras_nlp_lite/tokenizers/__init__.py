"""Text to token ids and back, inside the TensorFlow graph."""

from keras_nlp_lite.tokenizers.tokenizer import Tokenizer
from keras_nlp_lite.tokenizers.word_piece_tokenizer import WordPieceTokenizer

__all__ = ["Tokenizer", "WordPieceTokenizer"]
