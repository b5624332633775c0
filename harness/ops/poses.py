"""The scores of candidate poses: their cases, and their inputs, which a seed determines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from holly_triton.geometry import random_rotations

from ..operation import Case, Inputs, Operation, edge_cases
from . import poses_baselines as baselines

MOST_POSES = 10_000
"""Beyond which nothing is timed."""
HALVED = 2
"""A grid has half of a picture's side: 64 voxels for 128 px."""
VOXEL = 2.5
"""Side of a voxel, in the unit of the localisations."""


@dataclass(frozen=True)
class PoseCase(Case):
    """A case of particles of 3D localisations; its ``images`` are particles, its ``points`` poses.

    Attributes:
        depth: Voxels of the grid along z; 0 for as many as along x.
        localisations: In an average particle.
        rotations: shared or own.
        shift: none, or small: a fifth of the grid's side.
        weights: none, positive or signed.
        far: Distance of the localisations from the particle's centre, in sides of the grid.
    """

    depth: int = 0
    localisations: int = 88
    rotations: str = "shared"
    shift: str = "none"
    weights: str = "none"
    far: float = 0.0

    @property
    def grid(self) -> tuple[int, int, int]:
        """(D, H, W)."""
        return self.depth or self.width, self.height, self.width


def _timed(points: Sequence[int], images: int, size: int, sigma_px: float, precision: str) -> list[Case]:
    """Every number of poses. The product is small and in float32's own precision."""
    side = max(2, size // HALVED)
    return [
        PoseCase("pose_scores", count, images, side, side, sigma_px, "ieee") for count in points if count <= MOST_POSES
    ]


def _edges(precision: str) -> list[Case]:
    variants: dict[str, dict[str, Any]] = {
        "plain": {},
        "one pose": {"points": 1},
        "no poses": {"points": 0},
        "one particle": {"images": 1},
        "no particles": {"images": 0},
        "one localisation": {"localisations": 1},
        "no localisations": {"localisations": 0},
        "own rotations": {"rotations": "own"},
        "shifted": {"shift": "small"},
        "own rotations shifted and weighted": {"rotations": "own", "shift": "small", "weights": "signed"},
        "positive weights": {"weights": "positive"},
        "outside the grid": {"far": 10.0},
        "partly outside the grid": {"far": 0.5},
        "sides of three lengths": {"depth": 5, "width": 20},
        "one plane": {"depth": 1},
        "one voxel": {"depth": 1, "height": 1, "width": 1},
    }
    small: dict[str, Any] = {"points": 37, "images": 3, "height": 12, "width": 12, "localisations": 19}
    return edge_cases(PoseCase, "pose_scores", precision, small, variants)


def _counts(case: PoseCase) -> Tensor:
    """Localisations of each particle: ragged, the last none; the first, which may stand for the rest, is average."""
    counts = torch.full((case.images,), case.localisations)
    if case.images > 2:
        counts[-2], counts[-1] = 2 * case.localisations, 0
    return counts


def _make_inputs(case: PoseCase, seed: int) -> Inputs:
    generator = torch.Generator().manual_seed(seed)
    P, R, counts = case.images, case.points, _counts(case)
    total, own, side = int(counts.sum()), case.rotations == "own", VOXEL * case.width

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    away = torch.nn.functional.normalize(normal(total, 3), dim=1)
    arguments: dict[str, Any] = {
        "xyz": side * (normal(total, 3) / 6 + case.far * away),
        "offsets": torch.nn.functional.pad(counts.cumsum(0), (1, 0)),
        "rotation": random_rotations(P * R if own else R, generator).double(),
        "shift": None if case.shift == "none" else side / 5 * normal(P, R, 3),
        "log_density": normal(*case.grid),
        "voxel": VOXEL,
    }
    if own:
        arguments["rotation"] = arguments["rotation"].view(P, R, 3, 3)
    if case.weights != "none":
        uniform = torch.rand(total, generator=generator)
        arguments["weights"] = uniform + 0.1 if case.weights == "positive" else uniform - 0.1
    per_particle = (["rotation"] if own else []) + (["shift"] if case.shift != "none" else [])
    ragged = tuple(name for name in ("xyz", "weights") if name in arguments)
    inputs = Inputs(arguments, (), torch.ones(P, R), per_picture=tuple(per_particle), ragged=ragged)
    return inputs.to(torch.float32).to(torch.float64)


OPERATIONS = {
    "pose_scores": Operation(
        public=baselines.PUBLIC,
        dense=baselines.DENSE,
        naive=baselines.naive_scores,
        timed=_timed,
        edges=_edges,
        make_inputs=_make_inputs,
        oracle=baselines.oracle,
        needed_values=baselines.needed_values,
        work=baselines.work,
        bare=baselines.bare,
    )
}
