"""Calibration from a file to files, and its results in words."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import check_new
from holly_triton.core.log import LOG
from holly_triton.core.progress import in_parts
from holly_triton.core.types import Array
from holly_triton.frames.camera import camera_preset, read_camera
from holly_triton.frames.config.calibration import Calibrating
from holly_triton.frames.psf import HuangCurve, write_psf
from holly_triton.io.images.stacks import check_size
from holly_triton.io.movies.opening import open_movie
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.table import read_rows

from .calibrate import Calibration, calibrate, reasons
from .picture import draw_calibration

PARTS = 3
"""Parts of the work that ``calibrate`` names."""
ROWS = 13
"""Depths in the printed table of the bound."""


def calibrate_file(
    beads: Path,
    out: Path,
    *,
    step: float,
    pixel_size: float | None = None,
    camera: str | None = None,
    model: str = "spline",
    roi: int | None = None,
    zero: int | None = None,
    positions: Path | None = None,
    depths: tuple[float, float] | None = None,
    keep_brightness: bool = False,
    channel: int | None = None,
    overwrite: bool = False,
) -> Iterator[str]:
    """Calibrate with a stack of beads; write the PSF, and a picture beside it.

    Args:
        beads: The stack: any movie, a plane in each frame.
        out: The PSF's file; the picture has the same name and the suffix .png.
        step: Distance of the planes, nm; negative where z falls.
        pixel_size: Side of a pixel, nm; None takes the one that the file states.
        camera: As ``read_camera`` takes it; None is a counter of whatever unit the file has.
        model: ``"spline"`` or ``"gaussian"``.
        roi: Odd side of the region about a bead, pixels.
        zero: The plane of z = 0, counted from 1; None is the middle one.
        positions: A table of the beads' positions, nm.
        depths: Smallest and largest depth of the PSF, nm; None takes the usable ones.
        keep_brightness: As in ``Calibrating``.
        channel: Of a stack with several, from 1.
        overwrite: Replace an existing PSF.

    Yields:
        What was found, line by line.

    Raises:
        HollyError: The stack can't be used; the picture is written where beads were found that show no astigmatism.
    """
    changed = {"model": model, "keep_brightness": keep_brightness} | ({} if roi is None else {"roi_px": roi})
    settings = replace(Calibrating(), **changed)  # type: ignore[arg-type]
    chosen = camera_preset("photons") if camera is None else read_camera(camera)
    if out.suffix.lower() not in (".h5", ".hdf5"):
        raise HollyError(f"{out}: the PSF is written as HDF5; give a name that ends in .h5")
    if not overwrite:
        check_new(out)
    if step == 0 or not math.isfinite(step):
        raise HollyError(f"--step {step:g}: planes at one depth give no PSF; give the distance of two planes in nm")
    if settings.roi_px % 2 == 0:
        raise HollyError(
            f"--roi {settings.roi_px}: must be odd, so that a pixel is in the middle; give {settings.roi_px + 1}"
        )
    with in_parts(1 + PARTS) as done:
        done(f"reading {beads}")  # a movie that is given by mistake may be long
        stack, pixel_nm = _read(beads, pixel_size, channel)
        stack, z_nm = _depths(stack, step, zero, beads)
        known = None if positions is None else _positions(positions)
        try:
            found = calibrate(stack, z_nm, pixel_nm, chosen, settings, known=known, depths_nm=depths, done=done)
        except HollyError as error:
            raise HollyError(f"{beads}: {error}") from None
    picture = out.with_suffix(".png")
    draw_calibration(picture, found, settings)
    if not found.astigmatic:
        raise HollyError(
            f"{beads}: there is no astigmatism: the ratio of the beads' widths changes by only {np.expm1(found.widths.astigmatism):.0%} over "
            f"the stack, so that a depth looks the same above and below the focus; record it with the cylindrical lens in "
            f"place, or further from the focus (see {picture})"
        )
    write_psf(out, found.psf)
    yield from _report(beads, stack, z_nm, found, settings)
    yield f"Written: {out} and {picture}. Look at the picture."


def _read(path: Path, pixel_size: float | None, channel: int | None) -> tuple[Array, float]:
    """The whole stack ``[D, H, W]`` float32, and the side of a pixel in nm."""
    movie = open_movie(path, channel)
    if len(movie) == 1:
        raise HollyError(f"{path}: has 1 plane; a calibration needs a stack, recorded at known steps through the focus")
    for note in movie.notes:
        LOG.info("%s: %s", path, note)
    pixel_nm = pixel_size or movie.pixel_nm
    if pixel_nm is None:
        raise HollyError(f"{path}: does not state its pixel size; give it with --pixel-size NM")
    check_size(path, 4 * int(np.prod(movie.shape)))
    stack = np.empty(movie.shape, dtype=np.float32)
    for first, block in movie.blocks():
        stack[first : first + len(block)] = block
    return stack, pixel_nm


def _depths(stack: Array, step: float, zero: int | None, path: Path) -> tuple[Array, Array]:
    """The planes in the order of rising z, and their depths ``[D]``, nm."""
    planes = len(stack)
    if zero is not None and zero > planes:
        raise HollyError(f"--zero {zero}: {path} has {planes} planes")
    middle = (planes - 1) / 2 if zero is None else zero - 1
    z_nm = (np.arange(planes) - middle) * step
    return (stack, z_nm) if step > 0 else (stack[::-1].copy(), z_nm[::-1].copy())


def _positions(path: Path) -> Array:
    """Positions (x, y) ``[n, 2]``, nm, of a table with these columns; each once."""
    rows = read_rows(path, Reading(unit="nm"))
    return np.unique(rows.whole().xyz[:, :2], axis=0)


def _report(beads: Path, stack: Array, z_nm: Array, found: Calibration, settings: Calibrating) -> Iterator[str]:
    planes, height, width = stack.shape
    used = sum(bead.used for bead in found.beads)
    yield f"{beads}: {planes} planes of {width} x {height} px, z from {z_nm[0]:.0f} to {z_nm[-1]:.0f} nm"
    yield f"Beads: {len(found.beads)} found, {used} used ({reasons(found.beads)})"
    yield f"Residual: the PSF leaves {np.median(found.residual):.1%} of a bead unexplained, noise included (median, root of sums of squares)"
    if found.gaussian is not None:
        yield f"Gaussian (Huang et al. 2008), axes turned by {found.gaussian.tilt_deg:z.1f} degrees:"
        yield from (f"  {name}: {_curve(curve)}" for name, curve in (("x", found.gaussian.x), ("y", found.gaussian.y)))
        yield (
            f"  its widths differ from the measured ones by {found.widths_rms_px:.3f} px (rms), its light from the "
            f"measured PSF's by {found.unexplained:.0%}"
        )
    crossing = found.widths.round_at_nm
    if crossing is not None:
        plane = int(np.abs(z_nm - crossing).argmin()) + 1
        yield f"The PSF is round at z = {crossing:.0f} nm, near plane {plane} in the order of rising z."
    centre = found.widths.centre_nm[_within(found.widths.z_nm, found.psf.z_range_nm)]
    yield f"Its centre moves by {np.ptp(centre[:, 0]):.0f} nm in x and {np.ptp(centre[:, 1]):.0f} nm in y over these depths."
    yield f"Usable depths: {found.usable_nm[0]:.0f} to {found.usable_nm[1]:.0f} nm (the bound stays below {settings.worst_bound:g} times its best)"
    yield f"Depths of the PSF in the file: {found.psf.z_range_nm[0]:.0f} to {found.psf.z_range_nm[1]:.0f} nm"
    yield f"Cramér-Rao bound, {settings.photons:.0f} photons, background {settings.background:.0f} a pixel, nm:"
    yield f"{'z':>8}{'x':>8}{'y':>8}{'z':>8}"
    shown = np.flatnonzero(_within(found.z_nm, found.psf.z_range_nm))
    for index in shown[np.linspace(0, len(shown) - 1, ROWS).round().astype(int)]:
        yield f"{found.z_nm[index]:z8.0f}" + "".join(f"{value:8.1f}" for value in found.bound_nm[index])


def _within(z_nm: Array, ends: tuple[float, float]) -> Array:
    inside: Array = (z_nm >= ends[0] - 1e-6) & (z_nm <= ends[1] + 1e-6)
    return inside


def _curve(curve: HuangCurve) -> str:
    return f"sigma0 {curve.sigma0_nm:.0f} nm, c {curve.c_nm:.0f} nm, d {curve.d_nm:.0f} nm, A {curve.a:z.2f}, B {curve.b:z.2f}"
