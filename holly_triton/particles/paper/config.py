"""Defaults of the paper's experiments."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How much of the paper's effort ``holly-triton reproduce`` spends on an experiment."""

    images: int
    """Pictures that are drawn independently."""
    in_plane: int
    """Copies of each, rotated in the plane of the picture; pose search takes as many times its steps."""
    size: int
    """Pixels a side of the pictures, in the amortised and the direct method; these make their 40 epochs at any scale."""
    faster: float
    """Factor on the learning rates of these methods: with a twentieth of the steps, longer steps are needed."""


SCALES = {
    "small": Scale(images=2000, in_plane=1, size=32, faster=2.5),
    "paper": Scale(images=2000, in_plane=20, size=128, faster=1.0),
}
"""``paper`` is the paper's own; ``small`` ends within minutes on two CPU cores."""

PAPER_SHIFT = 0.1
"""Largest shift of the paper's pictures along x and y, in units of ``io.units.UNIT_NM``."""

SUCCESS = 0.05
"""RMSD in units of ``io.units.UNIT_NM`` below which a reconstruction counts as a success."""
