"""Sets of subtomograms: read as they were written, in chunks, and refused or left out where they can't be used."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from holly_triton.core.errors import HollyError
from holly_triton.io.particle_lists.star_table import star_text
from holly_triton.io.volumes import write_volume
from holly_triton.tomography.classify.opening import open_set
from holly_triton.tomography.classify.set_hdf5 import SetWriter
from holly_triton.tomography.classify.sets import standardised, usable

SIZE, VOXEL = 10, 13.5


def boxes(seed: int, count: int = 6, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).normal(3.0, 2.0, (count, size, size, size)).astype(np.float32)


def folder_of_files(folder: Path, volumes: np.ndarray, voxel: float = VOXEL) -> Path:
    folder.mkdir(exist_ok=True)
    for number, volume in enumerate(volumes):
        write_volume(folder / f"box_{number}.mrc", volume, voxel)
    return folder


def hdf5(path: Path, volumes: np.ndarray, **columns: object) -> Path:
    with SetWriter(path, volumes.shape[-1], VOXEL) as writer:
        writer.append(volumes, **columns)
    return path


def test_hdf5_written_in_parts_is_read_whole_and_in_chunks(tmp_path, seed):
    volumes, rotations = boxes(seed), np.tile(np.eye(3), (6, 1, 1))
    positions = np.arange(18.0).reshape(6, 3)
    with SetWriter(tmp_path / "set.h5", SIZE, VOXEL) as writer:
        for part in (slice(0, 4), slice(4, 6)):
            writer.append(volumes[part], labels=["a", "bé", "a", "c"][: len(volumes[part])], rotations=rotations[part], positions=positions[part])  # fmt: skip
    found = open_set(tmp_path / "set.h5")
    assert (found.size, found.voxel, len(found), found.classes) == (SIZE, VOXEL, 6, ["a", "bé", "c"])
    assert found.labels is not None and found.labels.tolist() == ["a", "bé", "a", "c", "a", "bé"]
    assert np.array_equal(found.positions, positions) and np.array_equal(found.rotations, rotations)
    chunks = list(found.chunks(1, count=2))
    assert [first for first, _ in chunks] == [1, 3, 5]
    assert np.array_equal(torch.cat([values for _, values in chunks]), volumes[1:])
    assert np.array_equal(found.read(np.array([5, 0, 5])), volumes[[5, 0, 5]])


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_folder_with_its_table(tmp_path, seed, mark):
    volumes = boxes(seed, 12)
    folder = folder_of_files(tmp_path / "boxes", volumes)
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    (folder / "truth.csv").write_text("particle,label\nbox_10.mrc,ring\nbox_2,rod\n".replace(",", mark))
    found = open_set(folder)
    assert found.names[2] == "box_2.mrc" and found.names[10] == "box_10.mrc"  # in natural order
    assert found.labels is not None and found.labels[[2, 10, 3]].tolist() == ["rod", "ring", ""]
    assert found.voxel == pytest.approx(VOXEL) and np.array_equal(found.read(np.array([10])), volumes[[10]])


def test_a_star(tmp_path, seed):
    volumes = boxes(seed, 3)
    folder_of_files(tmp_path / "boxes", volumes)
    columns = {"rlnImageName": ["boxes/box_2.mrc", "boxes/box_0.mrc"], "rlnClassNumber": ["1", "2"]}
    (tmp_path / "set.star").write_text(star_text("particles", columns))
    found = open_set(tmp_path / "set.star")
    assert found.labels is not None and found.labels.tolist() == ["1", "2"]
    assert np.array_equal(found.read(np.array([0, 1])), volumes[[2, 0]])
    columns["rlnImageName"][1] = "boxes/none.mrc"
    (tmp_path / "set.star").write_text(star_text("particles", columns))
    with pytest.raises(HollyError, match="none.mrc"):
        open_set(tmp_path / "set.star")


def test_a_voxel_size_is_not_guessed(tmp_path, seed):
    folder = folder_of_files(tmp_path / "boxes", boxes(seed, 2), voxel=1.0)
    with pytest.raises(HollyError, match="--voxel-size"):
        open_set(folder)
    assert open_set(folder, 7.5).voxel == 7.5


def test_mixed_boxes_are_refused_before_any_work(tmp_path, seed):
    folder = folder_of_files(tmp_path / "boxes", boxes(seed, 2))
    write_volume(folder / "other.mrc", boxes(seed, 1, SIZE + 2)[0], VOXEL)
    with pytest.raises(HollyError, match=r"other.mrc: has 12 voxels a side, and box_0.mrc 10"):
        open_set(folder)


def test_boxes_that_are_no_cubes_are_refused(tmp_path, seed):
    folder = folder_of_files(tmp_path / "boxes", boxes(seed, 1))
    write_volume(folder / "flat.mrc", boxes(seed, 1)[0][:4], VOXEL)
    with pytest.raises(HollyError, match=r"flat.mrc.*cubes"):
        open_set(folder)


def test_mixed_voxels_are_refused_when_they_are_read(tmp_path, seed):
    folder = folder_of_files(tmp_path / "boxes", boxes(seed, 2))
    write_volume(folder / "other.mrc", boxes(seed, 1)[0], 2 * VOXEL)
    with pytest.raises(HollyError, match=r"other.mrc: has voxels of 27 Å"):
        open_set(folder).read(np.arange(3))


@pytest.mark.parametrize("table", ["particle,label\nbox_0.mrc,a\nbox_0.mrc,b\n", "particle,label\nbox_9.mrc,a\n"])
def test_a_table_that_names_a_particle_twice_or_an_absent_one(tmp_path, seed, table):
    folder = folder_of_files(tmp_path / "boxes", boxes(seed, 2))
    (folder / "truth.csv").write_text(table)
    with pytest.raises(HollyError, match=r"truth.csv: names box_"):
        open_set(folder)


def test_a_particle_named_twice_in_hdf5(tmp_path, seed):
    with pytest.raises(HollyError, match="names x 2 times"):
        open_set(hdf5(tmp_path / "set.h5", boxes(seed, 3), names=["x", "y", "x"]))


def test_hdf5_of_something_else_or_with_too_few_labels(tmp_path, seed):
    with pytest.raises(HollyError, match="of shape \\(4,\\); with 6 volumes"):
        with SetWriter(tmp_path / "set.h5", SIZE, VOXEL) as writer:
            writer.append(boxes(seed)[:4], labels=["a"] * 4)
            writer.append(boxes(seed)[4:])
        open_set(tmp_path / "set.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(HollyError, match=r"text.h5"):
        open_set(tmp_path / "text.h5")


def test_labels_of_several_columns_are_refused_and_nan_is_no_label(tmp_path, seed):
    path = hdf5(tmp_path / "set.h5", boxes(seed, 3))
    with h5py.File(path, "a") as file:
        file["labels"] = np.array([1.0, np.nan, 2.0])
    assert open_set(path).labels.tolist() == ["1.0", "", "2.0"]
    with h5py.File(path, "a") as file:
        del file["labels"]
        file["labels"] = np.zeros((3, 2))
    with pytest.raises(HollyError, match=r"'labels' is of shape \(3, 2\)"):
        open_set(path)


def test_nothing_there(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(HollyError, match="holds no MRC"):
        open_set(tmp_path / "empty")
    with pytest.raises(HollyError, match="there is no such file"):
        open_set(tmp_path / "none.h5")
    with pytest.raises(HollyError, match="holds no subtomogram"):
        open_set(hdf5(tmp_path / "set.h5", boxes(0, 0)))


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e38 / 10])
def test_standardised_leaves_out_what_holds_nothing(seed, scale):
    volumes = torch.from_numpy(boxes(seed, 4))
    volumes[1] = 7.0
    volumes[2, 0, 0, 0] = float("nan")
    volumes[3] *= scale
    assert usable(volumes).tolist() == [True, False, False, True]
    found = standardised(volumes)
    assert found[[1, 2]].abs().max() == 0
    for one in found[[0, 3]]:
        assert float(one.mean()) == pytest.approx(0, abs=1e-5) and float(one.std()) == pytest.approx(1, abs=1e-3)
