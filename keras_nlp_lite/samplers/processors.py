"""What a row's text so far does to the logits of its next token.

Shapes: R rows, L columns, V vocabulary, K ids. A row's text stands in its columns from
`starts` to before `index`; ids that the vocabulary lacks count nowhere.
"""

import numpy as np
import tensorflow as tf

# Not -infinity: where all tokens are banned, all are alike, and nothing becomes NaN.
BANNED = -1e30


def penalize_repetition(logits, tokens, starts, index, penalty):
    """Makes tokens that the row holds less likely, or likelier if `penalty` is below 1.

    Args:
        logits: float32 [R, V].
        tokens: int [R, L].
        starts: int32 [R].
        index: int32.
        penalty: Divides logits above 0, and multiplies those below.

    Reference: Keskar et al., "CTRL", arXiv:1909.05858, section 4.1.
    """
    held = marked(tokens, _in_text(tokens, starts, index), tf.shape(logits)[1])
    penalized = tf.where(logits > 0, logits / penalty, logits * penalty)
    return tf.where(held, penalized, logits)


def ban_repeated_ngrams(logits, tokens, starts, index, size):
    """Bans what would complete a run of `size` tokens that the row holds already."""
    L = tf.shape(tokens)[1]
    columns = tf.range(L)
    # An earlier run that ends at a column: it lies in the text as a whole,
    first = columns - (size - 1)
    repeated = (first >= starts[:, None]) & (columns < index)  # [R, L]
    # and all but its last token are the text's last ones.
    for back in range(1, size):
        last = tf.gather(tokens, tf.maximum(index - back, 0), axis=1)
        repeated &= tf.roll(tokens, back, axis=1) == last[:, None]
    return _ban(logits, marked(tokens, repeated, tf.shape(logits)[1]))


def ban_words(logits, tokens, starts, index, words):
    """Bans the last token of each word whose others are the row's last tokens.

    Args:
        words: A list of lists of ids.
    """
    W, P = len(words), max(map(len, words)) - 1
    before = np.full((W, P), -1)  # the tokens before a word's last, at the right
    for number, word in enumerate(words):
        if len(word) > 1:
            before[number, P - len(word) + 1 :] = word[:-1]
    last = tf.constant([word[-1] for word in words], tokens.dtype)  # [W]
    columns = index - P + tf.range(P)
    recent = tf.gather(tokens, tf.maximum(columns, 0), axis=1)  # [R, P]
    there = (columns >= starts[:, None])[:, None] & (
        recent[:, None] == tf.constant(before, tokens.dtype)
    )
    completed = tf.reduce_all(there | tf.constant(before < 0), axis=-1)  # [R, W]
    last = tf.broadcast_to(last, tf.shape(completed))
    return _ban(logits, marked(last, completed, tf.shape(logits)[1]))


def ban_ids(logits, ids, rows):
    """Bans ids, int [K], in rows, bool [R]."""
    shape = [tf.shape(logits)[0], tf.shape(ids)[0]]
    ids, rows = tf.broadcast_to(ids, shape), tf.broadcast_to(rows[:, None], shape)
    return _ban(logits, marked(ids, rows, tf.shape(logits)[1]))


def marked(ids, valid, V):
    """bool [R, V], True at a row's ids, int [R, K], where valid, bool [R, K]."""
    ids = tf.cast(ids, tf.int32)
    valid &= (ids >= 0) & (ids < V)
    R, K = tf.unstack(tf.shape(ids))
    rows = tf.broadcast_to(tf.range(R)[:, None], [R, K])
    # A scatter that adds: places that do not count add nothing, wherever they point.
    places = tf.stack([rows, tf.where(valid, ids, 0)], axis=-1)
    return tf.scatter_nd(places, tf.cast(valid, tf.int32), [R, V]) > 0


def _in_text(tokens, starts, index):
    columns = tf.range(tf.shape(tokens)[1])
    return (columns >= starts[:, None]) & (columns < index)  # [R, L]


def _ban(logits, banned):
    return tf.where(banned, BANNED, logits)
