"""Template matching of a tomogram: for each template a coarse search, the refinement of its peaks, and the competition."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.geometry.groups import point_group
from holly_triton.geometry.rotations import random_rotations
from holly_triton.geometry.sampling import rotation_grid
from holly_triton.io.particle_lists.particle_list import ParticleList, joined
from holly_triton.tomography.config.matching import (
    ANGLES,
    CANDIDATE_SHARE,
    CROPS,
    CROWTHER_VOXELS,
    DECOY_CANDIDATES,
    DENSITY_SHARE,
    EXPLAINING,
    MOST_CANDIDATES,
    ROUNDS_SHARE,
    SAME_VOXEL,
    SEARCH_POWER,
    SIGN_PEAKS,
    SMALLEST_RADIUS,
    TWINS_APART,
    Matching,
)
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.peaks import peaks

from .basis import Basis, find_basis
from .refine import Refinement, reach_of
from .search import Scores, Search
from .template import Template, Turning, distance, resampled, spherical_mask
from .threshold import expected_threshold, tail_threshold
from .volume import centred, filtered

Begin = Callable[[str], None]
PARTS = 6
"""Of the work for each template and hand, half of them for its decoy."""


@dataclass(frozen=True, eq=False)
class Match:
    """What the search for one template, or its mirror image, found.

    Attributes:
        template: At the tomogram's voxel size.
        mirrored: Whether it is the mirror image.
        picks: Refined peaks, the best first; scores are S / sigma at full band.
        threshold: Of these scores, by the expected number of false positives: the larger of what noise exceeds so many times, and
            what the template's decoy does.
        noise_threshold: The former.
        search_scores: Largest S / sigma of the search per voxel ``[Z, Y, X]``, at voxels of ``search_voxel`` Å.
        search_voxel: Å.
        angle_deg: Of the grid.
        rotations: Number of the grid's.
        functions: Number of the basis's.
        held: Share of the power of the turned templates that the basis holds.
        opposite: Mean of the highest peaks of the negative score minus that of the score, in sigma, at the same rotations.
    """

    template: Template
    mirrored: bool
    picks: ParticleList
    threshold: float
    noise_threshold: float
    search_scores: Tensor
    search_voxel: float
    angle_deg: float
    rotations: int
    functions: int
    held: float
    opposite: float

    @property
    def accepted(self) -> ParticleList:
        """The picks above the threshold."""
        return self.picks.take(self.picks.scores > self.threshold)


class StoppedError(Exception):
    """A signal asked for a stop."""


def match_tomogram(
    values: Tensor, voxel: float, templates: list[Template], settings: Matching, *, optics: Optics | None = None,
    mask: Tensor | None = None, tomogram: str = "", begin: Begin = lambda part: None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Match]:  # fmt: skip
    """Search a tomogram for templates, each by itself; ``picked`` lets them compete.

    Args:
        values: ``[Z, Y, X]``; its device is where everything is computed.
        voxel: Å.
        templates: At any voxel size; each is resampled to the tomogram's.
        settings: Of the search.
        optics: Of the CTF, if the settings ask for it.
        mask: ``[Z, Y, X]``, where particles are sought: larger than 0.
        tomogram: Its name in the particle list.
        begin: Called with the name of each part of the work: ``PARTS`` for each template and hand.
        stopped: Whether to stop.

    Raises:
        HollyError: A mask of another shape or without a voxel; a template larger than the tomogram; an unknown symmetry; two
            templates of one name.
        StoppedError: As ``stopped`` says.
    """
    twice = [name for name, number in Counter(template.name for template in templates).items() if number > 1]
    if twice:
        raise HollyError(f"{twice[0]}: two templates have this name, which becomes the class of their particles; rename one")  # fmt: skip
    for template in templates:
        try:
            point_group(template.symmetry)
        except ValueError as error:
            raise HollyError(f"--symmetry: {error}") from None
    chosen = _checked_mask(values, mask)
    ready = centred(values)
    hands = [(template, hand) for template in templates for hand in ((False, True) if settings.mirror else (False,))]
    found = []
    for template, mirrored in hands:
        fitted = at_voxel(template, voxel).to(values.device)
        if mirrored:
            fitted = fitted.mirrored()
        work = _Work(fitted, mirrored, ready, chosen, settings, optics or Optics(), tomogram)
        found.append(work.done(begin, stopped))
    return found


def picked(matches: list[Match]) -> ParticleList:
    """The accepted picks of the better hand of each template; where two templates compete, the higher score in sigma wins."""
    best = [better_hand([one for one in matches if one.template.name == name]) for name in _names(matches)]
    lists = [one.accepted for one in best]
    both = joined(lists)
    reach = np.concatenate([np.full(len(one.accepted), exclusion(one.template)) for one in best])
    return both.take(compete(both.positions, both.scores, reach))


def better_hand(hands: list[Match]) -> Match:
    """The one whose highest picks have the higher mean score."""
    count = max(1, min(SIGN_PEAKS, *(len(one.picks) for one in hands))) if len(hands) > 1 else 1
    return max(hands, key=lambda one: float(np.sort(one.picks.scores)[::-1][:count].mean()) if len(one.picks) else -math.inf)  # fmt: skip


def compete(positions: Array, scores: Array, reach: Array) -> Array:
    """Rows that stay when each pick removes all lower ones within the larger reach of the two, highest first."""
    kept: list[int] = []
    for row in np.argsort(-scores, kind="stable"):
        apart = np.linalg.norm(positions[kept] - positions[row], axis=1)
        if (apart >= np.maximum(reach[kept], reach[row])).all():
            kept.append(int(row))
    return np.array(kept, dtype=np.int64)


def unexplained(decoys: ParticleList, picks: ParticleList, reach: float) -> Array:
    """Which peaks of a decoy ``[D]`` have no pick of the template within a reach, Å, that is ``EXPLAINING`` times as high.

    Where the template is, its decoy has peaks too, which say nothing of where it is not.
    """
    apart = np.linalg.norm(decoys.positions[:, None] - picks.positions, axis=2)
    higher = (apart < reach) & (picks.scores > EXPLAINING * decoys.scores[:, None])
    free: Array = ~higher.any(axis=1)
    return free


def exclusion(template: Template) -> float:
    """Least distance of two picks, Å: the radius of a ball of the density's volume."""
    held = template.values > DENSITY_SHARE * template.values.max()
    return float((3 * held.sum() / (4 * math.pi)) ** (1 / 3)) * template.voxel


