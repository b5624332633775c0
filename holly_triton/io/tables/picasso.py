"""Picasso's files: localisations in HDF5, with metadata as YAML documents beside it.

Dataset ``locs`` holds one row per localisation: ``frame``, ``x`` and ``y`` in camera pixels, ``photons``, ``sx`` and
``sy`` (width of the PSF, pixels), ``bg``, ``lpx`` and ``lpy`` (precision, pixels), ``z`` in nm where there is one, and
``group`` in files of picked particles. The YAML has one document for each program that touched the data; the size of a
pixel, ``Pixelsize`` in nm, may stand in any of them. From version 0.11 on, Picasso may leave the YAML out and keep the
same documents as JSON in dataset ``metadata`` (Schnitzbauer et al. 2017; picassosr.readthedocs.io/en/latest/files.html).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import holly_triton
from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, replacing
from holly_triton.core.types import Array
from holly_triton.io.text_table import Column

from .columns import Table
from .containers import fields_in, leaf_of, table_of_fields
from .hdf5_check import check_size
from .hdf5_tree import leaf_of_dataset
from .pandas_hdf5 import columns_of_frame, is_frame

PIXEL_SIZE = ("Pixelsize", "Camera.Pixelsize")
"""Keys of the pixel size: that of Picasso, and that of its simulation in versions without the first."""
UNITS = {"x": "px", "y": "px", "z": "nm", "lpx": "px", "lpy": "px", "lpz": "nm"}
NUMPY_NUMBERS = tuple(f"object/apply:numpy.{core}.multiarray.scalar" for core in ("core", "_core"))
NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")

NEUTRAL_PRECISION_NM = 10.0
"""Neutral precision, typical of SMLM. Picasso weighs by the inverse of the precision, so it can't be 0."""
NEUTRAL = {
    "frame": 0.0, "photons": 1.0, "sx": 1.0, "sy": 1.0, "bg": 0.0, "lpz": NEUTRAL_PRECISION_NM, "probability": 1.0,
}  # fmt: skip
"""Neutral values for unknown columns: one frame, equal brightness, a PSF of one pixel, no background, and so on."""
GAPS = ("photons", "bg", "lpx", "lpy", "lpz", "probability")
"""Columns in which single values may be unknown: programs write 0 or NaN where a fit failed, and Picasso drops rows with NaN."""
THROUGHOUT, IN_PART = "Neutral throughout", "Neutral in part"
"""Keys of the YAML for the columns that are unknown, and for those that are known in some rows only."""
WHOLE = {"frame": "<u4", "group": "<i4"}
"""Columns of whole numbers, as Picasso stores them; all others are float32."""


@dataclass(frozen=True)
class Header:
    """Metadata of the localisations, from the YAML or else from the file itself.

    Attributes:
        pixel_nm: Side of a pixel, nm; None if it is not stated, or can't be read.
        neutral: Columns that ``write_picasso`` filled throughout: they hold no measurement.
        notes: Sentences about what was assumed, and what is missing.
    """

    pixel_nm: float | None
    neutral: list[str]
    notes: list[str]


def read_header(path: Path, file: Any) -> Header:
    """Metadata of the localisations in an open ``h5py.File`` at ``path``, or in the YAML beside it.

    Raises:
        HollyError: The documents are only a link to another file.
    """
    import h5py

    metadata = file.get("metadata")
    embedded = None
    if isinstance(metadata, h5py.Dataset) and metadata.shape == ():
        check_size(path, metadata)
        embedded = metadata[()]
    documents, notes = _documents(path.with_suffix(".yaml"), embedded)
    pixel_nm, said = _pixel_nm(documents)
    return Header(pixel_nm, _neutral(documents), notes or said)


def stated_in_yaml(path: Path) -> tuple[dict[str, Any], float | None]:
    """What the documents of a YAML state, the later over the earlier, and the side of a pixel in nm, if they do.

    Raises:
        HollyError: There is no such file, or it can't be read.
    """
    documents, wrong = _documents(path, None)
    if wrong:
        raise HollyError(wrong[0] if path.is_file() else f"{path}: is missing; Picasso writes it beside the data")
    merged = {key: value for document in documents for key, value in document.items()}
    return merged, _pixel_nm(documents)[0]


