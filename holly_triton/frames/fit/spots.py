"""Candidates and their fits: where in z they begin, and which are of one and the same emitter."""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from holly_triton.frames.config.fitting import (
    DEPTHS,
    FARTHEST_PX,
    FIT_CHUNK,
    GROUND_PX,
    LEAST_EXPECTED,
    TRIAL_STEPS,
    UNEVEN_DOUBLES,
)
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf import Psf

from .likelihood import Fit, cost_of, maximise
from .maxima import Maxima, smooth
from .regions import Recorded, Regions, cut, gathered


class Scale(NamedTuple):
    """What the width of a PSF decides."""

    sigma_px: float
    """Standard deviation of the Gaussian that is about as wide as the PSF."""
    region_px: int
    """Odd side of the regions."""
    core_px: int
    """Odd side of the region that holds the brightest part of the light."""


class Spots(NamedTuple):
    """E candidates that were fitted."""

    frame: Tensor
    """``[E]``, counted from 0."""
    corner: Tensor
    """``[E, 2]``: row and column of the first pixel of the region."""
    fit: Fit
    pixels: Tensor
    """``[E]``: those of the region that took part."""

    def take(self, kept: Tensor) -> "Spots":
        """Those that a mask ``[E]`` or indices name."""
        return Spots(self.frame[kept], self.corner[kept], self.fit.take(kept), self.pixels[kept])

    def xyz(self, pixel_nm: float) -> Tensor:
        """Positions in the frame ``[E, 3]`` nm."""
        corner = torch.nn.functional.pad(self.corner.flip(1) * pixel_nm, (0, 1))
        return self.fit.unknowns[:, :3] + corner

    def misfit(self) -> Tensor:
        """Deviance per degree of freedom ``[E]``: about 1 where one emitter explains the data."""
        freedom = (self.pixels - self.fit.unknowns.shape[1]).clamp(min=1)
        return 2 * self.fit.cost / freedom

    def light(self, psf: Psf, frames: int, shape: tuple[int, int]) -> Tensor:
        """Expected photons ``[B, H, W]`` of all, in the order of whose frames they are."""
        counts = torch.bincount(self.frame, minlength=frames)
        order = self.frame.argsort(stable=True)
        return psf.draw(Emitters.of(self.xyz(psf.pixel_nm)[order], self.fit.unknowns[order, 3], counts), shape)


def joined(parts: list[Spots]) -> Spots:
    """All of several parts."""
    frame, corner, fits, pixels = zip(*parts, strict=True)
    fit = Fit(*(torch.cat(part) for part in zip(*fits, strict=True)))
    return Spots(torch.cat(frame), torch.cat(corner), fit, torch.cat(pixels))


