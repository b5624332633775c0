"""Isolated detections of a network, brought to the precision that the data allow.

A network that serves many densities and brightnesses is less precise about isolated emitters than a fit; about crowded ones a
fit of single emitters is worse. So only detections that are alone in their region are fitted, and a result is taken only
where one emitter explains all that the region holds. A background that varies within the width of a spot is another unknown,
which a network has learnt and a fit has not; there the network's result stays.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional

from holly_triton.core.types import Array
from holly_triton.frames.camera import Camera
from holly_triton.frames.config.fitting import Polishing
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf import Psf

from .frames import record, scale_of
from .likelihood import UNKNOWNS, Fit, Prior, cost_of, expected, maximise
from .maxima import smooth
from .regions import Recorded, Regions, cut, gathered
from .spots import fit_from_depths, ground_of, limits, parts_of, slope_of, unevenness_of, widening

AXES = ("x", "y", "z")
SIGMAS = ("sigma_x", "sigma_y", "sigma_z", "sigma_photons")


class _Alone(NamedTuple):
    """Detections that are to be fitted."""

    frame: Tensor  # [E], counted from 0
    corner: Tensor  # [E, 2]
    start: Tensor  # [E, 5]
    own: Tensor  # [E, 5]: with which it is a part of the light of all
    sigma: Tensor  # [E, 5]; NaN where nothing is known

    def take(self, part: slice) -> "_Alone":
        return _Alone(*(values[part] for values in self))


def polish(
    photons: Tensor, table: Array, psf: Psf, camera: Camera, settings: Polishing | None = None, *, first: int = 1
) -> Array:
    """Fit the detections that are isolated, and leave all others as they are.

    Args:
        photons: ``[B, H, W]``, as ``Camera.photons`` gives them.
        table: Detections in these frames, of ``localisations.KIND``. Their deviations, made wider, are the prior.
        psf: How the light spreads.
        camera: Its variance.
        settings: None takes the defaults.
        first: Number of the first frame.

    Returns:
        The table with other positions, photons, backgrounds and deviations where a fit was accepted; the same rows in the
        same order.
    """
    settings = settings or Polishing()
    table = table.copy()
    size = scale_of(psf, settings.region_px, settings.enough_light).region_px
    rows = np.flatnonzero(_usable(table) & _isolated(table, settings.room * size * psf.pixel_nm, first))
    if not len(rows):
        return table
    recorded, light = record(photons, camera), _light(table, psf, photons, first)
    chosen, ground = _chosen(table[rows], size, psf, photons, first), torch.zeros_like(photons)
    # What the detections leave over shows their errors; what a first fit leaves over shows the background.
    rough, own = table.copy(), []
    for part in parts_of(len(rows)):
        alone = chosen.take(part)
        fit, _ = _fit(alone, light, ground, recorded, psf, size, settings)
        _write(rough, rows[part], alone, fit, psf.pixel_nm, fit.settled, torch.zeros_like(fit.cost))
        own.append(torch.where(fit.settled[:, None], fit.unknowns, alone.start))
    chosen, light = chosen._replace(own=torch.cat(own)), _light(rough, psf, photons, first)
    ground = ground_of(recorded, light)
    uneven = unevenness_of(ground, chosen.frame, chosen.corner, chosen.start[:, 4], recorded, size)
    even = uneven <= settings.most_uneven
    rows, uneven, chosen = rows[even.cpu().numpy()], uneven[even], _Alone(*(values[even] for values in chosen))
    for part in parts_of(len(rows)):
        alone = chosen.take(part)
        fit, accepted = _fit(alone, light, ground, recorded, psf, size, settings)
        _write(table, rows[part], alone, fit, psf.pixel_nm, accepted, uneven[part])
    return table


def _usable(table: Array) -> Array:
    usable: Array = np.all([np.isfinite(table[name]) for name in ("x", "y", "z", "photons", "background")], axis=0)
    return usable & (table["photons"] > 0)


def _isolated(table: Array, room_nm: float, first: int) -> Array:
    """Which rows have no other of their frame within a square of this half side."""
    apart = (table["frame"] - first)[:, None] * (10 * room_nm + np.nanmax(np.abs(table["x"]), initial=0) * 10)
    known = np.isfinite(table["x"]) & np.isfinite(table["y"])
    places = np.column_stack([table["x"], table["y"], apart])[known]
    alone = np.zeros(len(table), bool)
    if len(places):
        counts = cKDTree(places).query_ball_point(places, room_nm, p=np.inf, return_length=True)
        alone[known] = counts == 1
    return alone


def _light(table: Array, psf: Psf, photons: Tensor, first: int) -> Tensor:
    """Expected photons ``[B, H, W]`` of all detections."""
    rows = table[_usable(table)]
    rows = rows[np.argsort(rows["frame"], kind="stable")]
    counts = np.bincount(rows["frame"] - first, minlength=len(photons))
    xyz = torch.from_numpy(np.stack([rows[axis] for axis in AXES], axis=1)).to(photons)
    emitters = Emitters.of(
        xyz, torch.from_numpy(rows["photons"]).to(photons), torch.from_numpy(counts).to(photons.device)
    )
    return psf.draw(emitters, (int(photons.shape[1]), int(photons.shape[2])))


def _chosen(rows: Array, size: int, psf: Psf, photons: Tensor, first: int) -> _Alone:
    xyz = torch.from_numpy(np.stack([rows[axis] for axis in AXES], axis=1)).to(photons)
    corner = (xyz[:, :2] / psf.pixel_nm).floor().flip(1).long() - size // 2
    local = xyz - functional.pad(corner.flip(1) * psf.pixel_nm, (0, 1))
    others = [torch.from_numpy(rows[name]).to(photons) for name in ("photons", "background")]
    start = torch.cat([local, torch.stack(others, dim=1)], dim=1)
    sigma = torch.from_numpy(np.stack([rows[name] for name in SIGMAS], axis=1)).to(photons)
    frame = torch.from_numpy(rows["frame"] - first).to(photons.device)
    return _Alone(frame, corner, start, start, functional.pad(sigma, (0, 1), value=torch.nan))


def _fit(
    alone: _Alone, light: Tensor, ground: Tensor, recorded: Recorded, psf: Psf, size: int, settings: Polishing
) -> tuple[Fit, Tensor]:
    """Fits, and which of them ``[E]`` are accepted."""
    own = psf.patches(alone.own[:, :3], size)[0] * alone.own[:, 3, None, None]
    others = (gathered(light, alone.frame, alone.corner, size) - own).clamp(min=0)
    slope = slope_of(ground, alone.frame, alone.corner, size)
    regions = cut(recorded, alone.frame, alone.corner, size, others + slope)
    least, most = limits(psf, size, alone.start)
    start = torch.minimum(torch.maximum(alone.start, least), most)
    precision = torch.nan_to_num((settings.prior_widths * alone.sigma) ** -2, nan=0.0, posinf=0.0)
    fit = maximise(psf, regions, start, (least, most), Prior(start, precision))
    accepted = _accepted(fit, start, regions, psf, settings)
    # Where a detection is further off than its deviations admit, the data alone may still be plain.
    again = (~accepted).nonzero()[:, 0]
    anew = fit_from_depths(psf, regions.take(again), start[again, :2])
    accepted[again] = _accepted(anew, start[again], regions.take(again), psf, settings)
    for whole, part in zip(fit, anew, strict=True):
        whole[again] = part
    return fit, accepted


def _accepted(fit: Fit, start: Tensor, regions: Regions, psf: Psf, settings: Polishing) -> Tensor:
    """Which fits ``[E]`` explain all that their region holds, better than the start did and near it."""
    mean = expected(psf, fit.unknowns, regions)[0]
    cost, before = cost_of(mean, regions), cost_of(expected(psf, start, regions)[0], regions)
    freedom = ((regions.weight > 0).sum(dim=(1, 2)) - UNKNOWNS).clamp(min=1)
    explained = 2 * cost / freedom <= 1 + settings.most_misfit * (2 / freedom).sqrt()
    clean = _largest_residual(regions, mean, settings.residual_px) <= settings.most_residual
    moved = (fit.unknowns[:, :2] - start[:, :2]).abs().amax(dim=1) <= settings.farthest_px * psf.pixel_nm
    return fit.settled & (cost <= before) & explained & clean & moved


def _largest_residual(regions: Regions, mean: Tensor, sigma_px: float) -> Tensor:
    """Largest residual ``[E]`` under a Gaussian as wide as an emitter's light, in standard deviations."""
    normal = (regions.data - mean) * (regions.weight / mean).sqrt()
    gain = 1 / (2 * math.sqrt(math.pi) * sigma_px)  # root of the sum of the squares of the kernel
    return smooth(normal, sigma_px, "constant").amax(dim=(1, 2)) / gain


def _write(
    table: Array, rows: Array, alone: _Alone, fit: Fit, pixel_nm: float, accepted: Tensor, uneven: Tensor
) -> None:
    kept, rows = accepted.nonzero()[:, 0], rows[accepted.cpu().numpy()]
    place = fit.unknowns[kept]
    xyz = place[:, :3] + functional.pad(alone.corner[kept].flip(1) * pixel_nm, (0, 1))
    sigma = fit.take(kept).deviations() * widening(uneven[kept])[:, None]
    names = (*AXES, "photons", "background", *SIGMAS)
    for name, values in zip(names, torch.cat([xyz, place[:, 3:], sigma[:, :4]], dim=1).T, strict=True):
        table[name][rows] = values.double().cpu().numpy()
