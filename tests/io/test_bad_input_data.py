"""Bad localisations: one line that names the file, what is wrong and what would be right; or a note, and the rest goes on."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from holly_triton.core.errors import HollyError
from holly_triton.particles.data import open_dataset
from holly_triton.particles.info import describe

Maker = Callable[[Path], Path]


def refused(path: Path, *parts: str) -> str:
    """The message, which must be one line that names the file and holds every part."""
    with pytest.raises(HollyError) as caught:
        open_dataset(path)
    line = str(caught.value)
    assert "\n" not in line and path.name in line
    for part in parts:
        assert part in line
    return line


HEADER = "x [nm],y [nm],particle\n"


def rows(particles: int = 10, emitters: int = 3) -> str:
    return "".join(f"{7 * e + p},{e * e},{p}\n" for p in range(particles) for e in range(emitters))


def csv(folder: Path, text: str, encoding: str = "utf-8", name: str = "locs.csv") -> Path:
    (folder / name).write_text(text, encoding=encoding)
    return folder / name


def binary(folder: Path, content: bytes, name: str) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def cut(path: Path, kept: float = 0.5) -> Path:
    return binary(path.parent, path.read_bytes()[: int(kept * path.stat().st_size)], path.name)


def replaced(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert content.count(old) >= 1 and len(old) == len(new)
    return binary(path.parent, content.replace(old, new), path.name)


XY = np.random.default_rng(0).uniform(0, 40, (60, 2)).astype(np.float32)
GROUP = np.repeat(np.arange(10), 6)


def locs(**columns: np.ndarray) -> np.ndarray:
    columns = columns or {"x": XY[:, 0], "y": XY[:, 1], "group": GROUP}
    table = np.empty(len(next(iter(columns.values()))), dtype=[(name, c.dtype) for name, c in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table


def picasso(folder: Path, table: np.ndarray | None = None, yaml: str | None = "Pixelsize: 130\n") -> Path:
    with h5py.File(folder / "locs.hdf5", "w") as file:
        file["locs"] = locs() if table is None else table
    if yaml is not None:
        csv(folder, yaml, name="locs.yaml")
    return folder / "locs.hdf5"


def hdf5(folder: Path, **datasets: Any) -> Path:
    with h5py.File(folder / "data.h5", "w") as file:
        for name, values in datasets.items():
            file[name.replace("__", "/")] = values
    return folder / "data.h5"


def boundless(folder: Path, rows: int = 10**12, name: str = "locs") -> Path:
    """A table whose rows were never written."""
    with h5py.File(folder / "locs.hdf5", "w") as file:
        file.create_dataset(name, (rows,), dtype=locs().dtype, chunks=(1024,))
    return folder / "locs.hdf5"


def overlapping(folder: Path) -> Path:
    """A table with a column that h5py takes to be twice as wide as it is, because its exponent's bias is damaged."""
    path = picasso(folder, locs(x=XY[:, 0], y=XY[:, 1], bg=XY[:, 0].astype("f4"), sx=XY[:, 0], group=GROUP))
    content = bytearray(path.read_bytes())
    bias = b"\x20\x00\x17\x08\x00\x17\x7f"
    content[content.index(bias, content.index(b"bg\0")) + len(bias) - 1] = 0x7D
    path.write_bytes(content)
    return path


def mat(folder: Path, cells: list | None = None, **variables: object) -> Path:
    if cells is not None:
        array = np.empty((1, len(cells)), dtype=object)
        array[0, :] = cells
        variables["particles"] = array
    scipy.io.savemat(folder / "p.mat", variables)
    return folder / "p.mat"


CELLS = [np.arange(10.0).reshape(2, 5) ** 2] * 9
WITH_SIGMA = [{"points": points, "sigma": np.ones((5, 1))} for points in CELLS]
HEADER_7_3 = b"MATLAB 7.3 MAT-file".ljust(116) + b"\0" * 8 + b"\x00\x02IM" + b"\0" * 512


