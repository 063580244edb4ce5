"""Bags of n-grams as compiled ops."""

import tensorflow as tf

from keras_nlp_lite.ops import library


class NGramOp(tf.Module):
    """Finds and counts the n-grams of texts by the compiled ops, which must be there.

    The vocabulary is one tensor that the ops read where it lies.

    Shapes: B texts, W words, K longer n-grams of the trie, V columns, N columns found.

    Args:
        words: string [W], the different words, by number.
        keys: int64 [K], `node * W + word` of each longer n-gram, whose node is W + its
            place.
        columns: int64 [W + K], each node's; V if it has none.
        num_columns: V.
        sizes: Which n, ascending.
    """

    def __init__(self, words, keys, columns, num_columns, sizes):
        super().__init__()
        self._sizes = list(sizes)
        self._model = library.load().knl_n_gram_model(
            words=words, keys=keys, columns=columns, num_columns=num_columns
        )

    def of_text(self, text, standardize):
        """The bags of texts that are cut at white space.

        Args:
            text: string [B].
            standardize: As `split_tokens` has it, but no function.

        Returns:
            (int64 [N, 2], rows and columns, in order; float32 [N], how often).
        """
        return library.loaded().knl_n_gram_bag(
            model=self._model,
            text=text,
            lower="lower" in (standardize or ""),
            strip="strip" in (standardize or ""),
            sizes=self._sizes,
        )

    def of_numbers(self, tokens, words_of_corpus):
        """The same of texts that come as numbers.

        Args:
            tokens: Ragged int32 [B, None], places in `words_of_corpus`.
            words_of_corpus: int64, the numbers of words, -1 for none.
        """
        return library.loaded().knl_numbered_n_gram_bag(
            model=self._model,
            tokens=tokens.values,
            row_splits=tf.cast(tokens.row_splits, tf.int64),
            words_of_corpus=words_of_corpus,
            sizes=self._sizes,
        )
