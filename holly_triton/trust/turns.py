"""Which order of rotation stands out among the angles of points about an axis that is known."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Array = NDArray[Any]

ORDERS = np.arange(2, 13)
STRENGTHS = np.arange(1, 17)
"""Orders among which chance is judged."""


def find_turns(angles: Array) -> dict[str, Any]:
    """Which order of rotation stands out in angles ``[N]``, radians, about an axis that is known.

    The strength of order n is ``|mean exp(i n angle)|²``. By chance it follows an exponential distribution whose mean
    is 1 / N for independent points (Rayleigh's test) and, where points come in clusters, that of other orders, those
    that n does not divide and that do not divide n. The weaker of both tests counts, times the orders that were tried.

    Returns:
        ``order``, ``sigma`` (one-sided), ``strength`` (0 to 1), ``next_order`` and ``next_strength``.
    """
    strength = {int(n): float(np.abs(np.exp(1j * n * angles).mean()) ** 2) for n in STRENGTHS}
    tried = np.array([strength[int(n)] for n in ORDERS])
    order = int(ORDERS[np.flatnonzero(tried >= 0.95 * tried.max())[0]])  # sharp corners are as strong in 2 n as in n
    others = {n: one for n, one in strength.items() if n % order and order % n}
    chance = np.mean([*others.values()]) + 1e-300
    log_p = max(-len(angles) * strength[order], -len(others) * np.log1p(strength[order] / chance / len(others)))
    likeliest = max((n for n in others if n in ORDERS), key=lambda n: others[n])
    return {
        "order": order,
        "sigma": float(max(0.0, norm.isf(min(0.5, len(ORDERS) * np.exp(max(log_p, -600)))))),
        "strength": strength[order],
        "next_order": likeliest,
        "next_strength": others[likeliest],
    }
