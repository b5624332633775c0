"""Small files that stand for more values than any memory holds: each is refused before it is unfolded."""

import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import pytest
import scipy.io

from holly_triton.core.errors import HollyError
from holly_triton.io.tables import matlab_check
from holly_triton.particles.info import describe

LONGEST_S = 1.0
"""Processor time of a refusal, a hundred times what it takes."""
MIB = 2**20


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < LONGEST_S


def refused(path: Path, says: str) -> None:
    with pytest.raises(HollyError, match=says) as caught:
        describe(path)
    assert str(caught.value).isprintable() and path.name in str(caught.value)


def cells(file: h5py.File, name: str, references: list[h5py.Reference]) -> h5py.Dataset:
    dataset = file.create_dataset(name, data=np.array([references], dtype=h5py.ref_dtype), dtype=h5py.ref_dtype)
    dataset.attrs["MATLAB_class"] = np.bytes_("cell")
    return dataset


def nested_references(path: Path, width: int, depth: int) -> None:
    with h5py.File(path, "w") as file:
        item = file.create_dataset("#refs#/0", data=np.random.default_rng(0).normal(size=(2, 3)))
        for level in range(1, depth + 1):
            item = cells(file, "particles" if level == depth else f"#refs#/{level}", [item.ref] * width)


@pytest.mark.parametrize("depth", [3, 6, 40])
def test_references_that_multiply_are_refused(tmp_path: Path, depth: int) -> None:
    """64 references to a cell of 64 references and so on: 8 kB for 7e10 matrices."""
    nested_references(tmp_path / "a.mat", 64, depth)
    assert (tmp_path / "a.mat").stat().st_size < 40_000
    refused(tmp_path / "a.mat", "more than its bytes can hold")


def test_references_nested_too_deep_are_refused(tmp_path: Path) -> None:
    nested_references(tmp_path / "a.mat", 1, 80)
    refused(tmp_path / "a.mat", "deep")


def test_cells_that_contain_themselves_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w") as file:
        inner = cells(file, "#refs#/0", [h5py.Reference()])
        outer = cells(file, "particles", [inner.ref])
        inner[0, 0] = outer.ref
    refused(tmp_path / "a.mat", "contains itself")


def test_one_matrix_in_many_cells_counts_as_often(tmp_path: Path) -> None:
    """A matrix of zeros, packed to a few kB, in thousands of cells, would be joined to gigabytes."""
    with h5py.File(tmp_path / "a.mat", "w") as file:
        points = file.create_dataset("#refs#/0", data=np.zeros((3, 50_000)), compression="gzip", chunks=True)
        cells(file, "particles", [points.ref] * 5000)
    refused(tmp_path / "a.mat", "more than its bytes can hold")


def test_structs_linked_to_each_other_are_looked_through_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w") as file:
        groups = [file.create_group(f"s{number}") for number in range(12)]
        for group in groups:
            for number, other in enumerate(groups):
                group[f"f{number}"] = other
    refused(tmp_path / "a.mat", "found")


def test_groups_within_groups_are_not_followed_for_ever(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file
        for _ in range(300):
            group = group.create_group("g")
        group["table"] = np.zeros(9, [("x", "f4"), ("y", "f4")])
    refused(tmp_path / "a.h5", "found")


def test_empty_cells_of_version_5_are_counted(tmp_path: Path) -> None:
    """A packed cell array of empty cells takes a bit for each, and a hundred bytes in memory."""
    path = tmp_path / "a.mat"
    array = np.empty((1, 5000), dtype=object)
    array[0, :] = [np.empty((0, 0))] * 5000
    scipy.io.savemat(path, {"particles": array}, do_compression=True)
    assert path.stat().st_size < 5000
    with mock.patch.object(matlab_check, "FEWEST_MATRICES", 100):
        refused(path, "more than its bytes can hold")


TABLE = {"mode": "binary", "dtype": ["float32", "float32"], "headers": ["x", "y"], "units": ["nm", "nm"]}
MANIFEST = json.dumps({"formats": {"t": TABLE}, "files": [{"name": "t.bin", "format": "t", "type": "table"}]})


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("suffix", [".smlm", ".npz"])
def test_zip_members_that_pack_closer_than_deflate_are_not_opened(tmp_path: Path, packing: int, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("manifest.json", MANIFEST)
        archive.writestr("t.bin", bytes(16 * MIB))
    assert path.stat().st_size < 8192
    refused(path, "by other means than deflate")


def promising_more(path: Path, member: str, size: int) -> None:
    """Let the directory of a zip, and the head of a member, promise another size."""
    with zipfile.ZipFile(path) as archive:
        true = archive.getinfo(member).file_size.to_bytes(4, "little")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(true, size.to_bytes(4, "little")))


def test_zip_members_that_promise_more_than_they_hold_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.smlm"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", MANIFEST)
        archive.writestr("t.bin", np.random.default_rng(0).bytes(77_777))
    promising_more(path, "t.bin", 2**31)
    refused(path, "t.bin promises 2147483648 bytes")


def test_a_manifest_of_megabytes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.smlm", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", "[" + "[]," * MIB + "[]]")
    refused(tmp_path / "a.smlm", "manifest")


def test_members_that_share_their_bytes_are_counted_together(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.bin", bytes(4 * MIB))
        archive.filelist = [archive.filelist[0]] * 500  # names of one member
    refused(path, "more than its packed bytes can hold")


def outside(place: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        with h5py.File(folder / "other.h5", "w") as file:
            file["there"] = '[{"Pixelsize": 130}]' if place == "metadata" else np.ones((9, 3))
        path = folder / ("a.mat" if place == "particles" else "a.hdf5")
        with h5py.File(path, "w") as file:
            file["locs"] = np.zeros(9, [("x", "f4"), ("y", "f4"), ("group", "i4")])
            file[place] = h5py.ExternalLink("other.h5", "/there")
        return path

    return make


def virtual(folder: Path) -> Path:
    """A data set whose numbers are in another file, without a link to it."""
    with h5py.File(folder / "other.h5", "w") as file:
        file["x"] = np.ones(80)
    layout = h5py.VirtualLayout(80, float)
    layout[:] = h5py.VirtualSource(folder / "other.h5", "x", 80)
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
        file.create_virtual_dataset("y", layout)
    return folder / "a.h5"


@pytest.mark.parametrize("make", [outside("metadata"), outside("particles"), virtual])
def test_no_other_file_is_read(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    refused(make(tmp_path), "link to another file")
