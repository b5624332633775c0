"""Defaults of the classification of particles into several structures."""

from dataclasses import dataclass, field
from typing import Annotated

from holly_triton.core.config import Bounds, Settings
from holly_triton.particles.bounds import Count, Positive, Share
from holly_triton.particles.spatial.config import PoseEffort


@dataclass(frozen=True)
class Classes(Settings):
    """``structures`` above 1: particles are classified by clouds that all start as the consensus.

    Lengths are relative to the radius of gyration of the data.
    """

    particles: Count = 25
    """Least number of particles for each structure that is asked for."""
    divided: Count = 2000
    """Largest number of particles that are divided at first."""
    split_blur: Positive = 0.25
    """Blur of the consensus at which they are divided, in addition to its own."""
    decided: Share = 0.9
    """How certain this division is taken to be."""
    steps: Count = 80
    """Steps in which the clouds move."""
    sigma_start: Positive = 0.25
    """First blur of the points in addition to their own; the last one is that of any run."""
    held: Share = 0.25
    """Share of the steps in which the first division is kept, until the clouds have parted; at least one epoch."""
    annealed: Annotated[float, Bounds(0, 1, open_least=True)] = 0.6
    """Share of the steps in which it falls, geometrically."""
    share_rate: Share = 0.05
    """How far each step moves the shares of the structures."""
    relocate_every: Count = 5
    """Steps between relocations of points,"""
    relocate_to: Share = 0.7
    """up to this share of the steps."""
    slowing: Annotated[float, Bounds(0, 1, open_most=True)] = 0.7
    """Share of the steps after which the points' steps become shorter, to nothing at the end."""
    search: PoseEffort = field(default_factory=lambda: PoseEffort(rounds=1))
    """Poses compared in a step, all near those that are known."""
    continued: Share = 0.6
    """Share of the steps of an ordinary run at which the run of each structure begins, with its cloud and poses."""
