"""Samplers as a person asks for them: by a word, and the name or the file of a structure."""

from pathlib import Path
from typing import Literal

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.frames.config.samplers import COPIES
from holly_triton.io.text_table import read_columns, read_header
from holly_triton.structures import STRUCTURES, read_structure

from .microtubules import MicrotubuleSampler, Reading
from .random import EqualCountSampler, MixedSampler, RandomSampler
from .sampler import Range, Sampler
from .structures import Orientation, StructureSampler

Sampling = Literal["random", "equal-count", "structure", "mixed"]
MICROTUBULES: dict[str, tuple[Reading, ...]] = {
    "microtubules": ("strands", "walls"),
    "strands": ("strands",),
    "walls": ("walls",),
}
"""Names of structures that are new in every frame, and the readings of which each frame has one."""
TRUTH_COLUMNS = ("xnano", "ynano", "znano")
SMALLEST_TRUTH_NM = 80.0
"""A truth that is smaller across is probably in um, or in pixels."""


def make_sampler(
    sampling: Sampling,
    z_range_nm: Range,
    structure: str | None = None,
    *,
    orientation: Orientation | None = None,
    copies: Range = COPIES,
    unit_nm: float | None = None,
) -> Sampler:
    """The sampler for ``--sampling`` and ``--structure``.

    Args:
        sampling: ``"mixed"``: half of the frames random, half on the structure. ``"equal-count"``: as many emitters as on the
            structure, at random places.
        z_range_nm: Depths of the emitters.
        structure: A name of ``MICROTUBULES`` (``microtubules`` if not given) or of ``STRUCTURES``, a file of a cloud, the
            folder of a run, or a ``truth.csv``, whose distinct positions are taken as the structure.
        orientation: Of the copies of a structure that is not among ``MICROTUBULES``; see ``StructureSampler``.
        copies: The same of their number.
        unit_nm: nm per unit of a cloud that states none.

    Raises:
        HollyError: The structure is not known, can't be read, or is given for random sampling.
    """
    if sampling == "random":
        if structure is not None:
            raise HollyError(f"{structure}: random sampling has no structure; pass --sampling structure, or mixed")
        return RandomSampler(z_range_nm)
    name = structure or "microtubules"
    if name in MICROTUBULES:
        readings = [MicrotubuleSampler(reading, z_range_nm) for reading in MICROTUBULES[name]]
        on_structure: Sampler = readings[0] if len(readings) == 1 else MixedSampler(readings, [1.0] * len(readings))
    else:
        on_structure = StructureSampler(structure_points(name, unit_nm), z_range_nm, orientation, copies)
    if sampling == "structure":
        return on_structure
    if sampling == "equal-count":
        return EqualCountSampler(on_structure, z_range_nm)
    return MixedSampler((RandomSampler(z_range_nm), on_structure), (0.5, 0.5))


def structure_points(name: str, unit_nm: float | None = None) -> Array:
    """Sites ``[N, 3]`` nm of a structure's name, a cloud's file, the folder of a run, or a ``truth.csv``.

    Raises:
        HollyError: It is none of these, or can't be read.
    """
    path = Path(name)
    if path.is_dir():
        cloud = path / "cloud.ply"
        if not cloud.is_file():
            raise HollyError(f"{path}: has no cloud.ply; give the folder of a run of train, or the file of a cloud")
        return read_structure(cloud, unit_nm).points
    if is_truth(path):
        return truth_points(path)
    if not path.is_file() and name not in STRUCTURES:
        raise HollyError(
            f"{name}: is neither a known structure nor a file or a run's folder; known are "
            f"{', '.join((*MICROTUBULES, *STRUCTURES))}"
        )
    return read_structure(name, unit_nm).points


def is_truth(path: Path) -> bool:
    """Whether this is a table of emitters with the header of the SMLM challenge."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return {*TRUTH_COLUMNS} <= {cell.strip().lower() for cell in file.readline(4096).split(",")}


def truth_points(path: Path) -> Array:
    """The distinct positions ``[N, 3]`` nm of a ``truth.csv``: those of its fluorophores.

    Raises:
        HollyError: It can't be read, holds no row, or NaN, or is not in nm.
    """
    header = read_header(path)
    columns = [column for name in TRUTH_COLUMNS if (column := header.find(name)) is not None]
    points = np.unique(read_columns(path, header, columns), axis=0) if len(columns) == 3 else np.empty((0, 3))
    if len(points) == 0:
        raise HollyError(f"{path}: holds no emitters; a truth has a row for each, under {','.join(TRUTH_COLUMNS)}")
    if not np.isfinite(points).all():
        raise HollyError(f"{path}: holds NaN or infinity among its positions; remove these rows")
    if len(points) > 1 and np.ptp(points, axis=0).max() < SMALLEST_TRUTH_NM:
        extent = np.ptp(points, axis=0).max()
        raise HollyError(f"{path}: its emitters span {extent:.3g} nm; positions must be in nm, not in um or pixels")
    return np.asarray(points, dtype=np.float64)
