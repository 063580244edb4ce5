"""Counts of the n-grams of a text."""

import collections


def count_n_grams(tokens, orders):
    """How often each n-gram occurs.

    Args:
        tokens: list of hashable tokens.
        orders: The lengths n to count, iterable of int from 1.

    Returns:
        `collections.Counter` of tuples of n tokens.

    Example:

    >>> count_n_grams(["to", "be", "to", "be"], orders=[2])
    Counter({('to', 'be'): 2, ('be', 'to'): 1})
    """
    counts = collections.Counter()
    for n in orders:
        counts.update(zip(*(tokens[start:] for start in range(n))))
    return counts