def npy(folder: Path, array: np.ndarray) -> Path:
    np.save(folder / "data.npy", array, allow_pickle=True)
    return folder / "data.npy"


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def promise(shape: tuple[int, ...]) -> bytes:
    """The beginning of an .npy file of that shape, and nothing else."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"shape": shape, "fortran_order": False, "descr": "<f4"})
    return content.getvalue()


def empty_npz(folder: Path, shape: tuple[int, ...]) -> Path:
    with zipfile.ZipFile(folder / "data.npz", "w") as archive:
        archive.writestr("xy.npy", promise(shape))
    return folder / "data.npz"


def smlm(folder: Path, manifest: object, content: bytes = b"") -> Path:
    with zipfile.ZipFile(folder / "data.smlm", "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("table.bin", content)
    return folder / "data.smlm"


def smlm_table(folder: Path, mode: str, content: bytes) -> Path:
    layout = {"type": "table", "mode": mode, "headers": ["x", "y"], "dtype": ["float32"] * 2, "units": ["nm"] * 2}
    table = {"name": "table.bin", "type": "table", "format": "t", "rows": "10"}
    return smlm(folder, {"formats": {"t": layout}, "files": [table]}, content)


def folder_of(folder: Path, *files: tuple[str, str]) -> Path:
    (folder / "data").mkdir()
    for name, text in files:
        csv(folder / "data", text, name=name)
    return folder / "data"


NO_NAMES = "its columns have no names; assign them, such as --columns x=1,y=2,particle=3"

REFUSED: dict[str, tuple[Maker, str]] = {
    "no path": (lambda d: d / "missing.csv", "there is no such file or folder; give a file of localisations"),
    "no folder": (lambda d: d / "nowhere" / "missing.csv", "there is no folder"),
    "a misspelt name": (lambda d: csv(d, HEADER + rows()).with_name("locs.cvs"), "did you mean locs.csv?"),
    "an empty folder": (lambda d: folder_of(d), "is an empty folder; give a data set (table of localisations"),
    "an unknown format": (
        lambda d: csv(d, "", name="data.doc"),
        "is of no known format; those are table of localisations",
    ),
    "a cloud": (lambda d: csv(d, "", name="data.xyz"), "is a cloud, not pictures of one; see holly-triton simulate"),
    "folders in a folder": (
        lambda d: folder_of(d).parent,
        "holds folders, and no file of a known format; give one of them, such as",
    ),
    "a file without suffix": (lambda d: csv(d, "", name="data"), "is of no known format"),
    "a folder of several kinds": (
        lambda d: mat(folder_of(d, ("a.csv", HEADER)), CELLS).parent,
        "several kinds (.csv, .mat)",
    ),
    "the folder of a run": (
        lambda d: folder_of(d, ("poses.csv", HEADER), ("metrics.json", "{}")),
        "is the folder of a run, not data",
    ),
    "a folder where nothing can be read": (lambda d: folder_of(d, ("a.csv", ""), ("b.csv", "")), "a.csv: is empty"),
    # Tables in text.
    "CSV of no byte": (lambda d: csv(d, ""), "is empty; it must have a line that names the columns"),
    "CSV of blank lines": (lambda d: csv(d, "\n\n"), "is empty"),
    "CSV of a comment": (lambda d: csv(d, "# only a comment\n"), "is empty"),
    "CSV of a header alone": (lambda d: csv(d, HEADER), "holds 0 particles"),
    "CSV of other columns": (
        lambda d: csv(d, "frame,left,top,group\n1,2,3,4\n"),
        "needs the columns x [nm] and y [nm], or --columns x=NAME,y=NAME; found frame, left, top, group",
    ),
    "CSV with x but no y": (lambda d: csv(d, "x [nm],particle\n1,2\n"), "needs the columns x [nm] and y [nm]"),
    "CSV without names": (lambda d: csv(d, rows()), NO_NAMES),
    "CSV without particles": (
        lambda d: csv(d, '"id","frame","x [nm]","y [nm]"\n1,1,2,3\n'),
        "holds one field of view with no particle column; find its particles first: holly-triton pick",
    ),
    "CSV with another delimiter": (
        lambda d: csv(d, (HEADER + rows()).replace(",", "|")),
        "its rows have 1 cells, its header names 3 columns; separate them by commas",
    ),
    "CSV of decimal commas": (
        lambda d: csv(d, HEADER + "1,5,2,5,0\n"),
        "its rows have 5 cells, its header names 3 columns",
    ),
    "TXT of names with blanks between blanks": (
        lambda d: csv(d, "Position X Position Y particle\n1 2 3\n", name="a.txt"),
        "its rows have 3 cells, its header names 5 columns",
    ),
    "CSV of quoted decimal commas": (
        lambda d: csv(d, HEADER + '1,2,0\n"1,5","2,5",0\n'),
        "could not convert string '1,5'",
    ),
    "CSV of decimal commas and thousands": (
        lambda d: csv(d, (HEADER + "1.234,5,2,0\n").replace(",", ";").replace("234;", "234,")),
        "could not convert string '1.234,5'",
    ),
    "CSV with a word": (lambda d: csv(d, HEADER + rows() + "1,two,3\n"), "'two' to float64 in line 32, column 2"),
    "CSV with a word below an empty cell": (lambda d: csv(d, HEADER + ",5,1\n" + rows() + "1,two,3\n"), "in line 33"),
    "CSV with words for x": (
        lambda d: csv(d, HEADER + "A1,2,0\nB2,2,0\n"),
        "column x [nm] holds text, such as 'A1'; it must hold numbers",
    ),
    "CSV with a name among numbers of particles": (
        lambda d: csv(d, HEADER + rows() + "1,2,cell7\n"),
        "could not convert string 'cell7'",
    ),
    "CSV with a row cut short": (lambda d: csv(d, HEADER + rows() + "1\n"), "in line 32 with 1 columns"),
    "CSV in UTF-16": (lambda d: csv(d, HEADER + rows(), "utf-16"), "is not UTF-8 text; save it as CSV with UTF-8"),
    "CSV in UTF-16 without mark": (lambda d: csv(d, HEADER + rows(), "utf-16-le"), "is not UTF-8 text"),
    "CSV in Latin-1": (lambda d: csv(d, "x [µm],y [µm],particle\n" + rows(), "latin-1"), "is not UTF-8 text"),
    "CSV with a foreign byte": (
        lambda d: binary(d, (HEADER + rows()).encode() + b"1,\xff,3\n", "a.csv"),
        "is not UTF-8",
    ),
    "CSV that is a picture": (lambda d: binary(d, bytes(range(256)) * 300, "a.csv"), "is not UTF-8 text"),
    "CSV with ids beyond reason": (lambda d: csv(d, HEADER + "1,2,1e300\n" + rows()), "holds particle ids above 2^53"),
    "CSV with ids that are equal as floats": (
        lambda d: csv(d, HEADER + f"1,2,{2**53 + 1}\n1,2,{2**54}\n" + rows()),
        "holds particle ids above 2^53, which float64 can't distinguish; number them from 0",
    ),
    "CSV in inches": (
        lambda d: csv(d, "x [in],y [in],particle\n" + rows()),
        "positions in [in]; those that are known are nm, um, mm, cm, m, A, pm, px; give it with --unit",
    ),
    "CSV in pixels": (
        lambda d: csv(d, "x [px],y [px],particle\n" + rows()),
        "give the size of one with --pixel-size NM",
    ),
    "CSV of one particle": (lambda d: csv(d, HEADER + rows(1, 90)), "holds 1 particle; at least 8 are needed"),
    "CSV of few particles": (
        lambda d: csv(d, HEADER + rows(7) + "nan,nan,77\n"),
        "holds 7 particles; at least 8 are needed (1 of 22 localisations has no finite position and was dropped. 1 of 8",
    ),
    "CSV of single points": (lambda d: csv(d, HEADER + rows(emitters=1)), "--columns particle=NAME"),
    "rapidSTORM without positions": (
        lambda d: csv(d, '# <localizations><field identifier="ImageNumber-0-0" unit="frame" />\n1\n', name="a.txt"),
        "needs the columns x [nm] and y [nm]",
    ),
    # HDF5.
    "HDF5 of text": (lambda d: csv(d, "x,y\n", name="a.hdf5"), "cannot be read as HDF5"),
    "HDF5 of no byte": (lambda d: csv(d, "", name="a.hdf5"), "cannot be read as HDF5"),
    "HDF5 cut in the middle": (lambda d: cut(picasso(d)), "cannot be read as HDF5"),
    "HDF5 without locs": (
        lambda d: hdf5(d, images=np.ones((9, 4))),
        "--columns x=NAME,y=NAME; found images_1, images_2",
    ),
    "HDF5 of nothing": (lambda d: hdf5(d), "found nothing"),
    "Picasso without y": (
        lambda d: picasso(d, locs(x=XY[:, 0], sx=XY[:, 1])),
        "its dataset locs needs the columns x and y",
    ),
    "Picasso without columns": (
        lambda d: picasso(d, XY),
        "its dataset locs needs the columns x and y; found no columns",
    ),
    "Picasso of strings": (lambda d: picasso(d, locs(x=XY[:, 0].astype("S8"), y=XY[:, 1])), "column x holds text"),
    "Picasso of columns that overlap": (overlapping, "the columns of /locs overlap; the file is damaged"),
    "Picasso of no row": (lambda d: picasso(d, locs()[:0]), "its dataset locs holds no localisations"),
    "Picasso that promises terabytes": (
        boundless,
        "promises 1000000000000 localisations, more than its bytes can hold",
    ),
    "Picasso without YAML": (
        lambda d: picasso(d, yaml=None),
        "give the size of one with --pixel-size NM (There is no locs.yaml",
    ),
    "Picasso whose YAML has no pixel size": (
        lambda d: picasso(d, yaml="Frames: 9\n"),
        "positions in pixels; give the size of one with --pixel-size NM (The file does not state the pixel size.)",
    ),
    "Picasso whose YAML has a pixel size of 0": (lambda d: picasso(d, yaml="Pixelsize: 0\n"), "--pixel-size NM"),
    "Picasso whose YAML has a word for it": (lambda d: picasso(d, yaml="Pixelsize: large\n"), "--pixel-size NM"),
    "Picasso whose YAML is damaged": (
        lambda d: picasso(d, yaml="a: [1,\n\tb: }\n"),
        "locs.yaml: cannot be read as YAML",
    ),
    "HDF5 table that promises more than 2^63 bytes": (
        lambda d: boundless(d, 2**62, "table"),
        "more than its bytes can hold",
    ),
    "DECODE of two dimensions": (lambda d: hdf5(d, data__xyz=XY), "data/xyz must be [emitters, 3]; found [60, 2]"),
    "DECODE of several lengths": (
        lambda d: hdf5(d, data__xyz=np.ones((60, 3)), data__phot=np.ones(59)),
        "its data sets have different lengths",
    ),
    # MATLAB.
    "MAT of strings": (lambda d: mat(d, title="pores", units="nm"), "needs a cell array with a particle in each cell"),
    "MAT of a cell array of strings": (lambda d: mat(d, ["x", "y", "frame"]), "found particles (cell)"),
    "MAT of nothing": (lambda d: mat(d), "found no variables"),
    "MAT of a number": (lambda d: mat(d, scale=3.0), "found scale (double)"),
    "MAT of a matrix": (lambda d: mat(d, subset=np.ones((50, 9))), f"{NO_NAMES}; found 1, 2, 3, 4, 5, 6, 7, 8, 9"),
    "MAT of a struct without positions": (lambda d: mat(d, data={"a": np.ones((1, 9))}), "found data.a"),
    "MAT with a cell 5x7": (
        lambda d: mat(d, [*CELLS, np.ones((5, 7))]),
        "cell 10 must be 2xn, 3xn, nx2 or nx3; found 5x7",
    ),
    "MAT with a cell 3x5": (lambda d: mat(d, [*CELLS, np.ones((3, 5))]), "cell 10 is 3x5; the others are 2xn"),
    "MAT with a cell that lies across": (
        lambda d: mat(d, [*CELLS, np.ones((5, 2))]),
        "cell 10 is 5x2; the others are 2xn",
    ),
    "MAT with a complex cell": (
        lambda d: mat(d, [*CELLS, np.ones((2, 5)) * 1j]),
        "cell 10 must hold matrices of real numbers",
    ),
    "MAT with a cell 2x5x2": (lambda d: mat(d, [*CELLS, np.ones((2, 5, 2))]), "cell 10 must hold matrices"),
    "MAT with a cell of text": (lambda d: mat(d, [*CELLS, "text"]), "cell 10 must hold matrices of real numbers"),
    "MAT with a struct without points": (
        lambda d: mat(d, [*CELLS, {"places": np.ones((5, 2))}]),
        "cell 10 needs a struct with the field points, or with columns x and y, or --columns x=NAME,y=NAME; found places",
    ),
    "MAT with points of text": (lambda d: mat(d, [*CELLS, {"points": "text"}]), "cell 10 must hold matrices"),
    "MAT with too few sigmas": (
        lambda d: mat(d, [*WITH_SIGMA, {"points": CELLS[0], "sigma": np.ones((4, 1))}]),
        "cell 10 has 5 points but 4 rows of sigma",
    ),
    "MAT cut in the middle": (lambda d: cut(mat(d, CELLS)), "cannot be read as MATLAB"),
    "MAT of no byte": (lambda d: binary(d, b"", "p.mat"), "cannot be read as MATLAB"),
    "MAT that promises gigabytes": (
        lambda d: replaced(
            mat(d, CELLS + CELLS[:2]), np.array([1, 11], "<i4").tobytes(), np.array([1, 2**30], "<i4").tobytes()
        ),
        "promises 1073741824 cells, more than its bytes can hold",
    ),
    "MAT 7.3 in name only": (lambda d: binary(d, HEADER_7_3, "p.mat"), "cannot be read as MATLAB"),
    "MAT 7.3 without localisations": (lambda d: hdf5(d, a=np.ones((3, 1))).rename(d / "p.mat"), "y=NAME; found a"),
    # NumPy.
    "NPY of text": (lambda d: csv(d, "x,y\n", name="a.npy"), "cannot be read as NumPy"),
    "NPY of Python objects": (lambda d: npy(d, np.array([{}, []], dtype=object)), "cannot be read as NumPy"),
    "NPY cut in the middle": (lambda d: cut(npy(d, XY)), "cannot be read as NumPy"),
    "NPY that promises terabytes": (lambda d: binary(d, promise((10**12, 2)), "a.npy"), "cannot be read as NumPy"),
    "NPY of one dimension": (lambda d: npy(d, XY[:, 0]), "found float32 [60]"),
    "NPY of four dimensions": (lambda d: npy(d, np.ones((9, 9, 9, 2))), "needs named columns, positions [E, 2 or 3]"),
    "NPY of columns of text": (lambda d: npy(d, np.zeros(60, [("x", "U3"), ("y", "U3")])), "column x holds text"),
    "NPY of complex numbers": (lambda d: npy(d, XY * 1j), "found complex64 [60, 2]"),
    "NPY of numbered columns": (lambda d: npy(d, np.ones((60, 4))), f"{NO_NAMES}; found 1, 2, 3, 4"),
    "NPY of a field": (lambda d: npy(d, XY), "find its particles first: holly-triton pick"),
    "NPY of a million particles of one localisation": (
        lambda d: npy(d, np.random.default_rng(0).uniform(0, 9e4, (10**6, 1, 2)).astype(np.float32)),
        "nearly every particle has one localisation",
    ),
    "NPZ of text": (lambda d: csv(d, "x,y\n", name="a.npz"), "cannot be read as NumPy archive"),
    "NPZ without positions": (lambda d: npz(d, a=XY, b=XY), "y=NAME; found a_1, a_2, b_1, b_2"),
    "NPZ of several lengths": (lambda d: npz(d, x=XY[:, 0], y=XY[:9, 1]), "array y has 9 rows, the positions 60"),
    "NPZ with offsets that do not rise": (
        lambda d: npz(d, xy=XY, offsets=[0, 9, 5, 60]),
        "whole numbers that rise from 0 to",
    ),
    "NPZ with offsets that end early": (lambda d: npz(d, xy=XY, offsets=[0, 9, 50]), "rise from 0 to the 60 rows"),
    "NPZ with offsets that are no whole numbers": (
        lambda d: npz(d, xy=XY, offsets=[0.0, 60.0]),
        "must be whole numbers",
    ),
    "NPZ of Python objects": (
        lambda d: npz(d, xy=np.array([{}], dtype=object), a=XY),
        "cannot be read as NumPy archive",
    ),
    "NPZ that promises terabytes": (
        lambda d: empty_npz(d, (10**12, 2)),
        "xy.npy promises 8000000000000 bytes, more than there are",
    ),
    # SMLM archives.
    "SMLM of text": (lambda d: csv(d, "x,y\n", name="a.smlm"), "cannot be read as SMLM archive"),
    "SMLM of an odd manifest": (lambda d: smlm(d, [1, 2]), "cannot be read as SMLM archive"),
    "SMLM in text": (lambda d: smlm_table(d, "text", b"1,2"), "holds no binary table of localisations; save it as CSV"),
    "SMLM cut in a row": (lambda d: smlm_table(d, "binary", b"\0" * 9), "cannot be read as SMLM archive"),
}
"""Bad file by bad file: what makes it, and what the one line says."""


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_file_ends_in_one_line(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    make, part = REFUSED[name]
    refused(make(tmp_path), part)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"unit": "inch"}, "--unit inch: is not known; those are nm, um, mm, m, A and px"),
        ({"pixel_size_nm": 0.0}, "--pixel-size 0: must be above 0 nm"),
        ({"pixel_size_nm": float("nan")}, "--pixel-size nan: must be above 0 nm"),
        ({"unit": "px"}, "give the size of one with --pixel-size NM"),
        ({"axis": "x"}, "--axis x: table of localisations has no z"),
        ({"weights": "photons"}, "--weights photons: table of localisations holds no photons"),
        ({"crop": 20}, "is a table of localisations, and --crop is an option for pictures; leave it out"),
        ({"background": "keep"}, "--background is an option for pictures"),
        ({"contrast": "dark"}, "--contrast is an option for pictures"),
        ({"columns": ""}, "--columns : must be NAME=COLUMN, where NAME is one of x, y, z, particle, photons"),
        ({"columns": "x"}, "--columns x: must be NAME=COLUMN"),
        ({"columns": "y=y,colour=particle"}, "--columns colour=particle: must be NAME=COLUMN"),
        ({"columns": "x=xc"}, "has no such column; found x [nm], y [nm], particle"),
        ({"columns": "x=0"}, "has no such column"),
        ({"columns": "x=4"}, "has no such column"),
    ],
    ids=str,
)
def test_options_that_make_no_sense(tmp_path: Path, options: dict[str, Any], part: str) -> None:
    with pytest.raises(HollyError) as caught:
        open_dataset(csv(tmp_path, "x,y,particle\n" + rows() if "unit" in options else HEADER + rows()), **options)
    assert part in str(caught.value) and "\n" not in str(caught.value)


METRES = "".join(f"{1e-5 + 1e-8 * e * e},{2e-5 + 1e-8 * p * e},{p}\n" for p in range(10) for e in range(5))
HUGE = "".join(f"{1e7 * e * e},{1e7 * p * e},{p}\n" for p in range(10) for e in range(5))

GOES_ON: dict[str, tuple[Maker, str]] = {
    "positions that are NaN": (
        lambda d: csv(d, HEADER + "nan,1,0\nNaN,2,1\n3,inf,1\n" + rows()),
        "3 of 33 localisations have no finite position and were dropped.",
    ),
    "a position beyond reason": (
        lambda d: csv(d, HEADER + "1,2,0\n3,1e30,0\nnan,1e30,0\n" + rows()),
        "1 of 33 localisations has a coordinate beyond 1e+15 nm (row 2: 1e+30 nm) and was dropped",
    ),
    "a position beyond reason in um": (
        lambda d: csv(d, HEADER.replace("nm", "um") + "1,2,0\n3,1e27,0\n" + rows()),
        "1 of 32 localisations has a coordinate beyond 1e+15 nm (row 2: 1e+30 nm) and was dropped",
    ),
    "empty cells": (lambda d: csv(d, HEADER + ",1,0\n" + rows()), "1 of 31 localisations has no finite position"),
    "a particle without emitters": (
        lambda d: csv(d, HEADER + rows() + "nan,nan,77\nnan,nan,77\n"),
        "1 of 11 particles holds no emitter and was skipped.",
    ),
    "localisations of no particle": (
        lambda d: csv(d, HEADER + "1,2,-1\n3,4,-1\n" + rows()),
        "2 of 32 localisations are marked as noise (particle id below 0) and were dropped.",
    ),
    "an empty particle": (
        lambda d: csv(d, HEADER + "1,2,-1\n3,4,\n" + rows()),
        "1 of 32 localisations has no particle id (the cell is no number) and was dropped.",
    ),
    "rows that are NaN throughout": (
        lambda d: csv(d, HEADER + "nan,nan,nan\nnan,nan,nan\n" + rows()),
        "2 of 32 rows have neither a position nor a particle id that can be used and were dropped.",
    ),
    "no unit": (lambda d: csv(d, "x,y,particle\n" + rows()), "The file states no unit: nm was assumed"),
    "decimal commas between semicolons": (
        lambda d: csv(d, (HEADER + rows()).replace(",", ";").replace("7;", "7,5;", 1)),
        "Numbers are written with decimal commas.",
    ),
    "metres": (lambda d: csv(d, "x,y,particle\n" + METRES), "nm if they are in metres; check the unit"),
    "a particle of centimetres": (
        lambda d: csv(d, HEADER + HUGE),
        "which is implausible (more than 5000 nm): is the unit",
    ),
    "two pixel sizes": (
        lambda d: picasso(d, yaml="Pixelsize: 130\n---\nPixelsize: 160\n"),
        "The file states pixels of 160 and of 130 nm",
    ),
    "empty MATLAB cells": (
        lambda d: mat(d, [np.empty((0, 0)), *CELLS]),
        "1 of 10 particles holds no emitter and was skipped.",
    ),
    "a bad file in a folder": (
        lambda d: folder_of(
            d, ("notes.txt", "seen on Monday\n"), *((f"{i}.csv", HEADER[:14] + "\n1,2\n3,5\n") for i in range(8))
        ),
        "1 of 9 files was skipped; the first: ",
    ),
}
"""What is left after the trouble is still ten particles or so; the note says what happened."""


NO_SIZE = ("metres", "a particle of centimetres")
"""Of these, particles no microscope shows: they go on where the user insists on the unit."""


@pytest.mark.parametrize("name", GOES_ON)
def test_what_can_be_left_out_is_said_and_the_rest_goes_on(tmp_path: Path, name: str) -> None:
    make, note = GOES_ON[name]
    path = make(tmp_path)
    data = open_dataset(path, unit="nm" if name in NO_SIZE else None)
    assert len(data) in (8, 9, 10) and any(note in said for said in data.notes)
    assert note in describe(path)["notes"]


def test_positions_in_metres_stay_as_they_are(tmp_path: Path) -> None:
    path = csv(tmp_path, "x,y,particle\n" + METRES)
    assert open_dataset(path, unit="nm").radius_nm < 1e-6
    refused(path, "--unit m")
    field = csv(tmp_path, "x,y,p\n" + METRES, name="field.csv")
    assert "or 360 nm if they are in metres" in describe(field)["notes"]


def test_a_very_wide_table_is_listed_in_short(tmp_path: Path) -> None:
    line = refused(csv(tmp_path, ",".join(f"column{'x' * 99}{i}" for i in range(500))), "...")
    assert len(line) < 1000


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    for path in (csv(tmp_path, HEADER + rows()), mat(tmp_path, CELLS), picasso(tmp_path), npy(tmp_path, XY)):
        path.chmod(0)
        refused(path, "Permission denied")
