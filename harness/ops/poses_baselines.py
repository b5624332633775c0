"""Baselines of the scores of candidate poses: the naive version, the exact answer, the least work."""

import itertools
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from holly_triton import kernels
from holly_triton.kernels.gaussians import reference

from ..operation import Answer, Bare, Inputs, Work

SAMPLE = 2**14
"""Look-ups of which the least work is timed."""
ORACLE_VALUES = {"cpu": 2**20, "cuda": 2**25}
"""Look-ups that the oracle holds at a time."""
DENSE_TENSORS = 24
"""Numbers held for a look-up in the dense version."""

PUBLIC = kernels.pose_scores
DENSE = reference.pose_scores


def naive_scores(
    xyz: Tensor, offsets: Tensor, rotation: Tensor, shift: Tensor | None, log_density: Tensor, voxel: float,
    *, weights: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """One particle after the other: all of its positions, then PyTorch's ``grid_sample``."""
    half = xyz.new_tensor(log_density.shape).flip(0) * voxel / 2
    scores = []
    for p, (first, last) in enumerate(itertools.pairwise(offsets.tolist())):
        turn = rotation[p] if rotation.ndim == 4 else rotation
        relative = xyz[first:last] if shift is None else xyz[first:last] - shift[p, :, None]
        place = (relative @ turn / half)[None, None]  # [1, 1, r, m, 3]; a side of the grid is from -1 to 1
        sampled = grid_sample(log_density[None, None], place, align_corners=False, padding_mode="border")
        weight = xyz.new_ones(last - first) if weights is None else weights[first:last]
        scores.append(sampled[0, 0, 0] @ weight)
    return torch.stack(scores) if scores else xyz.new_zeros(0, rotation.shape[-3])


def oracle(case: Any, inputs: Inputs) -> Answer:
    """The dense answer, one particle and a few of its localisations at a time so that it fits in memory."""
    out = torch.zeros_like(inputs.cotangent)
    step = max(1, ORACLE_VALUES[out.device.type] // max(1, case.points))
    for particle in range(len(out)):
        one = inputs.pictures(slice(particle, particle + 1))
        count = int(one.arguments["offsets"][-1])
        for start in range(0, count, step):
            some = {name: one.arguments[name][start : start + step] for name in inputs.ragged}
            out[particle] += DENSE(**{**one.arguments, **some, "offsets": torch.tensor([0, min(step, count - start)])})[
                0
            ]
    return out, {}


def needed_values(case: Any, images: int) -> dict[str, int]:
    """Floats that the naive version, which meets one particle at a time, and the dense one hold in memory."""
    look_ups = case.points * case.localisations
    return {"naive": 2 * 8 * look_ups, "dense": DENSE_TENSORS * images * look_ups}


def work(case: Any) -> tuple[Work, Work | None] | None:
    """The positions as a product, and the interpolations along lines; the grid comes from the caches."""
    look_ups = case.images * case.points * case.localisations
    if not look_ups:
        return None
    return Work(look_ups * (2 * 3 * 4 + 7 * 3 + 2), 0, 4 * case.images * (case.points + 3 * case.localisations)), None


def bare(case: Any) -> Bare | None:
    """The same for a sample of the look-ups, in buffers, with the eight values read in their order."""
    look_ups = case.images * case.points * case.localisations
    if not look_ups:
        return None
    sample = min(SAMPLE, look_ups)
    poses, given, position = torch.rand(3, 4), torch.rand(4, sample), torch.empty(3, sample)
    index, values = torch.arange(sample, dtype=torch.int32), torch.rand(sample)
    corner = torch.empty_like(values)

    def look_up() -> None:
        torch.mm(poses, given, out=position)
        for _ in range(8):
            torch.index_select(values, 0, index, out=corner)
        for _ in range(7):
            corner.lerp_(values, position[0])

    return Bare((look_up,), (), look_ups / sample)
