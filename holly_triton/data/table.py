"""Any file of localisations as a field of view in nm, and the particles that it marks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holly_triton.errors import HollyError
from holly_triton.files import natural_order
from holly_triton.text_table import Column

from .columns import Table, roles_of, unit_of
from .csv_table import read_csv
from .hdf5 import read_hdf5
from .localisations import Localisations, localisations_from_rows
from .matlab import read_mat
from .numpy_file import read_npy, read_npz
from .reading import Reading
from .smlm_archive import read_smlm

Array = NDArray[Any]

SMALLEST_NM, LARGEST_NM = 4.0, 1e7
"""Extents out of these bounds are probably not in nm."""
IN_METRES_NM = 1e-3
"""Below it, positions are probably in metres: a millimetre is the widest field there is."""
ONE_PARTICLE_NM = 1000.0
"""A field of view smaller than this holds one particle, or few; cameras see tens of thousands of nm."""
LARGEST_ID = 2**53
"""Above it, neighbouring whole numbers are the same float64."""


@dataclass(frozen=True)
class Field:
    """Localisations as they lie in a field of view, whether or not particles are marked.

    Attributes:
        xyz: Absolute positions ``[E, 2]`` or ``[E, 3]`` float64, nm.
        particle: Number of the particle of each ``[E]``, below 0 or NaN for none; None where the file does not say.
        photons: ``[E]`` or None.
        precision: Lateral localisation precision ``[E]``, nm, or None.
        frame: ``[E]`` or None.
        source: The format, in words.
        notes: What was skipped and why, what was assumed.
        rows: Localisations of the file; more than E where only a part of them was kept.
        every: Of so many particles, or localisations without particles, one was kept.
    """

    xyz: Array
    particle: Array | None
    photons: Array | None
    precision: Array | None
    frame: Array | None
    source: str
    notes: list[str]
    rows: int
    every: int = 1

    def __len__(self) -> int:
        return len(self.xyz)

    def summary(self, path: Path) -> dict[str, str]:
        """Rows of the ``info`` screen, for a field of view whose particles are not marked.

        Raises:
            HollyError: there is no localisation.
        """
        whole = particles_of(path, replace(self, particle=np.zeros(len(self))))
        if not len(whole):
            raise HollyError(f"{path}: holds no localisations ({' '.join(whole.notes)})")
        extent = np.ptp(whole.xyz.numpy(), axis=0)
        doubt = scale_doubt(float(extent[:2].max()))
        whole.notes.extend([doubt] if doubt else [])
        if float(extent[:2].max()) < ONE_PARTICLE_NM:
            whole.notes.append(
                "So small a field may be one particle; a structure in 3D needs hundreds, from all sides."
            )
        rows = whole.summary()
        return {
            "format": rows["format"],
            "particles": f"not marked; find them with: holly-triton pick {path} OUT",
            "localisations": str(self.rows),
            "extent": " x ".join(f"{length:.4g}" for length in extent) + " nm",
            "localisation precision": rows["localisation precision"],
            "photons": rows["photons"],
            "frames": "not stated" if self.frame is None else f"{self.frame.min():.0f} to {self.frame.max():.0f}",
            "third dimension": "yes" if whole.has_z else "no",
            "notes": rows["notes"],
        }


READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": read_csv,
    ".txt": read_csv,
    ".tsv": read_csv,
    ".hdf5": read_hdf5,
    ".h5": read_hdf5,
    ".mat": read_mat,
    ".npy": read_npy,
    ".npz": read_npz,
    ".smlm": read_smlm,
}
"""By suffix, lower case."""


def read_localisations(path: Path, reading: Reading) -> Localisations:
    """Particles of a file that marks them, or of a folder whose files hold one each (or several, which they mark).

    Raises:
        HollyError: no particles, or what ``read_field`` raises; of a folder's files only if it does so for all.
    """
    if path.is_file():
        return particles_of(path, read_field(path, reading))
    files = sorted((file for file in path.iterdir() if _is_data(file)), key=natural_order)
    fields: dict[Path, Field] = {}
    failures: list[HollyError] = []
    for file in files:
        try:
            fields[file] = read_field(file, reading)
        except HollyError as error:
            failures.append(error)
    if not fields:
        raise failures[0]
    whole, names = _joined(fields)
    if failures:
        whole.notes.append(f"{len(failures)} of {len(files)} files were skipped; the first: {failures[0]}.")
    return particles_of(path, whole, names)


def read_field(path: Path, reading: Reading, most: int | None = None) -> Field:
    """Localisations of a file of any known format, whether or not it marks particles.

    Args:
        path: One file.
        reading: What the user says of it.
        most: As for ``field_of``.

    Raises:
        HollyError: no such file, an unknown format, damaged, or no positions in it.
    """
    path = Path(path)
    if not path.is_file():
        raise HollyError(f"{path}: is no file; give one file of localisations ({', '.join(READERS)})")
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise HollyError(f"{path}: is no file of localisations that is known; those are {', '.join(READERS)}")
    return field_of(path, read(path), reading, most)


def field_of(path: Path, table: Table, reading: Reading, most: int | None = None) -> Field:
    """Localisations in nm from the columns of a table.

    Args:
        path: For messages.
        table: What the reader found.
        reading: What the user says of it.
        most: Keep about so many rows, of every k-th particle or, without particles, every k-th row; None keeps all.

    Raises:
        HollyError: no positions, an unknown unit, or pixels whose size nobody said.
    """
    roles = roles_of(path, table, reading)
    wanted = dict.fromkeys(column for columns in roles.values() for column in columns)
    scale, notes = _scales(path, table, roles, reading)
    step = max(1, table.rows // most) if most else 1
    pieces: dict[str, list[Array]] = {role: [] for role in roles}
    rows = 0
    for arrays in table.parts(list(wanted)):
        part = dict(zip(wanted, arrays, strict=True))
        if step > 1:
            number = part[roles["particle"][0]] if "particle" in roles else np.arange(rows, rows + len(arrays[0]))
            kept = number % step == 0
            part = {column: values[kept] for column, values in part.items()}
        rows += len(arrays[0])
        for role, columns in roles.items():
            pieces[role].append(_values([part[column] for column in columns], scale.get(role)))
    whole = {role: np.concatenate(found) if found else np.empty(0) for role, found in pieces.items()}
    if step > 1:
        kind = "particle" if "particle" in roles else "localisation"
        notes.append(f"The file is large: figures are from every {step}th {kind}.")
    return Field(
        xyz=np.stack([whole.pop(axis) for axis in "xyz" if axis in roles], axis=1),
        particle=whole.get("particle"),
        photons=whole.get("photons"),
        precision=whole.get("precision"),
        frame=whole.get("frame"),
        source=table.source,
        notes=[*table.notes, *notes],
        rows=rows,
        every=step,
    )


def _is_data(file: Path) -> bool:
    return file.suffix.lower() in READERS and file.is_file() and not file.name.startswith(".")


def _joined(fields: Mapping[Path, Field]) -> tuple[Field, list[str]]:
    """The fields of a folder as one, its particles numbered through, and their names."""
    particles: list[Array] = []
    names: list[str] = []
    for file, found in fields.items():
        ids = np.zeros(len(found)) if found.particle is None else found.particle
        marked = np.isfinite(ids) & (ids >= 0)
        values, number = np.unique(ids[marked], return_inverse=True)
        particles.append(np.full(len(ids), -1))
        particles[-1][marked] = number + len(names)
        names += [file.stem if found.particle is None else f"{file.stem}/{value:.17g}" for value in values]
    each = [*fields.values()]
    dimensions = min(found.xyz.shape[1] for found in each)
    notes = [*dict.fromkeys(note for found in each for note in found.notes)]
    if any(found.xyz.shape[1] > dimensions for found in each):
        notes.append("Some files have no z, so that of the others was left out.")

    def column(name: str) -> Array | None:
        arrays = [getattr(found, name) for found in each]
        return None if any(array is None for array in arrays) else np.concatenate(arrays)

    return Field(
        xyz=np.concatenate([found.xyz[:, :dimensions] for found in each]),
        particle=np.concatenate(particles),
        photons=column("photons"),
        precision=column("precision"),
        frame=None,
        source=f"folder of {len(each)} files: {each[0].source}",
        notes=notes,
        rows=sum(map(len, each)),
    ), names


def particles_of(path: Path, localisations: Field, names: Sequence[str] | None = None) -> Localisations:
    """The particles that a file marks; rows of a particle may lie anywhere in it.

    Args:
        path: For messages.
        localisations: Of the file.
        names: Of the particles by their number, if not the numbers themselves.

    Raises:
        HollyError: no particles are marked, or their ids are too large.
    """
    ids = localisations.particle
    if ids is None:
        raise HollyError(
            f"{path}: holds one field of view with no particle column; find its particles first: "
            f"holly-triton pick {path} OUT (or name the column: --columns particle=...)"
        )
    if ids.dtype.kind == "f" and np.any(np.abs(ids[np.isfinite(ids)]) > LARGEST_ID):
        raise HollyError(f"{path}: holds particle ids above 2^53, which can't be told apart; number them from 0")
    marked = np.isfinite(ids) & (ids >= 0)
    rows: Array | slice = slice(None)
    if not marked.all() or not (ids[1:] >= ids[:-1]).all():  # else leave large files where they are
        # numpy sorts numbers of 16 bits by counting, ten times as fast.
        short = ids.dtype.kind in "iu" and marked.all() and ids.max() < 2**16
        rows = np.argsort(ids.astype(np.uint16) if short else ids, kind="stable")
        rows = rows[marked[rows]]
    values, counts = np.unique(ids[rows], return_counts=True)
    notes = [*localisations.notes]
    if not marked.all():
        dropped = f"{(~marked).sum()} of {len(ids)} localisations"
        notes.append(f"{dropped} belong to no particle (id below 0 or empty) and were dropped.")
    photons, precision = (None if a is None else a[rows] for a in (localisations.photons, localisations.precision))
    return localisations_from_rows(
        localisations.xyz[rows],
        counts,
        [f"{value:.17g}" if names is None else names[value] for value in values],
        source=localisations.source,
        notes=notes,
        photons=photons,
        precision=precision,
    )


def scale_doubt(extent_nm: float) -> str | None:
    """What to say about an extent that no microscope shows; nothing is converted."""
    if 0 < extent_nm < IN_METRES_NM:
        return (
            f"Positions span {extent_nm:.2g} nm, or {extent_nm * 1e9:.3g} nm if they are in metres: is the unit right?"
        )
    if 0 < extent_nm < SMALLEST_NM:
        return "No light microscope sees so small a structure: is the unit right (--unit um or px)?"
    if extent_nm > LARGEST_NM:
        return f"Positions span {extent_nm * 1e-6:.3g} mm, wider than a field of view: is the unit right?"
    return None


def _values(arrays: list[Array], scale: float | None) -> Array:
    """One column, or the root mean square of two; float64 nm where it is a length."""
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is dropped later
        values = arrays[0] if len(arrays) == 1 else np.sqrt(np.mean(np.square(arrays), axis=0))
        return values if scale is None else values.astype(np.float64) * scale


def _scales(
    path: Path, table: Table, roles: Mapping[str, list[Column]], reading: Reading
) -> tuple[dict[str, float], list[str]]:
    """Length in nm of the unit of each column that is a length, and what to say about it."""
    known = reading if reading.pixel_size_nm else replace(reading, pixel_size_nm=table.pixel_nm)
    first = unit_of(roles["x"][0])
    units = {role: unit_of(roles[role][0]) or first for role in ("x", "y", "z", "precision") if role in roles}
    notes = reading.notes(first)
    if table.pixel_nm and reading.pixel_size_nm and not np.isclose(table.pixel_nm, reading.pixel_size_nm, rtol=1e-3):
        notes.append(
            f"--pixel-size {reading.pixel_size_nm:g} nm was used, though the file says {table.pixel_nm:.6g} nm."
        )
    try:
        return {role: known.nm_per(unit, path) for role, unit in units.items()}, notes
    except HollyError as error:
        why = f" ({' '.join(table.notes)})" if table.notes else ""
        raise HollyError(f"{error}{why}") from error
