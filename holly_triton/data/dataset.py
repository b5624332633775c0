"""One way to open any data set, and the interface all of them share.

A new format is a new file with a reader, and one row in ``FORMATS``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import LongTensor, Tensor

from holly_triton.errors import HollyError
from holly_triton.files import foreign
from holly_triton.geometry import Grid

from .csv_table import read_csv
from .localisations import Localisations
from .matlab import read_mat
from .pictures import Pictures
from .reading import Reading
from .tiff import read_tiff

FEWEST_PICTURES = 8
"""Fewer views leave most of a structure unseen, whatever it is."""

SMALLEST_NM = 2.0
"""Below this radius positions are probably not in nm."""


class Dataset(Protocol):
    """What every data set can do. Lengths are nm; pictures are about the particle's centroid."""

    @property
    def names(self) -> list[str]:
        """The pictures' own ids ``[P]``."""
        ...

    @property
    def centres(self) -> Tensor:
        """Where the particles' centroids lay ``[P, 2 or 3]``, nm."""
        ...

    @property
    def notes(self) -> list[str]:
        """Sentences: what was skipped and why, what was assumed."""
        ...

    @property
    def source(self) -> str:
        """The format, in words."""
        ...

    @property
    def radius_nm(self) -> float:
        """Circle about the centroids that holds 99.5 % of the intensity, nm."""
        ...

    @property
    def gyration_nm(self) -> float:
        """Radius of gyration of the structure, 3D, nm, as the pictures tell it."""
        ...

    @property
    def finest_nm(self) -> float:
        """Sigma below which the data have nothing to show, nm; 0 if they do not say."""
        ...

    def __len__(self) -> int: ...

    def to(self, device: torch.device | str) -> "Dataset":
        """The same data on another device."""
        ...

    def select(self, index: Tensor) -> "Dataset":
        """Some of the pictures ``[B]``, in the order of the index."""
        ...

    def draw(self, index: LongTensor | Tensor, grid: Grid, sigma_nm: float) -> Tensor:
        """Pictures ``[B, S, S]`` of some particles ``[B]`` at one width, not normalised."""
        ...

    def summary(self) -> dict[str, str]:
        """Rows of the ``info`` screen."""
        ...


@dataclass(frozen=True)
class Format:
    """One family of files.

    Attributes:
        name: As an error message lists it.
        suffixes: Of its files, lower case.
        read: Takes a file or, with ``folders``, a folder of such files.
        folders: Whether a folder of such files is one data set.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, Reading], Localisations | Pictures]
    folders: bool = False


FORMATS = (
    Format("ThunderSTORM-style CSV", (".csv",), read_csv),
    Format("MATLAB cell array", (".mat",), read_mat),
    Format("TIFF stack or folder of TIFFs", (".tif", ".tiff"), read_tiff, folders=True),
)

SIMULATED = ("localisations.csv", "pictures.tif")
"""What ``simulate`` writes into a folder: one or the other."""


def open_dataset(path: str | Path, **options: Any) -> Localisations | Pictures:
    """Open a data set of any known format.

    Args:
        path: A file, a folder of such files, or a folder that ``simulate`` wrote.
        **options: The attributes of ``data.reading.Reading``: what the file may not say of itself.

    Raises:
        HollyError: nothing there, an unknown format, or data that can't be used.
    """
    path, reading = Path(path), Reading(**options)
    if not path.exists():
        raise HollyError(f"{path}: there is no such file or folder; give a data set ({_known()})")
    if path.is_dir():
        path = next((path / name for name in SIMULATED if (path / name).is_file()), path)
    data = _format(path).read(path, reading)
    if isinstance(data, Localisations):
        data = data.seen_along(reading.axis).weighed_by(reading.weights)
    if len(data) < FEWEST_PICTURES:
        skipped = f" ({' '.join(data.notes)})" if data.notes else ""
        raise HollyError(f"{path}: holds {len(data)} pictures; at least {FEWEST_PICTURES} are needed{skipped}")
    if not data.radius_nm > 0:
        raise HollyError(f"{path}: every particle is a single point; particles of several emitters are needed")
    if data.radius_nm < SMALLEST_NM:
        data.notes.append("No light microscope sees so small a structure: is the unit right (--unit um or px)?")
    return data


def _format(path: Path) -> Format:
    """The format of a file, or of the files of a folder."""
    if path.is_file():
        suffixes = {path.suffix.lower()}
    else:
        with foreign(path, "a folder"):
            suffixes = {file.suffix.lower() for file in path.iterdir()}
        if not suffixes:
            raise HollyError(f"{path}: is an empty folder; give a data set ({_known()})")
    for known in FORMATS:
        if suffixes & {*known.suffixes} and (known.folders or path.is_file()):
            return known
    raise HollyError(f"{path}: is of no known format; those are {_known()}")


def _known() -> str:
    names = [f"{known.name} ({', '.join(known.suffixes)})" for known in FORMATS]
    return ", ".join([*names, "folder written by simulate"])
