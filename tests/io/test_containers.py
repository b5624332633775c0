"""Columns of any name in any file that holds many arrays: found by name, or named by --columns, or listed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from holly_triton.core.errors import HollyError
from holly_triton.io.tables import containers
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.table import read_rows
from holly_triton.particles.data import open_dataset

RNG = np.random.default_rng(3)
XYZ = RNG.uniform(0, 9000, (60, 3))
TRACK = np.arange(60) // 6
OWN = {"horiz": XYZ[:, 0], "vert": XYZ[:, 1], "depth": XYZ[:, 2], "track": TRACK, "sig": np.full(60, 4.0)}
"""Names that no list of names has."""


def mat_struct(folder: Path, columns: dict[str, np.ndarray]) -> Path:
    scipy.io.savemat(folder / "a.mat", {"locs": {name: column[:, None] for name, column in columns.items()}, "n": 60.0})
    return folder / "a.mat"


def mat_variables(folder: Path, columns: dict[str, np.ndarray]) -> Path:
    scipy.io.savemat(folder / "a.mat", columns | {"title": "pores", "beads": np.ones((7, 1))})
    return folder / "a.mat"


def mat_inner(folder: Path, columns: dict[str, np.ndarray]) -> Path:
    scipy.io.savemat(folder / "a.mat", {"result": {"fits": columns, "settings": {"roi": 7.0, "name": "x"}}})
    return folder / "a.mat"


def npz(folder: Path, columns: dict[str, np.ndarray]) -> Path:
    np.savez(folder / "a.npz", **columns, scale=3.0)
    return folder / "a.npz"


def structured(columns: dict[str, np.ndarray]) -> np.ndarray:
    rows = np.zeros(60, [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    return rows


def npy(folder: Path, columns: dict[str, np.ndarray]) -> Path:
    np.save(folder / "a.npy", structured(columns))
    return folder / "a.npy"


def npy_nested(folder: Path, columns: dict[str, np.ndarray]) -> Path:
    inner = structured(columns)
    rows = np.zeros(60, [("fit", inner.dtype), ("code", "i4")])
    rows["fit"] = inner
    np.save(folder / "a.npy", rows)
    return folder / "a.npy"


def h5_datasets(folder: Path, columns: dict[str, np.ndarray]) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        for name, column in columns.items():
            file[name] = column
        file["picture"] = np.ones((40, 40, 3))
    return folder / "a.h5"


def h5_group(folder: Path, columns: dict[str, np.ndarray]) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        for name, column in columns.items():
            file[f"run/result/{name}"] = column
        file["run/drift"] = np.ones(300)
    return folder / "a.h5"


def h5_table(folder: Path, columns: dict[str, np.ndarray]) -> Path:
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("tables/fits", data=structured(columns), chunks=(16,), compression="gzip")
    return folder / "a.h5"


def json_records(folder: Path, columns: dict[str, np.ndarray]) -> Path:
    rows = [
        dict(zip(columns, row, strict=True))
        for row in zip(*(column.tolist() for column in columns.values()), strict=True)
    ]
    (folder / "a.json").write_text(json.dumps(rows))
    return folder / "a.json"


def json_columns(folder: Path, columns: dict[str, np.ndarray]) -> Path:
    (folder / "a.json").write_text(json.dumps({"data": {name: column.tolist() for name, column in columns.items()}}))
    return folder / "a.json"


WRITERS = (
    mat_struct, mat_variables, mat_inner, npz, npy, npy_nested, h5_datasets, h5_group, h5_table, json_records, json_columns,
)  # fmt: skip
EVERY = pytest.mark.parametrize("write", WRITERS)
Write = Callable[[Path, dict[str, np.ndarray]], Path]
ASKED = "x=horiz,y=vert,z=depth,particle=track,precision=sig"


@EVERY
@pytest.mark.parametrize("rows_at_a_time", [7, 2**17])
def test_columns_of_any_name_are_taken_as_the_user_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, rows_at_a_time: int
) -> None:
    monkeypatch.setattr(containers, "ROWS", rows_at_a_time)
    path = write(tmp_path, OWN)
    found = read_rows(path, Reading(columns=ASKED if write is not npy_nested else ASKED.replace("=", "=fit."))).whole()
    np.testing.assert_allclose(found.xyz, XYZ)
    np.testing.assert_array_equal(found.particle, TRACK)
    np.testing.assert_array_equal(found.precision, OWN["sig"])


@EVERY
def test_columns_that_no_name_tells_are_listed(tmp_path: Path, write: Write) -> None:
    with pytest.raises(HollyError, match="--columns x=NAME,y=NAME") as caught:
        open_dataset(write(tmp_path, OWN))
    assert all(name in str(caught.value) for name in OWN)


@EVERY
def test_columns_of_known_names_need_no_option(tmp_path: Path, write: Write) -> None:
    known = {"x_nm": XYZ[:, 0], "y_nm": XYZ[:, 1], "particle": TRACK, "uncertainty": OWN["sig"]}
    if write is npy_nested:
        pytest.skip("the place of the records is part of their name")
    found = read_rows(write(tmp_path, known), Reading()).whole()
    np.testing.assert_allclose(found.xyz, XYZ[:, :2])
    assert found.precision is not None
    assert len(open_dataset(tmp_path / next(tmp_path.iterdir()).name)) == 10


@EVERY
def test_a_name_that_is_not_there_is_said_with_those_that_are(tmp_path: Path, write: Write) -> None:
    with pytest.raises(HollyError, match="--columns x=breadth") as caught:
        open_dataset(write(tmp_path, OWN), columns="x=breadth,y=vert")
    assert "horiz" in str(caught.value)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", ["pos", "xyz", "Coordinates", "loc"])
@pytest.mark.parametrize("write", [mat_inner, mat_variables, npz, h5_group, json_columns, npy])
def test_a_matrix_of_positions_is_known_by_its_name(tmp_path: Path, write: Write, name: str, dimensions: int) -> None:
    if write is npy:
        rows = np.zeros(60, [("track", "i4"), (name, "f8", (dimensions,))])
        rows["track"], rows[name] = TRACK, XYZ[:, :dimensions]
        np.save(tmp_path / "a.npy", rows)
        path = tmp_path / "a.npy"
    else:
        path = write(tmp_path, {"track": TRACK, name: XYZ[:, :dimensions]})
    found = read_rows(path, Reading(columns="particle=track")).whole()
    np.testing.assert_allclose(found.xyz, XYZ[:, :dimensions])
    swapped = read_rows(path, Reading(columns=f"x={name}_2,y={name}_1")).whole()
    np.testing.assert_allclose(swapped.xyz[:, :2], XYZ[:, [1, 0]])


def test_a_matrix_may_lie_on_its_side(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"s": {"pos": XYZ.T, "track": TRACK}})
    np.testing.assert_allclose(read_rows(tmp_path / "a.mat", Reading()).whole().xyz, XYZ)


def test_places_are_told_apart_and_said(tmp_path: Path) -> None:
    raw = {"x": XYZ[:, 1], "y": XYZ[:, 0]}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for place, columns in {"deep/raw": raw, "fits": {"x": XYZ[:, 0], "y": XYZ[:, 1]}}.items():
            for name, column in columns.items():
                file[f"{place}/{name}"] = column
        file["labels/track"] = TRACK
    rows = read_rows(tmp_path / "a.h5", Reading())
    np.testing.assert_allclose(rows.whole().xyz, XYZ[:, :2])
    assert "deep.raw" in " ".join(rows.notes) and rows.source.endswith("(fits)")
    other = read_rows(tmp_path / "a.h5", Reading(columns="x=deep.raw.x,y=deep.raw.y,particle=labels.track")).whole()
    np.testing.assert_allclose(other.xyz, XYZ[:, [1, 0]])
    np.testing.assert_array_equal(other.particle, TRACK)


def test_cells_may_hold_structs_of_any_names(tmp_path: Path) -> None:
    cells = np.empty((1, 10), dtype=object)
    cells[0, :] = [{"horiz": XYZ[own, 0], "vert": XYZ[own, 1]} for own in np.split(np.arange(60), 10)]
    scipy.io.savemat(tmp_path / "a.mat", {"particles": cells})
    data: Any = open_dataset(tmp_path / "a.mat", columns="x=horiz,y=vert")
    assert data.counts.tolist() == [6] * 10
    with pytest.raises(HollyError, match="found horiz, vert"):
        open_dataset(tmp_path / "a.mat")


def test_settings_in_cells_do_not_hide_a_struct_of_columns(tmp_path: Path) -> None:
    cells = np.empty((1, 2), dtype=object)
    cells[0, :] = ["first", np.ones((3, 7))]
    scipy.io.savemat(tmp_path / "a.mat", {"settings": cells, "SR": {"x": XYZ[:, 0], "y": XYZ[:, 1]}})
    np.testing.assert_allclose(read_rows(tmp_path / "a.mat", Reading()).whole().xyz, XYZ[:, :2])
