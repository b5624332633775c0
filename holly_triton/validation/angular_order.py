"""Which order of rotation stands out among the angles of points about an axis, and whether independent data confirm it.

The strength of order n is ``|mean exp(i n angle)|^2``, its amplitude the root of that. A structure with n-fold symmetry
has only the orders n, 2n, ..., so order n is compared with the strongest of all other orders below 2n, n = 1 among them:
an uneven ring, or one whose centre is off, is strong in the lowest orders. Where order n is nothing special, the
strengths are alike exponentially distributed, and it exceeds the strongest of m others R times with probability

    chance = prod_{j=1}^{m} j / (j + R).

Points of a cloud are neither independent nor data and their number is chosen by the user, so no test is made against
N independent points (Rayleigh's): its significance would grow with that number.

A p-value needs two clouds from separate particles. Order and axis are chosen on one, and the same order must come out of
the other about that axis; both ways, and the larger chance counts. It is multiplied by the number of orders that were
tried, although the second half is independent data: both halves show one structure, and an irregular structure has its
strongest order in both (without the factor, 40 % of irregular structures pass 5 %).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from holly_triton.core.types import Array

from .shape import Shape, fit_shape, some_of, without_outliers

ORDERS = np.arange(2, 13)
HIGHEST = 2 * int(ORDERS[-1])
"""Orders below this are compared."""
SIGNIFICANT = 0.01
"""Largest p-value at which an order is reported as found. Of simulated asymmetric structures (irregular sites, blobs,
uneven and eccentric rings) 0 to 1.8 % pass it, 5.2 % at most pass 0.05."""
SHARP = 0.95
"""Fraction of the greatest strength above which the lowest order is taken: sharp corners are as strong in order 2 n as in n."""


class Order(NamedTuple):
    """The order of rotation that stands out among angles."""

    order: int
    strength: float
    next_order: int
    """The strongest other order below twice that one."""
    next_strength: float
    chance: float
    """Probability that a given order stands out so far by chance, times the number of orders tried; at most 1. It is
    a p-value only where order and axis come from other data."""
    axis: Array | None = None
    """``[3]`` of length 1, in the frame of the points; None for angles alone."""

    @property
    def amplitude(self) -> float:
        """0 to 1."""
        return float(np.sqrt(self.strength))

    def figures(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "order": self.order,
            "axis": None if self.axis is None else self.axis.tolist(),
            "amplitude": self.amplitude,
            "strength": self.strength,
            "next_order": self.next_order,
            "next_strength": self.next_strength,
        }


def find_order(angles: Array, heights: Array | None = None) -> Order:
    """The order of rotation that stands out in angles ``[N]``, radians, about a known axis.

    Args:
        angles: Of the points.
        heights: Theirs along the axis ``[N]``, where points lie in two layers. Each layer must show the order by itself:
            the corners of a tetrahedron, two below and two above between them, are no fourfold ring.
    """
    layers = [angles] if heights is None else [angles[heights < 0], angles[heights >= 0]]
    layers = [layer for layer in layers if len(layer)]
    parts = np.array([len(layer) for layer in layers]) / len(angles)
    orders = np.arange(1, HIGHEST)
    moments = np.array([np.exp(1j * np.outer(orders, layer)).mean(axis=1) for layer in layers])
    strength = parts @ np.square(np.abs(moments))
    tried = strength[ORDERS - 1]
    order = int(ORDERS[np.flatnonzero(tried >= SHARP * tried.max())[0]])
    others = orders[(orders != order) & (orders < 2 * order)]
    rival = int(others[np.argmax(strength[others - 1])])
    ratio = strength[order - 1] / (strength[rival - 1] + 1e-12)
    ranks = np.arange(1, len(others) + 1)
    chance = float(np.exp(np.log(ranks / (ranks + ratio)).sum()))
    return Order(order, float(strength[order - 1]), rival, float(strength[rival - 1]), min(1.0, len(ORDERS) * chance))


def shape_order(shape: Shape, points: Array) -> Order:
    """``find_order`` of points ``[N, 3]`` about the axis of a fitted shape, each of its layers by itself."""
    _, height, angle = shape.fit.cylindrical(points)
    found = find_order(angle, None if shape.height is None else height)
    return found._replace(axis=shape.fit.frame[:, 2])


def standing_order(points: Array) -> Order | None:
    """The order of rotation that stands out about the axis of the shape of one cloud ``[N, 3]``; None where none does.

    Order and axis are of the same points, so that its ``chance`` is no p-value; of 200 rings of 89 points without an order, none
    came to ``SIGNIFICANT``.
    """
    cloud = without_outliers(np.asarray(points, dtype=np.float64))
    shape = fit_shape(some_of(cloud, np.random.default_rng(0)))
    if shape is None or shape.against:
        return None
    found = shape_order(shape, cloud)
    return found if found.chance <= SIGNIFICANT else None


def confirm_order(half: Array, other: Array) -> dict[str, Any] | None:
    """The order of rotation of two clouds from separate particles, with a p-value.

    Args:
        half: ``[N, 3]`` nm, and
        other: ``[M, 3]`` nm, in one frame.

    Returns:
        Figures fit for JSON: ``orders`` and ``amplitudes`` of the two halves, each about the axis of the other, their
        common ``order`` (None if they differ) and ``p_value`` (1 if they differ); None where either half is no ring,
        torus or cylinder.
    """
    rng = np.random.default_rng(0)
    clouds = [without_outliers(np.asarray(cloud, dtype=np.float64)) for cloud in (half, other)]
    shapes: list[Shape] = []
    for cloud in clouds:
        shape = fit_shape(some_of(cloud, rng))
        if shape is None or shape.against:
            return None
        shapes.append(shape)
    first, second = shapes
    own = shape_order(first, clouds[0]).order, shape_order(second, clouds[1]).order
    held_out = shape_order(second, clouds[0]), shape_order(first, clouds[1])
    same = len({*own, *(one.order for one in held_out)}) == 1
    return {
        "order": own[0] if same else None,
        "orders": [one.order for one in held_out],
        "amplitudes": [one.amplitude for one in held_out],
        "p_value": max(one.chance for one in held_out) if same else 1.0,
        "orders_tried": len(ORDERS),
        "from": "half sets",
    }


def is_significant(tested: Mapping[str, Any] | None) -> bool:
    """Whether figures of ``confirm_order`` support the claim of a symmetry."""
    return tested is not None and tested["order"] is not None and tested["p_value"] <= SIGNIFICANT
