"""Peaks of a score map: local maxima, the highest first, none nearer to a higher one than a radius, between the voxels.

The voxels above the threshold are few, so that only they are compared with their neighbours; then each maximum, in the
order of the scores, is taken unless a higher one lies within the radius. That is the greedy search by which template
matching extracts particles, except that the slope beside a peak is never one.
"""

import itertools
import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

SubVoxel = Literal["quadratic", "mass", "none"]

CUBE = torch.tensor(list(itertools.product((-1, 0, 1), repeat=3)))
"""Offsets of a voxel's cube of 27, in the order of memory; its own is in the middle."""
FARTHEST = 1.0
"""Largest shift of a peak along an axis, voxels; a fit that gives more has no maximum nearby."""
TOGETHER = 2**22
"""Values gathered at once about peaks: 16 MiB."""


class Peaks(NamedTuple):
    """Peaks of a score map, the highest first."""

    positions: Tensor
    """z, y, x ``[P, 3]`` float32 in voxels; a whole number is the centre of a voxel."""
    values: Tensor
    """The scores ``[P]`` of the voxels that are nearest to the maxima."""
    voxels: Tensor
    """These voxels ``[P, 3]`` int64, z, y, x: the indices of whatever else is known per voxel."""


def peaks(scores: Tensor, radius: float, threshold: float, *, border: int = 0, sub_voxel: SubVoxel = "quadratic") -> Peaks:  # fmt: skip
    """Local maxima above a threshold, none nearer to a higher one than a radius.

    Args:
        scores: ``[Z, Y, X]``; NaN and -inf are no score. A wide flat top has no maximum of its own: smooth such a map first.
        radius: Least distance of two peaks, voxels; the higher one is kept.
        threshold: Scores must be larger.
        border: Voxels at each face of the volume in which no peak is taken.
        sub_voxel: How the place between the voxels is found. "quadratic" fits a quadratic function to the 27 voxels about
            a maximum, for peaks about as wide as a voxel; "mass" takes the centre of mass of what exceeds the threshold
            within the radius, for peaks as wide as the radius; "none" leaves the voxel.

    Returns:
        The peaks, on the device of the scores.
    """
    found = _nearest_none(*_maxima(scores, threshold, border), scores.shape, radius)
    values = scores[found.unbind(1)]
    shift = torch.zeros_like(found, dtype=torch.float32)
    if sub_voxel == "quadratic":
        shift = vertices(around(scores, found, CUBE.to(found.device)))
    elif sub_voxel == "mass":
        shift = _centres_of_mass(scores, found, radius, threshold)
    return Peaks(found + shift, values, found)


def ball(radius: float) -> Tensor:
    """Offsets ``[V, 3]`` int64 of the voxels nearer than a radius, the voxel itself included."""
    reach = torch.arange(-math.ceil(radius), math.ceil(radius) + 1)
    offsets = torch.cartesian_prod(reach, reach, reach)
    inside = offsets.square().sum(1) < radius**2
    return offsets[inside | (offsets == 0).all(1)]


def _maxima(scores: Tensor, threshold: float, border: int) -> tuple[Tensor, Tensor]:
    """Voxels ``[K, 3]`` above the threshold that none of their neighbours exceeds, and their scores ``[K]``."""
    padded = functional.pad(scores, (1,) * 6, value=-math.inf)
    flat = padded.view(-1)
    place = (flat > threshold).nonzero()[:, 0]
    value = flat[place]
    steps = (CUBE @ torch.tensor(padded.stride())).tolist()
    for step in sorted(steps, key=abs)[1:]:
        neighbour = flat[place + step]
        # Of two equal neighbours the first one is taken; NaN compares as false and so never excludes a neighbour.
        beaten = neighbour >= value if step < 0 else neighbour > value
        left = (~beaten).nonzero()[:, 0]
        place, value = place[left], value[left]
    voxels = torch.stack(torch.unravel_index(place, padded.shape), dim=1) - 1
    size = torch.tensor(scores.shape, device=scores.device)
    inside = ((voxels >= border) & (voxels < size - border)).all(1)
    return voxels[inside], value[inside]


def _nearest_none(voxels: Tensor, values: Tensor, shape: torch.Size, radius: float) -> Tensor:
    """The voxels ``[P, 3]``, in the order of their scores, without those nearer to a higher one than the radius."""
    margin = math.ceil(radius)
    padded = [size + 2 * margin for size in shape]
    strides = np.array([padded[1] * padded[2], padded[2], 1])
    order = values.argsort(descending=True, stable=True).cpu()
    places = (voxels.cpu()[order].numpy() + margin) @ strides
    around = ball(radius).numpy() @ strides
    taken = bytearray(math.prod(padded))
    marks = np.frombuffer(taken, np.uint8)
    kept = []
    for row, place in enumerate(places.tolist()):
        if not taken[place]:
            kept.append(row)
            marks[place + around] = 1
    return voxels[order[torch.tensor(kept, dtype=torch.int64)].to(voxels.device)]


def around(scores: Tensor, voxels: Tensor, offsets: Tensor) -> Tensor:
    """Scores ``[P, V]`` at offsets ``[V, 3]`` about voxels ``[P, 3]``; NaN outside of the volume."""
    places = voxels[:, None] + offsets
    size = torch.tensor(scores.shape, device=scores.device)
    outside = ((places < 0) | (places >= size)).any(-1)
    return scores[places.clamp(min=0).minimum(size - 1).unbind(-1)].masked_fill(outside, math.nan)


def vertices(cube: Tensor) -> Tensor:
    """Shifts ``[P, 3]`` to the maxima of quadratic functions fitted to cubes of scores ``[P, 27]``; 0 where there is none."""
    offsets = CUBE.to(cube.device, torch.float32)
    z, y, x = offsets.unbind(1)
    terms = torch.stack([torch.ones_like(z), z, y, x, z * z / 2, y * y / 2, x * x / 2, z * y, z * x, y * x], dim=1)
    fitted = cube.nan_to_num(posinf=0, neginf=0) @ torch.linalg.pinv(terms).T
    slope, curved, mixed = fitted[:, 1:4], fitted[:, 4:7], fitted[:, 7:]
    hessian = torch.diag_embed(curved)
    for (row, column), value in zip(((0, 1), (0, 2), (1, 2)), mixed.unbind(1), strict=True):
        hessian[:, row, column] = hessian[:, column, row] = value
    # A maximum has a negative definite matrix; those of a face of the volume or beside a gap keep their voxel.
    sound = cube.isfinite().all(1) & (torch.linalg.eigvalsh(hessian).amax(1) < 0)
    hessian[~sound] = -torch.eye(3, device=cube.device)
    shift = -torch.linalg.solve(hessian, slope[..., None])[..., 0]
    sound &= (shift.abs() <= FARTHEST).all(1)
    return torch.where(sound[:, None], shift, 0.0)


def _centres_of_mass(scores: Tensor, voxels: Tensor, radius: float, threshold: float) -> Tensor:
    """Shifts ``[P, 3]`` to the centres of mass of the scores' excess over the threshold within the radius."""
    offsets = ball(radius).to(scores.device)
    shifts = [torch.zeros(0, 3, device=scores.device)]
    for part in torch.split(voxels, max(1, TOGETHER // len(offsets))):
        mass = (around(scores, part, offsets) - threshold).nan_to_num(posinf=0).clamp(min=0)
        shifts.append(mass @ offsets.to(mass.dtype) / mass.sum(1, keepdim=True))
    return torch.cat(shifts)
