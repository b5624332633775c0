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

from holly_triton.core.errors import HollyError
from holly_triton.io.tables.picasso import Header, read_header, write_picasso
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.table import read_rows
from holly_triton.particles.data import Localisations, open_dataset

ROWS = np.array([(0, 1.5, 2.5, 900.0, 3), (7, 4.25, 0.5, 800.0, 3)], "u4, f4, f4, f4, i4")
ROWS.dtype.names = ("frame", "x", "y", "photons", "group")


def write_rows(path: Path, rows: Any = ROWS, documents: str | None = "Pixelsize: 130\n", **datasets: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, data in {"locs": rows, **datasets}.items():
            file.create_dataset(name, data=data)
    if documents is not None:
        path.with_suffix(".yaml").write_text(documents, encoding="latin-1")
    return path


def header_of(path: Path) -> Header:
    with h5py.File(path) as file:
        return read_header(path, file)


def rows_of(path: Path) -> Any:
    with h5py.File(path) as file:
        return file["locs"][()]


def embed_documents(path: Path) -> None:
    """Put what the YAML says into the file as JSON, as Picasso may do, and nothing beside it."""
    documents = path.with_suffix(".yaml")
    with h5py.File(path, "a") as file:
        file["metadata"] = json.dumps([*yaml.safe_load_all(documents.read_text())])
    documents.unlink()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_what_is_written_is_read_back(tmp_path: Path, dimensions: int) -> None:
    rng = np.random.default_rng(0)
    xyz = rng.normal(scale=400, size=(50, dimensions))  # on both sides of 0
    given = {"photons": rng.uniform(500, 5000, 50), "group": np.arange(50) // 7 - 1, "frame": rng.integers(0, 90, 50)}
    precision = rng.uniform(3, 20, 50)
    path = tmp_path / "field.hdf5"
    write_picasso(path, xyz, pixel_nm=130, precision_nm=precision, info={"Picked by": "hand"}, **given)

    camera, own = yaml.safe_load_all(path.with_suffix(".yaml").read_text())
    assert own["Picked by"] == "hand" and camera["Frames"] == given["frame"].max() + 1
    rows = rows_of(path)
    for axis, side, moved in zip("xy", ("Width", "Height"), own["Moved by (cam. pixels)"], strict=True):
        assert rows[axis].min() >= 0 and rows[axis].max() < camera[side] and moved % 1 == 0
        xyz[:, "xy".index(axis)] += 130 * moved
    field = read_rows(path, Reading()).whole()
    assert read_rows(path, Reading()).notes == []
    np.testing.assert_allclose(field.xyz, xyz, rtol=1e-6, atol=1e-3)
    for name, expected in {"precision": precision, "particle": given.pop("group"), **given}.items():
        np.testing.assert_allclose(getattr(field, name), expected, rtol=1e-6)


def test_positions_right_of_and_below_the_first_pixel_stay_where_they_are(tmp_path: Path) -> None:
    write_picasso(tmp_path / "a.hdf5", np.array([[1300.0, 260.0], [2600.0, 0.0]]), pixel_nm=130)
    rows = rows_of(tmp_path / "a.hdf5")
    np.testing.assert_allclose([rows["x"], rows["y"]], [[10, 20], [2, 0]], rtol=1e-6)


def test_what_is_not_known_is_neutral_and_said(tmp_path: Path) -> None:
    failed_fits = np.array([5.0, 0.0, np.nan])
    write_picasso(
        tmp_path / "a.hdf5", np.ones((3, 2)), pixel_nm=100, precision_nm=failed_fits, photons=np.array([np.nan, 0, -1])
    )
    rows = rows_of(tmp_path / "a.hdf5")
    np.testing.assert_allclose(rows["lpx"], [0.05, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_array_equal([rows["photons"], rows["frame"]], [[1, 1, 1], [0, 0, 0]])
    *_, own = yaml.safe_load_all((tmp_path / "a.yaml").read_text())
    assert own["Neutral throughout"] == ["frame", "photons", "sx", "sy", "bg"]
    assert own["Neutral in part"] == ["lpx", "lpy"]


@pytest.mark.parametrize("embedded", [False, True])
def test_what_was_not_known_is_not_read_as_measured(tmp_path: Path, embedded: bool) -> None:
    path, group, precision = tmp_path / "a.hdf5", np.arange(60) // 6, np.tile([3.0, np.nan], 30)
    xy = np.random.default_rng(2).normal(scale=50, size=(60, 2))
    for given in (None, precision):
        write_picasso(path, xy, pixel_nm=130, group=group, precision_nm=given)
        if embedded:
            embed_documents(path)
        data, field = open_dataset(path), read_rows(path, Reading()).whole()
        assert isinstance(data, Localisations)
        assert data.photons is None and field.photons is None and field.frame is None
        if given is None:
            assert data.precision is None and field.precision is None
        else:
            assert data.precision is not None and field.precision is not None
            np.testing.assert_allclose(data.precision, np.tile([3, 10], 30), rtol=1e-6)


@pytest.mark.parametrize("listed", ["lpx", "[x, y, [z], {a: 1}, 5]", "5", "{lpx: 1}"])
def test_a_list_that_we_would_not_write_leaves_nothing_out(tmp_path: Path, listed: str) -> None:
    path = write_rows(tmp_path / "a.hdf5", documents=f"Pixelsize: 130\nNeutral throughout: {listed}\n")
    field = read_rows(path, Reading()).whole()
    assert header_of(path) == Header(130, [], []) and len(field.xyz) == 2 and field.photons is not None


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


@pytest.mark.parametrize(
    ("documents", "pixel_nm", "note"),
    [
        (None, None, "no a.yaml"),
        ("", None, "does not state the pixel size"),
        ("Frames: 5\n", None, "does not state the pixel size"),
        ("Pixelsize: large\n", None, "does not state the pixel size"),
        ("Pixelsize: -130\n", None, "does not state the pixel size"),
        ("Pixelsize: .nan\n", None, "does not state the pixel size"),
        ("just words\n", None, "does not state the pixel size"),
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
    header = header_of(write_rows(tmp_path / "a.hdf5", documents=documents))
    assert header.pixel_nm == pixel_nm
    assert note in " ".join(header.notes) if note else not header.notes


@pytest.mark.parametrize(
    ("metadata", "pixel_nm"),
    [(json.dumps([{"Frames": 5}, {"Pixelsize": 107}]), 107), ("[{", None), ("3", None), (np.zeros(9), None)],
)
def test_metadata_inside_the_file_serve_where_there_is_no_yaml(tmp_path: Path, metadata: Any, pixel_nm: float) -> None:
    header = header_of(write_rows(tmp_path / "a.hdf5", documents=None, metadata=metadata))
    assert header.pixel_nm == pixel_nm and bool(header.notes) == (pixel_nm is None)
    assert header_of(write_rows(tmp_path / "a.hdf5", metadata=metadata)).pixel_nm == 130


@pytest.mark.parametrize("rows", [ROWS[["frame", "photons"]], np.ones((2, 2)), np.ones(9)])
def test_locs_that_are_no_table_are_refused(tmp_path: Path, rows: Any) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["locs"] = rows
    with pytest.raises(HollyError, match="a.hdf5: its dataset locs needs the columns x and y"):
        read_rows(tmp_path / "a.hdf5", Reading())


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

    ours = rows_of(tmp_path / "ours.hdf5")
    for name in ours.dtype.names:
        np.testing.assert_array_equal(np.float32(seen["columns"][name]), ours[name])
    for embedded in (False, True):  # Picasso keeps the same inside the file
        if embedded:
            (tmp_path / "theirs.yaml").unlink(missing_ok=True)
        assert header_of(tmp_path / "theirs.hdf5") == header_of(tmp_path / "ours.hdf5")
    theirs = rows_of(tmp_path / "theirs.hdf5")
    assert {*theirs.dtype.names} == {*ours.dtype.names}
    for name in ours.dtype.names:
        np.testing.assert_array_equal(theirs[name], ours[name])


@pytest.fixture(scope="module")
def picasso_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("picasso")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "picassosr"], check=True)
    return python
