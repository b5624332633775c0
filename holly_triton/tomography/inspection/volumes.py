"""One screen on a volume."""

from pathlib import Path

import numpy as np

from holly_triton.core.words import rounded, spanned
from holly_triton.io.volumes.raw import RawVolume
from holly_triton.io.volumes.reading import read_raw, sides_in_words, stated_voxel, uneven
from holly_triton.tomography.config.inspection import LISTED, MOST_POWER

from .contrast import find_contrast
from .values import Values, describe_values
from .wedge import find_wedge

Rows = list[tuple[str, str]]
SIGNED_MASK = (-128, -127)


def describe_volume(path: Path, voxel_size: float | None) -> tuple[Rows, RawVolume, float | None]:
    """What is in a volume, as rows of a name and a sentence; the volume; and its voxel size, if stated or given.

    Raises:
        HollyError: The file can't be read.
    """
    raw = read_raw(path)
    voxel = stated_voxel(raw) if voxel_size is None else voxel_size
    figures = describe_values(raw.values, raw.stored)
    depth, rows, columns = raw.values.shape
    extent = f" ({columns * voxel / 10:.4g} x {rows * voxel / 10:.4g} x {depth * voxel / 10:.4g} nm)" if voxel else ""
    found: Rows = [
        ("format", raw.kind),
        ("size", f"{columns} x {rows} x {depth} voxels along x, y, z{extent}"),
        ("voxel size", _voxel(raw, voxel_size)),
        ("values", _values(figures)),
        ("content", _content(figures)),
    ]  # fmt: skip
    if figures.not_finite:
        found.append(("attention", f"{figures.not_finite} values are not finite numbers; replace them by the mean."))
    if figures.wrapped:
        found.append(("attention", "The bytes appear to be unsigned and were read as signed, as MRC2014 has them: save the volume as float32 with the program that wrote it."))  # fmt: skip
    if figures.counts is None and not figures.not_finite:
        found += [("missing wedge", _wedge(raw)), ("contrast", _contrast(raw, voxel))]
    return found + [("header", remark) for remark in raw.remarks], raw, voxel


def _values(figures: Values) -> str:
    if not np.isfinite(figures.mean):
        return "none is a finite number"
    return (
        f"{spanned(figures.least, figures.most, '.6g')}, mean {figures.mean:.6g}, median {figures.median:.6g}, "
        f"standard deviation {figures.deviation:.6g}"
    )


def _voxel(raw: RawVolume, given: float | None) -> str:
    stated = stated_voxel(raw)
    if uneven(raw):
        said = (
            f"{sides_in_words(raw)}, in Å: no cubes; resample the volume, or give --voxel-size A if the header is wrong"
        )
    elif stated is None:
        said = f"not stated (the header says {sides_in_words(raw)}); give it with --voxel-size A"
    else:
        said = f"{stated:g} Å"
    return said if given is None else f"{given:g} Å as given; in the header: {said.split(';')[0]}"


def _content(figures: Values) -> str:
    """Mask, labels, or density."""
    counts = figures.counts
    if counts is None:
        return "density"
    if len(counts) == 1:
        return "one value everywhere"
    if len(counts) == 2:
        inside = counts[max(counts)] / sum(counts.values())
        said = f"mask: two values, the larger one in {100 * inside:.3g} % of the voxels"
        if tuple(sorted(counts)) == SIGNED_MASK:
            said += "; -128 and -127 are 0 and 1 in IMOD's signed bytes, and are read as a mask here"
        return said
    listed = ", ".join(f"{value:g}: {counts[value]}" for value in sorted(counts)[: LISTED + 1])
    more = ", ..." if len(counts) > LISTED + 1 else ""
    return f"labels: {len(counts)} whole numbers, voxels of each {listed}{more}"


def _wedge(raw: RawVolume) -> str:
    found = find_wedge(raw.values)
    if found is None:
        return "not determined: the volume is too thin or constant"
    if not found.sure and found.power > MOST_POWER:
        return "none found in the power spectrum: a map, a filled or filtered volume, or a tilt axis between the axes"
    said = (
        f"along {found.beam}, tilt axis {found.axis}, tilts of about {found.tilt[0]:.0f} to {found.tilt[1]:.0f} degrees"
    )
    if not found.sure:
        return f"not sure: the power spectrum is weaker as by a wedge {said}, and has no sharp edges there"
    if found.usual:
        return said
    return f"{said}; beam z and tilt axis y are needed: rotate the volume (IMOD: trimvol -rx, clip rotz)"


def _contrast(raw: RawVolume, voxel: float | None) -> str:
    found = find_contrast(raw.values)
    if found is None:
        return "not determined: the volume is too thin or constant"
    size = f"blobs of {rounded(2 * found.scale * voxel)} Å" if voxel else f"blobs of {2 * found.scale:g} voxels"
    measured = f"skewness {found.skewness:+.2f} at {size}, {abs(found.errors):.0f} standard errors of noise"
    if found.sign is None:
        return f"not sure ({measured}); look at the volume, and state it with --contrast"
    return f"{found.sign} particles ({measured})"
