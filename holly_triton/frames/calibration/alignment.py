"""One PSF from several beads: each is brought to the middle, and the average is made anew until nothing moves."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.frames.config.calibration import Calibrating
from holly_triton.frames.psf.spline import SplinePsf, basis, spline_of_slices

from .ellipses import fit_ellipses


@dataclass(frozen=True)
class Aligned:
    """Beads on one PSF.

    Attributes:
        psf: The PSF that they share.
        shifts: Of each bead ``[n, 3]``: x and y from the middle of its region, pixels; its depth, nm.
        brightness: Photons of each in one plane ``[n]``, the mean over the planes.
        residual: Of each ``[n]``: root of the sum of squares of what the PSF leaves unexplained, as a share of the bead's.
    """

    psf: SplinePsf
    shifts: Array
    brightness: Array
    residual: Array


def align(regions: Array, z_nm: Array, pixel_nm: float, settings: Calibrating, known: Array | None = None) -> Aligned:
    """The PSF of several beads.

    Args:
        regions: The same square about each ``[n, D, S, S]``, without background.
        z_nm: Depth of each plane ``[D]``, rising.
        pixel_nm: Side of a pixel, nm.
        settings: Distance of the planes of the table, planes that fix the centre, passes.
        known: Positions of the beads ``[n, 2]`` (x, y) from the middle of their regions, pixels, where they are known: the
            PSF is then centred on them.
    """
    middle = np.abs(z_nm - z_nm[np.abs(z_nm).argmin()]) <= settings.centre_nm
    flat = torch.as_tensor(regions[:, middle].mean(axis=1))
    centres = fit_ellipses(flat, torch.ones_like(flat))[:, :2].numpy() if known is None else known
    shifts = np.concatenate([centres, np.zeros((len(regions), 1))], axis=1)
    brightness = regions.sum(axis=(2, 3)).mean(axis=1)
    residual = np.zeros(len(regions))

    def averaged() -> SplinePsf:
        return average(regions, z_nm, shifts, brightness, pixel_nm, settings, keep_brightness=True)

    psf = averaged()
    for _ in range(settings.passes):
        for number, region in enumerate(regions):
            moved, brightness[number], residual[number] = _moved(psf, region, z_nm, shifts[number], free=known is None)
            shifts[number] = moved
        shifts[:, 2] -= shifts[:, 2].mean()
        psf = averaged()
        if known is None:
            shifts[:, :2] += _centre(psf, z_nm[middle])
            psf = averaged()
    return Aligned(psf, shifts, brightness, residual)


def average(
    regions: Array, z_nm: Array, shifts: Array, brightness: Array, pixel_nm: float, settings: Calibrating,
    *, keep_brightness: bool,
) -> SplinePsf:  # fmt: skip
    """The table through all beads, each shifted to the middle.

    Beads bleach during the scan. Each plane is therefore divided by its own sum, unless the brightness is kept.
    """
    cubes = np.stack([_shifted(region, *shift[:2]) for region, shift in zip(regions, shifts, strict=True)])
    sums = (cubes.sum(axis=(2, 3)) / brightness[:, None]).mean(axis=0)
    sums = np.full_like(sums, sums.mean()) if keep_brightness else np.maximum(sums, 0.05 * sums.max())
    samples = cubes / (brightness[:, None] * sums)[:, :, None, None]
    depths = z_nm - shifts[:, 2:]  # [n, D]
    planes = _planes(z_nm, settings)
    inside = (depths >= planes[0] - 1e-6) & (depths <= planes[-1] + 1e-6)
    return spline_of_slices(samples[inside], depths[inside], pixel_nm=pixel_nm, planes=planes)


def _planes(z_nm: Array, settings: Calibrating) -> Array:
    """Depths of the table's planes: as far apart as the settings say, and fewer than the stack has."""
    length = float(z_nm[-1] - z_nm[0])
    number = max(4, min(round(length / settings.plane_nm) + 1, len(z_nm) - 2))
    return np.linspace(z_nm[0], z_nm[-1], number)


def _shifted(region: Array, x: float, y: float) -> Array:
    """Slices ``[D, S, S]`` whose middle is the place (x, y) of the region, pixels from its middle, by cubic splines."""
    side = region.shape[-1]
    to_coefficients = np.linalg.inv(basis(np.arange(side), side))
    along_y, along_x = (basis(np.arange(side) + shift, side) @ to_coefficients for shift in (y, x))
    return along_y @ region @ along_x.T


def _moved(psf: SplinePsf, region: Array, z_nm: Array, shift: Array, *, free: bool) -> tuple[Array, float, float]:
    """One step of Gauss and Newton for a bead's place, depth, photons and background: shift, photons, residual."""
    side = region.shape[-1]
    first, last = psf.depths_nm
    within = (z_nm - shift[2] >= first) & (z_nm - shift[2] <= last)
    pixels = torch.as_tensor(region[within]).flatten()
    light, jacobian = _model(psf, z_nm[within] - shift[2], shift, side)
    photons = float((pixels * light).sum() / (light * light).sum())
    weight = 1 / (photons * light.clamp(min=0) + 0.01 * photons * light.max())
    columns = [photons * jacobian[axis] for axis in range(3)] + [light, torch.ones_like(light)]
    if not free:
        columns = columns[2:]
    design = torch.stack(columns)  # [k, p]
    rest = pixels - photons * light
    step = torch.linalg.solve((design * weight) @ design.T, (design * weight) @ rest).numpy()
    unexplained = float(((rest - design.T @ torch.as_tensor(step)) ** 2).sum().sqrt() / (photons * light).norm())
    offset = 0 if free else 2
    moved = shift.copy()
    if free:
        moved[:2] += np.clip(step[:2] / psf.pixel_nm, -0.5, 0.5)
    moved[2] -= np.clip(step[2 - offset], -50.0, 50.0)
    return moved, photons + float(step[3 - offset]), unexplained


def _model(psf: SplinePsf, depths: Array, shift: Array, side: int) -> tuple[Tensor, Tensor]:
    """Light of a bead in all planes ``[p]`` and its derivatives by x, y and z ``[3, p]``, 1/nm."""
    place = (side / 2 + shift[:2]) * psf.pixel_nm
    xyz = np.column_stack([np.broadcast_to(place, (len(depths), 2)), depths])
    light, by_xyz = psf.patches(torch.as_tensor(xyz, dtype=torch.float32), side)
    return light.double().flatten(), by_xyz.double().movedim(1, 0).flatten(1)


def _centre(psf: SplinePsf, z_nm: Array) -> Array:
    """Centre (x, y) of the PSF near z = 0, pixels from the middle of its table."""
    side = psf.table.coefficients.shape[-1]
    light, _ = _model(psf, z_nm, np.zeros(3), side)
    image = light.view(len(z_nm), side, side).mean(0, keepdim=True)
    return fit_ellipses(image, torch.ones_like(image))[0, :2].numpy()
