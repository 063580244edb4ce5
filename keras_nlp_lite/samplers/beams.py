"""The cache of several rows of a text, of which each may go on from any other's."""

import tensorflow as tf


def spread(next, cache, beams):
    """The cache with `beams` rows in the place of each.

    A `next` that has a way of its own, `next.beams(cache, beams)`, is asked for it.
    """
    if hasattr(next, "beams"):
        return next.beams(cache, beams)
    return tf.nest.map_structure(lambda x: tf.repeat(x, beams, axis=0), cache)


def reorder(next, cache, parents):
    """The cache whose row of beam n goes on from that of beam parents[b, n] of its text.

    A `next` that has a way of its own, `next.reorder(cache, parents)`, is asked for it.

    Args:
        parents: int32 [B, beams].
    """
    if hasattr(next, "reorder"):
        return next.reorder(cache, parents)
    B, beams = tf.unstack(tf.shape(parents))
    rows = tf.reshape(parents + beams * tf.range(B)[:, None], [-1])
    return tf.nest.map_structure(lambda x: tf.gather(x, rows), cache)
