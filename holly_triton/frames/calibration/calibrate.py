"""From a stack of beads to a PSF, with everything that its user should see."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.frames.bound import cramer_rao
from holly_triton.frames.camera import Camera
from holly_triton.frames.config.calibration import Calibrating
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf import GaussianPsf, Psf, SplinePsf

from .alignment import Aligned, align, average
from .beads import DISAGREEING, Bead, cut_out, find_beads
from .widths import Widths, fit_gaussian, measure_widths

FEWEST_SATURATED = 8
"""Pixels at the largest number of a stack that are no chance."""


@dataclass(frozen=True)
class Calibration:
    """A PSF and how it came about.

    Attributes:
        psf: The chosen one, over the depths that were asked for, or the usable ones.
        spline: The measured table, over all depths.
        gaussian: The nearest astigmatic Gaussian, over the same depths; None where none fits.
        beads: All that were found.
        mean: The stack's mean over the planes ``[H, W]``.
        example: The brightest bead that is used ``[D, S, S]``.
        planes_nm: Depths of the stack's planes ``[D]``, nm.
        widths: Of the measured PSF.
        widths_rms_px: Root mean square of the widths about the Gaussian's curves, pixels.
        unexplained: Share of the measured PSF that the Gaussian does not explain: half the sum of absolute differences.
        residual: Of each used bead ``[n]``, against the table; see ``Aligned``.
        usable_nm: The depths at which the bound of the measured PSF stays near its best.
        z_nm: Depths of the bound ``[m]``, nm.
        bound_nm: Cramér-Rao bounds of x, y and z ``[m, 3]``, nm, of the chosen PSF.
    """

    psf: Psf
    spline: SplinePsf
    gaussian: GaussianPsf | None
    beads: list[Bead]
    mean: Array
    example: Array
    planes_nm: Array
    widths: Widths
    widths_rms_px: float
    unexplained: float
    residual: Array
    usable_nm: tuple[float, float]
    z_nm: Array
    bound_nm: Array

    @property
    def astigmatic(self) -> bool:
        """Whether the two widths change against each other over the depth, so that they give it."""
        return self.gaussian is not None


def calibrate(
    stack: Array,
    z_nm: Array,
    pixel_nm: float,
    camera: Camera,
    settings: Calibrating,
    *,
    known: Array | None = None,
    depths_nm: tuple[float, float] | None = None,
    done: Callable[[str], None] = lambda part: None,
) -> Calibration:
    """The PSF of the beads in a stack.

    Args:
        stack: What the camera stored ``[D, H, W]`` float32, a plane for each depth.
        z_nm: Depth of each plane ``[D]``, nm, rising in equal steps.
        pixel_nm: Side of a pixel, nm.
        camera: Converts to photons; its variance is that of the bound.
        settings: All numbers.
        known: Positions (x, y) of the beads ``[n, 2]``, nm from the outer corner of the first pixel, where they are known:
            the PSF is then centred on them, with the wobble of the light about them in it.
        depths_nm: Depths that the PSF shall describe, nm; None takes the usable ones.
        done: Called with the name of each part of the work as it begins.

    Raises:
        HollyError: There are too few planes, no beads, or none that can be used.
    """
    if len(stack) < settings.fewest_planes:
        raise HollyError(
            f"the stack has {len(stack)} plane{'s' * (len(stack) > 1)}; a calibration needs at least "
            f"{settings.fewest_planes}, at known steps through the focus"
        )
    if (depth := float(np.ptp(z_nm))) > settings.scanned_nm:
        raise HollyError(
            f"the {len(stack)} planes span {depth / 1000:.4g} µm, more than {settings.scanned_nm / 1000:g}; are they a stack of beads, with "
            "its step in nm?"
        )
    done("finding beads")
    places = None if known is None else known / pixel_nm - 0.5
    photons = camera.photons(torch.from_numpy(stack)).numpy()
    beads = find_beads(photons, _saturated(stack, camera), settings, places)
    done("aligning beads")
    beads, regions, aligned = _agreeing(photons, z_nm, pixel_nm, beads, settings, known is not None)
    spline = average(
        regions, z_nm, aligned.shifts, aligned.brightness, pixel_nm, settings, keep_brightness=settings.keep_brightness
    )
    done("fitting widths")
    widths = measure_widths(spline, settings)
    astigmatic = widths.astigmatism >= settings.least_astigmatism
    # The stack's ends fix the values there but not the slope along z.
    (first, last), margin = spline.depths_nm, spline.table.z_step / 2
    z, bound = bound_over_depth(replace(spline, z_range_nm=(first + margin, last - margin)), camera, settings)
    usable = usable_range(z, bound, settings)
    depths = usable if depths_nm is None else _within(depths_nm, (first, last))
    gaussian, rms = fit_gaussian(widths, pixel_nm, depths) if astigmatic else (None, float("nan"))
    psf: Psf = replace(spline, z_range_nm=depths)
    unexplained = float("nan") if gaussian is None else _unexplained(psf, gaussian)
    if settings.model == "gaussian" and gaussian is not None:
        psf = gaussian
        z, bound = bound_over_depth(psf, camera, settings)
    return Calibration(
        psf, spline, gaussian, beads, photons.mean(axis=0), regions[0], z_nm, widths, rms, unexplained, aligned.residual,
        usable, z, bound,
    )  # fmt: skip


def bound_over_depth(psf: Psf, camera: Camera, settings: Calibrating) -> tuple[Array, Array]:
    """Cramér-Rao bounds of x, y and z ``[m, 3]``, nm, of an emitter of the settings' brightness, and their depths ``[m]``."""
    z = torch.linspace(*psf.z_range_nm, settings.bound_steps)
    side = psf.size + 2
    xyz = torch.column_stack([torch.full((len(z), 2), side / 2 * psf.pixel_nm), z])
    emitters = Emitters(xyz, torch.full((len(z),), settings.photons), torch.arange(len(z) + 1))
    background = torch.full((len(z),), settings.background)
    deviations = cramer_rao(emitters, background, psf, Camera.of(camera.table(), "camera"), (side, side), multi=False)
    return z.double().numpy(), deviations[:, :3].double().numpy()


