"""Opening of any data set.

A new format is a new file with a reader, and one row in ``FORMATS``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any, get_args

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, missing, natural_order
from holly_triton.core.lock import CHECKPOINTS
from holly_triton.core.words import counted
from holly_triton.io.images.fits import read_fits
from holly_triton.io.images.mrc import read_mrc
from holly_triton.io.images.npy import holds_pictures, read_npy_stack
from holly_triton.io.images.png import read_png
from holly_triton.io.images.stacks import SUFFIXES, finest_sigma
from holly_triton.io.images.tiff import read_tiff
from holly_triton.io.metrics import METRICS
from holly_triton.io.tables.kinds import advice
from holly_triton.io.tables.reading import Reading, Unit
from holly_triton.io.tables.table import suffix_of
from holly_triton.io.units import NM_PER_UNIT

from .localisations import Localisations
from .pictures import Pictures, read_pictures
from .table import depth_doubt, read_localisations, scale_doubt

FEWEST_PICTURES = 8
"""With fewer views, the angular coverage of any structure is insufficient."""
FEWEST_EMITTERS = 6
"""Localisations that do not determine a pose: they hold as few numbers as a pose and a line, and fit almost any pose."""

POSSIBLE_NM = (1.0, 1e6)
"""Particles that can be reconstructed without a unit from the user: 1 nm to 1 mm across."""

LIKELY_NM = 5000.0
"""Extent above which particles are doubted, and that in a unit which is suggested must not exceed: centrioles, the largest of
the structures that particles are averaged of, are 500 nm long."""

OF_PICTURES = ("crop", "background", "contrast")
OF_TABLES = ("columns", "where", "axis", "weights")
"""Attributes of ``Reading`` that apply to pictures only, or to tables only; each is an option of the same name."""


@dataclass(frozen=True)
class Format:
    """One family of files.

    Attributes:
        name: Name in error messages.
        suffixes: Suffixes of its files, lower case.
        read: Reads a file or, with ``folders``, a folder of such files.
        folders: Whether a folder of such files is one data set.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, Reading], Localisations | Pictures]
    folders: bool = False


FORMATS = (
    Format("table of localisations", (".csv", ".txt", ".tsv"), read_localisations, folders=True),
    Format("Picasso or DECODE HDF5", (".hdf5", ".h5"), read_localisations, folders=True),
    Format("MATLAB", (".mat",), read_localisations, folders=True),
    Format("NumPy", (".npy", ".npz"), read_localisations, folders=True),
    Format("SMLM archive", (".smlm",), read_localisations, folders=True),
    Format("JSON, as of MINFLUX", (".json",), read_localisations),
    Format("TIFF stack or folder of TIFFs", SUFFIXES["TIFF"], partial(read_pictures, read=read_tiff), folders=True),
    Format("FITS stack or folder of FITS", SUFFIXES["FITS"], partial(read_pictures, read=read_fits), folders=True),
    Format("MRC stack or folder of MRCs", SUFFIXES["MRC"], partial(read_pictures, read=read_mrc), folders=True),
    Format("folder of PNG, BMP or JPEG", SUFFIXES["PNG"], partial(read_pictures, read=read_png), folders=True),
)

NUMPY_STACK = Format(
    "NumPy stack [n, H, W]", SUFFIXES["NumPy"], partial(read_pictures, read=read_npy_stack), folders=True
)
"""The format of a file that is recognised by its content, since tables of localisations have the same suffix."""
CLOUDS = (".obj", ".ply", ".xyz")
"""Suffixes of point clouds, whose text could be read as a table."""
SIMULATED = ("localisations.csv", "pictures.tif")
"""Data files that ``simulate`` writes into a folder, one or the other."""
TRUTH, TRUE_STRUCTURE, TRUE_POSES = "truth.ply", "truth-{}.ply", "truth_poses.csv"
"""Files of the structure that ``simulate`` writes beside them, of a mixture one for each structure, by its number from 1; and of
the poses."""


