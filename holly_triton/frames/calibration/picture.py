"""What a calibration looks like, in one picture: beads, widths, bound, slices."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from holly_triton.core.files import replacing
from holly_triton.core.types import Array
from holly_triton.frames.config.calibration import Calibrating
from holly_triton.frames.psf import Psf
from holly_triton.report.charts import new_figure

from .calibrate import Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

USED, REJECTED, X, Y, Z = "#3fb950", "#ff8c42", "#2f6fb5", "#c2452d", "#444c56"
SLICES = 7
"""Depths at which slices are shown."""


def draw_calibration(path: Path, calibration: Calibration, settings: Calibrating) -> None:
    """Write the picture, a PNG.

    Raises:
        HollyError: It can't be written.
    """
    figure: Any = new_figure(13, 10.8, dpi=110)
    upper, lower = figure.subfigures(2, 1, height_ratios=(5, 5))
    left, right = upper.subfigures(1, 2, width_ratios=(1, 1.15))
    _draw_beads(left.subplots(), calibration, settings)
    widths, bound = right.subplots(2, 1, sharex=True)
    _draw_widths(widths, calibration)
    _draw_bound(bound, calibration, settings)
    _draw_slices(lower, calibration)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", facecolor="white")


def _draw_beads(axes: "Axes", calibration: Calibration, settings: Calibrating) -> None:
    from matplotlib.patches import Rectangle

    image = np.sqrt(np.maximum(calibration.mean - np.median(calibration.mean), 0))
    axes.imshow(image, cmap="gray", interpolation="nearest")
    half = settings.roi_px / 2
    for number, bead in enumerate(calibration.beads, start=1):
        colour = USED if bead.used else REJECTED
        row, column = bead.pixel
        axes.add_patch(Rectangle((column - half, row - half), 2 * half, 2 * half, fill=False, edgecolor=colour))
        # Within the region and the picture, so that beads at the border have their number as well.
        corner = max(column - half, -0.5) + 1, max(row - half, -0.5) + 1
        axes.text(*corner, str(number), color=colour, fontsize=9, va="top", clip_on=True)
    used = [str(number) for number, bead in enumerate(calibration.beads, start=1) if bead.used]
    axes.set_title(f"mean of all planes; {len(used)} of {len(calibration.beads)} beads used (green)", fontsize=10)
    lines: dict[str, list[str]] = {}
    for number, bead in enumerate(calibration.beads, start=1):
        if bead.reason:
            lines.setdefault(bead.reason, []).append(str(number))
    said = "\n".join(f"{reason}: {_listed(numbers)}" for reason, numbers in lines.items())
    axes.set_xlabel(f"column, px\n{said}" if said else "column, px", color=Z)
    axes.set_ylabel("row, px")


def _listed(numbers: list[str], most: int = 14) -> str:
    more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    return ", ".join(numbers[:most]) + more


def _draw_widths(axes: "Axes", calibration: Calibration) -> None:
    widths, pixel = calibration.widths, calibration.spline.pixel_nm
    for axis, (name, colour) in enumerate((("first axis (x)", X), ("second axis (y)", Y))):
        axes.plot(
            widths.z_nm, widths.sigma_nm[:, axis] / pixel, ".", color=colour, markersize=4, label=f"{name}, measured"
        )
        if calibration.gaussian is not None:
            z = torch.linspace(*calibration.gaussian.z_range_nm, 200)
            curve = (calibration.gaussian.x, calibration.gaussian.y)[axis]
            axes.plot(z, curve.variance(z)[0].sqrt() / pixel, color=colour, linewidth=1.2, label=f"{name}, Gaussian")
    axes.set_ylabel("sigma, px")
    axes.set_ylim(bottom=0)
    tilt = f"; axes turned by {widths.tilt_deg:z.1f} degrees" if calibration.astigmatic else "; no astigmatism"
    axes.set_title(f"width of the PSF{tilt}", fontsize=10)
    axes.legend(fontsize=8, ncols=2)
    _shade(axes, calibration)


def _draw_bound(axes: "Axes", calibration: Calibration, settings: Calibrating) -> None:
    for axis, (name, colour) in enumerate((("x", X), ("y", Y), ("z", Z))):
        axes.plot(calibration.z_nm, calibration.bound_nm[:, axis], color=colour, linewidth=1.4, label=name)
    finite = calibration.bound_nm[np.isfinite(calibration.bound_nm)]
    axes.set_ylim(0, float(np.percentile(finite, 97)) * 1.3)
    axes.set_xlabel("z, nm")
    axes.set_ylabel("standard deviation, nm")
    axes.set_title(
        f"Cramér-Rao bound, {settings.photons:.0f} photons, background {settings.background:.0f} a pixel; usable depths shaded",
        fontsize=10,
    )
    axes.legend(fontsize=8, ncols=3)
    _shade(axes, calibration)


def _shade(axes: "Axes", calibration: Calibration) -> None:
    axes.axvspan(*calibration.usable_nm, color=USED, alpha=0.12, linewidth=0)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_slices(place: Any, calibration: Calibration) -> None:
    """A bead, the table and the Gaussian at several depths, and the table's sections along z."""
    left, right = place.subfigures(1, 2, width_ratios=(3.4, 1))
    side = calibration.example.shape[-1]
    z = np.linspace(*calibration.psf.z_range_nm, SLICES)
    nearest = [int(np.abs(calibration.planes_nm - depth).argmin()) for depth in z]
    rows = [("one bead", calibration.example[nearest]), ("table", _slices(calibration.spline, z, side))]
    if calibration.gaussian is not None:
        rows.append(("Gaussian", _slices(calibration.gaussian, z, side)))
    grid = left.subplots(len(rows), SLICES, squeeze=False)
    for axes, depth in zip(grid[0], z, strict=True):
        axes.set_title(f"{depth:.0f} nm", fontsize=9)
    for line, (name, images) in zip(grid, rows, strict=True):
        for axes, image in zip(line, images, strict=True):
            axes.imshow(image, cmap="magma", vmin=0, vmax=image.max(), interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
        line[0].set_ylabel(name)
    left.suptitle("slices at several depths, each on its own scale", fontsize=10)
    depths = np.linspace(*calibration.spline.depths_nm, 120)
    cube = _slices(calibration.spline, depths, side)
    middle, reach = side // 2, side / 2
    for axes, section, name in zip(right.subplots(2, 1), (cube[:, middle], cube[:, :, middle]), "xy", strict=True):
        axes.imshow(
            section, cmap="magma", aspect="auto", origin="lower", extent=(-reach, reach, depths[0], depths[-1]), vmin=0,
        )  # fmt: skip
        axes.set_xlabel(f"{name}, px")
        axes.set_ylabel("z, nm")
    right.suptitle("table along z", fontsize=10)


def _slices(psf: Psf, z_nm: Array, side: int) -> Array:
    """Slices ``[n, S, S]`` through a PSF at some depths."""
    xyz = np.column_stack([np.full((len(z_nm), 2), side / 2 * psf.pixel_nm), z_nm])
    return psf.patches(torch.as_tensor(xyz, dtype=torch.float32), side)[0].numpy()
