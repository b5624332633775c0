"""Which order of rotation stands out among the angles of points about an axis that is known."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma, norm

from .shape import Shape

Array = NDArray[Any]

ORDERS = np.arange(2, 13)
STRENGTHS = np.arange(1, 17)
"""Orders among which chance is judged."""


def find_turns(angles: Array, heights: Array | None = None) -> dict[str, Any]:
    """Which order of rotation stands out in angles ``[N]``, radians, about an axis that is known.

    The strength of order n is ``|mean exp(i n angle)|²``. By chance it follows an exponential distribution whose mean
    is 1 / N for independent points (Rayleigh's test) and, where points come in clusters, that of other orders, those
    that n does not divide and that do not divide n. The weaker of both tests counts, times the orders that were tried.

    Args:
        angles: Of the points.
        heights: Theirs along the axis ``[N]``, where points lie in two layers. Each layer must show the order by itself:
            the corners of a tetrahedron, two below and two above between them, are no fourfold ring.

    Returns:
        ``order``, ``sigma`` (one-sided), ``strength`` (0 to 1), ``next_order`` and ``next_strength``.
    """
    layers = [angles] if heights is None else [angles[heights < 0], angles[heights >= 0]]
    layers = [layer for layer in layers if len(layer)]
    parts = np.array([len(layer) for layer in layers]) / len(angles)
    strength = {
        int(n): float(parts @ [np.abs(np.exp(1j * n * layer).mean()) ** 2 for layer in layers]) for n in STRENGTHS
    }
    tried = np.array([strength[int(n)] for n in ORDERS])
    order = int(ORDERS[np.flatnonzero(tried >= 0.95 * tried.max())[0]])  # sharp corners are as strong in 2 n as in n
    others = {n: one for n, one in strength.items() if n % order and order % n}
    chance = np.mean([*others.values()]) + 1e-300
    by_chance = float(gamma.logsf(len(angles) * strength[order], len(layers)))
    log_p = max(by_chance, -len(others) * np.log1p(strength[order] / chance / len(others)))
    likeliest = max((n for n in others if n in ORDERS), key=lambda n: others[n])
    return {
        "order": order,
        "sigma": float(max(0.0, norm.isf(min(0.5, len(ORDERS) * np.exp(max(log_p, -600)))))),
        "strength": strength[order],
        "next_order": likeliest,
        "next_strength": others[likeliest],
    }


def shape_turns(shape: Shape, points: Array) -> dict[str, Any]:
    """``find_turns`` of points ``[N, 3]`` about the axis of their shape, each of its layers by itself."""
    _, height, angle = shape.fit.cylindrical(points)
    return find_turns(angle, None if shape.height is None else height)
