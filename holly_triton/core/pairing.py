"""One-to-one pairs of two sets of things, from candidates in an order of preference."""

import numpy as np

from .types import Array


def greedy_pairs(first: Array, second: Array, sizes: tuple[int, int]) -> Array:
    """Which candidates are paired if each is taken in turn unless one of its two members is in a pair already.

    A candidate that comes before all others of both its members is paired whatever happens elsewhere, so that all of
    these may be taken at once: a few rounds do the work of a loop over the candidates.

    Args:
        first: Index of a member of the first set ``[C]`` int64, the preferred candidate first.
        second: Index of its partner in the second set ``[C]`` int64.
        sizes: Numbers of members of both sets.

    Returns:
        Rows of the paired candidates ``[K]`` int64, ascending.
    """
    taken: list[Array] = [np.empty(0, np.int64)]
    rows = np.arange(len(first))
    best_first, best_second = (np.empty(size, np.int64) for size in sizes)
    while len(rows):
        here, there = first[rows], second[rows]
        best_first[here[::-1]] = rows[::-1]  # of repeated indices the last assignment holds: the smallest row
        best_second[there[::-1]] = rows[::-1]
        paired = rows[(best_first[here] == rows) & (best_second[there] == rows)]
        taken.append(paired)
        free_first, free_second = (np.ones(size, bool) for size in sizes)
        free_first[first[paired]] = free_second[second[paired]] = False
        rows = rows[free_first[here] & free_second[there]]
    return np.sort(np.concatenate(taken))