def at_voxel(template: Template, voxel: float) -> Template:
    """The template resampled to a voxel size, if it has another."""
    ratio = voxel / template.voxel
    if abs(ratio - 1) < SAME_VOXEL:
        return replace(template, voxel=voxel)
    size = math.ceil(len(template.values) / ratio)
    mask = None if template.mask is None else resampled(template.mask, ratio, size).clamp(0, 1)
    return replace(template, values=resampled(template.values, ratio, size), voxel=voxel, mask=mask)


class _Pass(NamedTuple):
    """What the search for a template, or for its decoy, found."""

    basis: Basis
    scores: Scores
    sigma: float
    threshold: float
    """That noise exceeds the expected number of times."""
    picks: ParticleList


class _Work:
    """The search for one template."""

    def __init__(self, template: Template, mirrored: bool, ready: Tensor, mask: Tensor | None, settings: Matching, optics: Optics, tomogram: str) -> None:  # fmt: skip
        self.template, self.mirrored, self.ready, self.mask = template, mirrored, ready, mask
        self.settings, self.optics, self.tomogram = settings, optics, tomogram
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.name = f"{template.name}, mirrored" if mirrored else template.name
        self._check_size()
        self.full = Turning(template, template.voxel, settings, optics)
        self.crop = self._find_crop()
        self.voxel = template.voxel * self.crop[0] / self.crop[1]
        least, most = ANGLES
        crowther = math.degrees(CROWTHER_VOXELS * self.voxel / (2 * template.radius))
        self.angle = settings.angle_deg or min(most, max(least, crowther))

    def done(self, begin: Begin, stopped: Callable[[], bool]) -> Match:
        grid = rotation_grid(self.angle, self.template.symmetry).to(self.ready.device)
        found = self._passed(self.full, grid, (MOST_CANDIDATES, CANDIDATE_SHARE), self.name, begin, stopped)
        decoy = Turning(self.template.decoy(self.generator), self.template.voxel, self.settings, self.optics)
        null = self._passed(decoy, grid, (DECOY_CANDIDATES, 0.0), f"decoy of {self.name}", begin, stopped)
        outside = null.picks.scores[unexplained(null.picks, found.picks, 2 * exclusion(self.template))]
        threshold = max(found.threshold, tail_threshold(outside, self.settings.false_positives))
        high, low = (
            peaks(one, exclusion(self.template) / self.voxel, 0.0).values[:SIGN_PEAKS] / found.sigma
            for one in (found.scores.highest, found.scores.lowest)
        )
        return Match(
            self.template, self.mirrored, found.picks, threshold, found.threshold, found.scores.best / found.sigma,
            self.voxel, self.angle, len(grid), len(found.basis), found.basis.held,
            float(low.mean() - high.mean()) if len(low) and len(high) else 0.0,
        )  # fmt: skip

    def _passed(self, full: Turning, grid: Tensor, candidates: tuple[int, float], name: str, begin: Begin, stopped: Callable[[], bool]) -> _Pass:  # fmt: skip
        """A template searched at all rotations of a grid, and its highest peaks refined: so many, above a share of the threshold."""
        settings, device = self.settings, self.ready.device
        begin(f"{name}: turning it to {len(grid)} rotations")
        coarse = full if self.crop == (1, 1) else Turning(full.template, self.voxel, settings, self.optics)
        basis = find_basis(coarse, grid, settings.basis_power, self.generator)
        masks, sphere = None, coarse.sphere
        if full.template.mask is not None:
            masks = find_basis(coarse, grid, 1 - (1 - settings.basis_power) / 10, self.generator, of_masks=True)
            sphere = spherical_mask(coarse.size, coarse.radius, device)
        begin(f"{name}: searching")
        search = Search(filtered(self.ready, settings, self.crop), basis, sphere, masks)
        scores = search.run(self._coarse_mask(search.shape), stopped)
        if scores is None:
            raise StoppedError
        if scores.voxels == 0:
            raise HollyError(f"{name}: no voxel has a score: the tomogram is flat, or where it is not, the mask is 0; give another mask or tomogram")  # fmt: skip
        sigma = max(scores.sigma, torch.finfo(torch.float32).tiny)
        threshold = expected_threshold(settings.false_positives, scores.voxels * float(len(grid)))
        most, share = candidates
        level = share * threshold * sigma
        radius = exclusion(self.template) / self.voxel
        found = peaks(scores.best, radius, min(level, 0.95 * float(scores.best.max())))
        voxels, places = found.voxels[:most], found.positions[:most]
        begin(f"{name}: refining {len(voxels)} peaks")
        picks = self._refined(search, full, grid, voxels, places, threshold, stopped)
        return _Pass(basis, scores, sigma, threshold, picks)

    def _refined(
        self, search: Search, full: Turning, grid: Tensor, voxels: Tensor, places: Tensor, threshold: float,
        stopped: Callable[[], bool],
    ) -> ParticleList:  # fmt: skip
        """Refined peaks, highest first."""
        settings, size = self.settings, torch.tensor(self.ready.shape, device=self.ready.device)
        refinement = Refinement(filtered(self.ready, settings), full, reach_of(self.crop))
        start = (places * (self.voxel / self.template.voxel)).round().long().clamp(min=0).minimum(size - 1)
        sigma = max(refinement.sigma(self.generator, self.mask), torch.finfo(torch.float32).tiny)
        twins = search.rotations_at(voxels, grid, TWINS_APART * self.angle)
        level = ROUNDS_SHARE * threshold * sigma
        poses = refinement.refined(start, twins, self.angle, settings.rounds, level, stopped)
        if poses is None:
            raise StoppedError
        order = poses.scores.argsort(descending=True).cpu()
        positions = poses.positions.cpu()[order].flip(1) * self.template.voxel
        picks = ParticleList.of(
            self.template.name, positions.numpy(), rotations=poses.rotations.cpu()[order].numpy(),
            scores=(poses.scores.cpu()[order] / sigma).numpy(), tomogram=self.tomogram,
        )  # fmt: skip
        kept = compete(picks.positions, picks.scores, np.full(len(picks), exclusion(self.template)))
        return picks.take(kept)

    def _find_crop(self) -> tuple[int, int]:
        """The coarsest crop that leaves the template's power, and room in its mask."""
        values, _ = self.full.normalised(random_rotations(4, self.generator).to(self.ready.device))
        power = torch.fft.fftshift(torch.fft.fftn(values, dim=(1, 2, 3)).abs().square().sum(0))
        frequency = distance(len(power), power.device) / len(power)
        wanted = self.settings.search_power or SEARCH_POWER[self.settings.ctf]
        for more, less in CROPS[:-1]:
            held = float(power[frequency <= less / more / 2].sum() / power.sum())
            if held >= wanted and self.full.radius * less / more >= SMALLEST_RADIUS:
                return more, less
        return CROPS[-1]

    def _coarse_mask(self, shape: tuple[int, int, int]) -> Tensor | None:
        """Voxels of the search whose centres lie in masked voxels."""
        if self.mask is None:
            return None
        index = [
            (torch.arange(side, device=self.mask.device) * (self.crop[0] / self.crop[1]))
            .round()
            .long()
            .clamp(max=most - 1)
            for side, most in zip(shape, self.mask.shape, strict=True)
        ]
        return self.mask[index[0][:, None, None], index[1][:, None], index[2]]

    def _check_size(self) -> None:
        shape, voxel = self.ready.shape, self.template.voxel
        across = 2 * self.template.radius / voxel
        if across > sorted(shape)[1]:
            seen = " x ".join(str(side) for side in reversed(shape))
            raise HollyError(f"{self.name}: is {across:.0f} voxels across and the tomogram has {seen}, so that it never fits; check both voxel sizes (here {voxel:g} Å)")  # fmt: skip


def _checked_mask(values: Tensor, mask: Tensor | None) -> Tensor | None:
    if mask is None:
        return None
    if mask.shape != values.shape:
        has, needs = (" x ".join(str(side) for side in reversed(one.shape)) for one in (mask, values))
        raise HollyError(f"the mask has {has} voxels and the tomogram {needs}; give a mask of the same shape")
    chosen = mask > 0
    if not bool(chosen.any()):
        raise HollyError(
            f"the mask leaves none of {mask.numel()} voxels; it must be above 0 where particles are sought"
        )
    return chosen.to(values.device)


def _names(matches: list[Match]) -> list[str]:
    return list(dict.fromkeys(one.template.name for one in matches))
