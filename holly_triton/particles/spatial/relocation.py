"""Points that explain hardly any localisations are moved to where they are missing.

All points have one weight, so a cloud in which a site has too many points and another too few stays that way: points between two
sites explain little, and no gradient leads them away. Such a point goes where localisations lie densely that the background
explains so far, or beside the point that explains most, whichever has more for it.
"""

from typing import NamedTuple

import torch
from torch import Tensor

MOST_SEEN = 1024
"""Localisations among which a place is searched."""


class Moved(NamedTuple):
    """Points to be relocated, and where to."""

    points: Tensor  # [m] int64
    places: Tensor  # [m, 3] nm


def relocated(
    points: Tensor, load: Tensor, unexplained: tuple[Tensor, Tensor], sigma_nm: float, least: float, most: int,
    generator: torch.Generator,
) -> Moved:  # fmt: skip
    """The points that explain less than ``least`` of the mean, at most ``most`` of them, and their new places.

    Args:
        points: The cloud, or its points of one channel ``[N, 3]``, nm.
        load: Weight of the localisations that each explains ``[N]``.
        unexplained: Localisations ``[E, 3]`` in the cloud's frame, nm, and how far the background explains each ``[E]``.
        sigma_nm: Distance within which a localisation lies from its point.
        least: See above.
        most: See above.
        generator: Of all random choices.
    """
    load = load.clone()
    idle = load.argsort()[:most]
    idle = idle[load[idle] < least * load.mean()]
    places, weight = unexplained
    if not len(places):
        return Moved(idle[:0], points.new_zeros(0, 3))
    some = torch.randperm(len(places), generator=generator, device=places.device)[:MOST_SEEN]
    each = weight.sum() / weight[some].sum().clamp(min=1e-12)  # the few stand for all
    places, weight = places[some], weight[some] * each
    near = (torch.cdist(places, places).square() / (-4 * sigma_nm**2)).exp()
    chosen = []
    for _ in range(len(idle)):
        mass = near @ weight
        best, loaded = mass.argmax(), load.argmax()
        if float(mass[best]) > float(load[loaded]) / 2:
            chosen.append(places[best])
            weight = weight * (1 - near[best])
        else:
            step = torch.randn(3, generator=generator, device=places.device) * (sigma_nm / 2)
            chosen.append(points[loaded] + step)
            load[loaded] /= 2
    return Moved(idle, torch.stack(chosen) if chosen else points.new_zeros(0, 3))
