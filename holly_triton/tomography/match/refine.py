"""The refinement of peaks at full band: rotations about the best of the search, in boxes of the tomogram about each peak."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from holly_triton.core.progress import following
from holly_triton.geometry.rotations import random_rotations
from holly_triton.geometry.sampling import local_rotations
from holly_triton.geometry.volumes import centre
from holly_triton.tomography.config.matching import FLAT, MOST_ROUNDS, NULL_PLACES, NULL_ROTATIONS
from holly_triton.tomography.peaks import CUBE, vertices

from .template import Turning


class Poses(NamedTuple):
    """Refined peaks."""

    positions: Tensor
    """z, y, x ``[P, 3]`` in voxels of the tomogram."""
    rotations: Tensor
    """``[P, 3, 3]``."""
    scores: Tensor
    """``[P]``, -1 to 1."""


class Refinement:
    """A tomogram at full band and a template."""

    def __init__(self, volume: Tensor, turning: Turning, reach: int) -> None:
        """Prepare it; a peak of the search may be off by ``reach`` voxels along each axis, and each round moves it by one."""
        self.turning, self.reach = turning, reach
        self.shape = volume.shape
        self.floor = FLAT**2 * float(volume.square().mean())
        margin = reach + MOST_ROUNDS + 1
        self.before = centre(turning.size) + margin
        behind = turning.size + margin - centre(turning.size)
        self.padded = functional.pad(volume, (self.before, behind) * 3)
        self.inside = functional.pad(torch.ones_like(volume), (self.before, behind) * 3)

    def scores(self, place: Tensor, templates: tuple[Tensor, Tensor], reach: int) -> Tensor:
        """Scores ``[L, T]`` of templates and masks ``[L, n, n, n]`` at the moves of a voxel ``[3]`` by up to ``reach``."""
        template, mask = (one.flatten(1) for one in templates)
        count = mask.sum(1, keepdim=True)
        patches, inside = (self._patches(padded, place, reach) for padded in (self.padded, self.inside))
        share = (mask @ inside.T / count).clamp(min=1e-6)
        mean, square = (mask @ one.T / count / share for one in (patches, patches.square()))
        deviation = (square - mean.square()).clamp(min=self.floor).sqrt()
        return template @ patches.T / (count * deviation)

    def refined(self, places: Tensor, rotations: Tensor, angle_deg: float, rounds: int, level: float, stopped: Callable[[], bool] = lambda: False) -> Poses | None:  # fmt: skip
        """The best poses about places ``[P, 3]`` and the best of rotations ``[P, L, 3, 3]``; each round halves the angle.

        Peaks whose best score is not above a level go through no round. None where it was stopped.
        """
        found = []
        for row in following(range(len(places))):
            if stopped():
                return None
            place, rotation, score = self._best(places[row], rotations[row], self.reach)
            step = angle_deg
            for _ in range(rounds if float(score) > level else 0):
                step /= 2
                tried = local_rotations(1.5 * step, step).to(rotation) @ rotation
                place, rotation, _ = self._best(place, tried, 1)
            found.append(self._settled(place, rotation))
        if not found:
            empty = self.padded.new_zeros
            return Poses(empty(0, 3), empty(0, 3, 3), empty(0))
        return Poses(*(torch.stack(parts) for parts in zip(*found, strict=True)))

    def sigma(self, generator: torch.Generator, mask: Tensor | None = None) -> float:
        """Standard deviation of the score at random places, of a mask ``[Z, Y, X]`` if there is one, and random rotations."""
        device = self.padded.device
        templates = self.turning.normalised(random_rotations(NULL_ROTATIONS, generator).to(device))
        size = torch.tensor(self.shape)
        places = (torch.rand(NULL_PLACES, 3, generator=generator) * size).long()
        if mask is not None:
            where = mask.nonzero().cpu()
            places = where[torch.randint(len(where), (NULL_PLACES,), generator=generator)]
        return float(torch.stack([self.scores(place, templates, 1) for place in places.to(device)]).std())

    def _best(self, place: Tensor, rotations: Tensor, reach: int) -> tuple[Tensor, Tensor, Tensor]:
        """Voxel, rotation and score of the best of rotations ``[L, 3, 3]`` about a voxel."""
        scores = self.scores(place, self.turning.normalised(rotations), reach)
        row, move = divmod(int(scores.argmax()), scores.shape[1])
        return place + _moves(reach).to(place)[move], rotations[row], scores[row, move]

    def _settled(self, place: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same pose with the place between the voxels, and its score."""
        cube = self.scores(place, self.turning.normalised(rotation[None]), 1)
        return place + vertices(cube)[0], rotation, cube[0, len(CUBE) // 2]

    def _patches(self, padded: Tensor, place: Tensor, reach: int) -> Tensor:
        """The boxes about a voxel and its moves ``[T, n^3]``."""
        size = self.turning.size
        z, y, x = (place + self.before - centre(size) - reach).tolist()
        side = size + 2 * reach
        box = padded[z : z + side, y : y + side, x : x + side]
        return box.unfold(0, size, 1).unfold(1, size, 1).unfold(2, size, 1).reshape((2 * reach + 1) ** 3, -1)


def _moves(reach: int) -> Tensor:
    axis = torch.arange(-reach, reach + 1)
    return torch.cartesian_prod(axis, axis, axis)


def reach_of(crop: tuple[int, int]) -> int:
    """Voxels that a peak of the search can be off along an axis."""
    return math.ceil(crop[0] / crop[1] / 2) + 1
