"""Tables of localisations in the files of other programs, written block by block, so that their length takes no memory.

Positions of a table are in nm from the outer edge of the first pixel. ThunderSTORM (Ovesny et al. 2014) and the SMLM
challenge (Sage et al. 2019) have the same; Picasso (Schnitzbauer et al. 2017) counts in pixels from the centre of the first
one, so that half a pixel is taken away. Frames of a table count from 1, as in the first two; Picasso's count from 0. z is in
nm in all three.

A new format is one row in ``FORMATS``.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

import holly_triton
from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.types import Array

from .picasso import IN_PART, NEUTRAL_PRECISION_NM, THROUGHOUT, locs_of

Append = Callable[[Array], None]
"""Writes more localisations ``[E]``, a structured array with the columns of ``COLUMNS``."""
COLUMNS = (
    "frame", "x", "y", "z", "photons", "background", "probability", "sigma_x", "sigma_y", "sigma_z", "sigma_photons",
)  # fmt: skip
"""Columns that a table must have: frame from 1; positions and their standard deviations, nm; photons; background, photons
a pixel. NaN where a value is not known; positions are known."""
CHUNK = 2**14
"""Rows of a chunk of HDF5."""


@dataclass(frozen=True)
class Target:
    """A file to write.

    Attributes:
        path: Its name.
        pixel_nm: Side of a camera pixel, nm.
        shape: Frames, rows and columns of the movie.
        flat: Whether positions are in 2D; the width of each spot is known then.
    """

    path: Path
    pixel_nm: float
    shape: tuple[int, int, int]
    flat: bool = False


@contextmanager
def localisation_file(
    path: Path, pixel_nm: float, shape: Sequence[int], *, form: str | None = None, flat: bool = False
) -> Iterator[Append]:
    """A file of localisations, to which the block appends; it appears under its name when the block ends well.

    Args:
        path: Its name, which ends in ``.csv`` (ThunderSTORM, or the challenge by ``form``) or ``.hdf5`` (Picasso).
        pixel_nm: Side of a camera pixel, nm.
        shape: Frames, rows and columns of the movie.
        form: A name in ``FORMATS``; the first with the suffix of ``path`` if not given.
        flat: Whether positions are in 2D. Tables then have the column ``width``, the standard deviation of each spot, nm, and
            their z is not read.

    Raises:
        HollyError: No format has the suffix, or the file can't be written.
        ValueError: A table lacks a column, or has positions that are not finite or frames outside the movie.
    """
    path = Path(path)
    frames, height, width = (int(side) for side in shape)
    open_file = check_name(path, form).open
    with open_file(Target(path, float(pixel_nm), (frames, height, width), flat)) as write:

        def append(table: Array) -> None:
            _check(table, frames, "xy" if flat else "xyz")
            if len(table):
                write(table)

        yield append


def check_name(path: Path, form: str | None = None) -> "Format":
    """The format of a file by its suffix and, where it is given, its name; before long work begins.

    Raises:
        HollyError: The name of the format or the suffix is unknown, or they do not fit.
    """
    if form is not None and form not in FORMATS:
        raise HollyError(f"--format {form}: is not known; those are {', '.join(FORMATS)}")
    fitting = [one for name, one in FORMATS.items() if form in (None, name) and one.suffix == path.suffix.lower()]
    if not fitting:
        known = ", ".join(f"{one.suffix} ({name})" for name, one in FORMATS.items() if form in (None, name))
        raise HollyError(f"{path}: the suffix of a table of localisations must be one of {known}")
    return fitting[0]


def _check(table: Array, frames: int, axes: str) -> None:
    missing = [name for name in COLUMNS if name not in (table.dtype.names or ())]
    if missing:
        raise ValueError(f"a table of localisations needs the columns {', '.join(missing)}")
    if not all(np.isfinite(table[axis]).all() for axis in axes):
        raise ValueError("positions must be finite")
    if len(table) and not 1 <= table["frame"].min() <= table["frame"].max() <= frames:
        raise ValueError(f"frames must be 1 to {frames}, found {table['frame'].min()} to {table['frame'].max()}")


def _lateral(table: Array) -> Array:
    """Standard deviation along one lateral axis, as one number: the root mean square of those along x and y."""
    lateral: Array = np.sqrt((table["sigma_x"] ** 2 + table["sigma_y"] ** 2) / 2)
    return lateral


THUNDERSTORM: dict[str, Callable[[Array], Array]] = {
    "frame": lambda table: table["frame"],
    "x [nm]": lambda table: table["x"],
    "y [nm]": lambda table: table["y"],
    "z [nm]": lambda table: table["z"],
    "intensity [photon]": lambda table: table["photons"],
    "offset [photon]": lambda table: table["background"],
    "bkgstd [photon]": lambda table: np.sqrt(np.maximum(table["background"], 0)),
    "uncertainty_xy [nm]": _lateral,
    "uncertainty_z [nm]": lambda table: table["sigma_z"],
    "uncertainty_x [nm]": lambda table: table["sigma_x"],
    "uncertainty_y [nm]": lambda table: table["sigma_y"],
    "uncertainty_intensity [photon]": lambda table: table["sigma_photons"],
    "probability": lambda table: table["probability"],
}
"""ThunderSTORM's columns, and four more of ours at the end. There is no ``sigma [nm]``: the width of the PSF follows from z and
is not measured. ``bkgstd`` is the shot noise of the background."""
OF_DEPTH = ("z [nm]", "uncertainty_z [nm]")
FLAT_THUNDERSTORM = {
    **{name: column for name, column in THUNDERSTORM.items() if name not in OF_DEPTH},
    "sigma [nm]": lambda table: table["width"],
}
"""Its columns in 2D."""
CHALLENGE: dict[str, Callable[[Array], Array]] = {
    "frame": lambda table: table["frame"],
    "xnano": lambda table: table["x"],
    "ynano": lambda table: table["y"],
    "znano": lambda table: table["z"],
    "intensity": lambda table: table["photons"],
}
"""The columns of the challenge after the number of the row."""
FLAT_CHALLENGE = {**CHALLENGE, "znano": lambda table: np.zeros(len(table))}
"""In 2D: the challenge has a z in any case."""


@contextmanager
def _csv(target: Target, number: str, quote: str, columns: dict[str, Callable[[Array], Array]]) -> Iterator[Append]:
    """A table in text whose first column numbers the rows from 1."""
    names = [f"{quote}{name}{quote}" for name in (number, *columns)]
    written = 0
    with replacing(target.path) as partial, partial.open("w", encoding="ascii", newline="\n") as file:
        file.write(",".join(names) + "\n")

        def append(table: Array) -> None:
            nonlocal written
            first = written + 1
            written += len(table)
            _rows(file, [np.arange(first, written + 1), *(column(table) for column in columns.values())])

        yield append


def _rows(file: IO[str], columns: Sequence[Array]) -> None:
    # A thousandth of a nm, and of a photon, is below any precision. Java, in ThunderSTORM, knows no nan but NaN.
    formats = ["%d" if column.dtype.kind in "iu" else "%.3f" for column in columns]
    template = ",".join(formats)
    lines = (template % row for row in zip(*(column.tolist() for column in columns), strict=True))
    file.writelines(line.replace("nan", "NaN") + "\n" for line in lines)


def _thunderstorm(target: Target) -> AbstractContextManager[Append]:
    return _csv(target, "id", '"', FLAT_THUNDERSTORM if target.flat else THUNDERSTORM)


def _challenge(target: Target) -> AbstractContextManager[Append]:
    return _csv(target, "id", "", FLAT_CHALLENGE if target.flat else CHALLENGE)


@contextmanager
def _picasso(target: Target) -> Iterator[Append]:
    """Data set ``locs``, and the YAML, which lists the columns that hold a neutral value because they are not known."""
    import h5py
    import yaml

    pixel, (frames, height, width) = target.pixel_nm, target.shape
    neutral: list[tuple[set[str], set[str]]] = []

    def locs(table: Array) -> tuple[Array, list[str], list[str]]:
        columns = {
            "frame": table["frame"] - 1, "x": table["x"] / pixel - 0.5, "y": table["y"] / pixel - 0.5,
            "photons": table["photons"], "sx": None, "sy": None, "bg": table["background"],
            "lpx": table["sigma_x"] / pixel, "lpy": table["sigma_y"] / pixel, "z": table["z"],
            "lpz": table["sigma_z"], "probability": table["probability"],
        }  # fmt: skip
        if target.flat:
            columns |= dict.fromkeys(("sx", "sy"), table["width"] / pixel)
            del columns["z"], columns["lpz"]
        return locs_of(columns, len(table), NEUTRAL_PRECISION_NM / pixel)

    with replacing(target.path.with_suffix(".yaml")) as partial_yaml, replacing(target.path) as partial:
        with h5py.File(partial, "w") as file:
            kind = locs(np.zeros(0, [(name, float) for name in (*COLUMNS, "width")]))[0].dtype
            dataset = file.create_dataset("locs", (0,), kind, maxshape=(None,), chunks=(CHUNK,))

            def append(table: Array) -> None:
                rows, throughout, in_part = locs(table)
                neutral.append(({*throughout}, {*in_part}))
                dataset.resize((len(dataset) + len(rows),))
                dataset[-len(rows) :] = rows

            yield append
        throughout = set.intersection(*(all_of for all_of, _ in neutral)) if neutral else set()
        in_part = set().union(*(all_of | some for all_of, some in neutral)) - throughout
        program = f"holly-triton {holly_triton.__version__}"
        documents = [
            {"Generated by": program, "Frames": frames, "Height": height, "Width": width, "Pixelsize": pixel},
            {"Generated by": program, THROUGHOUT: sorted(throughout), IN_PART: sorted(in_part)},
        ]
        partial_yaml.write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")


@dataclass(frozen=True)
class Format:
    """A format: the suffix of its files, and what opens one."""

    suffix: str
    open: Callable[[Target], AbstractContextManager[Append]]


FORMATS = {
    "thunderstorm": Format(".csv", _thunderstorm),
    "challenge": Format(".csv", _challenge),
    "picasso": Format(".hdf5", _picasso),
}
"""Formats by the word of ``--format``; of one suffix, the first is the default."""
