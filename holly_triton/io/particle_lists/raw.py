"""What a particle list holds, in the unit of its file; and its way into Å."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.io.places import Misplaced, misplaced_words

from .particle_list import ParticleList

Unit = Literal["angstrom", "voxel", "centred", "fraction"]
UNLABELLED = "particle"
"""The class of particles in a list that states none."""
LARGEST = 1e9
"""A coordinate beyond this, in any unit, is damage."""
ClassNames = Mapping[Any, str] | Sequence[str]


@dataclass(frozen=True)
class RawList:
    """The rows of a file, as they are.

    Attributes:
        positions: x, y, z ``[N, 3]`` float64.
        unit: ``angstrom`` or ``voxel`` from the first voxel, ``centred``, Å from the tomogram's centre, or ``fraction`` of
            the tomogram's sides.
        kind: format and columns, in words.
        labels: class of each particle ``[N]``; None where the file has none.
        rotations: active rotations ``[N, 3, 3]``, reference to tomogram, with NaN where a row has none; None without.
        scores: ``[N]``; None where the file has none.
        tomograms: ``[N]``; None where the file names none.
        side: of the voxel that is the unit, Å, where the file states it.
        first: number of the first voxel, 0 or 1.
        remarks: what was assumed or left out, one sentence each.
    """

    positions: Array
    unit: Unit
    kind: str
    labels: Any = None
    rotations: Array | None = None
    scores: Any = None
    tomograms: Any = None
    side: float | None = None
    first: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def unit_in_words(self) -> str:
        """Unit and origin of the positions."""
        size = "voxels" if self.side is None else f"voxels of {self.side:.6g} Å"
        numbered = "1, the number of the first voxel" if self.first else "0, the centre of the first voxel"
        return {
            "angstrom": "Å from the centre of the first voxel",
            "voxel": f"{size}, counted from {numbered}",
            "centred": "Å from the centre of the tomogram, half its sides",
            "fraction": "fractions of the tomogram's sides",
        }[self.unit]

    def rows(self) -> "tuple[RawList, list[str]]":
        """The usable rows, and sentences on the others: rows without a finite position are left out."""
        lost = Misplaced(LARGEST, "")
        usable = lost.usable(self.positions)
        said = misplaced_words([lost], len(usable), "row", "left out", numbered=True)
        rotations = self.rotations
        if rotations is not None and (unknown := int(np.isnan(rotations[usable]).any(axis=(1, 2)).sum())):
            said.append(f"{counted(unknown, 'row')} without rotation, so that none was used.")
            rotations = None

        def part(column: Any) -> Array | None:
            return None if column is None else np.asarray(column)[usable]

        used = replace(
            self,
            positions=self.positions[usable],
            labels=part(self.labels),
            rotations=part(rotations),
            scores=part(self.scores),
            tomograms=part(self.tomograms),
        )
        return used, said


def placed(
    path: Path,
    raw: RawList,
    *,
    voxel_size: float | None = None,
    shape: tuple[int, ...] | None = None,
    class_names: ClassNames | None = None,
) -> ParticleList:
    """A file's rows as a list in Å from the centre of voxel 0.

    Args:
        path: The file, for messages.
        raw: Its rows.
        voxel_size: Of the tomogram, Å; for positions in voxels or fractions, where the file does not state it.
        shape: Of the tomogram, ``[Z, Y, X]``; for positions from its centre and for fractions.
        class_names: Names of numbered classes: by number, or in order from class 1.

    Raises:
        HollyError: A size that is needed is missing.
    """
    used, said = raw.rows()
    if len(used.positions) < len(raw.positions):
        read = (
            f"{counted(len(raw.positions), 'row')} read, {len(used.positions)} used; positions in {raw.unit_in_words}."
        )
    else:
        read = f"{counted(len(raw.positions), 'row')} read; positions in {raw.unit_in_words}."
    labels = np.full(len(used.positions), UNLABELLED) if used.labels is None else used.labels
    found = ParticleList.of(
        named(labels, class_names),
        _in_angstrom(path, used, voxel_size, shape),
        rotations=used.rotations,
        scores=used.scores,
        tomogram="" if used.tomograms is None else used.tomograms,
    )
    return replace(found, remarks=[read, *said, *raw.remarks])


def _in_angstrom(path: Path, raw: RawList, voxel_size: float | None, shape: tuple[int, ...] | None) -> Array:
    if raw.unit == "angstrom":
        return raw.positions
    side = voxel_size if raw.side is None else raw.side
    if raw.unit == "voxel":
        if side is None:
            raise HollyError(
                f"{path}: has positions in voxels and does not state their size; give it with --voxel-size A"
            )
        return (raw.positions - raw.first) * side
    if shape is None or voxel_size is None:
        raise HollyError(
            f"{path}: has positions in {raw.unit_in_words}, which the list does not state; give the tomogram as well"
        )
    sides = np.array(shape[::-1]) * voxel_size
    return raw.positions * sides if raw.unit == "fraction" else raw.positions + sides / 2


def named(labels: Any, class_names: ClassNames | None) -> Array:
    """Labels ``[N]`` with numbers replaced by names; a number without a name stays as it is."""
    words = np.asarray(labels, dtype=np.str_)
    if class_names is None:
        return words
    pairs = class_names.items() if isinstance(class_names, Mapping) else enumerate(class_names, start=1)
    names = {str(number): str(name) for number, name in pairs}
    return np.array([names.get(word, word) for word in words.tolist()], dtype=np.str_)


def numbers_of(labels: Array) -> tuple[Array, dict[str, int]]:
    """Numbers for classes, for files that hold no names: int ``[N]``, and the number of each class.

    Labels that are whole numbers keep their values; names are numbered from 1 in the order of the alphabet.
    """
    words = [str(word) for word in np.unique(labels)]
    whole = all(word.isascii() and word.isdecimal() and len(word) < 10 for word in words)
    numbers = {word: int(word) if whole else place for place, word in enumerate(words, start=1)}
    return np.array([numbers[word] for word in labels.tolist()], dtype=np.int64), numbers
