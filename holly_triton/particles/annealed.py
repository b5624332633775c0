"""Defaults of HOLLy's own schedule and pose methods, which ``--pose amortised`` and ``--pose direct`` follow."""

from dataclasses import dataclass
from typing import Literal

from holly_triton.core.config import Settings

from .bounds import Amount, Count, Pixels, Positive


@dataclass(frozen=True)
class Annealed(Settings):
    """HOLLy's own schedule and outputs: epochs over the pictures at one size while sigma decreases geometrically.

    Sigmas are in the paper's pixels, of which the field of view has 128 whatever ``size``; lengths are in its unit of 32
    pixels.
    """

    epochs: Count = 40
    """Passes over the pictures. The paper has 40 000 pictures and so 50 000 steps."""
    batch: Count = 32
    """Pictures per step."""
    size: Pixels = 128
    """Pixels a side of the pictures that are read and compared."""
    sigma_start: Positive = 10.0
    sigma_end: Positive = 1.41
    """First and last sigma of the pictures, paper's pixels."""
    rate: Amount = 4e-4
    """Learning rate of the pose model."""
    point_rate: Amount = 4e-4
    """Learning rate of the points, with lengths in the paper's unit."""
    shift_limit: Amount = 0.1
    """Largest shift along x and y, paper's unit: 3.2 pixels of 128."""
    output_sigma: Literal["predicted", "tied"] = "tied"
    """Sigma of the drawn points: predicted for every picture, or that of the pictures widened by one fitted blur. A short
    run on the teapot (2268 steps, 32 pixels) ended at a loss of 18.7 and 18.3, 0.135 and 0.126 units from the truth."""
    sigma_limit: Positive = 14.0
    """Largest predicted sigma, paper's pixels."""


@dataclass(frozen=True)
class Amortised(Annealed):
    """``pose = "amortised"``: a network predicts the pose of each picture."""

    optimiser: Literal["adam", "adamw"] = "adam"
    """Optimiser of network and points. The paper states Adam; its code uses AdamW, which also shrinks the cloud."""
    heads: Count = 1
    """Poses that the network proposes for a picture; gradients follow the best. The paper has 1. With 4 the same short run
    ended 0.115 and 0.118 units from the truth (two seeds), with 1 at 0.126 and 0.180, at 4 times the cost of drawing."""


@dataclass(frozen=True)
class Direct(Annealed):
    """``pose = "direct"``: every picture has a free pose of its own. This is the paper's baseline, which fails."""

    optimiser: Literal["adam", "sgd"] = "adam"
    """Optimiser of poses and points."""
