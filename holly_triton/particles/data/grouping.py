"""Particles from rows in any order, in two passes: the first counts and finds the centroids, the second places the rows.

Neither pass holds more than a part of the rows in memory, and the resulting array may be mapped to a file on the disk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.core.words import counted, part_of
from holly_triton.io.places import Misplaced, has_place, misplaced_words
from holly_triton.io.tables import scratch
from holly_triton.io.tables.rows import Part, Rows, channels_of, notes_of, places_among

from .localisations import LARGEST, Localisations

MEASURED = ("photons", "precision", "precision_z", "channel")
"""Columns of a localisation besides its position."""
LARGEST_ID = 2**53
"""Above this, neighbouring whole numbers are the same float64."""
ROWS_AT_A_TIME = 2**20
"""Rows in memory that are placed at a time, which takes some 70 bytes for each of them."""


@dataclass
class Tally:
    """Result of the first pass over the rows of a file."""

    ids: Array  # [P]: the particles' own numbers, increasing
    counts: Array  # [P]: rows that have a position
    sums: Array  # [P, 3] of positions, nm; z is 0 in 2D
    rows: int = 0
    marked: int = 0  # rows that belong to a particle
    blank: int = 0  # rows in which neither the particle nor the position is a number
    below: int = 0  # rows whose particle is below 0, as programs of clustering write it for noise
    lost: Misplaced = field(
        default_factory=lambda: Misplaced(LARGEST, " nm")
    )  # rows of particles without a position of use
    z: list[float] = field(default_factory=list)  # lowest and highest

    @staticmethod
    def of(rows: Rows) -> "Tally":
        """Go through all parts."""
        known = np.arange(len(rows.names or ()))
        tally = Tally(known, np.zeros(len(known), np.int64), np.zeros((len(known), 3)))
        for part in rows.parts():
            tally._add(rows, part)
        return tally

    def _add(self, rows: Rows, part: Part) -> None:
        assert part.particle is not None
        belongs = _belongs(rows.path, part.particle)
        usable = self.lost.usable(part.xyz, belongs, before=self.rows)
        placed = belongs & usable
        self.rows += len(belongs)
        self.marked += int(belongs.sum())
        unnamed = ~np.isfinite(part.particle)
        self.blank += int((unnamed & ~usable).sum())
        self.below += int((~belongs & ~unnamed).sum())
        ids, number = np.unique(part.particle[belongs], return_inverse=True)
        number = number[placed[belongs]]
        xyz = part.xyz[placed]
        self._know(ids)
        at = np.searchsorted(self.ids, ids)
        self.counts[at] += np.bincount(number, minlength=len(ids))
        for axis, values in enumerate(xyz.T):
            self.sums[at, axis] += np.bincount(number, values, minlength=len(ids))
        if xyz.shape[1] == 3 and len(xyz):
            self.z = [min([*self.z, xyz[:, 2].min()]), max([*self.z, xyz[:, 2].max()])]

    def _know(self, ids: Array) -> None:
        """Add particles that did not occur before."""
        every = np.union1d(self.ids, ids) if len(self.ids) else ids
        if len(every) > len(self.ids):
            counts, sums = np.zeros(len(every), np.int64), np.zeros((len(every), 3))
            at = np.searchsorted(every, self.ids)
            counts[at], sums[at] = self.counts, self.sums
            self.ids, self.counts, self.sums = every, counts, sums

    def names(self, rows: Rows) -> list[str]:
        """Names of all particles, including those without a row that has a position."""
        if rows.names is not None:
            return [*rows.names]
        if rows.words is not None:
            words = [*rows.words]
            return [f"{rows.prefix}{words[int(number)]}" for number in self.ids]
        kind = ".17g" if self.ids.dtype.kind == "f" else "d"
        return [f"{rows.prefix}{value:{kind}}" for value in self.ids]


def particles_of(files: Sequence[Rows], tallies: Sequence[Tally] | None = None) -> Localisations:
    """The particles that files mark; rows of a particle may be anywhere in its file.

    Rows without a finite position are dropped and particles without remaining emitters are skipped, as the notes
    say. A constant z does not count as a third dimension.

    Args:
        files: One, or those of a folder.
        tallies: Results of the first pass over them, if it was done already.

    Raises:
        HollyError: Particle numbers are too large, or the disk has no space.
    """
    tallies = [Tally.of(rows) for rows in files] if tallies is None else tallies
    notes = notes_of(files)
    for role in ("z", *MEASURED):
        if len({role in rows.roles for rows in files}) > 1:
            notes.append(f"Some files have no {role}, so that of the other files was not used.")
    counts = np.concatenate([tally.counts for tally in tallies])
    kept = np.flatnonzero(counts)
    names = [name for rows, tally in zip(files, tallies, strict=True) for name in tally.names(rows)]
    notes += _losses(tallies, len(counts) - len(kept), numbered=len(files) == 1 and files[0].complete)
    dimensions = _dimensions(files, tallies)
    if dimensions < min(rows.dimensions for rows in files) and len(kept):
        height = next(z for tally in tallies for z in tally.z)
        notes.append(f"z is {height + 0.0:.4g} nm everywhere, so the localisations are taken to have none.")
    sums = np.concatenate([tally.sums for tally in tallies])[:, :dimensions]
    centres = sums / np.maximum(counts, 1)[:, None]
    channels = channels_of(files)
    table = _fill(files, tallies, counts, centres, channels)
    return Localisations(
        xyz=torch.from_numpy(table.xyz),
        starts=torch.from_numpy((np.cumsum(counts) - counts)[kept]),
        counts=torch.from_numpy(counts[kept]),
        centres=torch.from_numpy(centres[kept]),
        names=[names[particle] for particle in kept],
        source=files[0].source if len(files) == 1 else f"folder of {counted(len(files), 'file')}: {files[0].source}",
        notes=[*notes, *scratch.notes(table.xyz.nbytes)],
        photons=None if table.photons is None else torch.from_numpy(table.photons),
        precision=None if table.precision is None else torch.from_numpy(table.precision),
        precision_z=None if table.precision_z is None else torch.from_numpy(table.precision_z),
        channel=None if table.channel is None or not channels else torch.from_numpy(table.channel),
        channels=() if table.channel is None else channels,
    )


def localisations_from_rows(
    xyz: Array,
    counts: Array,
    names: Sequence[str],
    *,
    source: str,
    photons: Array | None = None,
    precision: Array | None = None,
    precision_z: Array | None = None,
) -> Localisations:
    """Particles from rows that are in memory and sorted by particle.

    Args:
        xyz: Absolute positions ``[E, 2]`` or ``[E, 3]``, nm.
        counts: Rows of each particle ``[P]``; some may be 0.
        names: ``[P]``.
        source: The format.
        photons: ``[E]`` or None.
        precision: ``[E]``, nm, or None.
        precision_z: ``[E]``, nm, or None.
    """
    measured = {"photons": photons, "precision": precision, "precision_z": precision_z}
    columns = {**dict.fromkeys("xyz"[: xyz.shape[1]], xyz), **measured}
    roles = [role for role, column in columns.items() if column is not None]
    ends = np.cumsum(counts)

    def parts() -> Iterator[Part]:
        for first in range(0, max(1, len(xyz)), ROWS_AT_A_TIME):
            some = slice(first, first + ROWS_AT_A_TIME)
            own = {role: None if column is None else column[some] for role, column in measured.items()}
            particle = np.searchsorted(ends, np.arange(first, first + len(xyz[some])), side="right")
            yield Part(xyz[some], particle, **own)

    return particles_of([Rows(Path(source), source, [], parts, roles, names)])


def _belongs(path: Path, ids: Array) -> Array:
    """Which rows belong to a particle ``[E]``."""
    if ids.dtype.kind == "f" and float(np.abs(ids[np.isfinite(ids)]).max(initial=0)) > LARGEST_ID:
        raise HollyError(f"{path}: holds particle ids above 2^53, which float64 can't distinguish; number them from 0")
    return np.asarray(np.isfinite(ids) & (ids >= 0))


def _dimensions(files: Sequence[Rows], tallies: Sequence[Tally]) -> int:
    """3 if all files have a z and it is not constant, else 2."""
    heights = {height for tally in tallies for height in tally.z}
    return min(2 + (len(heights) > 1), *(rows.dimensions for rows in files))


def _losses(tallies: Sequence[Tally], empty: int, *, numbered: bool) -> list[str]:
    """Sentences about rows and particles that are left out; ``numbered`` where places of rows are those in the file."""
    rows, marked = sum(tally.rows for tally in tallies), sum(tally.marked for tally in tallies)
    blank, below = sum(tally.blank for tally in tallies), sum(tally.below for tally in tallies)
    unnamed = rows - marked - blank - below
    particles = sum(len(tally.ids) for tally in tallies)
    said = (
        (below, rows, "localisation", "{are} marked as noise (particle id below 0) and {were} dropped."),
        (blank, rows, "row", "{have} neither a position nor a particle id that can be used and {were} dropped."),
        (unnamed, rows, "localisation", "{have} no particle id (the cell is no number) and {were} dropped."),
    )
    left = [part_of(lost, every, one, rest) for lost, every, one, rest in said if lost]
    left += misplaced_words([tally.lost for tally in tallies], marked, "localisation", "dropped", numbered=numbered)
    return left + ([part_of(empty, particles, "particle", "{hold} no emitter and {were} skipped.")] if empty else [])


def _fill(
    files: Sequence[Rows], tallies: Sequence[Tally], counts: Array, centres: Array, channels: Sequence[str]
) -> Part:
    """The second pass: rows in place, float32, each relative to the centre of its particle."""
    rows = int(counts.sum())
    said = {role: all(role in file.roles for file in files) for role in MEASURED}
    table = Part(
        scratch.allocate((rows, centres.shape[1])), **{role: scratch.allocate((rows,)) for role in said if said[role]}
    )
    ends = np.cumsum(counts)
    free, first = ends - counts, 0  # the next free row of each particle; the first particle of a file
    for file, tally in zip(files, tallies, strict=True):
        common = places_among(channels, file)
        for part in file.parts():
            chosen, number = _by_particle(file.path, tally, part)
            number += first
            places = _places(number, free)
            if len(places) and places.max() >= rows:
                raise _changed(file.path)
            table.xyz[places] = part.xyz[chosen, : centres.shape[1]] - centres[number]
            for role in MEASURED:
                to, column = getattr(table, role), getattr(part, role)
                if to is not None and column is not None:
                    with np.errstate(over="ignore"):
                        to[places] = common(column[chosen]) if role == "channel" else column[chosen]
        first += len(tally.ids)
        if (free[:first] != ends[:first]).any():
            raise _changed(file.path)
    return table


def _changed(path: Path) -> HollyError:
    return HollyError(f"{path}: changed while it was read; try again when it is complete")


def _by_particle(path: Path, tally: Tally, part: Part) -> tuple[Array, Array]:
    """Rows of a part that are used ``[E]``, particle by particle, and the index of each one's particle in the tally ``[E]``."""
    assert part.particle is not None
    chosen = np.flatnonzero(_belongs(path, part.particle) & has_place(part.xyz, LARGEST))
    number = np.searchsorted(tally.ids, part.particle[chosen])
    if len(number) and number.max() >= len(tally.ids):
        raise _changed(path)
    if (number[1:] < number[:-1]).any():
        # numpy sorts numbers of 16 bits by counting, ten times as fast.
        order = np.argsort(number.astype(np.uint16) if len(tally.ids) <= 2**16 else number, kind="stable")
        chosen, number = chosen[order], number[order]
    return chosen, number


def _places(number: Array, free: Array) -> Array:
    """Target rows for rows of the particles ``number`` ``[E]``, increasing; ``free`` ``[P]`` is advanced past them."""
    begins = np.flatnonzero(np.diff(number, prepend=-1))
    lengths = np.diff(begins, append=len(number))
    particle = number[begins]
    places: Array = np.arange(len(number)) + np.repeat(free[particle] - begins, lengths)
    free[particle] += lengths
    return places
