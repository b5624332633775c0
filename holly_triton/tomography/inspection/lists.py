"""One screen on a particle list, alone or over a volume."""

from collections import Counter
from pathlib import Path

import numpy as np

from holly_triton.core.words import counted, spanned
from holly_triton.io.particle_lists.raw import RawList, placed
from holly_triton.io.particle_lists.reading import read_particles, read_raw_list
from holly_triton.tomography.config.inspection import LISTED

from .volumes import Rows


def describe_list(path: Path, voxel_size: float | None) -> Rows:
    """What is in a list, in the unit of the file, and in Å where that follows.

    Raises:
        HollyError: The file can't be read.
    """
    raw = read_raw_list(path)
    used, said = raw.rows()
    rows: Rows = [
        ("format", raw.kind),
        ("rows", f"{len(raw.positions)} read, {len(used.positions)} used"),
        ("positions", f"{raw.unit_in_words}; {_box(used.positions)}"),
    ]
    if raw.unit == "angstrom" or (raw.unit == "voxel" and (raw.side or voxel_size)):
        rows.append(("in Å", _box(placed(path, raw, voxel_size=voxel_size).positions)))
    elif raw.unit == "voxel":
        rows.append(("voxel size", "not stated; give it with --voxel-size A"))
    rows += _columns(used)
    return rows + [("remark", remark) for remark in [*said, *raw.remarks]]


def describe_over(path: Path, shape: tuple[int, ...], voxel: float) -> Rows:
    """A list over a volume of this shape ``[Z, Y, X]`` and voxel size, Å: how many positions lie in it.

    Raises:
        HollyError: The list can't be read.
    """
    particles = read_particles(path, voxel_size=voxel, shape=shape)
    outside = particles.outside(shape, voxel)
    total = counted(len(particles), "position")
    if not outside.any():
        place = "all of them in the volume"
    else:
        place = (
            f"{int(outside.sum())} outside of the volume: is the list that of another tomogram, binning, unit or axis "
            "order, or the voxel size wrong?"
        )
    rows: Rows = [("picks", f"{path}: {total}, {place}"), ("picks in Å", _box(particles.positions))]
    classes = _counts(particles.labels.tolist())
    return [*rows, ("picks' classes", classes), *(("picks' remark", remark) for remark in particles.remarks)]


def _box(positions: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> str:
    if not len(positions):
        return "no position"
    ends = zip("xyz", positions.min(axis=0), positions.max(axis=0), strict=True)
    return ", ".join(f"{axis} {spanned(least, most, '.6g')}" for axis, least, most in ends)


def _columns(raw: RawList) -> Rows:
    """Classes, rotations, scores and tomograms of the used rows."""
    rows: Rows = []
    labels = None if raw.labels is None else [str(label) for label in raw.labels]
    rows.append(("classes", "none stated" if labels is None else _counts(labels)))
    rows.append(("rotations", "none" if raw.rotations is None else "one for each position"))
    scores = None if raw.scores is None else np.asarray(raw.scores, dtype=np.float64)
    if scores is not None and np.isfinite(scores).any():
        rows.append(("scores", spanned(np.nanmin(scores), np.nanmax(scores), ".4g")))
    if raw.tomograms is not None and any(raw.tomograms):
        rows.append(("tomograms", _counts([str(name) for name in raw.tomograms])))
    return rows


def _counts(words: list[str]) -> str:
    counts = Counter(words)
    ordered = sorted(counts, key=lambda word: (not word.isdecimal(), int(word) if word.isdecimal() else 0, word))
    listed = ", ".join(f"{word or 'no name'}: {counts[word]}" for word in ordered[:LISTED])
    return f"{len(counts)} ({listed}{', ...' if len(counts) > LISTED else ''})"
