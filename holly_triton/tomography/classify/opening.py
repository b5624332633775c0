"""Sets of subtomograms in any form that is read."""

from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.core.files import missing

from .set_files import open_folder, open_star
from .set_hdf5 import SUFFIXES, open_hdf5
from .sets import SubtomogramSet


def open_set(path: Path, voxel_size: float | None = None) -> SubtomogramSet:
    """Open a set: an HDF5 file as ``SetWriter`` writes it, a folder of volumes, or a STAR that names volumes.

    Args:
        path: The file or folder.
        voxel_size: Å; takes precedence over what the files state.

    Raises:
        HollyError: It is none of these, sizes or voxels differ, boxes are no cubes, or a subtomogram is named twice.
    """
    if path.is_dir():
        return open_folder(path, voxel_size)
    if not path.is_file():
        raise missing(path, "a set of subtomograms")
    if path.suffix.lower() in SUFFIXES:
        return open_hdf5(path, voxel_size)
    if path.suffix.lower() == ".star":
        return open_star(path, voxel_size)
    raise HollyError(f"{path}: is no set of subtomograms; give HDF5 (.h5), STAR, or a folder of MRC files")
