"""The nearest of many vectors."""

import typing

import numpy as np

_AT_ONCE = 2**25  # scores in memory: 128 MiB


class Match(typing.NamedTuple):
    """One that was found: its place among the vectors, and the dot product."""

    index: int
    score: float


def nearest(queries, vectors, k):
    """The vectors with the largest dot products, best first.

    Shapes: Q queries, N vectors, D width.

    Args:
        queries: float32 [Q, D].
        vectors: float32 [N, D].
        k: How many for each query; all where there are fewer.

    Returns:
        A list of `Match` for each query; of equals, the first comes first.

    Example:

    >>> vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    >>> [(match,)] = nearest(np.array([[0.0, 2.0]]), vectors, k=1)
    >>> match
    Match(index=1, score=2.0)
    """
    found = []
    stretch = max(1, _AT_ONCE // len(vectors))
    for start in range(0, len(queries), stretch):
        some = queries[start : start + stretch]
        # One query is a row that the vectors pass by; as a matrix it would be packed.
        scores = (vectors @ some[0])[None] if len(some) == 1 else some @ vectors.T
        found.extend(_best(row, k) for row in scores)  # each [N]
    return found


def _best(scores, k):
    places = np.arange(len(scores))
    if k < len(scores):
        last = -np.partition(-scores, k - 1)[k - 1]
        places = np.flatnonzero(scores >= last)  # more than k where some are equal
    places = places[np.lexsort((places, -scores[places]))][:k]
    return [Match(int(i), float(scores[i])) for i in places]
