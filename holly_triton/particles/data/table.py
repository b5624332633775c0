"""Any file or folder of localisations: its particles, or what is to be said of a field of view that marks none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import natural_order
from holly_triton.io.tables.columns import Table
from holly_triton.io.tables.csv_table import LARGEST_HELD, read_csv
from holly_triton.io.tables.hdf5 import read_hdf5
from holly_triton.io.tables.matlab import read_mat
from holly_triton.io.tables.numpy_file import read_npy, read_npz
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.rows import Rows, rows_of
from holly_triton.io.tables.smlm_archive import read_smlm

from .grouping import Tally, particles_of
from .localisations import Localisations

SMALLEST_NM, LARGEST_NM = 4.0, 1e7
"""Extents out of these bounds are probably not in nm."""
IN_METRES_NM = 1e-3
"""Below it, positions are probably in metres: a millimetre is the widest field there is."""
ONE_PARTICLE_NM = 1000.0
"""A field of view smaller than this holds one particle, or few; cameras see tens of thousands of nm."""


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
        HollyError: no particles, or what ``read_rows`` raises; of a folder's files only if it does so for all.
    """
    if path.is_file():
        return particles_of([marked(read_rows(path, reading))])
    files = sorted((file for file in path.iterdir() if _is_data(file)), key=natural_order)
    small = sum(file.stat().st_size for file in files) <= LARGEST_HELD
    found: list[Rows] = []
    tallies: list[Tally] = []
    failures: list[HollyError] = []
    for file in files:
        try:
            rows = _of_a_folder(file, reading, small)
            tallies.append(Tally.of(rows))
            found.append(rows)
        except HollyError as error:
            failures.append(error)
    if not found:
        raise failures[0]
    data = particles_of(found, tallies)
    if failures:
        data.notes.append(f"{len(failures)} of {len(files)} files were skipped; the first: {failures[0]}.")
    return data


def read_rows(path: Path, reading: Reading, most: int | None = None) -> Rows:
    """Localisations of a file of any known format, whether or not it marks particles.

    Args:
        path: One file.
        reading: What the user says of it.
        most: As for ``rows_of``.

    Raises:
        HollyError: no such file, an unknown format, damaged, or no positions in it.
    """
    path = Path(path)
    if not path.is_file():
        raise HollyError(f"{path}: is no file; give one file of localisations ({', '.join(READERS)})")
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise HollyError(f"{path}: is no file of localisations that is known; those are {', '.join(READERS)}")
    return rows_of(path, read(path), reading, most)


def _of_a_folder(file: Path, reading: Reading, small: bool) -> Rows:
    """Localisations of one of many files: held where these are ``small``, else the file is opened anew for each look.

    No file stays open: there may be more of them than a process may have.
    """
    rows = read_rows(file, reading)
    rows = rows.held() if small else replace(rows, parts=lambda: read_rows(file, reading).parts())
    return replace(rows, prefix=f"{file.stem}/") if "particle" in rows.roles else rows.as_one(file.stem)


def marked(rows: Rows) -> Rows:
    """Rows that mark particles.

    Raises:
        HollyError: they don't.
    """
    if "particle" not in rows.roles:
        raise HollyError(
            f"{rows.path}: holds one field of view with no particle column; find its particles first: "
            f"holly-triton pick {rows.path} OUT (or name the column: --columns particle=...)"
        )
    return rows


def describe_field(rows: Rows) -> dict[str, str]:
    """Rows of the ``info`` screen, for a field of view whose particles are not marked.

    Raises:
        HollyError: there is no localisation.
    """
    rows = rows.held()
    field, whole = rows.whole(), particles_of([rows.as_one("field")])
    if not len(whole):
        raise HollyError(f"{rows.path}: holds no localisations ({' '.join(whole.notes)})")
    extent = np.ptp(whole.xyz.numpy(), axis=0)
    doubt = scale_doubt(float(extent[:2].max()))
    whole.notes.extend([doubt] if doubt else [])
    if float(extent[:2].max()) < ONE_PARTICLE_NM:
        whole.notes.append("So small a field may be one particle; a structure in 3D needs hundreds, from all sides.")
    said = whole.summary()
    frames = np.empty(0) if field.frame is None else field.frame[np.isfinite(field.frame)]
    return {
        "format": said["format"],
        "particles": f"not marked; find them with: holly-triton pick {rows.path} OUT",
        "localisations": str(len(field.xyz) if rows.every == 1 else rows.count),
        "extent": " x ".join(f"{length:.4g}" for length in extent) + " nm",
        "localisation precision": said["localisation precision"],
        "photons": said["photons"],
        "frames": "not stated" if not len(frames) else f"{frames.min():.0f} to {frames.max():.0f}",
        "third dimension": "yes" if whole.has_z else "no",
        "notes": said["notes"],
    }


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


def _is_data(file: Path) -> bool:
    return file.suffix.lower() in READERS and file.is_file() and not file.name.startswith(".")
