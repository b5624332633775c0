"""MINFLUX as Imspector exports it: the last iteration of valid localisations, in nm, in every format."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from holly_triton.core.errors import HollyError
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.table import read_rows
from holly_triton.particles.data import open_dataset
from holly_triton.particles.info import describe

RNG = np.random.default_rng(9)
COUNT, ITERATIONS = 60, 4
XYZ_NM = RNG.uniform(0, 3000, (COUNT, 3))
TRACE = np.repeat(np.arange(100, 110), 6)
VALID = np.ones(COUNT, bool)
VALID[[7, 31]] = False
NESTED = [("itr", "i4"), ("loc", "f8", (3,)), ("eco", "i4"), ("efo", "f8"), ("cfr", "f8")]


def nested() -> np.ndarray:
    """Before 24.10: a row a localisation, which holds its iterations."""
    rows = np.zeros(COUNT, [("sqi", "u4"), ("tim", "f8"), ("tid", "i4"), ("vld", "?"), ("itr", NESTED, (ITERATIONS,))])
    rows["tid"], rows["vld"], rows["tim"] = TRACE, VALID, np.arange(COUNT) / 10
    rows["itr"]["itr"] = np.arange(ITERATIONS)
    rows["itr"]["loc"] = XYZ_NM[:, None] * 1e-9 + RNG.normal(0, 50e-9, (COUNT, ITERATIONS, 3))  # coarse at first
    rows["itr"]["loc"][:, 0] = np.nan
    rows["itr"]["loc"][:, -1] = XYZ_NM * 1e-9
    rows["itr"]["eco"], rows["itr"]["efo"] = 90, 5e4
    return rows


def flat() -> np.ndarray:
    """From 24.10: a row an iteration."""
    kinds = [("vld", "?"), ("fnl", "?"), ("bot", "?"), ("tim", "f8"), ("tid", "i4"), ("itr", "i4"), ("loc", "f8", (3,))]
    rows = np.zeros(
        COUNT * ITERATIONS, [*kinds, ("lnc", "f8", (3,)), ("dcr", "f4", (2,)), ("efo", "f4"), ("eco", "i4")]
    )
    rows["itr"] = np.tile(np.arange(ITERATIONS), COUNT)
    rows["fnl"] = rows["itr"] == ITERATIONS - 1
    rows["tid"], rows["vld"] = np.repeat(TRACE, ITERATIONS), np.repeat(VALID, ITERATIONS)
    rows["loc"] = np.repeat(XYZ_NM, ITERATIONS, axis=0) * 1e-9 + RNG.normal(0, 50e-9, (len(rows), 3))
    rows["loc"][rows["fnl"]] = XYZ_NM * 1e-9
    rows["lnc"] = rows["loc"] + 30e-9  # not corrected for drift
    return rows


def as_columns(rows: np.ndarray) -> dict[str, Any]:
    """As MATLAB holds them: vectors lie, as Imspector writes them, and iterations are a struct."""
    columns: dict[str, Any] = {}
    for name in rows.dtype.names or ():
        values = rows[name]
        columns[name] = as_columns(values) if values.dtype.names else values[None] if values.ndim == 1 else values
    return columns


def npy(path: Path, rows: np.ndarray) -> Path:
    np.save(path.with_suffix(".npy"), rows)
    return path.with_suffix(".npy")


def mat(path: Path, rows: np.ndarray) -> Path:
    scipy.io.savemat(path.with_suffix(".mat"), as_columns(rows))
    return path.with_suffix(".mat")


def mat_struct(path: Path, rows: np.ndarray) -> Path:
    scipy.io.savemat(path.with_suffix(".mat"), {"mfx": as_columns(rows), "scale": 3.0})
    return path.with_suffix(".mat")


def records(rows: np.ndarray) -> list[dict[str, Any]]:
    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.names:
            return [plain(row) for row in value]
        if isinstance(value, np.void):
            return {name: plain(value[name]) for name in value.dtype.names or ()}
        return value.tolist()

    return [plain(row) for row in rows]


def as_json(path: Path, rows: np.ndarray) -> Path:
    text = json.dumps(records(rows))  # NaN as Imspector writes it
    path.with_suffix(".json").write_text(text)
    return path.with_suffix(".json")


EVERY = pytest.mark.parametrize("write", [npy, mat, mat_struct, as_json])


@EVERY
@pytest.mark.parametrize("make", [nested, flat])
def test_the_last_iteration_of_valid_localisations_is_read_in_nm(
    tmp_path: Path, write: Callable[[Path, np.ndarray], Path], make: Callable[[], np.ndarray]
) -> None:
    path = write(tmp_path / "a", make())
    rows = read_rows(path, Reading())
    found = rows.whole()
    np.testing.assert_allclose(found.xyz, XYZ_NM[VALID], rtol=1e-9)
    assert found.particle is None
    said = " ".join(rows.notes)
    assert "2 of 60" in said and "tid numbers 10 traces" in said and "iteration" in said
    traces = read_rows(path, Reading(columns="particle=tid")).whole()
    np.testing.assert_array_equal(traces.particle, TRACE[VALID])


@EVERY
def test_a_trace_can_be_a_particle_if_the_user_says_so(
    tmp_path: Path, write: Callable[[Path, np.ndarray], Path]
) -> None:
    path = write(tmp_path / "a", flat())
    assert len(open_dataset(path, columns="particle=tid")) == 10
    with pytest.raises(HollyError, match="pick"):
        open_dataset(path)


def test_iterations_that_break_off_are_no_localisations(tmp_path: Path) -> None:
    rows = flat()
    kept = np.ones(len(rows), bool)
    kept[[2, 3]] = False  # the first localisation ends after two iterations
    np.testing.assert_allclose(read_rows(npy(tmp_path / "a", rows[kept]), Reading()).whole().xyz, XYZ_NM[VALID][1:])


def test_what_has_no_valid_localisation_is_refused(tmp_path: Path) -> None:
    rows = flat()
    rows["vld"] = False
    with pytest.raises(HollyError, match="not valid"):
        describe(npy(tmp_path / "a", rows))


@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_the_struct_of_published_evaluations(tmp_path: Path, scale: float) -> None:
    """``pos`` and ``id``, in nm or in metres (jkfindeisen/dna_paint_minflux_nanoscopy_2021)."""
    fields = {"t": np.arange(60.0)[:, None], "id": TRACE[:, None], "pos": XYZ_NM * scale, "efo": np.ones((60, 1))}
    scipy.io.savemat(tmp_path / "a.mat", {"minflux": {"meta": {"ValidEventsRate": 0.9}, **fields}})
    rows = read_rows(tmp_path / "a.mat", Reading())
    np.testing.assert_allclose(rows.whole().xyz, XYZ_NM, rtol=1e-9)
    assert rows.whole().particle is None and "id numbers 10 traces" in " ".join(rows.notes)


@pytest.mark.parametrize("marker", [".zgroup", ".zarray", "zarr.json"])
def test_zarr_is_told_what_to_export_instead(tmp_path: Path, marker: str) -> None:
    (tmp_path / "a.zarr" / "mfx").mkdir(parents=True)
    (tmp_path / "a.zarr" / marker).write_text("{}")
    with pytest.raises(HollyError, match=r"a\.zarr: is Zarr.*\.npy or \.mat"):
        describe(tmp_path / "a.zarr")
