"""Data larger than the memory: put in place on the disk, with the numbers that they would have in memory."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from holly_triton.core.errors import HollyError
from holly_triton.geometry import Grid
from holly_triton.io.tables import scratch
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.rows import Part, Rows
from holly_triton.io.tables.table import read_rows
from holly_triton.particles.data import Localisations, open_dataset
from holly_triton.particles.data import localisations as module
from holly_triton.particles.data.grouping import particles_of

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(11)
PARTICLE = RNG.permutation(np.repeat(np.arange(12), RNG.integers(3, 40, 12)))
XYZ = RNG.normal(size=(len(PARTICLE), 3)) * 50 + 1e4 * PARTICLE[:, None]


def table(folder: Path) -> Path:
    """Rows of 12 particles in no order, some without a position or a particle."""
    kinds = {"frame": "u4", "x": "f4", "y": "f4", "z": "f4", "photons": "f4", "lpx": "f4", "lpy": "f4", "group": "i4"}
    locs = np.zeros(len(PARTICLE), dtype=[*kinds.items()])
    locs["x"], locs["y"], locs["z"], locs["group"] = *(XYZ[:, :2] / 130).T, XYZ[:, 2], PARTICLE
    locs["photons"], locs["lpx"], locs["lpy"] = RNG.uniform(100, 900, len(locs)), 0.1, 0.2
    locs["x"][::17], locs["group"][::13] = np.nan, -1
    with h5py.File(folder / "locs.hdf5", "w") as file:
        file["locs"] = locs
    (folder / "locs.yaml").write_text("Pixelsize: 130\n")
    return folder / "locs.hdf5"


def mapped(tensor: torch.Tensor) -> bool:
    """Whether a tensor's memory belongs to a file."""
    address = tensor.data_ptr()
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(place, 16) for place in line.split()[0].split("-"))
        if first <= address < last:
            return len(line.split()) > 5 and "(deleted)" in line
    return False


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY", 0)


@pytest.mark.parametrize("rows_at_a_time", [1, 10, 10**6])
def test_what_lies_on_the_disk_is_what_would_be_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_a_time: int
) -> None:
    path = table(tmp_path)
    held = open_dataset(path)
    monkeypatch.setattr(scratch, "IN_MEMORY", 0)
    monkeypatch.setattr("holly_triton.io.tables.containers.ROWS", rows_at_a_time)
    data = open_dataset(path)
    assert isinstance(held, Localisations) and isinstance(data, Localisations)
    assert data.photons is not None and data.precision is not None
    assert mapped(data.xyz) and mapped(data.photons) and mapped(data.precision) and not mapped(held.xyz)
    for name in ("xyz", "starts", "counts", "centres", "photons", "precision"):
        torch.testing.assert_close(getattr(data, name), getattr(held, name), rtol=1e-6, atol=1e-4)
    assert data.names == held.names and data.notes[:-1] == held.notes and "kept on the disk" in data.notes[-1]
    assert data.radius_nm == pytest.approx(held.radius_nm)
    every, grid = torch.arange(len(data)), Grid(16, 400.0)
    torch.testing.assert_close(data.draw(every, grid, 20.0), held.draw(every, grid, 20.0))


@pytest.mark.usefixtures("on_disk")
def test_some_of_the_particles_and_views_of_them_copy_no_emitter(tmp_path: Path) -> None:
    data = open_dataset(table(tmp_path))
    assert isinstance(data, Localisations)
    some = data.select(torch.tensor([7, 2, 7]))
    for same in (
        some,
        some.views(5, torch.Generator()),
        data.seen_along("x"),
        data.weighed_by("photons"),
        data.to("meta"),
    ):
        assert same.xyz.data_ptr() == data.xyz.data_ptr()
    grid = Grid(16, 400.0)
    assert torch.equal(some.draw(torch.tensor([1]), grid, 9.0), data.draw(torch.tensor([2]), grid, 9.0))


