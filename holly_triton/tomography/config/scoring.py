"""How picks are compared with the truth, and two lists of picks with each other."""

from dataclasses import dataclass
from typing import Annotated

from holly_triton.core.config import Bounds, Settings


@dataclass(frozen=True)
class Scoring(Settings):
    """When a pick is right."""

    tolerance_angstrom: Annotated[float, Bounds(0, open_least=True)] = 136.8
    """Largest distance of a pick from the particle that it is matched with: the radius of a ribosome (Moebel et al. 2018)."""


FEWEST_TO_JUDGE = 8
"""Particles, and picks, below which no warning about units or axes is given."""
POOR, GOOD = 0.2, 0.5
"""A warning about units or the order of axes is given where fewer particles than the first share are found as the picks stand,
and more than the second share in the other unit or order."""
