"""What all workers have to know of each other before they train together."""

import tensorflow as tf


def numbers_of_all(strategy, number):
    """A number of each replica's worker, told to all; they call it together.

    Args:
        strategy: tf.distribute.Strategy.
        number: int, this worker's.

    Returns:
        list of int, one a replica, the chief's first.

    Example:

    >>> numbers_of_all(tf.distribute.get_strategy(), 7)
    [7]
    """

    def mine():
        context = tf.distribute.get_replica_context()
        place = tf.range(context.num_replicas_in_sync)
        is_mine = place == context.replica_id_in_sync_group
        return tf.where(is_mine, tf.constant(number, tf.int64), 0)

    @tf.function
    def told():
        return strategy.reduce("SUM", strategy.run(mine), axis=None)

    return told().numpy().tolist()
