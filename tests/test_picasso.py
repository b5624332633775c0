"""Picasso's HDF5 and YAML, written and read, by us and by Picasso itself."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

from holly_triton.data.picasso import read_picasso, write_picasso
from holly_triton.errors import HollyError

SAMPLES = Path(__file__).parents[1] / "../shared/data/picasso"
ROWS = np.array([(0, 1.5, 2.5, 900.0, 3), (7, 4.25, 0.5, 800.0, 3)], "u4, f4, f4, f4, i4")
ROWS.dtype.names = ("frame", "x", "y", "photons", "group")


def write_rows(path: Path, rows: Any = ROWS, documents: str | None = "Pixelsize: 130\n", **datasets: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, data in {"locs": rows, **datasets}.items():
            file.create_dataset(name, data=data)
    if documents is not None:
        path.with_suffix(".yaml").write_text(documents, encoding="latin-1")
    return path


@pytest.mark.parametrize("dimensions", [2, 3])
def test_what_is_written_is_read_back(tmp_path: Path, dimensions: int) -> None:
    rng = np.random.default_rng(0)
    xyz = rng.normal(scale=400, size=(50, dimensions))  # on both sides of 0
    given = {"photons": rng.uniform(500, 5000, 50), "group": np.arange(50) // 7 - 1, "frame": rng.integers(0, 90, 50)}
    precision = rng.uniform(3, 20, 50)
    path = tmp_path / "field.hdf5"
    write_picasso(path, xyz, pixel_nm=130, precision_nm=precision, info={"Picked by": "hand"}, **given)

    file = read_picasso(path)
    assert (file.pixel_nm, file.notes) == (130, [])
    camera, own = yaml.safe_load_all(path.with_suffix(".yaml").read_text())
    assert own["Picked by"] == "hand" and own["Neutral where unknown"] == ["sx", "sy", "bg"]
    for axis, moved in zip("xy", own["Moved by (cam. pixels)"], strict=True):
        column = file.columns[axis]
        assert column.min() >= 0 and column.max() < camera[{"x": "Width", "y": "Height"}[axis]] and moved % 1 == 0
        np.testing.assert_allclose((column - moved) * 130, xyz[:, "xy".index(axis)], atol=1e-3)
    assert ("z" in file.columns) == (dimensions == 3)
    if dimensions == 3:
        np.testing.assert_allclose(file.columns["z"], xyz[:, 2], rtol=1e-6)
    np.testing.assert_allclose(file.columns["lpx"] * 130, precision, rtol=1e-6)
    np.testing.assert_allclose(file.columns["photons"], given["photons"], rtol=1e-6)
    np.testing.assert_array_equal(file.columns["group"], given["group"])
    np.testing.assert_array_equal(file.columns["frame"], given["frame"])
    assert camera["Frames"] == given["frame"].max() + 1


def test_positions_right_of_and_below_the_first_pixel_stay_where_they_are(tmp_path: Path) -> None:
    write_picasso(tmp_path / "a.hdf5", np.array([[1300.0, 260.0], [2600.0, 0.0]]), pixel_nm=130)
    columns = read_picasso(tmp_path / "a.hdf5").columns
    np.testing.assert_allclose([columns["x"], columns["y"]], [[10, 20], [2, 0]], rtol=1e-6)


def test_what_is_not_known_is_neutral_and_said(tmp_path: Path) -> None:
    failed_fits = np.array([5.0, 0.0, np.nan])
    write_picasso(tmp_path / "a.hdf5", np.ones((3, 2)), pixel_nm=100, precision_nm=failed_fits)
    columns = read_picasso(tmp_path / "a.hdf5").columns
    np.testing.assert_allclose(columns["lpx"], [0.05, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_array_equal([columns["photons"], columns["frame"]], [[1, 1, 1], [0, 0, 0]])
    *_, own = yaml.safe_load_all((tmp_path / "a.yaml").read_text())
    assert own["Neutral where unknown"] == ["frame", "photons", "sx", "sy", "bg", "lpx", "lpy"]


@pytest.mark.parametrize(
    ("xyz", "options", "complaint"),
    [
        (np.ones((0, 2)), {}, "at least one"),
        (np.ones((3, 4)), {}, r"\[E, 2 or 3\]"),
        (np.full((3, 2), np.nan), {}, "finite"),
        (np.ones((3, 2)), {"pixel_nm": 0}, "above 0"),
        (np.ones((3, 2)), {"photons": np.ones(2)}, "photons must be"),
        (np.ones((3, 2)), {"group": np.array([0, 1, 2**40])}, "whole numbers"),
        (np.ones((3, 2)), {"frame": np.array([0, 1, -1])}, "whole numbers"),
        (np.ones((3, 2)), {"frame": np.array([0, 1, np.nan])}, "whole numbers"),
    ],
)
def test_columns_that_do_not_fit_are_refused(tmp_path: Path, xyz: Any, options: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        write_picasso(tmp_path / "a.hdf5", xyz, **{"pixel_nm": 100, **options})
    assert not [*tmp_path.iterdir()]


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="No such file"):
        write_picasso(tmp_path / "none" / "a.hdf5", np.ones((3, 2)), pixel_nm=100)


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    file = read_picasso(write_rows(tmp_path / "a.hdf5"), columns=("x", "group", "z"))
    assert [*file.columns] == ["x", "group"]
    np.testing.assert_array_equal(file.columns["x"], ROWS["x"])


@pytest.mark.parametrize(
    ("documents", "pixel_nm", "note"),
    [
        (None, None, "no a.yaml"),
        ("", None, "does not say how large a pixel is"),
        ("Frames: 5\n", None, "does not say how large a pixel is"),
        ("Pixelsize: large\n", None, "does not say how large a pixel is"),
        ("Pixelsize: -130\n", None, "does not say how large a pixel is"),
        ("Pixelsize: .nan\n", None, "does not say how large a pixel is"),
        ("just words\n", None, "does not say how large a pixel is"),
        ("{[\n", None, "cannot be read as YAML"),
        ("Frames: 5\nPixelsize: 160\n---\nGenerated by: Picasso Render\n", 160, None),
        ("Pixelsize: 160\n---\nPixelsize: 130\n", 130, "130 and of 160"),
        ("Camera.Pixelsize: 160\n", 160, None),
        ("Camera.Pixelsize: 160\n---\nPixelsize: 130\n", 130, "130 and of 160"),
        ("Comment: 5 µm beads\nPixelsize: 117.5\n", 117.5, None),  # written in latin-1
        ("Drift: !!python/object/apply:os.getcwd []\n---\nPixelsize: 130\n", 130, None),
    ],
)
def test_the_pixel_size_is_found_or_its_absence_said(
    tmp_path: Path, documents: str | None, pixel_nm: float | None, note: str | None
) -> None:
    file = read_picasso(write_rows(tmp_path / "a.hdf5", documents=documents))
    assert file.pixel_nm == pixel_nm and len(file.columns["x"]) == 2
    assert note in " ".join(file.notes) if note else not file.notes


@pytest.mark.parametrize(
    ("metadata", "pixel_nm"),
    [(json.dumps([{"Frames": 5}, {"Pixelsize": 107}]), 107), ("[{", None), ("3", None), (np.zeros(9), None)],
)
def test_metadata_inside_the_file_serve_where_there_is_no_yaml(tmp_path: Path, metadata: Any, pixel_nm: float) -> None:
    file = read_picasso(write_rows(tmp_path / "a.hdf5", documents=None, metadata=metadata))
    assert file.pixel_nm == pixel_nm and bool(file.notes) == (pixel_nm is None)
    write_rows(tmp_path / "a.hdf5", metadata=metadata)
    assert read_picasso(tmp_path / "a.hdf5").pixel_nm == 130


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (np.empty(0, ROWS.dtype), "no localisations"),
        (np.ones((5, 2)), "needs the columns x and y; found no columns"),
        (ROWS[["frame", "photons"]], "needs the columns x and y; found frame, photons"),
        (ROWS.reshape(2, 1), "needs the columns x and y"),
        (np.array([(b"1", 2.0)], [("x", "S1"), ("y", "f4")]), "column x of locs must hold numbers"),
    ],
)
def test_a_table_without_positions_is_refused(tmp_path: Path, rows: Any, complaint: str) -> None:
    with pytest.raises(HollyError, match=complaint) as error:
        read_picasso(write_rows(tmp_path / "a.hdf5", rows))
    assert "\n" not in str(error.value) and "a.hdf5" in str(error.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("localizations", data=ROWS)
    with pytest.raises(HollyError, match="needs the dataset locs.*found localizations"):
        read_picasso(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("locs/table", data=ROWS)
    with pytest.raises(HollyError, match="needs the columns x and y"):
        read_picasso(path)
    write_rows(path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(HollyError, match="cannot be read as Picasso HDF5"):
        read_picasso(path)
    path.write_text("x,y\n1,2\n")
    with pytest.raises(HollyError, match="cannot be read as Picasso HDF5"):
        read_picasso(path)


def test_nothing_is_allocated_on_the_word_of_a_header(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.create_dataset("locs", (10**11,), ROWS.dtype, chunks=(1000,))
    with pytest.raises(HollyError, match="promises 100000000000 localisations"):
        read_picasso(tmp_path / "a.hdf5")


@pytest.mark.parametrize(
    ("name", "count", "groups", "pixel_nm"),
    [
        ("samples/data/egfr_mols.hdf5", 4230, None, 130),
        ("samples/data/raw_movie_locs.hdf5", 2399, 0, 130),
        ("samples/data/raw_movie_locs_picked.hdf5", 2378, 9, 130),
        ("tests/data/testdata_locs.hdf5", 564, 0, 130),  # simulated with 160: its YAML states both
    ],
)
def test_files_that_come_with_picasso_are_read(name: str, count: int, groups: int | None, pixel_nm: float) -> None:
    if not SAMPLES.is_dir():
        pytest.skip("Picasso's sample files are not beside this repository")
    file = read_picasso(SAMPLES / name)
    assert len(file.columns["x"]) == count and file.pixel_nm == pixel_nm
    if groups is not None:
        assert len(np.unique(file.columns.get("group", []))) == groups


PICASSO = """
import json, sys
from picasso import io, lib, render
source, target = sys.argv[1:]
locs, info = io.load_locs(source)
io.save_locs(target, locs, info)
drawn, image = render.render(locs, info[0], disp_px_size=10.0, blur_method="gaussian")
columns = {name: [float(value) for value in locs[name]] for name in locs}
print(json.dumps({"columns": columns, "pixel": lib.get_from_metadata(info, "Pixelsize"), "drawn": int(drawn)}))
"""


@pytest.mark.skipif(
    os.environ.get("HOLLY_TEST_PICASSO") != "1",
    reason="installs picassosr, 1.7 GB, into an environment of its own; set HOLLY_TEST_PICASSO=1 to run it",
)
@pytest.mark.parametrize("dimensions", [2, 3])
def test_picasso_opens_what_we_write_and_we_open_what_picasso_writes(
    tmp_path: Path, picasso_python: Path, dimensions: int
) -> None:
    rng = np.random.default_rng(1)
    xyz, group = rng.normal(scale=300, size=(200, dimensions)), np.arange(200) // 20
    write_picasso(tmp_path / "ours.hdf5", xyz, pixel_nm=130, group=group)
    command = [picasso_python, "-c", PICASSO, tmp_path / "ours.hdf5", tmp_path / "theirs.hdf5"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["pixel"] == 130 and seen["drawn"] == 200  # none dropped

    ours = read_picasso(tmp_path / "ours.hdf5")
    for name, column in ours.columns.items():
        np.testing.assert_array_equal(np.float32(seen["columns"][name]), column)
    embedded, with_yaml = tmp_path / "theirs.hdf5", tmp_path / "theirs.yaml"
    for _ in range(2):
        theirs = read_picasso(embedded)
        assert (theirs.pixel_nm, theirs.notes) == (130, [])
        assert {*theirs.columns} == {*ours.columns}
        for name, column in ours.columns.items():
            np.testing.assert_array_equal(theirs.columns[name], column)
        with_yaml.unlink(missing_ok=True)  # Picasso keeps the same inside the file


@pytest.fixture(scope="module")
def picasso_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("picasso")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "picassosr"], check=True)
    return python
