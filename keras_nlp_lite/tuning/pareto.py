"""Several objectives at once: who is beaten by nobody, and how to make one of many."""

import numpy as np


def pareto_front(values, directions):
    """Which points no other point beats: none is as good in all and better in one.

    Args:
        values: float [N, M], a row for each point.
        directions: M of "max" or "min".

    Returns:
        bool [N].

    Example:

    >>> accuracy_and_latency = [[0.90, 5.0], [0.85, 1.0], [0.84, 2.0]]
    >>> pareto_front(accuracy_and_latency, ["max", "min"]).tolist()
    [True, True, False]
    """
    costs = _costs(values, directions)
    as_good = (costs[:, None] <= costs[None]).all(axis=2)  # [N, N]: row beats column
    better = (costs[:, None] < costs[None]).any(axis=2)
    return ~(as_good & better).any(axis=0)


def weighted(values, directions, weights):
    """One number a point, less is better, for a search that can follow one only.

    The worst of the weighted objectives, each scaled to [0, 1] over the points, and a
    little of all of them. Each point of the front is the best for some weights.

    Args:
        values: float [N, M].
        directions: M of "max" or "min".
        weights: float [M], of sum 1.

    Returns:
        float [N].

    Reference: Knowles, "ParEGO", IEEE Transactions on Evolutionary Computation, 2006.
    """
    costs = _costs(values, directions)
    low, high = costs.min(axis=0), costs.max(axis=0)
    scaled = (costs - low) / np.where(high > low, high - low, 1.0) * weights
    return scaled.max(axis=1) + 0.05 * scaled.sum(axis=1)


def _costs(values, directions):
    """float64 [N, M], of which less is better."""
    signs = np.array([1.0 if d == "min" else -1.0 for d in directions])
    return np.asarray(values, "float64").reshape(-1, len(signs)) * signs