def usable_range(z_nm: Array, bound_nm: Array, settings: Calibrating) -> tuple[float, float]:
    """The depths about the best one at which the bounds, laterally and axially, are no larger than some times the best.

    The median stands for the best, as the axial bound of a PSF without astigmatism is infinite in focus.
    """
    lateral, axial = np.hypot(bound_nm[:, 0], bound_nm[:, 1]), bound_nm[:, 2]
    good = (lateral < settings.worst_bound * lateral.min()) & (axial < settings.worst_bound * np.percentile(axial, 10))
    worst = np.maximum(lateral / lateral.min(), axial / np.percentile(axial, 10))
    best = int(worst.argmin())
    first = last = best
    while first > 0 and good[first - 1]:
        first -= 1
    while last < len(good) - 1 and good[last + 1]:
        last += 1
    return float(z_nm[first]), float(z_nm[last])


def _within(asked: tuple[float, float], measured: tuple[float, float]) -> tuple[float, float]:
    if not measured[0] - 1e-6 <= asked[0] < asked[1] <= measured[1] + 1e-6:
        raise HollyError(
            f"depths from {asked[0]:g} to {asked[1]:g} nm were asked for; the stack holds {measured[0]:g} to {measured[1]:g} nm"
        )
    return asked


def _saturated(stack: Array, camera: Camera) -> Array:
    """Pixels ``[H, W]`` that saturate in some plane: by the camera, or where the largest number piles up.

    A file of 12 bits in one of 16, or one that was scaled, does not state where it saturates.
    """
    numbers, times = np.unique(stack[stack > 0.9 * stack.max()], return_counts=True)
    piles_up = len(times) == 1 or times[-1] > 3 * times[-6:-1].max()
    level = float(numbers[-1]) if piles_up and times[-1] >= FEWEST_SATURATED else np.inf
    saturated: Array = np.any(stack >= min(level, camera.saturation_adu), axis=0)
    return saturated


def _agreeing(
    photons: Array, z_nm: Array, pixel_nm: float, beads: list[Bead], settings: Calibrating, known: bool
) -> tuple[list[Bead], Array, Aligned]:
    """All beads, with those that do not look like the others marked; the regions of the others, and their alignment."""
    while True:
        used = [bead for bead in beads if bead.used]
        if not used:
            raise HollyError(f"none of the {len(beads)} beads that were found can be used: {reasons(beads)}")
        regions = cut_out(photons, used, settings.roi_px)
        offsets = np.array([[bead.x - bead.pixel[1], bead.y - bead.pixel[0]] for bead in used])
        aligned = align(regions, z_nm, pixel_nm, settings, offsets if known else None)
        odd = _odd(aligned, pixel_nm, settings)
        if not odd.any():
            return _placed(beads, used, aligned), regions, aligned
        marked = {id(bead): replace(bead, reason=DISAGREEING) for bead, is_odd in zip(used, odd, strict=True) if is_odd}
        beads = [marked.get(id(bead), bead) for bead in beads]


def _odd(aligned: Aligned, pixel_nm: float, settings: Calibrating) -> Array:
    """Beads that differ too much from the PSF of all, by at least half as much as the worst: the rest may differ because of these."""
    limit = max(settings.worst_residual, settings.residual_factor * float(np.median(aligned.residual)))
    away = np.abs(aligned.shifts[:, 2] - np.median(aligned.shifts[:, 2])) / settings.deepest_nm
    excess = np.maximum(aligned.residual / limit, away)
    excess = np.where((aligned.brightness > 0) & np.isfinite(excess), excess, np.inf)
    return (excess > 1) & (excess >= excess.max() / 2) if len(excess) > 1 else ~np.isfinite(excess)


def _placed(beads: list[Bead], used: list[Bead], aligned: Aligned) -> list[Bead]:
    """The same with the fitted centres of those that are used."""
    moved = {
        id(bead): replace(bead, x=bead.pixel[1] + float(shift[0]), y=bead.pixel[0] + float(shift[1]))
        for bead, shift in zip(used, aligned.shifts, strict=True)
    }
    return [moved.get(id(bead), bead) for bead in beads]


def _unexplained(psf: Psf, gaussian: GaussianPsf) -> float:
    """Total variation between two PSFs, the mean over the depths that both describe."""
    z = torch.linspace(*gaussian.z_range_nm, 41)
    side = psf.size
    xyz = torch.column_stack([torch.full((len(z), 2), side / 2 * psf.pixel_nm), z])
    one, other = (model.patches(xyz, side)[0] for model in (psf, gaussian))
    one = one / one.sum((1, 2), keepdim=True)
    return float((one - other).abs().sum((1, 2)).mean() / 2)


def reasons(beads: list[Bead]) -> str:
    """How many beads are not used for each reason, in words."""
    found = [bead.reason for bead in beads if bead.reason]
    return ", ".join(f"{found.count(reason)} {reason}" for reason in dict.fromkeys(found)) or "none rejected"
