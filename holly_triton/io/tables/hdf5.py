"""Localisations in HDF5: Picasso's ``locs``, DECODE's ``data/xyz``, or any table with columns x and y."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.io.text_table import Column

from .columns import ROWS, Table, table_of
from .picasso import LARGEST_RATIO, locs_table, read_header
from .reading import Reading

Array = NDArray[Any]

PIXELS, NM = "px", "nm"
PICASSO_UNITS = {"x": PIXELS, "y": PIXELS, "z": NM, "lpx": PIXELS, "lpy": PIXELS}


def read_hdf5(path: Path, reading: Reading) -> Table:
    """The columns of a table, read part by part and only when asked for.

    Raises:
        HollyError: damaged, no such table, or one that promises more than its bytes can hold.
    """
    import h5py

    with foreign(path, "HDF5"), h5py.File(path) as file:
        if "locs" in file:
            locs, header = locs_table(path, file), read_header(path, file)
            stated = {"pixel_nm": header.pixel_nm, "notes": header.notes}
            return _lazy(path, locs, "Picasso HDF5", PICASSO_UNITS, header.neutral, **stated)
        if isinstance(file.get("data/xyz"), h5py.Dataset):
            return _decode_table(path, file)
        found: list[Any] = []
        file.visititems(lambda _, item: found.append(item) if _has_positions(item) else None)
        if found:
            return _lazy(path, found[0], f"HDF5 table ({found[0].name})", {})
        raise HollyError(
            f"{path}: needs the dataset locs, as Picasso writes it, data/xyz, as DECODE does, or a table with "
            f"columns x and y; found {', '.join([*file][:12]) or 'nothing'}"
        )


def check_size(path: Path, dataset: Any, what: str = "values") -> None:
    """Refuse a data set whose header promises more than its bytes can hold, or whose numbers are in another file.

    Raises:
        HollyError: they are.
    """
    if dataset.external or dataset.file.filename != str(path):
        raise HollyError(f"{path}: {dataset.name} is only a link to another file; save the data in one")
    if math.prod(dataset.shape) * dataset.dtype.itemsize > LARGEST_RATIO * dataset.id.get_storage_size():
        raise HollyError(f"{path}: {dataset.name} promises {dataset.size} {what}, more than its bytes can hold")


def _check_layout(path: Path, dataset: Any) -> None:
    """Refuse columns that overlap: HDF5 writes past the end of its memory when it takes such rows apart.

    Raises:
        HollyError: they do.
    """
    places = sorted((offset, offset + kind.itemsize) for kind, offset, *_ in dataset.dtype.fields.values())
    if any(end > start for (_, end), (start, _) in pairwise([*places, (dataset.dtype.itemsize, 0)])):
        raise HollyError(f"{path}: the columns of {dataset.name} overlap; the file is damaged")


def _has_positions(item: Any) -> bool:
    names = getattr(getattr(item, "dtype", None), "names", None) or ()
    return {"x", "y"} <= {name.lower() for name in names} and item.ndim == 1


def _lazy(
    path: Path, dataset: Any, source: str, units: dict[str, str], left_out: Sequence[str] = (), **attributes: Any
) -> Table:
    """A table of one dataset, whose columns are read when asked for."""
    check_size(path, dataset, "localisations")
    _check_layout(path, dataset)
    columns = tuple(
        Column(name.lower(), units.get(name), index)
        for index, name in enumerate(dataset.dtype.names)
        if dataset.dtype[name].kind in "fiu" and name not in left_out
    )
    place = dataset.name

    def parts(wanted: Sequence[Column]) -> Iterator[Sequence[Array]]:
        import h5py

        with foreign(path, "HDF5"), h5py.File(path) as file:
            table = file[place]
            names = [table.dtype.names[column.index] for column in wanted]
            for start in range(0, max(1, len(table)), ROWS):
                rows = table[start : start + ROWS]
                yield [np.ascontiguousarray(rows[name]) for name in names]

    return Table(source, columns, parts, rows=len(dataset), **attributes)


def _decode_table(path: Path, file: Any) -> Table:
    """DECODE (Speiser et al. 2021): data sets of one row an emitter; z is in nm, x and y may be in pixels."""
    data, meta = file["data"], dict(file["meta"].attrs) if "meta" in file else {}
    arrays = {}
    for name in ("xyz", "xyz_sig", "phot", "frame_ix"):
        if name in data and data[name].shape:
            check_size(path, data[name])
            arrays[name] = data[name][()]
    if arrays["xyz"].ndim != 2 or arrays["xyz"].shape[1] != 3:
        raise HollyError(f"{path}: data/xyz must be [emitters, 3]; found {[*arrays['xyz'].shape]}")
    unit, pixel_nm = str(meta.get("xy_unit", PIXELS)), np.ravel(meta.get("px_size", []))
    scale = np.ones(2)
    if unit == PIXELS and pixel_nm.size == 2:
        unit, scale = NM, pixel_nm.astype(np.float64)  # pixels need not be square
    columns = {f"x [{unit}]": arrays["xyz"][:, 0] * scale[0], f"y [{unit}]": arrays["xyz"][:, 1] * scale[1]}
    columns["z [nm]"] = arrays["xyz"][:, 2]
    if arrays.get("xyz_sig", np.empty(0)).shape == arrays["xyz"].shape:
        columns |= {f"uncertainty_{axis} [{unit}]": arrays["xyz_sig"][:, i] * scale[i] for i, axis in enumerate("xy")}
    columns |= {name: arrays[name] for name in ("phot", "frame_ix") if name in arrays}
    if {len(column) for column in columns.values()} != {len(arrays["xyz"])}:
        raise HollyError(f"{path}: its data sets have different lengths; is it complete?")
    return table_of("DECODE HDF5", columns)
