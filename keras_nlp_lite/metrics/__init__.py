"""How good generated text is, and how well a language model knows a text."""

from keras_nlp_lite.metrics.bleu import Bleu
from keras_nlp_lite.metrics.edit_distance import EditDistance
from keras_nlp_lite.metrics.perplexity import Perplexity
from keras_nlp_lite.metrics.rouge_l import RougeL
from keras_nlp_lite.metrics.rouge_n import RougeN

__all__ = ["Bleu", "EditDistance", "Perplexity", "RougeL", "RougeN"]