def open_dataset(path: str | Path, **options: Any) -> Localisations | Pictures:
    """Open a data set of any known format.

    Args:
        path: A file, a folder of such files, or a folder that ``simulate`` wrote.
        **options: The attributes of ``data.reading.Reading``: what the file may not state itself.

    Raises:
        HollyError: There is nothing at the path, the format is unknown, or the data can't be used.
    """
    path, reading = found_at(path), Reading(**options)
    data = as_seen(format_for(path, reading).read(path, reading), reading)
    lacking = lacking_in(data, reading)
    if lacking:
        raise HollyError(f"{path}: {lacking}" + (f" ({' '.join(data.notes)})" if data.notes else ""))
    return data


def data_files(path: str | Path) -> list[Path]:
    """The files of a data set, sorted by name: of a folder those of its format.

    Raises:
        HollyError: As for ``open_dataset``.
    """
    path = found_at(path)
    if path.is_file():
        return [path]
    suffixes, folder = _format_of(path).suffixes, finest_sigma(path) or path
    with foreign(folder, "a folder"):
        found = (file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
        return sorted(file for file in found if _suffix(file) in suffixes)


def truths_beside(path: Path) -> list[Path]:
    """The structures that ``simulate`` wrote beside data; none beside other data."""
    folder = path if path.is_dir() else path.parent
    if not any((folder / name).is_file() for name in SIMULATED):
        return []
    several = sorted(folder.glob(TRUE_STRUCTURE.format("[0-9]*")), key=natural_order)
    return several or [truth for truth in (folder / TRUTH,) if truth.is_file()]


def lacking_in(data: Localisations | Pictures, reading: Reading, every: int = 1) -> str | None:
    """The reason why data, of which one row in ``every`` was kept, can't be used for training; None if they can."""
    if isinstance(data, Pictures) and data.unfit is not None:
        return data.unfit
    if every * len(data) < FEWEST_PICTURES:
        return f"holds {counted(len(data), data.noun)}; at least {FEWEST_PICTURES} are needed"
    if isinstance(data, Localisations) and data.counts.median() == 1 and not data.radius_nm > POSSIBLE_NM[0]:
        return (
            "nearly every particle has one localisation: does the particle column number the localisations? Name the right one "
            "with --columns particle=NAME; without one, find the particles: holly-triton pick"
        )
    if not data.radius_nm > 0:
        return "all localisations of each particle are in one place; particles have an extent"
    if reading.unit is None and reading.pixel_size_nm is None:
        return _of_no_size(2 * data.radius_nm)
    return None


def _of_no_size(extent_nm: float) -> str | None:
    """The reason why the user must state the unit: particles of this extent are impossible; None if they are possible."""
    low, high = POSSIBLE_NM
    if low <= extent_nm <= high:
        return None
    fitting = [
        unit for unit in get_args(Unit) if unit in NM_PER_UNIT and low < extent_nm * NM_PER_UNIT[unit] <= LIKELY_NM
    ]
    said = f", or {extent_nm * NM_PER_UNIT[fitting[0]]:.3g} nm if positions are in {fitting[0]}" if fitting else ""
    return (
        f"its particles are {extent_nm:.2g} nm across{said}; state the unit of the positions, such as --unit "
        f"{fitting[0] if fitting else 'px'} (or --unit nm, if they are in nm)"
    )


def found_at(path: str | Path) -> Path:
    """The path, or the data set in a folder that ``simulate`` wrote."""
    path = Path(path)
    if not path.exists():
        raise missing(path, "a file of localisations or pictures, or a folder of them")
    return next((path / name for name in SIMULATED if (path / name).is_file()), path)


def as_seen(data: Localisations | Pictures, reading: Reading) -> Localisations | Pictures:
    """Data with the view and weights of the options applied, and a doubt where their size is implausible."""
    doubts: list[str | None] = []
    if isinstance(data, Localisations):
        data.notes.extend(data.unusable_precision())
        data = data.seen_along(reading.axis).weighed_by(reading.weights)
        if len(data) and (typical := int(data.counts.median())) < FEWEST_EMITTERS:
            doubts.append(
                f"A typical particle has {counted(typical, 'localisation')}, too few to determine its orientation."
            )
    if len(data) and data.finest_nm > data.radius_nm:
        doubts.append(
            f"The localisation precision, {data.finest_nm:.4g} nm, exceeds the size of the particles, so that their "
            "shape is not resolved. Is it the right column, in the right unit?"
        )
    if len(data):
        doubts.append(_size_doubt(data))
        if isinstance(data, Localisations):
            doubts.append(depth_doubt_of(data))
    data.doubts.extend(doubt for doubt in doubts if doubt)
    data.notes.extend(doubt for doubt in doubts if doubt)
    return data


def _size_doubt(data: Localisations | Pictures) -> str | None:
    """A sentence about particles of an implausible extent, with the options that mend it; None where it is plausible."""
    extent = 2 * data.radius_nm
    if extent <= LIKELY_NM:
        return scale_doubt(extent)
    said = f"Particles are {extent:.3g} nm across, which is implausible (more than {LIKELY_NM:.0f} nm): "
    if isinstance(data, Pictures):
        return f"{said}is the size of a pixel right (--pixel-size NM)?"
    return (
        f"{said}is the unit of the positions right (--unit, with --pixel-size for px; where the file states a wrong one, "
        '--columns "x=NAME[A],y=NAME[A]"), and does the particle column number the particles (--columns particle=NAME)?'
    )


def depth_doubt_of(data: Localisations) -> str | None:
    """A sentence about a z that is in doubt; None where it is plausible."""
    return depth_doubt(data.depth_nm, 2 * data.radius_nm, field=False)


def format_for(path: Path, reading: Reading) -> Format:
    """The format of a file, or of the files of a folder, to which all options that were given apply."""
    known = _format_of(path)
    is_table = known.read is read_localisations
    found, others = ("a table of localisations", "pictures") if is_table else ("pictures", "tables of localisations")
    for option in OF_PICTURES if is_table else OF_TABLES:
        if getattr(reading, option) != getattr(Reading(), option):
            raise HollyError(f"{path}: is {found}, and --{option} is an option for {others}; leave it out")
    return known


def _format_of(path: Path) -> Format:
    if path.is_file():
        suffixes = {_suffix(path)}
    elif why := advice(path):
        raise HollyError(f"{path}: {why}")
    elif (path / METRICS).is_file() or (path / CHECKPOINTS).is_dir():
        raise HollyError(
            f"{path}: is the folder of a run, not data; give the data that it was made from, or use holly-triton measure {quote(str(path))}"
        )
    else:
        with foreign(path, "a folder"):
            suffixes = {_suffix(file) for file in (finest_sigma(path) or path).iterdir()}
        if not suffixes:
            raise HollyError(f"{path}: is an empty folder; give a data set ({_known()})")
    if _holds_numpy_pictures(path):
        return NUMPY_STACK
    found = [known for known in FORMATS if suffixes & {*known.suffixes} and (known.folders or path.is_file())]
    if len(found) > 1:  # a text or an image beside data of another kind is metadata, as microscopes write it
        notes = {".txt", *SUFFIXES["PNG"]}
        found = [known for known in found if not suffixes & {*known.suffixes} <= notes]
    if len(found) > 1:
        kinds = ", ".join(sorted(suffix for known in found for suffix in suffixes & {*known.suffixes}))
        raise HollyError(f"{path}: holds data of several kinds ({kinds}); give one file, or a folder of one kind")
    inner = sorted(item for item in path.iterdir() if item.is_dir()) if path.is_dir() else []
    if not found and inner:
        raise HollyError(f"{path}: holds folders, and no file of a known format; give one of them, such as {inner[0]}")
    if not found and path.suffix.lower() in CLOUDS:
        raise HollyError(f"{path}: is a cloud, not pictures of one; see holly-triton simulate, or evaluate --truth")
    if not found:
        raise HollyError(f"{path}: {advice(path) or f'is of no known format; those are {_known()}'}")
    return found[0]


def _holds_numpy_pictures(path: Path) -> bool:
    if path.is_file():
        return holds_pictures(path)
    arrays = [file for file in path.iterdir() if file.suffix.lower() in NUMPY_STACK.suffixes]
    return bool(arrays) and all(holds_pictures(file) for file in arrays)


def _suffix(path: Path) -> str:
    """The suffix of a file or, where that is unknown, of the format that its content shows."""
    own = path.suffix.lower()
    if (
        own in CLOUDS
        or path.name.startswith(".")
        or not path.is_file()
        or any(own in one.suffixes for one in FORMATS[6:])
    ):
        return own
    return suffix_of(path)


def _known() -> str:
    names = [f"{known.name} ({', '.join(known.suffixes)})" for known in FORMATS]
    return ", ".join([*names, "folder written by simulate"])
