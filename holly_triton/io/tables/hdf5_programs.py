"""HDF5 files of programs of the field, each with its own names and units."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.io.units import pixel_size_nm

from .budget import Budget
from .columns import Table, table_of
from .hdf5_check import check_layout, check_size
from .pandas_hdf5 import read_frames
from .picasso import read_picasso

PX, UM, NM = "px", "um", "nm"


def read_decode(path: Path, file: Any) -> Table | None:
    """DECODE (Speiser et al. 2021): data sets of one row per emitter; z is in nm, x and y may be in pixels."""
    import h5py

    if not isinstance(file.get("data/xyz"), h5py.Dataset):
        return None
    data, meta = file["data"], dict(file["meta"].attrs) if "meta" in file else {}
    arrays = {}
    for name in ("xyz", "xyz_sig", "phot", "frame_ix"):
        if name in data and data[name].shape:
            check_size(path, data[name])
            arrays[name] = data[name][()]
    if arrays["xyz"].ndim != 2 or arrays["xyz"].shape[1] != 3:
        raise HollyError(f"{path}: data/xyz must be [emitters, 3]; found {[*arrays['xyz'].shape]}")
    unit, pixel_nm = str(meta.get("xy_unit", PX)), np.ravel(meta.get("px_size", []))
    scale = np.ones(2)
    if unit == PX and pixel_nm.size == 2:
        unit, scale = NM, pixel_nm.astype(np.float64)  # pixels need not be square
    columns = {f"x [{unit}]": arrays["xyz"][:, 0] * scale[0], f"y [{unit}]": arrays["xyz"][:, 1] * scale[1]}
    columns["z [nm]"] = arrays["xyz"][:, 2]
    if arrays.get("xyz_sig", np.empty(0)).shape == arrays["xyz"].shape:
        columns |= {f"uncertainty_{axis} [{unit}]": arrays["xyz_sig"][:, i] * scale[i] for i, axis in enumerate("xy")}
    columns |= {name: arrays[name] for name in ("phot", "frame_ix") if name in arrays}
    _check_lengths(path, columns, len(arrays["xyz"]))
    return table_of("DECODE HDF5", columns)


def read_storm_analysis(path: Path, file: Any) -> Table | None:
    """storm-analysis: a group for each frame, and groups of tracks, which are molecules averaged over their frames.

    x and y are in pixels, z in um. Tracks are corrected for drift; frames have theirs as attributes
    (github.com/ZhuangLab/storm-analysis, sa_library/sa_h5py.py).
    """
    if not ("sa_type" in file.attrs or {"pixel_size", "movie_l"} <= {*file.attrs}):
        return None
    tracks = file.get("tracks")
    groups = [tracks[name] for name in tracks] if tracks else []
    notes = []
    if any("x" in group for group in groups):
        notes.append("Molecules were read as storm-analysis tracked them over frames, corrected for drift.")
        columns = _joined(path, groups, {})
    else:
        frames = sorted((int(name[3:]), name) for name in file if name.startswith("fr_") and name[3:].isdecimal())
        if not frames:
            return None
        groups = [file[name] for _, name in frames]
        columns = _joined(path, groups, {"frame": [number for number, _ in frames]})
        if any(group.attrs.get(f"d{axis}", 0) for group in groups for axis in "xyz"):
            notes.append("The drift that the file states was corrected.")
    if not {"x", "y"} <= {*columns}:
        raise HollyError(f"{path}: its frames hold no localisations; found {', '.join([*columns][:12]) or 'nothing'}")
    units = {"x": PX, "y": PX, "z": UM}
    named = {f"{name} [{units[name]}]" if name in units else name: column for name, column in columns.items()}
    pixel_nm = pixel_size_nm(_number(file.attrs.get("pixel_size")), NM)
    return table_of("storm-analysis HDF5", named, pixel_nm=pixel_nm, rows=len(columns["x"]), notes=notes)


def _joined(path: Path, groups: list[Any], each: Mapping[str, list[int]]) -> dict[str, Array]:
    """Data sets of many groups, one after the other, corrected for drift; and a number of ``each`` group for its rows."""
    import h5py

    budget = Budget.of_bytes(path)
    names: dict[str, None] = {}
    filled = [(index, group) for index, group in enumerate(groups) if isinstance(group.get("x"), h5py.Dataset)]
    for _, group in filled[:1]:
        names = {name: None for name in group if group[name].dtype.kind in "fiu"}
    parts: dict[str, list[Array]] = {name: [] for name in (*names, *each)}
    for index, group in filled:
        for name in names:
            if name not in group:
                raise HollyError(f"{path}: {group.name} has no {name}, which other frames have; is the file complete?")
            check_size(path, group[name])
            budget.spend(group[name].size * group[name].dtype.itemsize)
            values = group[name][()].ravel()
            drift = group.attrs.get(f"d{name}", 0) if name in ("x", "y", "z") and each else 0
            parts[name].append(values + drift if drift else values)
        _check_lengths(path, {name: parts[name][-1] for name in names}, len(parts["x"][-1]))
        for name, numbers in each.items():
            parts[name].append(np.full(len(parts["x"][-1]), numbers[index]))
    return {name: np.concatenate(arrays) for name, arrays in parts.items() if arrays}


def read_daxview(path: Path, file: Any) -> Table | None:
    """daxview: one table of positions in pixels, with their size in um beside it; z has a size of its own."""
    import h5py

    group = file.get("molecule_set_data")
    table = group.get("datatable") if isinstance(group, h5py.Group) else None
    if not isinstance(table, h5py.Dataset) or not {"X_POS_PIXELS", "Y_POS_PIXELS"} <= {*(table.dtype.names or ())}:
        return None
    check_size(path, table)
    check_layout(path, table)
    rows = table[()]
    size_um = {axis: _size_um(path, group, (f"{axis}_pixel_size_um", "pixel_size_um")) for axis in ("xy", "z")}
    units = {"X_POS_PIXELS": "x [px]", "Y_POS_PIXELS": "y [px]", "FRAME_NUMBER": "frame"}
    columns = {units.get(name, name): rows[name] for name in rows.dtype.names if rows.dtype[name].kind in "fiu"}
    z = columns.pop("Z_POS_PIXELS", None)
    if z is not None:
        columns["z [um]" if size_um["z"] else "z [px]"] = z * (size_um["z"] or 1.0)
    return table_of("daxview HDF5", columns, pixel_nm=pixel_size_nm(size_um["xy"], UM), rows=len(rows))


def _size_um(path: Path, group: Any, names: tuple[str, ...]) -> float | None:
    for name in names:
        if name in group and group[name].shape in ((), (1,)):
            check_size(path, group[name])
            return _number(group[name][()])
    return None


def read_pyme(path: Path, file: Any) -> Table | None:
    """PYME (python-microscopy): table FitResults, whose records hold the fit's results and errors, in nm."""
    import h5py

    table = file.get("FitResults")
    if not isinstance(table, h5py.Dataset) or "fitResults" not in (table.dtype.names or ()):
        return None
    check_size(path, table)
    check_layout(path, table)
    results = table.dtype["fitResults"].names or ()
    if not {"x0", "y0"} <= {*results}:
        raise HollyError(f"{path}: the fits in FitResults have no x0 and y0; export them from PYME as CSV")
    rows = table[()]
    columns = {f"{axis} [nm]": rows["fitResults"][f"{axis}0"] for axis in "xyz" if f"{axis}0" in results}
    errors = rows.dtype["fitError"].names or () if "fitError" in rows.dtype.names else ()
    columns |= {f"error_{axis} [nm]": rows["fitError"][f"{axis}0"] for axis in "xyz" if f"{axis}0" in errors}
    columns |= {"frame": rows["tIndex"]} if "tIndex" in rows.dtype.names else {}
    more = {name: rows["fitResults"][name] for name in results if name not in ("x0", "y0", "z0")}
    columns |= {f"fitResults.{name}": column for name, column in more.items() if column.ndim == 1}
    notes = ["PYME keeps drift apart from the fits; it was not corrected."] if "DriftResults" in file else []
    return table_of("PYME HDF5", columns, rows=len(rows), notes=notes)


def _check_lengths(path: Path, columns: Mapping[str, Array], rows: int) -> None:
    if {len(column) for column in columns.values()} != {rows}:
        raise HollyError(f"{path}: its data sets have different lengths; is it complete?")


def _number(value: Any) -> float | None:
    """A number that a file states, if it is one."""
    array = np.ravel(value) if value is not None else np.empty(0)
    return float(array[0]) if array.size == 1 and array.dtype.kind in "fiu" else None


PROGRAMS: tuple[Callable[[Path, Any], Table | None], ...] = (
    read_picasso, read_decode, read_storm_analysis, read_daxview, read_pyme, read_frames,
)  # fmt: skip
"""The readers, in the order in which they are tried."""
