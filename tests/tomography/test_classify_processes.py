"""Two processes that classify a set: the same files as one leaves. This file is also what they execute."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.tomography.classify import command, features
from holly_triton.tomography.classify.features import extend_features, read_features, start_features
from holly_triton.tomography.classify.model import Model, digest, read_model, write_model
from holly_triton.tomography.classify.networks import build
from holly_triton.tomography.classify.opening import open_set
from holly_triton.tomography.classify.set_hdf5 import SetWriter
from holly_triton.tomography.config.classification import Network, Training

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
SIZE, VOXEL, COUNT, CHUNK = 8, 20.0, 15, 4
"""Chunks of 4, 4, 4 and 3: two rounds of two processes, of which the second ends with fewer."""


def torchrun(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__]
    return subprocess.run([*command, *map(str, words)], env=ENVIRONMENT, capture_output=True, text=True, timeout=600)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A set, one of which is empty, and a model of two classes that was not trained."""
    monkeypatch.setattr(features, "CHUNK", CHUNK)
    volumes = np.random.default_rng(0).normal(size=(COUNT, SIZE, SIZE, SIZE)).astype(np.float32)
    volumes[6] = 0
    with SetWriter(tmp_path / "set.h5", SIZE, VOXEL) as writer:
        writer.append(volumes, labels=["a", "b", "a"] * (COUNT // 3))
    torch.manual_seed(0)
    network = build(Network("own"), SIZE, 2)
    write_model(tmp_path / "model.pt", Model(network, ("a", "b"), SIZE, VOXEL, 1.0, Training(data=""), {}))
    return tmp_path / "set.h5", tmp_path / "model.pt"


@pytest.fixture
def alone(given: tuple[Path, Path], tmp_path: Path) -> Path:
    """What one process leaves."""
    ran = CliRunner().invoke(
        main, ["tomo", "classify", *map(str, (given[0], tmp_path / "one")), "--model", str(given[1])]
    )
    assert ran.exit_code == 0, ran.output
    return tmp_path / "one"


def the_same(one: Path, two: Path) -> bool:
    linear = [read_features(folder / "features.h5").linear for folder in (one, two)]
    tables = [(folder / "classes.csv").read_bytes() for folder in (one, two)]
    return torch.equal(*(part.nan_to_num(7) for part in linear)) and tables[0] == tables[1]


def test_two_processes_leave_what_one_does(given: tuple[Path, Path], alone: Path, tmp_path: Path) -> None:
    data, model = given
    done = torchrun("tomo", "classify", data, tmp_path / "two", "--model", model)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("15 subtomograms classified") == 1
    assert the_same(alone, tmp_path / "two")


def test_two_processes_go_on_where_one_stopped(given: tuple[Path, Path], alone: Path, tmp_path: Path) -> None:
    data, model = given
    two = shutil.copytree(alone, tmp_path / "two")
    (two / "classes.csv").unlink()
    subtomograms, network, asked = open_set(data), read_model(model), iter([False, True])
    stopped = start_features(two / "features.h5", subtomograms, network, digest(model), resume=False)
    assert extend_features(stopped, subtomograms, network, lambda _: None, lambda: next(asked)).done == CHUNK
    done = torchrun("tomo", "classify", data, two, "--resume")
    assert done.returncode == 0, done.stderr
    assert the_same(alone, two)


def test_what_one_process_does_is_refused_to_several(
    given: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = str(given[0]), str(tmp_path / "out")
    monkeypatch.setattr(command, "size", lambda: 2)
    ran = CliRunner().invoke(main, ["tomo", "classify", data, out, "--train"])
    assert ran.exit_code == 1 and "torchrun" in ran.output and not Path(out).exists()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "7")
    ran = CliRunner().invoke(main, ["tomo", "discover", data, out, "--model", str(given[1])])
    assert ran.exit_code == 2 and "tomo classify" in ran.output and not Path(out).exists()


if __name__ == "__main__":
    features.CHUNK = CHUNK
    main(sys.argv[1:])
