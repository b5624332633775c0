"""From frames to a table: candidates, fits, and which of them are kept."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.frames.bound import Noise
from holly_triton.frames.camera import Camera
from holly_triton.frames.config.fitting import BAND_NARROW, CORE, ENOUGH_LIGHT, Fitting
from holly_triton.frames.localisations import localisations
from holly_triton.frames.psf import Psf

from .maxima import local_maxima
from .regions import Recorded
from .round import RoundPsf
from .spots import Scale, Spots, fit_new, ground_of, joined, refined, single, unevenness_of, widening

SAMPLED_DEPTHS = 15
"""Depths at which the width of a PSF is measured."""


class Found(NamedTuple):
    """Localisations of some frames, and what became of the other candidates."""

    table: Array
    """Of ``localisations.KIND``, and ``misfit``, and ``width``, nm, which is NaN in 3D."""
    unlike: int
    """Candidates that one emitter does not explain."""
    uncertain: int
    """Candidates whose deviations are too large."""


def fit_frames(photons: Tensor, psf: Psf, camera: Camera, settings: Fitting | None = None, *, first: int = 1) -> Found:
    """Localise emitters by maximum likelihood, each in a region about a local maximum.

    In later passes, the light of all that was found is taken away to find what it hid, and each is fitted again with that of
    its neighbours as known. Until neighbours are known, regions are small, so that little of their light is in them.

    Args:
        photons: ``[B, H, W]``, as ``Camera.photons`` gives them.
        psf: How the light spreads; with a ``RoundPsf`` z is NaN.
        camera: Its variance.
        settings: None takes the defaults.
        first: Number of the first frame.
    """
    settings = settings or Fitting()
    recorded, scale = record(photons, camera), scale_of(psf, settings.region_px)
    spots: Spots | None = None
    for _ in range(settings.passes):
        light = None if spots is None else spots.light(psf, len(photons), recorded.shape)
        rest, threshold = photons, settings.threshold
        if light is not None:  # what a saturated pixel lacks would be a ring of maxima about it
            rest, threshold = torch.where(recorded.usable, photons - light, 0), settings.later_threshold
        new = local_maxima(rest, photons, recorded.noise, BAND_NARROW * scale.sigma_px, threshold)
        found = [] if spots is None else [spots]
        if len(new.frame):
            found.append(fit_new(psf, recorded, new, scale.region_px if settings.passes == 1 else scale.core_px, light))
        if not found:
            break
        later, spots = spots is not None, joined(found)
        if later:
            spots = refined(psf, recorded, spots, scale.region_px, settings.sweeps)
        spots = spots.take(single(spots, psf.pixel_nm, settings.nearest_px))
    return (
        Found(_table_kind(localisations(0)), 0, 0)
        if spots is None
        else _kept(spots, psf, recorded, settings, scale.region_px, first)
    )


def record(photons: Tensor, camera: Camera) -> Recorded:
    """Frames ``[B, H, W]`` with their noise and without saturated pixels."""
    shape = int(photons.shape[1]), int(photons.shape[2])
    largest = torch.full((1, *shape), float(int(camera.saturation_adu)), device=photons.device)
    return Recorded(photons, Noise.of(camera, shape, photons.device), photons < camera.photons(largest))


def scale_of(psf: Psf, region_px: int | None = None, enough: float = ENOUGH_LIGHT) -> Scale:
    """What the width of a PSF decides, over its depths.

    The width is that of the Gaussian whose squares have the same sum. The region, unless its side is given, holds more than
    the share ``enough`` of the light, on average over the depths.
    """
    size = psf.size
    low, high = psf.z_range_nm
    xyz = torch.full((SAMPLED_DEPTHS, 3), size / 2 * psf.pixel_nm)
    xyz[:, 2] = torch.linspace(low, high, SAMPLED_DEPTHS)
    light = psf.to("cpu").patches(xyz, size)[0].double()
    total = light.sum(dim=(1, 2))
    sigma = (total**2 / (4 * torch.pi * (light**2).sum(dim=(1, 2)))).sqrt()
    middle = size // 2
    if region_px is None:
        whole = range(1, middle + 1)
        held = (light[:, middle - h : middle + h + 1, middle - h : middle + h + 1].sum(dim=(1, 2)) for h in whole)
        half = next((h for h, part in zip(whole, held, strict=True) if float((part / total).mean()) > enough), middle)
        region_px = 2 * half + 1
    core_px = 2 * round(CORE * float(sigma.median())) + 1
    return Scale(float(sigma.median()), region_px, min(core_px, region_px))


def _kept(spots: Spots, psf: Psf, recorded: Recorded, settings: Fitting, region_px: int, first: int) -> Found:
    height, width = recorded.shape
    ground = ground_of(recorded, spots.light(psf, len(recorded.photons), recorded.shape))
    background = spots.fit.unknowns[:, 4]
    uneven = unevenness_of(ground, spots.frame, spots.corner, background, recorded, region_px)
    xyz, sigma = spots.xyz(psf.pixel_nm), spots.fit.deviations() * widening(uneven)[:, None]
    x, y, _ = (xyz / psf.pixel_nm).unbind(1)
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    misfit = spots.misfit()
    like = misfit <= settings.max_misfit
    sure = (sigma[:, :2].square().sum(dim=1) / 2).sqrt() <= settings.max_sigma_nm
    kept = (inside & like & sure).nonzero()[:, 0]
    kept = kept[spots.frame[kept].argsort(stable=True)]
    table = _table(spots.take(kept), xyz[kept], sigma[kept], misfit[kept], isinstance(psf, RoundPsf))
    table["frame"] += first
    return Found(table, int((inside & ~like).sum()), int((inside & like & ~sure).sum()))


def _table_kind(table: Array) -> Array:
    """A table with two more columns."""
    kind = np.dtype([*table.dtype.descr, ("misfit", np.float64), ("width", np.float64)])
    wider = np.zeros(len(table), dtype=kind)
    for name in kind.names or ():
        wider[name] = table[name] if name in (table.dtype.names or ()) else np.nan
    return wider


def _table(spots: Spots, xyz: Tensor, sigma: Tensor, misfit: Tensor, flat: bool) -> Array:
    table = _table_kind(localisations(len(spots.frame)))
    table["frame"] = spots.frame.cpu().numpy()
    values = {
        "x": xyz[:, 0],
        "y": xyz[:, 1],
        "photons": spots.fit.unknowns[:, 3],
        "background": spots.fit.unknowns[:, 4],
    }
    values |= {"sigma_x": sigma[:, 0], "sigma_y": sigma[:, 1], "sigma_photons": sigma[:, 3], "misfit": misfit}
    values |= {"width": xyz[:, 2]} if flat else {"z": xyz[:, 2], "sigma_z": sigma[:, 2]}
    for name, column in values.items():
        table[name] = column.double().cpu().numpy()
    return table
