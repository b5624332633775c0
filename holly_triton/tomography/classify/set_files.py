"""Sets of subtomograms in files of their own: a folder of volumes, with a CSV of classes where one lies in it, or a STAR."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, natural_order
from holly_triton.core.types import Array
from holly_triton.io.particle_lists.star import CLASSES
from holly_triton.io.particle_lists.star_table import read_star
from holly_triton.io.text_table import DELIMITERS
from holly_triton.io.volumes.raw import RawVolume
from holly_triton.io.volumes.reading import format_of, read_raw, stated_voxel
from holly_triton.tomography.config.classification import SAME_VOXEL

from .sets import UNLABELLED, SubtomogramSet

PARTICLE, LABEL = "particle", ("label", "class")
"""Columns of a table of classes."""
IMAGE = "rlnImageName"
"""Column of a STAR with the file of each subtomogram."""


def open_folder(folder: Path, voxel_size: float | None) -> SubtomogramSet:
    """Every volume of a folder, named as its file; classes from the CSV with the columns ``particle`` and ``label``.

    Raises:
        HollyError: See ``opening.open_set``; or there are two such tables, or one names a particle twice or one that is not there.
    """
    paths = sorted((path for path in folder.iterdir() if path.is_file() and _is_box(path)), key=natural_order)
    if not paths:
        raise HollyError(f"{folder}: holds no MRC, EM or HDF5 volume; give a folder of subtomograms")
    names = np.array([path.name for path in paths])
    return set_of_files(folder, names, paths, _labels(folder, names), voxel_size)


def open_star(path: Path, voxel_size: float | None) -> SubtomogramSet:
    """The volumes that a STAR names in the column ``rlnImageName``, found from its own folder or the current one.

    Classes are those of ``hollyClassName``, or else the numbers of ``rlnClassNumber``.

    Raises:
        HollyError: See ``opening.open_set``; or there is no such column, or a file is not there.
    """
    for table in read_star(path).values():
        if IMAGE in table:
            break
    else:
        raise HollyError(f"{path}: has no column {IMAGE}; a set of subtomograms names the file of each there")
    names = np.array(table.words(IMAGE))
    labels = next((np.array(table.words(name)) for name in CLASSES if name in table), None)
    places = [path.parent / name if (path.parent / name).is_file() else Path(name) for name in names]
    for place in places:
        if not place.is_file():
            raise HollyError(f"{path}: names {place}, and there is no such file in its folder or in this one")
    return set_of_files(path, names, places, labels, voxel_size)


def set_of_files(
    source: Path, names: Array, paths: Sequence[Path], labels: Array | None, voxel_size: float | None
) -> SubtomogramSet:
    """A set of volumes, each in its own file; sizes and voxels are checked before anything else is done with them."""
    first = read_raw(paths[0])
    size, voxel = first.values.shape[0], _voxel(paths[0], first, voxel_size)

    def one(path: Path) -> Array:
        raw = read_raw(path)
        _check_alike(path, raw.values.shape, size, paths[0])
        if abs((own := _voxel(path, raw, voxel_size)) / voxel - 1) > SAME_VOXEL:
            raise HollyError(
                f"{path}: has voxels of {own:g} Å, and {paths[0].name} of {voxel:g} Å; all of a set must be alike"
            )
        return raw.values

    def load(rows: Array) -> Array:
        return np.stack([one(paths[int(row)]) for row in rows])

    for path in paths:
        _check_alike(path, _shape(path), size, paths[0])
    return SubtomogramSet(source, names, labels, size, voxel, load)


def _voxel(path: Path, raw: RawVolume, given: float | None) -> float:
    voxel = stated_voxel(raw) if given is None else given
    if voxel is None:
        raise HollyError(f"{path}: does not state its voxel size; give it with --voxel-size A")
    return voxel


def _is_box(path: Path) -> bool:
    return format_of(path) is not None


def _shape(path: Path) -> tuple[int, ...]:
    """Shape of a volume, from its header alone where it is MRC."""
    if format_of(path) != "MRC":
        return read_raw(path).values.shape
    from holly_triton.io.mrc_header import header_size, parse_mrc_header
    from holly_triton.io.volumes.raw import Source

    with foreign(path, "MRC"):
        return parse_mrc_header(path, Source(path).head(header_size())).shape


def _check_alike(path: Path, shape: tuple[int, ...], size: int, first: Path) -> None:
    if len({*shape}) != 1:
        raise HollyError(f"{path}: is {' x '.join(map(str, shape[::-1]))} voxels; subtomograms must be cubes")
    if shape[0] != size:
        raise HollyError(
            f"{path}: has {shape[0]} voxels a side, and {first.name} {size}; all subtomograms of a set must have one size"
        )


def _labels(folder: Path, names: Array) -> Array | None:
    """The class of each name, from the table of classes in the folder; None where there is no such table."""
    tables = [(path, found) for path in sorted(folder.glob("*.csv")) if (found := _table(path)) is not None]
    if not tables:
        return None
    if len(tables) > 1:
        listed = ", ".join(path.name for path, _ in tables)
        raise HollyError(f"{folder}: has several tables of classes ({listed}); keep one")
    path, rows = tables[0]
    known = {name: row for row, name in enumerate(names)} | {Path(name).stem: row for row, name in enumerate(names)}
    labels = np.full(len(names), UNLABELLED, dtype=object)
    for particle, label in rows:
        if particle not in known:
            raise HollyError(
                f"{path}: names {particle}, and there is no such file beside it; remove the row or add the file"
            )
        row = known[particle]
        if labels[row] != UNLABELLED:
            raise HollyError(f"{path}: names {particle} twice; keep one row for each particle")
        labels[row] = label
    return labels.astype(np.str_)


def _table(path: Path) -> list[tuple[str, str]] | None:
    """Names and classes of a CSV; None where it has no such columns."""
    with foreign(path, "CSV"), path.open(newline="", encoding="utf-8-sig") as file:
        first = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter=next((mark for mark in DELIMITERS if mark in first), ","))
        columns = reader.fieldnames or []
        label = next((name for name in LABEL if name in columns), None)
        if PARTICLE not in columns or label is None:
            return None
        return [((row[PARTICLE] or "").strip(), (row[label] or "").strip()) for row in reader]
