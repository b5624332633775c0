"""Reading particle lists: the format by the suffix."""

from collections.abc import Callable
from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.core.files import missing

from .copick import read_json
from .deepfinder import read_xml
from .dynamo import read_tbl
from .motl import read_motl
from .particle_list import ParticleList
from .raw import ClassNames, RawList, placed
from .star import read_star_list
from .text import read_csv, read_text

READERS: dict[str, Callable[[Path], RawList]] = {
    ".csv": read_csv,
    ".star": read_star_list,
    ".xml": read_xml,
    ".tbl": read_tbl,
    ".json": read_json,
    ".txt": read_text,
    ".em": read_motl,
}
"""What reads each suffix, lower case."""


def is_list(path: Path) -> bool:
    """Whether a file is a particle list by its suffix."""
    return path.suffix.lower() in READERS


def read_raw_list(path: Path) -> RawList:
    """The rows of a list, in the unit of the file.

    Raises:
        HollyError: The file is not there, of another format, lacks a column, or is damaged.
    """
    if not path.is_file():
        raise missing(path, "a list of particles")
    if not is_list(path):
        raise HollyError(f"{path}: is not a list of particles by its suffix; lists are {', '.join(READERS)}")
    return READERS[path.suffix.lower()](path)


def read_particles(
    path: Path,
    *,
    voxel_size: float | None = None,
    shape: tuple[int, ...] | None = None,
    class_names: ClassNames | None = None,
) -> ParticleList:
    """Read a list of particles, in Å from the centre of voxel 0, whatever the unit of the file.

    Formats: CSV (ours, napari's points), STAR (RELION 4 and 5, Warp), DeepFinder's XML and text, Dynamo's tables, motive
    lists (EM), copick's JSON. The list's ``remarks`` say how many rows were read and used, and the unit and origin of the file's positions.

    Args:
        path: The file.
        voxel_size: Of the tomogram, Å; for files in voxels that do not state it.
        shape: Of the tomogram, ``[Z, Y, X]``; for positions from its centre (RELION 5) and for fractions of its sides.
        class_names: Names of classes that the file numbers: by number, or in order from class 1.

    Raises:
        HollyError: A size or a column is missing, or the file can't be read.
    """
    return placed(path, read_raw_list(path), voxel_size=voxel_size, shape=shape, class_names=class_names)