def write_picasso(
    path: Path,
    xyz_nm: Array,
    *,
    pixel_nm: float,
    group: Array | None = None,
    photons: Array | None = None,
    precision_nm: Array | None = None,
    frame: Array | None = None,
    further: Mapping[str, Array | None] | None = None,
    info: Mapping[str, object] | None = None,
) -> None:
    """Write localisations as Picasso does, with the YAML beside them.

    Picasso drops localisations left of or above the first pixel: such data are shifted by whole pixels, and the YAML states
    the shift. It also lists the columns that hold a neutral value, throughout or in part, because they are unknown.

    Args:
        path: Name of the file, which ends in .hdf5.
        xyz_nm: ``[E, 2]`` or ``[E, 3]``.
        pixel_nm: Side of a camera pixel; any value may be used for positions that are not from a camera.
        group: Particle of each localisation ``[E]``, whole numbers.
        photons: ``[E]``.
        precision_nm: Lateral localisation precision ``[E]``; where it is not above 0, the neutral value is written.
        frame: ``[E]``, whole numbers from 0.
        further: Other columns ``[E]`` by name, as they are; None for none.
        info: Additional metadata for the YAML: texts, plain numbers, and lists of them.

    Raises:
        HollyError: A file can't be written.
        ValueError: There are no localisations, positions are not finite, a length is not above 0, or columns have
            different lengths.
    """
    import h5py
    import yaml

    xyz_nm = np.asarray(xyz_nm, dtype=np.float64)
    if xyz_nm.ndim != 2 or xyz_nm.shape[1] not in (2, 3) or len(xyz_nm) == 0 or not np.isfinite(xyz_nm).all():
        raise ValueError(f"xyz_nm must be finite positions [E, 2 or 3], at least one; found shape {xyz_nm.shape}")
    if not 0 < pixel_nm < float("inf"):
        raise ValueError(f"pixel_nm must be above 0 and finite, got {pixel_nm}")
    xy = xyz_nm[:, :2] / pixel_nm
    moved = np.maximum(0, -np.floor(xy.min(axis=0)))
    precision = None if precision_nm is None else np.asarray(precision_nm) / pixel_nm
    columns = {"frame": frame, "x": xy[:, 0] + moved[0], "y": xy[:, 1] + moved[1], "photons": photons}
    columns |= {"sx": None, "sy": None, "bg": None, "lpx": precision, "lpy": precision}
    if xyz_nm.shape[1] == 3:
        columns["z"] = xyz_nm[:, 2]
    if group is not None:
        columns["group"] = group
    columns |= {name: values for name, values in (further or {}).items() if values is not None}
    locs, throughout, in_part = locs_of(columns, len(xyz_nm), NEUTRAL_PRECISION_NM / pixel_nm)
    program = f"holly-triton {holly_triton.__version__}"
    width, height = (int(locs[axis].max()) + 1 for axis in "xy")
    frames = int(locs["frame"].max()) + 1
    documents: list[dict[str, object]] = [
        {"Generated by": program, "Frames": frames, "Width": width, "Height": height, "Pixelsize": float(pixel_nm)},
        {"Generated by": program, "Moved by (cam. pixels)": moved.tolist(), THROUGHOUT: throughout, IN_PART: in_part},
    ]
    documents[1].update(info or {})
    # The YAML first: where the folder is missing, its error is the plainer one.
    with replacing(path) as partial, replacing(path.with_suffix(".yaml")) as partial_yaml:
        partial_yaml.write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
        with h5py.File(partial, "w") as file:
            file.create_dataset("locs", data=locs)


def read_picasso(path: Path, file: Any) -> Table | None:
    """Dataset ``locs`` of an open HDF5 file, with the units of its columns; None if there is none.

    Cluster centres (RESI, SMLM Clusterer) have the number of the centre as ``group``, and that of the pick as
    ``group_input``: there, the picks are the particles.

    Raises:
        HollyError: The dataset lacks x and y, or is empty.
    """
    import h5py

    locs, source = file.get("locs"), "Picasso HDF5"
    if locs is None or (isinstance(locs, h5py.Group) and not is_frame(locs)):
        return None
    header = read_header(path, file)
    if isinstance(locs, h5py.Group):
        leaves = [leaf_of("", name, array) for name, array in columns_of_frame(path, locs).items()]
        source += ", written by pandas"
    else:
        check_size(path, locs, "localisations")
        leaves = [replace(leaf_of_dataset(path, locs), name="")] if locs.dtype.names else []
    fields = fields_in(leaves)
    names = [field.name for field in fields]
    if not {"x", "y"} <= {*names}:
        raise HollyError(
            f"{path}: its dataset locs needs the columns x and y; found {', '.join(names[:12]) or 'no columns'}"
        )
    if fields[0].rows == 0:
        raise HollyError(f"{path}: its dataset locs holds no localisations")
    columns = [
        Column(name.lower(), UNITS.get(name.lower()), index, name, fields[index].text)
        for index, name in enumerate(names)
        if name not in header.neutral
    ]
    table = table_of_fields(source, fields, columns, pixel_nm=header.pixel_nm, notes=header.notes)
    return _of_picks(table) if {"group", "group_input"} <= {*names} else table


