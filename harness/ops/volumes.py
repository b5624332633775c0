"""The operations on volumes: their cases, and their inputs, which a seed determines."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from holly_triton.geometry import random_rotations
from holly_triton.kernels import fourier_reference

from ..operation import Case, Inputs, Operation, edge_cases
from . import volumes_baselines as baselines

MOST_ROTATIONS = 1000
"""Beyond which nothing is timed: on a CPU the naive version takes seconds for these."""
SHRUNK = 4
"""A box has a quarter of a picture's side: 32 voxels for 128 px."""


@dataclass(frozen=True)
class VolumeCase(Case):
    """A case of particles in boxes of ``width`` voxels a side; its ``images`` are particles, its ``points`` rotations.

    Attributes:
        shifts: Number of shifts.
        highest: Longest frequency, cycles per voxel; 0 for none at all.
        known: Longest frequency that the reference holds.
        weight: Weights of the particles: own, shared or zero.
        shift_px: Length of the shifts, voxels.
    """

    shifts: int = 7
    highest: float = 0.25
    known: float = 0.25
    weight: str = "own"
    shift_px: float = 2.0

    @property
    def frequencies(self) -> int:
        """K, in half of a sphere."""
        return round(2 / 3 * math.pi * (self.highest * self.width) ** 3)


def _timed(points: Sequence[int], images: int, size: int, sigma_px: float, precision: str) -> list[Case]:
    side = max(2, size // SHRUNK)
    return [
        VolumeCase("fourier_correlation", count, images, side, side, sigma_px, precision)
        for count in points
        if count <= MOST_ROTATIONS
    ]


def _edges(precision: str) -> list[Case]:
    variants: dict[str, dict[str, Any]] = {
        "plain": {},
        "one rotation": {"points": 1},
        "no rotations": {"points": 0},
        "one particle": {"images": 1},
        "no particles": {"images": 0},
        "one shift": {"shifts": 1},
        "no shifts": {"shifts": 0},
        "shifts out of the box": {"shift_px": 100.0},
        "no frequencies": {"highest": 0.0},
        "frequencies beyond the reference": {"known": 0.1},
        "shared weight": {"weight": "shared"},
        "nothing measured": {"weight": "zero"},
        "odd box": {"height": 11, "width": 11},
    }
    small: dict[str, Any] = {"points": 37, "images": 3, "height": 12, "width": 12}
    return edge_cases(VolumeCase, "fourier_correlation", precision, small, variants)


def _directions(count: int, generator: torch.Generator) -> Tensor:
    towards = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    directions: Tensor = towards / towards.norm(dim=1, keepdim=True)
    return directions


def _make_inputs(case: VolumeCase, seed: int) -> Inputs:
    generator = torch.Generator().manual_seed(seed)
    P, R, S, K = case.images, case.points, case.shifts, case.frequencies

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    volume = normal(case.width, case.width, case.width)
    length = torch.rand(K, 1, generator=generator, dtype=torch.float64) ** (1 / 3)
    reference = fourier_reference(volume, highest=case.known)
    measured = torch.rand(1 if case.weight == "shared" else P, K, generator=generator, dtype=torch.float64)
    arguments: dict[str, Any] = {
        "spectra": normal(P, K, 2),
        "values": torch.view_as_real(reference.values),
        "step": reference.step,
        "rotation": random_rotations(R, generator).double(),
        "shift": case.shift_px * _directions(S, generator),
        "frequencies": case.highest * length * _directions(K, generator),
        # A third of them 0, as behind a missing wedge.
        "weight": (measured - 1 / 3).clamp(min=0) if case.weight != "zero" else torch.zeros_like(measured),
    }
    per_particle = ("spectra",) if case.weight == "shared" else ("spectra", "weight")
    inputs = Inputs(arguments, (), torch.ones(P, R, S), per_picture=per_particle)
    return inputs.to(torch.float32).to(torch.float64)


OPERATIONS = {
    "fourier_correlation": Operation(
        public=baselines.PUBLIC,
        dense=baselines.DENSE,
        naive=baselines.NAIVE,
        timed=_timed,
        edges=_edges,
        make_inputs=_make_inputs,
        oracle=baselines.oracle,
        needed_values=baselines.needed_values,
        work=baselines.work,
        bare=baselines.bare,
    )
}
