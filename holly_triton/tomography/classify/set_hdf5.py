"""Sets of subtomograms in one HDF5 file.

Layout, which ``SetWriter`` and ``tomo simulate --subtomograms`` write and ``open_hdf5`` reads: the file has the attribute
``voxel_size`` (Å) and the data set ``volumes`` ``[N, n, n, n]`` float32; optional are ``names`` and ``labels`` ``[N]`` text,
``rotations`` ``[N, 3, 3]`` (active, from the reference into the box), and ``positions`` ``[N, 3]`` (of the particle's centre
from the box's, x y z, Å).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array

from .sets import UNLABELLED, SubtomogramSet

SUFFIXES = (".h5", ".hdf5", ".hdf")
VOLUMES, VOXEL = "volumes", "voxel_size"
NAMES, LABELS, ROTATIONS, POSITIONS = "names", "labels", "rotations", "positions"
SHAPES = {NAMES: (), LABELS: (), ROTATIONS: (3, 3), POSITIONS: (3,)}
"""Of what there is of one volume."""
FORMAT = "holly-triton subtomograms 1"
CUBIC_AXES = 4


class SetWriter:
    """Writes a set part by part; what is written so far can be read at any time.

    Args:
        path: The file, which is replaced where it exists.
        size: Voxels along a side.
        voxel: Å.

    Raises:
        HollyError: The file can't be written.
    """

    def __init__(self, path: Path, size: int, voxel: float) -> None:
        import h5py

        try:
            self._file = h5py.File(path, "w")
        except OSError as error:
            raise HollyError(f"{path}: cannot be written ({error}); choose another place for the set") from error
        self._file.attrs["format"] = FORMAT
        self._file.create_dataset(
            VOLUMES, (0, size, size, size), "f4", maxshape=(None, size, size, size), chunks=(1, size, size, size)
        )
        self._file.attrs[VOXEL] = voxel

    def append(
        self, volumes: Array, *, labels: Sequence[str] | Array | None = None, rotations: Array | None = None,
        positions: Array | None = None, names: Sequence[str] | Array | None = None,
    ) -> None:  # fmt: skip
        """Add volumes ``[B, n, n, n]`` with what is known of them; each part has to give the same kinds of data."""
        import h5py

        text = h5py.string_dtype()
        _extend(self._file, VOLUMES, np.asarray(volumes), np.float32)
        for name, values, kind in ((LABELS, labels, text), (NAMES, names, text), (ROTATIONS, rotations, "f4"), (POSITIONS, positions, "f4")):  # fmt: skip
            if values is not None:
                _extend(self._file, name, np.asarray(values, dtype=object if kind is text else kind), kind)
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _extend(file: Any, name: str, values: Array, kind: Any) -> None:
    if name not in file:
        file.create_dataset(name, (0, *values.shape[1:]), kind, maxshape=(None, *values.shape[1:]), chunks=True)
    dataset = file[name]
    dataset.resize(len(dataset) + len(values), axis=0)
    dataset[-len(values) :] = values


def open_hdf5(path: Path, voxel_size: float | None) -> SubtomogramSet:
    """Open a set; see ``opening.open_set``."""
    import h5py

    with foreign(path, "a set of subtomograms in HDF5"), h5py.File(path) as file:
        if not isinstance(file.get(VOLUMES), h5py.Dataset):
            raise HollyError(
                f"{path}: has no data set {VOLUMES!r}; a set of subtomograms has one of N x n x n x n voxels"
            )
        volumes = file[VOLUMES]
        shape = volumes.shape
        if len(shape) != CUBIC_AXES or len({*shape[1:]}) != 1:
            raise HollyError(f"{path}: its volumes are of shape {tuple(shape)}; they must be N cubes, N x n x n x n")
        voxel = float(file.attrs.get(VOXEL, math.nan)) if voxel_size is None else voxel_size
        if not 0 < voxel < math.inf:
            raise HollyError(f"{path}: states no voxel size; give it with --voxel-size A")
        kept = {name: _column(path, file, name, shape[0]) for name in (NAMES, LABELS, ROTATIONS, POSITIONS)}
    stated = kept[NAMES]
    names = np.array([f"{row + 1}" for row in range(shape[0])]) if stated is None else stated

    def load(rows: Array) -> Array:
        with foreign(path, "a set of subtomograms in HDF5"), h5py.File(path) as file:
            first, last = int(rows[0]), int(rows[-1]) + 1
            volumes = file[VOLUMES]
            # h5py reads a range many times as fast as a list of rows.
            read = volumes[first:last] if last - first == len(rows) else volumes[rows]
            return np.asarray(read, dtype=np.float32)

    return SubtomogramSet(path, names, kept[LABELS], int(shape[1]), voxel, load, kept[ROTATIONS], kept[POSITIONS])


def _column(path: Path, file: Any, name: str, count: int) -> Array | None:
    if name not in file:
        return None
    dataset = file[name]
    shape = (count, *SHAPES[name])
    if dataset.shape != shape:
        raise HollyError(
            f"{path}: its data set {name!r} is of shape {dataset.shape}; with {count} volumes it must be of shape {shape}"
        )
    if dataset.dtype.kind in "OS":
        return np.asarray(dataset.asstr()[:], dtype=np.str_)
    values = np.asarray(dataset[:])
    if name not in (NAMES, LABELS):
        return values.astype(np.float64)
    return np.where(values == values, values.astype(np.str_), UNLABELLED)  # noqa: PLR0124  # NaN alone differs from itself
