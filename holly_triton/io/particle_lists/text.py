"""Particle lists in CSV (ours, napari's, any with columns x, y, z), and the text lists of DeepFinder and SHREC."""

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array
from holly_triton.geometry.euler import quaternion_from_rotation, rotation_from_quaternion
from holly_triton.io.text_table import Column, Header, listed, read_header, read_parts

from .particle_list import ParticleList
from .raw import LARGEST, RawList

COLUMNS = ("class", "x", "y", "z", "qx", "qy", "qz", "qw", "score", "tomogram")
PLAIN = "CSV"
"""The kind of a CSV that is not of napari."""
QUATERNION = COLUMNS[4:8]
NAPARI = ("index", "axis-0", "axis-1", "axis-2")
"""Columns of a points layer: axes z, y, x in voxels."""
CLASS_NAMES, TOMOGRAM_NAMES, SCORE_NAMES = ("class", "label", "name"), ("tomogram", "tomo", "run"), ("score", "cc")
UNITS = {"px": "voxel", "pixel": "voxel", "pixels": "voxel", "voxel": "voxel", "voxels": "voxel", "nm": "nm"}
"""Units that a column may state in brackets; Å, the default, apart."""
ANGSTROM_WORDS = (None, "", "a", "å", "ang", "angstrom")
PROBLEMATIC = re.compile(r"[\t\r\n;,\"']+")
"""What a cell of a CSV file must not hold, as readers split at it."""


def read_csv(path: Path) -> RawList:
    """A table with columns x, y, z, and any of class, qx, qy, qz, qw, score, tomogram; or a points layer of napari.

    Raises:
        HollyError: A column of the position is missing, or a cell is not a number.
    """
    header = read_header(path)
    if all(header.find(name) for name in NAPARI[1:]):
        table = _columns(path, header, numbers=NAPARI[1:])
        return RawList(
            np.stack([table[name] for name in reversed(NAPARI[1:])], axis=1), "voxel", "CSV of napari's points"
        )
    absent = [name for name in "xyz" if header.find(name) is None]
    if not header.named or absent:
        found = f"found {listed(header.columns)}" if header.named else "its columns have no names"
        raise HollyError(f"{path}: needs columns x, y, z ({', '.join(absent) or 'all'} missing); {found}")
    quaternion = QUATERNION if all(header.find(name) for name in QUATERNION) else ()
    table = _columns(
        path,
        header,
        numbers=["x", "y", "z", *quaternion, *_first(header, SCORE_NAMES)],
        words=[*_first(header, CLASS_NAMES), *_first(header, TOMOGRAM_NAMES)],
    )
    unit, factor = _unit(path, header)
    return RawList(
        factor * np.stack([table[name] for name in "xyz"], axis=1),
        unit,  # type: ignore[arg-type]
        PLAIN,
        labels=_one(table, CLASS_NAMES),
        rotations=_rotations(np.stack([table[name] for name in quaternion], axis=1)) if quaternion else None,
        scores=_one(table, SCORE_NAMES),
        tomograms=_one(table, TOMOGRAM_NAMES),
    )


def _first(header: Header, names: Sequence[str]) -> list[str]:
    column = header.find(*names)
    return [] if column is None else [column.name]


def _one(table: dict[str, Array], names: Sequence[str]) -> Array | None:
    return next((table[name] for name in names if name in table), None)


def _columns(path: Path, header: Header, numbers: Sequence[str], words: Sequence[str] = ()) -> dict[str, Array]:
    """Columns by their names, as numbers or as text."""
    wanted: list[Column] = []
    for name in [*numbers, *words]:
        column = header.find(name)
        assert column is not None
        wanted.append(replace(column, text=name in words))
    parts = [*read_parts(path, header, wanted)]
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return dict(zip([*numbers, *words], columns, strict=True))


def _unit(path: Path, header: Header) -> tuple[str, float]:
    """Unit of x, y, z, and what makes it of them."""
    stated = {(column.unit or "").strip().lower() for name in "xyz" if (column := header.find(name))}
    unit = stated.pop() if len(stated) == 1 else None
    if unit in ANGSTROM_WORDS and unit is not None:
        return "angstrom", 1.0
    if unit not in UNITS:
        raise HollyError(f"{path}: x, y and z must be in one unit, Å, nm or px; found {listed(header.columns)}")
    return ("angstrom", 10.0) if UNITS[unit] == "nm" else ("voxel", 1.0)


def _rotations(quaternion: Array) -> Array | None:
    """Rotations ``[N, 3, 3]``, NaN where a quaternion is empty or has no length; None where all are."""
    largest = np.abs(quaternion).max(axis=1, initial=0)
    known = (largest > 1 / LARGEST) & (largest <= LARGEST)
    if not known.any() and len(known):
        return None
    rotations = np.full((len(quaternion), 3, 3), np.nan)
    rotations[known] = rotation_from_quaternion(quaternion[known])
    return rotations


def write_csv(path: Path, particles: ParticleList) -> None:
    """Write ``class,x,y,z,qx,qy,qz,qw,score,tomogram``: Å from the centre of voxel 0, active rotation, scalar last.

    Cells without a value are empty. Commas, semicolons, tabs and quotes in names become underscores.
    """
    quaternion = [[""] * 4] * len(particles)
    if particles.rotations is not None:
        quaternion = [[f"{part:.7f}" for part in row] for row in quaternion_from_rotation(particles.rotations)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        rows = zip(
            particles.labels, particles.positions, quaternion, particles.scores, particles.tomograms, strict=True
        )
        for label, place, turn, score, tomogram in rows:
            xyz = [f"{value:.3f}" for value in place]
            writer.writerow([_cell(label), *xyz, *turn, _score(score), _cell(tomogram)])


def write_napari(path: Path, particles: ParticleList, voxel_size: float) -> None:
    """Write a points layer of napari: ``index,axis-0,axis-1,axis-2``, axes z, y, x in voxels."""
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(NAPARI) + "\n")
        for index, place in enumerate(particles.positions / voxel_size):
            file.write(f"{index}," + ",".join(f"{value:.4f}" for value in place[::-1]) + "\n")


def _cell(word: Any) -> str:
    return PROBLEMATIC.sub("_", str(word))


def _score(score: float) -> str:
    return "" if np.isnan(score) else f"{score:.7g}"


def read_text(path: Path) -> RawList:
    """A list without a header: ``class z y x``, as of DeepFinder (with a size) and SHREC (with three angles), in voxels.

    The angles of SHREC are not used: which of the outer two is applied first is documented nowhere.

    Raises:
        HollyError: A row is neither.
    """
    labels, places, sizes, widths = [], [], [], set()
    with foreign(path, "a list of particles"), path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            cells = line.split("#")[0].replace(",", " ").split()
            if not cells:
                continue
            try:
                numbers = [float(cell) for cell in cells[1:]]
            except ValueError:
                numbers = []
            if len(numbers) not in (3, 4, 6):
                raise HollyError(f"{path}: line {number} is not of the form class z y x, with a size or three angles")
            widths.add(len(numbers))
            labels.append(cells[0])
            places.append(numbers[2::-1])
            sizes.append(numbers[3] if len(numbers) == 4 else np.nan)
    if len(widths) > 1:
        raise HollyError(f"{path}: has rows of {' and '.join(str(width + 1) for width in sorted(widths))} cells")
    remarks = ["The angles were not used: their order is not documented."] if widths == {6} else []
    positions = np.array(places, dtype=np.float64).reshape(-1, 3)
    return RawList(positions, "voxel", "text, class z y x", np.array(labels, np.str_), scores=np.array(sizes), remarks=remarks)  # fmt: skip