def test_figures_of_very_many_emitters_are_those_of_every_kth_particle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_dataset(table(tmp_path))
    monkeypatch.setattr(module, "SAMPLED", 50)
    data = open_dataset(table(tmp_path))
    assert isinstance(data, Localisations) and isinstance(whole, Localisations)
    assert 20 < len(data.pooled()) < 80 < len(whole.pooled())
    assert data.radius_nm == pytest.approx(whole.radius_nm, rel=0.3) and data.radius_nm != whole.radius_nm


def test_a_full_disk_is_said_before_anything_is_written(monkeypatch: pytest.MonkeyPatch, on_disk: None) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(
        HollyError, match=r"has no room for 0\.0 GiB of localisations \(No space left on device\).*TMPDIR"
    ):
        scratch.allocate((3, 3))


def test_a_file_that_grows_between_the_two_looks_is_refused() -> None:
    looks = iter([2, 3])

    def parts():
        rows = 6 * next(looks)
        return iter([Part(XYZ[:rows], np.arange(rows) // 6)])

    with pytest.raises(HollyError, match="growing.csv: changed while it was read"):
        particles_of([Rows(Path("growing.csv"), "test", [], parts, "xyz")])


def test_a_file_that_goes_between_the_two_looks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone.csv"
    path.write_text("x,y,particle\n1,2,0\n")
    rows = read_rows(path, Reading())
    path.unlink()
    with pytest.raises(HollyError, match=r"gone\.csv: cannot be read as text"):
        particles_of([rows])


TRAIN = """
import dataclasses, json, os, resource, sys
from holly_triton.particles.config import Config, Schedule
from holly_triton.io.tables import columns, scratch
from holly_triton.particles.data import localisations
from holly_triton.particles.run.run import open_data
from holly_triton.particles.run.trainers import make_trainer
import torch._dynamo  # some hundred MB, as every run's optimiser does

def train(in_memory, part, views):
    scratch.IN_MEMORY, localisations.SAMPLED, columns.ROWS = in_memory, 2**17, 2**15
    config = Config(data=sys.argv[1], device="cpu", points=50, part=part, views=views,
                    schedule=Schedule(search_steps=3, rescue_passes=0, polish_steps=2, refine_steps=0, batch=8))
    held = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (held + int(sys.argv[2]),) * 2)
    for progress in make_trainer(config, open_data(config)).run():
        pass
    return progress.step

for case in json.loads(sys.argv[3]):
    if os.fork() == 0:
        try:
            print(json.dumps(train(*case)), flush=True)
        except Exception as error:
            print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)
        os._exit(0)
    os.wait()
"""
"""Prints the last step of each training, or why there is none; each in a process of its own, forked when all is loaded."""
CASES = {
    "on disk": (2**20, "all", "given"),
    "some, turned": (2**20, "even", "random"),
    "in memory": (2**40, "all", "given"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int | str]:
    """Trainings on 4000 particles of 5000 localisations, 240 MB, in 0.4 times as much memory."""
    path = tmp_path_factory.mktemp("large") / "particles.npy"
    array = np.lib.format.open_memmap(path, "w+", np.float32, (4000, 5000, 3))
    some = np.random.default_rng(0).normal(size=(20, 5000, 3)).astype(np.float32) * (60, 40, 20)
    for start in range(0, len(array), len(some)):
        array[start : start + len(some)] = some
    command = [sys.executable, "-c", TRAIN, path, int(0.4 * path.stat().st_size), json.dumps([*CASES.values()])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return dict(zip(CASES, map(json.loads, done.stdout.splitlines()), strict=True))


only_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux limits private memory and leaves mapped files out"
)


@only_linux
@pytest.mark.parametrize("case", ["on disk", "some, turned"])
def test_data_train_in_less_memory_than_they_have_bytes(trained: dict[str, int | str], case: str) -> None:
    """As 10 GB in 4 GiB; three steps of the search, two of the polish, five along each localisation."""
    assert trained[case] == 10


@only_linux
def test_in_memory_they_would_not(trained: dict[str, int | str]) -> None:
    assert "emory" in str(trained["in memory"])
