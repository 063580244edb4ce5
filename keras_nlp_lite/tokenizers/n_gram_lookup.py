"""From tokens to the columns of the n-grams they form, as TensorFlow ops.

Shapes: B texts, N tokens of all of them, S sizes of n-grams, V columns. Column V, one
past the last, means "no n-gram".
"""

import numpy as np
import tensorflow as tf

from keras_nlp_lite.ops import library
from keras_nlp_lite.ops.portable import may_use_compiled
from keras_nlp_lite.tokenizers.n_gram_op import NGramOp

_HASH_MIX = 0x2545F4914F6CDD1D  # an odd multiplier whose bits look random (xorshift*)


class NGramLookup(tf.Module):
    """Finds n-grams of a vocabulary by number: only single words are looked up as text.

    The vocabulary is a trie. A word's node is its number; a longer n-gram's node hangs
    under the node of all but its last word, and `node * words + word` is its key.

    Args:
        words: bytes [W], the different words, by number.
        grams: int [V, n], each column's word numbers, -1 behind shorter n-grams.
        sizes: Which n, ascending.
    """

    def __init__(self, words, grams, sizes):
        super().__init__()
        self.sizes = sizes
        self.num_columns = V = len(grams)
        self.num_words = W = len(words)
        lengths = (grams >= 0).sum(axis=1)
        node = grams[:, 0].astype(
            np.int64
        )  # of each n-gram, as far as the trie is deep
        columns = [np.full(W, V, np.int64)]  # of each node, level by level
        columns[0][node[lengths == 1]] = np.flatnonzero(lengths == 1)
        keys, num_nodes = [], W
        for depth in range(1, max(sizes)):
            longer = np.flatnonzero(lengths > depth)
            key, child = np.unique(
                node[longer] * W + grams[longer, depth], return_inverse=True
            )
            node[longer] = num_nodes + child
            level = np.full(len(key), V, np.int64)
            ends = longer[lengths[longer] == depth + 1]
            level[node[ends] - num_nodes] = ends
            keys.append(key)
            columns.append(level)
            num_nodes += len(key)
        # Word numbers of the tokens of a corpus, for texts that come as such numbers.
        self.words_of_corpus = None
        words = tf.constant(words, tf.string)
        self._words = _table(words, np.arange(W), "")
        keys = tf.constant(np.concatenate([*keys, np.zeros(0, np.int64)]), tf.int64)
        self._children = _table(keys, np.arange(W, num_nodes), -1)
        columns = np.concatenate(columns)
        # One more entry, for node -1: an unknown n-gram has no column.
        self._columns = tf.constant(np.append(columns, V), tf.int64)
        self._op = None
        if library.load() is not None:
            self._op = NGramOp(words, keys, columns, V, sizes)

    @property
    def op(self):
        """The `NGramOp` that does the same and more at once, or None where compiled ops
        are not, or may not be used."""
        return self._op if may_use_compiled() else None

    def __call__(self, tokens):
        """int64 [N, S]: the columns of the n-grams that start at each token.

        Args:
            tokens: ragged string [B, None], or int, the tokens' places in the corpus
                that `words_of_corpus` describes.
        """
        if tokens.dtype == tf.string:
            words = self._words.lookup(tokens.values)  # [N], -1 if unknown
        else:
            words = tf.gather(self.words_of_corpus, tokens.values)
        last = tf.size(self._columns) - 1

        def longer(node, word):
            child = self._children.lookup(node * self.num_words + word)
            # -1 times anything could be another n-gram's key: unknown stays unknown.
            return tf.where((node < 0) | (word < 0), tf.constant(-1, tf.int64), child)

        def column(node):
            place = tf.where(node < 0, last, tf.cast(node, tf.int32))
            return tf.gather(self._columns, place)

        return _windows(tokens, words, self.sizes, self.num_columns, longer, column)


def hashed_n_grams(tokens, sizes, num_bins):
    """int64 [N, S]: the bins of the n-grams that start at each token.

    Args:
        tokens: ragged string [B, None].
        sizes: Which n, ascending.
        num_bins: V.
    """

    def longer(node, word):
        # Multiplied, so that order matters: "not good" is not "good not".
        return node * tf.constant(_HASH_MIX, tf.int64) + word

    def column(node):
        folded = tf.bitwise.bitwise_xor(node, tf.bitwise.right_shift(node, 29))
        return tf.math.floormod(folded, num_bins)

    words = tf.strings.to_hash_bucket_fast(tokens.values, 2**62)
    return _windows(tokens, words, sizes, num_bins, longer, column)


def _windows(tokens, words, sizes, V, longer, column):
    """Grows the n-gram at every token word by word, and takes each wanted size's column.

    Args:
        tokens: ragged string [B, None].
        words: int64 [N], a node for each token by itself.
        sizes: Which n, ascending.
        V: The column of no n-gram.
        longer: From the nodes of n-grams and the words behind them to longer ones.
        column: From nodes to columns.
    """
    rows = tokens.value_rowids()
    node, columns = words, []
    for n in range(1, max(sizes) + 1):
        if n > 1:
            node = longer(node[:-1], words[n - 1 :])
        if n in sizes:
            # An n-gram ends in the text that it starts in.
            inside = rows[: tf.size(node)] == rows[n - 1 :]
            found = tf.where(inside, column(node), V)
            behind = tf.size(words) - tf.size(node)
            columns.append(tf.pad(found, [[0, behind]], constant_values=V))
    return tf.stack(columns, axis=1)


def _table(keys, values, no_key):
    """A lookup table to int64, which gives -1 for a key it does not hold."""
    if not len(values):  # TensorFlow makes no empty table: one key, which is none
        keys, values = tf.constant([no_key], keys.dtype), [-1]
    initializer = tf.lookup.KeyValueTensorInitializer(
        keys, tf.constant(values, tf.int64)
    )
    return tf.lookup.StaticHashTable(initializer, default_value=-1)