def fit_new(psf: Psf, recorded: Recorded, found: Maxima, size: int, others: Tensor | None) -> Spots:
    """Fit maxima, from two depths each, and keep the likelier result.

    Args:
        psf: How the light spreads.
        recorded: The frames.
        found: Where to begin.
        size: Side of a region, pixels.
        others: ``[B, H, W]`` expected light of emitters that are known already; None is none.
    """
    corner = torch.stack([found.row, found.column], dim=1) - size // 2
    place = (found.offset + size // 2 + 0.5) * psf.pixel_nm
    parts = []
    for part in parts_of(len(found.frame)):
        frame = found.frame[part]
        known = None if others is None else gathered(others, frame, corner[part], size)
        regions = cut(recorded, frame, corner[part], size, known)
        fit = fit_from_depths(psf, regions, place[part])
        parts.append(Spots(frame, corner[part], fit, _pixels(regions)))
    return joined(parts)


def fit_from_depths(psf: Psf, regions: Regions, place: Tensor) -> Fit:
    """Fit from two depths at these places ``[E, 2]`` nm in the regions, and keep the likelier result."""
    starts = _starts(psf, regions, place)
    bounds = limits(psf, regions.size, starts[0])
    # A few steps show which of the two is the likelier one.
    first, second = (maximise(psf, regions, start, bounds, steps=TRIAL_STEPS) for start in starts)
    likelier = torch.where((second.cost < first.cost)[:, None], second.unknowns, first.unknowns)
    return maximise(psf, regions, likelier, bounds)


def refined(psf: Psf, recorded: Recorded, spots: Spots, size: int, sweeps: int) -> Spots:
    """Fit all spots this many times again, each with the light of the others of its frame taken as known.

    Regions of ``size`` are centred on what was found before. So is known how the background, which is what is left over
    under a wide Gaussian, varies about its value at the emitter.
    """
    for _ in range(sweeps):
        light = spots.light(psf, len(recorded.photons), recorded.shape)
        parts = []
        ground = ground_of(recorded, light)
        xyz = spots.xyz(psf.pixel_nm)
        corners = (xyz[:, :2] / psf.pixel_nm).floor().flip(1).long() - size // 2
        local = xyz - torch.nn.functional.pad(corners.flip(1) * psf.pixel_nm, (0, 1))
        starts = torch.cat([local, spots.fit.unknowns[:, 3:]], dim=1)
        for part in parts_of(len(spots.frame)):
            frame, corner, start = spots.frame[part], corners[part], starts[part]
            own = psf.patches(start[:, :3], size)[0] * start[:, 3, None, None]
            others = (gathered(light, frame, corner, size) - own).clamp(min=0)
            regions = cut(recorded, frame, corner, size, others + slope_of(ground, frame, corner, size))
            fit = maximise(psf, regions, start, limits(psf, size, start))
            parts.append(Spots(frame, corner, fit, _pixels(regions)))
        spots = joined(parts)
    return spots


def ground_of(recorded: Recorded, light: Tensor) -> Tensor:
    """The background ``[B, H, W]``: what is left over of frames without the light of what was found, smoothed."""
    return smooth(torch.where(recorded.usable, recorded.photons - light, 0), GROUND_PX)


def slope_of(ground: Tensor, frame: Tensor, corner: Tensor, size: int) -> Tensor:
    """How the background of regions ``[E, S, S]`` differs from that in their middle."""
    around = gathered(ground, frame, corner, size)
    return around - around[:, size // 2, size // 2, None, None]


def unevenness_of(
    ground: Tensor, frame: Tensor, corner: Tensor, background: Tensor, recorded: Recorded, size: int
) -> Tensor:
    """Standard deviation of the background in regions ``[E]``, over that which noise alone has under the same smoothing.

    Args:
        ground: ``[B, H, W]``, as ``ground_of`` gives it.
        frame: ``[E]``, counted from 0.
        corner: ``[E, 2]``: row and column of the first pixel of each region.
        background: ``[E]``: its mean in each, photons a pixel.
        recorded: The frames.
        size: Side of the regions, pixels.
    """
    parts, inside = [], torch.ones_like(ground)
    for part in parts_of(len(frame)):
        around, used = (gathered(values, frame[part], corner[part], size) for values in (ground, inside))
        pixels = used.sum(dim=(1, 2)).clamp(min=1)
        apart = (around - (around.sum(dim=(1, 2)) / pixels)[:, None, None]) * used
        parts.append(apart.square().sum(dim=(1, 2)) / pixels)
    variance = recorded.noise.dark.mean() + recorded.noise.each.mean() * background.clamp(min=LEAST_EXPECTED)
    return 2 * math.sqrt(math.pi) * GROUND_PX * (torch.cat([*parts, ground.new_zeros(0)]) / variance).sqrt()


def widening(uneven: Tensor) -> Tensor:
    """Factors ``[E]`` of the deviations of fits in a background of such unevenness."""
    return (1 + (uneven / UNEVEN_DOUBLES) ** 2).sqrt()


def single(spots: Spots, pixel_nm: float, nearest_px: float) -> Tensor:
    """Which spots ``[E]`` to keep so that no two of a frame are nearer than this: the better explained of two."""
    kept = np.ones(len(spots.frame), bool)
    if not len(kept):
        return torch.from_numpy(kept)
    xy = spots.xyz(pixel_nm)[:, :2].double().cpu().numpy() / pixel_nm
    apart = spots.frame.cpu().numpy()[:, None] * 1e6  # no frame is as wide
    rank = np.empty(len(kept), int)
    rank[np.argsort(spots.misfit().cpu().numpy(), kind="stable")] = np.arange(len(kept))
    pairs = cKDTree(np.concatenate([xy + [0, 0], apart], axis=1)).query_pairs(nearest_px, output_type="ndarray")
    swapped = rank[pairs[:, 0]] > rank[pairs[:, 1]]
    pairs[swapped] = pairs[swapped, ::-1]
    for better, worse in pairs[np.argsort(rank[pairs[:, 0]], kind="stable")]:
        if kept[better]:
            kept[worse] = False
    return torch.from_numpy(kept).to(spots.frame.device)


def parts_of(count: int) -> list[slice]:
    """Parts of so many regions that are fitted together."""
    return [slice(first, first + FIT_CHUNK) for first in range(0, count, FIT_CHUNK)]


def _pixels(regions: Regions) -> Tensor:
    return (regions.weight > 0).sum(dim=(1, 2))


def limits(psf: Psf, size: int, start: Tensor) -> tuple[Tensor, Tensor]:
    """Least and largest unknowns ``[5]``."""
    middle, reach = size / 2 * psf.pixel_nm, FARTHEST_PX * psf.pixel_nm
    low, high = psf.z_range_nm
    least = start.new_tensor([middle - reach, middle - reach, low, 1.0, LEAST_EXPECTED])
    most = start.new_tensor([middle + reach, middle + reach, high, torch.inf, torch.inf])
    return least, most


def _starts(psf: Psf, regions: Regions, place: Tensor) -> tuple[Tensor, Tensor]:
    """Two starts ``[E, 5]``: at the best of some depths below the middle of the range, and at the best above.

    At each depth photons and background follow from linear least squares. An astigmatic PSF looks alike at few depths, one
    on each side, between which the likelihood is low.
    """
    low, high = psf.z_range_nm
    depths = [low + (high - low) * (index + 0.5) / DEPTHS for index in range(DEPTHS)]
    tried = [_linear(psf, regions, torch.cat([place, torch.full_like(place[:, :1], depth)], dim=1)) for depth in depths]
    half = DEPTHS // 2
    return _best(tried[: DEPTHS - half]), _best(tried[half:])


def _linear(psf: Psf, regions: Regions, xyz: Tensor) -> tuple[Tensor, Tensor]:
    """Photons and background that explain the data best ``[E, 5]`` with the place, and their cost ``[E]``."""
    share = psf.patches(xyz, regions.size)[0]
    used = regions.weight / regions.weight.sum(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    above = regions.data - regions.shift
    mean_share, mean = ((used * part).sum(dim=(1, 2), keepdim=True) for part in (share, above))
    apart = share - mean_share
    photons = (used * apart * above).sum(dim=(1, 2)) / (used * apart * apart).sum(dim=(1, 2)).clamp(min=1e-20)
    photons = photons.clamp(min=1)
    background = (mean[:, 0, 0] - photons * mean_share[:, 0, 0]).clamp(min=LEAST_EXPECTED)
    expected = photons[:, None, None] * share + background[:, None, None] + regions.shift
    unknowns = torch.cat([xyz, photons[:, None], background[:, None]], dim=1)
    return unknowns, cost_of(expected.clamp(min=LEAST_EXPECTED), regions)


def _best(tried: list[tuple[Tensor, Tensor]]) -> Tensor:
    unknowns, cost = (torch.stack(part) for part in zip(*tried, strict=True))
    best = cost.argmin(dim=0)
    return unknowns[best, torch.arange(len(best), device=best.device)]
