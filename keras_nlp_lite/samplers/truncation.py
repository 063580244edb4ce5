"""Which tokens stay in the draw: pure functions of logits.

Shapes: R rows, V vocabulary, K tokens considered. Each gives logits, -infinity at the
tokens that are out, and where K is not V, their ids.
"""

import tensorflow as tf


def top_k(logits, k):
    """The k likeliest tokens: (logits float [R, K] falling, ids int32 [R, K]).

    K is V where the vocabulary has fewer.
    """
    return tf.math.top_k(logits, tf.minimum(k, tf.shape(logits)[1]))


def smallest_set(log_probs, mass, k, order=None):
    """The fewest tokens whose probabilities together reach the mass; at least one.

    Args:
        log_probs: float32 [R, V].
        mass: Above 0, at most 1.
        k: How many tokens are considered, the first in order.
        order: float [R, V], by which they come, highest first: by default the likeliest.

    Returns:
        (logits [R, K], ids [R, K], bool [R]: whether the tokens considered reach the
        mass).

    Example: "the" and "a" together reach 0.7, and "the" alone does not.

    >>> log_probs = tf.math.log([[0.1, 0.3, 0.6]])  # of, a, the
    >>> kept, ids, enough = smallest_set(log_probs, 0.7, k=3)
    >>> print(ids.numpy()[tf.math.is_finite(kept)])
    [2 1]
    """
    values, ids = top_k(log_probs if order is None else order, k)
    if order is not None:
        values = tf.gather(log_probs, ids, batch_dims=1)
    probs = tf.exp(values)
    before = tf.cumsum(probs, axis=1, exclusive=True)
    kept = tf.where(before < mass, values, -float("inf"))
    return kept, ids, tf.reduce_sum(probs, axis=1) >= mass


def min_p(logits, share):
    """Tokens at least `share` times as likely as the likeliest: float [R, V].

    Reference: Nguyen et al., "Min-p Sampling", arXiv:2407.01082.
    """
    least = tf.reduce_max(logits, axis=1, keepdims=True) + tf.math.log(float(share))
    return tf.where(logits >= least, logits, -float("inf"))


def typicality(log_probs):
    """How close each token's surprise is to the one expected: float [R, V], at most 0.

    Reference: Meister et al., "Locally Typical Sampling", arXiv:2202.00666.
    """
    probs = tf.exp(log_probs)
    expected = -tf.reduce_sum(
        tf.math.multiply_no_nan(log_probs, probs), axis=1, keepdims=True
    )
    return -tf.abs(-log_probs - expected)
