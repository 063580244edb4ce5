"""Rows that have come to their end, left out of the steps that follow."""

import tensorflow as tf


def drop_finished_rows(state, cache_rows):
    """The state without its finished rows, once they are a quarter or more.

    Each drop copies the cache of the rows that stay: worth it for some, not for one of
    many. A search of which nothing is left keeps its rows.

    Args:
        state: Of a `Sampler`.
        cache_rows: How many rows of the cache belong to each row of the state.
    """
    rows = state["rows"]
    going = ~rows["done"]
    left = tf.math.count_nonzero(going, dtype=tf.int32)
    some = (left > 0) & (4 * left <= 3 * tf.size(going))
    names = ("rows", "results", "live", "cache")
    changing = {name: state[name] for name in names}

    def dropped():
        keep = tf.cast(tf.where(going)[:, 0], tf.int32)
        block = keep[:, None] * cache_rows + tf.range(cache_rows)  # [kept, cache_rows]
        in_cache = tf.reshape(block, [-1])
        return {
            "rows": tf.nest.map_structure(lambda x: tf.gather(x, keep), rows),
            "results": put_back(state),
            "live": tf.gather(state["live"], keep),
            "cache": tf.nest.map_structure(
                lambda x: tf.gather(x, in_cache), state["cache"]
            ),
        }

    return {**state, **tf.cond(some, dropped, lambda: changing)}


def put_back(state):
    """The results of all texts, with those of the rows that go on written over them."""
    where = state["live"][:, None]
    return {
        name: tf.tensor_scatter_nd_update(full, where, state["rows"][name])
        for name, full in state["results"].items()
    }