def _of_picks(table: Table) -> Table:
    """Cluster centres by the pick that they are in, where every ``group`` is a single centre."""
    group = next(column for column in table.columns if column.name == "group")
    numbers = np.concatenate([part[0] for part in table.parts([group])])
    if len(np.unique(numbers)) < len(numbers):
        return table
    names = {"group": "centre", "group_input": "particle"}
    columns = tuple(replace(column, name=names.get(column.name, column.name)) for column in table.columns)
    note = "Each group is a single cluster centre, so that group_input, the pick, was taken as the particle."
    return replace(table, columns=columns, notes=[*table.notes, note])


def _documents(path: Path, embedded: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The documents of the YAML or, where there is none, those in the HDF5 file; and notes about defects."""
    import yaml

    if not path.is_file() and embedded is None:
        return [], [f"There is no {path.name} beside the data, which would state the pixel size."]
    try:
        with foreign(path, "YAML"):
            if path.is_file():
                # Microscopes write comments in any encoding.
                text = path.read_text(encoding="utf-8", errors="replace")
                documents = list(yaml.load_all(text, Loader=_loader()))
            else:
                documents = list(json.loads(embedded))
    except HollyError as error:
        return [], [str(error)]
    return [document for document in documents if isinstance(document, dict)], []


def _loader() -> Any:
    """The safe loader, for YAML with Python objects in it.

    Numbers of NumPy, which PyYAML writes as calls of NumPy with their bytes, are read as numbers; any other object of
    Python (``!!python/...``) is read as None.
    """
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    def construct(loader: Any, suffix: str, node: Any) -> Any:
        if suffix == "object/apply:numpy.dtype":
            parts = loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else {}
            return (parts.get("args") or [None])[0]
        if suffix in NUMPY_NUMBERS and isinstance(node, yaml.SequenceNode):
            kind, content = [*loader.construct_sequence(node, deep=True), None, None][:2]
            if kind in NUMBERS and isinstance(content, bytes) and len(content) == np.dtype(kind).itemsize:
                return np.frombuffer(content, "<" + kind).item()
        return None

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", construct)
    return Loader


def _pixel_nm(documents: Sequence[Mapping[str, Any]]) -> tuple[float | None, list[str]]:
    """Side of a pixel from the last document that states it, which is Picasso's rule; and notes about it."""
    stated = [document[key] for key in PIXEL_SIZE for document in reversed(documents) if document.get(key)]
    sizes = [float(size) for size in stated if type(size) in (int, float) and 0 < size < float("inf")]
    if not sizes:
        return None, ["The file does not state the pixel size."]
    if len({*sizes}) == 1:
        return sizes[0], []
    others = " and ".join(f"{size:g}" for size in sorted({*sizes} - {sizes[0]}))
    return sizes[0], [f"The file states pixels of {sizes[0]:g} and of {others} nm; the first is used, as Picasso does."]


def _neutral(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns that any document lists as neutral throughout."""
    lists = [document[THROUGHOUT] for document in documents if isinstance(document.get(THROUGHOUT), list)]
    return [name for name in (*NEUTRAL, "lpx", "lpy") if any(name in listed for listed in lists)]


def locs_of(columns: Mapping[str, Any], count: int, precision: float) -> tuple[Array, list[str], list[str]]:
    """Rows of ``locs``, and the names of the columns that are neutral throughout, and in part.

    Args:
        columns: By name, each ``[count]``, or None where it is unknown.
        count: Number of rows.
        precision: Neutral lateral precision, pixels.

    Raises:
        ValueError: A column has another length, or one of whole numbers has others.
    """
    neutral = {**NEUTRAL, "lpx": precision, "lpy": precision}
    locs = np.empty(count, dtype=[(name, WHOLE.get(name, "<f4")) for name in columns])
    throughout: list[str] = []
    in_part: list[str] = []
    for name, given in columns.items():
        values = np.full(count, np.nan) if given is None else np.asarray(given)
        if values.shape != (count,):
            raise ValueError(f"{name} must be [{count}], one for each position; found shape {values.shape}")
        gaps = given is None or name in GAPS
        known = np.isfinite(values) & ((values > 0) | (name == "bg")) if gaps else np.ones(count, bool)
        if not known.all():
            (in_part if known.any() else throughout).append(name)
            values = np.where(known, values, neutral[name])
        with np.errstate(invalid="ignore"):
            locs[name] = values
        if name in WHOLE and (locs[name] != values).any():
            raise ValueError(f"{name} must be whole numbers that fit {np.dtype(WHOLE[name])}")
    return locs, throughout, in_part
