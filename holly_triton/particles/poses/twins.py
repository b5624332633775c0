"""Twin poses: orientations far apart under which a nearly symmetric structure gives nearly the same picture.

A teapot turned so that its handle is where the spout was gives almost the same picture. A search that compares a refined
pose with unrefined candidates keeps whichever of the two it found first, and a cloud that is fitted to both kinds of
poses becomes the mixture of the structure and its turned copy. So the near-symmetries of the cloud are sought, and the
twin that each of them makes of a known pose is compared with it: both are refined to the same degree.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from holly_triton.geometry import compose, random_rotations, rotation_from_axis_angle

CELLS = 32
"""Cells a side of the volume in which a cloud is compared with its turned copies."""
CANDIDATES = 1000
"""Random rotations of either handedness; the nearest to any rotation is about 19 degrees away."""
COARSER = 4
"""Width of the Gaussian by which candidates are compared, in cells."""
STARTS = 16
"""Candidates that are refined."""
TWINS = 4
"""Largest number of near-symmetries that are returned."""
APART = 0.7
"""Least angle between two of them, and between a rotation among them and the identity: 40 degrees, in radians."""
ROUNDS, TRIED = 4, 16
"""Rounds that refine each, and perturbations tried in one, whose largest angle is halved from round to round."""


def near_symmetries(points: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Rotations and reflections ``[K, 3, 3]`` that map a centred cloud most nearly onto itself; K is at most ``TWINS``.

    Args:
        points: ``[N, 3]``, any unit.
        sigma: Of the Gaussian about each point, same unit.
        generator: Source of the candidates, on the points' device.
    """
    side = float(2 * points.norm(dim=1).max() + 4 * sigma)
    # Cells can't hold a narrower Gaussian, and at this angle from a symmetry a candidate shows it only in a wider one.
    fine, coarse = (_Overlap(points, max(sigma, side / cells), side) for cells in (CELLS, CELLS / COARSER))
    rotations = random_rotations(2 * CANDIDATES, generator)
    flip = torch.tensor([1.0, 1.0, -1.0], device=points.device)
    maps = torch.cat([rotations[:CANDIDATES], rotations[CANDIDATES:] * flip])
    # Beside the identity the overlap is large too, so a candidate counts by what it becomes when it is refined.
    chosen = _distinct(maps, coarse(maps), STARTS)
    for halved in range(1, ROUNDS + 1):
        angles = APART / 2**halved * torch.rand(len(chosen), TRIED, 1, generator=generator, device=points.device)
        axes = torch.randn(len(chosen), TRIED, 3, generator=generator, device=points.device)
        turned = compose(rotation_from_axis_angle(angles * normalize(axes, dim=2)), chosen[:, None])
        tried = torch.cat([chosen[:, None], turned], dim=1)
        best = fine(tried.flatten(0, 1)).view(tried.shape[:2]).argmax(1)
        chosen = tried[torch.arange(len(chosen), device=points.device), best]
    return _distinct(chosen, fine(chosen), TWINS)


def twin_poses(rotation: Tensor, symmetries: Tensor) -> Tensor:
    """The twins ``[B, K, 3, 3]`` of rotations ``[B, 3, 3]`` under near-symmetries ``[K, 3, 3]``.

    A reflection among these makes the structure that is seen from behind, which has the same picture: z is reversed too.
    """
    turned = compose(rotation[:, None], symmetries[None])
    behind = torch.linalg.det(symmetries) < 0
    turned[:, behind, 2] *= -1
    return turned


class _Overlap:
    """The overlap of a cloud with its copies under maps ``[K, 3, 3]``: ``[K]``."""

    def __init__(self, points: Tensor, sigma: float, side: float) -> None:
        """Draw the cloud into a cube of this side."""
        ticks = (torch.arange(CELLS, device=points.device) + 0.5) * (side / CELLS) - side / 2
        x, y, z = torch.exp(-0.5 * ((points.T[:, :, None] - ticks) / sigma) ** 2)  # each [N, CELLS]
        self.volume = torch.einsum("nk,nj,ni->kji", z, y, x)[None, None]
        self.points = points / (side / 2)

    def __call__(self, maps: Tensor) -> Tensor:
        """The mean of the cloud's density at the points of each copy."""
        copies = (self.points @ maps.transpose(1, 2))[None, None]  # [1, 1, K, N, 3]
        return grid_sample(self.volume, copies, align_corners=False)[0, 0, 0].mean(1)


def _distinct(maps: Tensor, scores: Tensor, most: int) -> Tensor:
    """At most this number of maps ``[K, 3, 3]``, the best, that are far from each other and from the identity."""
    free = ~_close(maps, torch.eye(3, device=maps.device))
    chosen: list[Tensor] = []
    while len(chosen) < most and bool(free.any()):
        chosen.append(maps[torch.where(free, scores, -torch.inf).argmax()])
        free &= ~_close(maps, chosen[-1])
    return torch.stack(chosen) if chosen else maps[:0]


def _close(maps: Tensor, one: Tensor) -> Tensor:
    """Which of ``[K, 3, 3]`` are within ``APART`` of another of the same handedness."""
    cosine = ((maps * one).sum((1, 2)) - 1) / 2
    alike: Tensor = torch.linalg.det(maps) * torch.linalg.det(one) > 0
    return alike & (cosine > math.cos(APART))
