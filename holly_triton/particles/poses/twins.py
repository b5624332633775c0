"""Twin poses: orientations far apart under which a nearly symmetric structure gives nearly the same picture.

A teapot turned so that its handle is where the spout was gives almost the same picture. A search that compares a refined
pose with unrefined candidates keeps whichever of the two it found first, and a cloud that is fitted to both kinds of
poses becomes the mixture of the structure and its turned copy. So the near-symmetries of the cloud are sought, and the
twin that each of them makes of a known pose is compared with it: both are refined to the same degree.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from holly_triton.geometry import compose, random_rotations, rotation_from_axis_angle

CELLS = 32
"""Cells a side of the volume in which a cloud is compared with its turned copies."""
CANDIDATES = 1000
"""Random rotations of either handedness; the nearest to any rotation is about 19 degrees away."""
COARSER = 4
"""Width of the Gaussian by which candidates are compared, in cells."""
PEAKS = 512
"""Best candidates among which those are sought that no near one surpasses."""
STARTS = 16
"""Candidates that are refined."""
TWINS = 4
"""Number of near-symmetries that are returned; the identity fills up."""
APART = 0.7
"""Least angle between two of them, and between a rotation among them and the identity: 40 degrees, in radians."""
ROUNDS, TRIED = 4, 32
"""Rounds that refine each, and maps compared in one: the best so far, and perturbations of it by up to an angle that is
halved from round to round."""


def near_symmetries(points: Tensor, sigma: float | Tensor, generator: torch.Generator) -> Tensor:
    """Rotations and reflections ``[TWINS, 3, 3]`` that map a centred cloud most nearly onto itself.

    They are far from each other and from the identity, which takes the place of those that are missing.

    Args:
        points: ``[N, 3]``, any unit.
        sigma: Of the Gaussian about each point, same unit.
        generator: Source of the candidates, on the points' device.
    """
    device = points.device
    side = 2 * torch.linalg.vector_norm(points, dim=1).max() + 4 * sigma
    # Cells can't hold a narrower Gaussian, and at this angle from a symmetry a candidate shows it only in a wider one.
    fine = _Overlap(points, (side / CELLS).clamp(min=sigma), side, "bilinear")
    # A cell is a quarter of this width, so that the nearest value serves.
    coarse = _Overlap(points, (side / CELLS * COARSER).clamp(min=sigma), side, "nearest")
    maps = random_rotations(2 * CANDIDATES, generator)
    maps[CANDIDATES:, :, 2] *= -1
    # Beside the identity the overlap is large too, so a candidate counts by what it becomes when it is refined.
    maps, overlap = _best(maps, coarse(maps), PEAKS)
    chosen, _ = _best(maps, _of_peaks(maps, overlap), STARTS)
    axes = torch.nn.functional.normalize(
        torch.randn(ROUNDS, STARTS, TRIED, 3, generator=generator, device=device), dim=3
    )
    angles = torch.rand(ROUNDS, STARTS, TRIED, 1, generator=generator, device=device)
    angles[:, :, 0] = 0
    largest = APART * 0.5 ** torch.arange(1, ROUNDS + 1, device=device)
    rows = torch.arange(STARTS, device=device)
    for turn in rotation_from_axis_angle(largest[:, None, None, None] * angles * axes):
        # The search takes products in full precision; in TF32 this one would not stay orthogonal.
        tried = turn @ chosen[:, None]
        chosen = tried[rows, fine(tried.flatten(0, 1)).view(STARTS, TRIED).argmax(1)]
    chosen, overlap = _best(chosen, _of_peaks(chosen, fine(chosen)), TWINS)
    return torch.where(overlap[:, None, None] > -torch.inf, chosen, torch.eye(3, device=device))


def twin_poses(rotation: Tensor, symmetries: Tensor) -> Tensor:
    """The twins ``[B, K, 3, 3]`` of rotations ``[B, 3, 3]`` under near-symmetries ``[K, 3, 3]``.

    A reflection among these makes the structure that is seen from behind, which has the same picture: z is reversed too.
    """
    twins = compose(rotation[:, None], symmetries)
    # The third row of a rotation is the cross product of the others.
    return torch.cat([twins[..., :2, :], torch.linalg.cross(twins[..., :1, :], twins[..., 1:2, :])], dim=-2)


class _Overlap:
    """The overlap of a cloud with its copies under maps ``[K, 3, 3]``: ``[K]``."""

    def __init__(self, points: Tensor, sigma: Tensor, side: Tensor, mode: str) -> None:
        """Draw the cloud into a cube of this side, which is read in a mode of ``grid_sample``."""
        ticks = (torch.arange(CELLS, device=points.device) + 0.5) / CELLS - 0.5
        x, y, z = torch.exp(-0.5 * ((points.T[:, :, None] - side * ticks) / sigma) ** 2)  # each [N, CELLS]
        self.volume = torch.einsum("nk,nj,ni->kji", z, y, x)[None, None]
        self.points, self.mode = points / (side / 2), mode

    def __call__(self, maps: Tensor) -> Tensor:
        """The mean of the cloud's density at the points of each copy."""
        copies = (maps.flatten(0, 1) @ self.points.T).view(1, 1, len(maps), 3, -1).mT  # [1, 1, K, N, 3]
        return grid_sample(self.volume, copies, self.mode, align_corners=False)[0, 0, 0].mean(1)


def _best(maps: Tensor, scores: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The maps ``[most, 3, 3]`` of the highest scores, and these."""
    best = scores.topk(most)
    return maps[best.indices], best.values


def _of_peaks(maps: Tensor, scores: Tensor) -> Tensor:
    """The scores ``[K]`` of maps, but minus infinity for those near the identity or a better map."""
    # The cosine of the angle between two of them is at most 0 if one is a rotation and the other a reflection.
    every = torch.cat([torch.eye(3, device=maps.device)[None], maps]).flatten(1)
    near = maps.flatten(1) @ every.T > 1 + 2 * math.cos(APART)
    better = torch.cat([scores.new_full((1,), torch.inf), scores]) > scores[:, None]
    return torch.where((near & better).any(1), -torch.inf, scores)
