"""What ``tomo simulate`` leaves in its folder."""

import signal
import tomllib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from holly_triton.cli import main
from holly_triton.io.particle_lists.reading import read_particles
from holly_triton.io.volumes.reading import read_volume
from holly_triton.tomography.simulate import boxes, command

SMALL = (
    "--structures", "sphere:3,disc:2", "--size", "48x40x32", "--voxel-size", "16", "--membranes", "1", "--step", "10",
    "--path", "whole", "--device", "cpu",
)  # fmt: skip


def simulate(out: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["tomo", "simulate", str(out), *options])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "out"
    result = simulate(out, *SMALL, "--tomograms", "2", "--seed", "7")
    assert result.exit_code == 0, result.output
    assert "2 tomograms of 48 x 40 x 32 voxels of 16 Å with 10 particles of 2 classes" in result.output
    return out


def test_tomograms_labels_and_truth(folder: Path) -> None:
    truth, rounded = read_particles(folder / "truth.csv"), read_particles(folder / "truth.star")
    assert truth.classes == ["disc", "sphere"] and len(truth) == 10
    assert np.allclose(truth.positions, rounded.positions, atol=0.01)
    assert truth.rotations is not None and rounded.rotations is not None
    assert np.allclose(truth.rotations, rounded.rotations, atol=1e-4)
    for number in (1, 2):
        volume, labels = (read_volume(folder / f"{kind}_{number}.mrc") for kind in ("tomogram", "labels"))
        assert volume.values.shape == labels.values.shape == (32, 40, 48) and volume.voxel == pytest.approx(16)
        own = truth.take(truth.tomograms == f"tomogram_{number}")
        x, y, z = np.rint(own.positions / 16).astype(int).T
        assert [["sphere", "disc"][int(label) - 1] for label in labels.values[z, y, x]] == own.labels.tolist()


def test_settings_repeat_the_simulation_byte_by_byte(folder: Path, tmp_path: Path) -> None:
    settings = tomllib.loads((folder / "settings.toml").read_text())
    assert settings["seed"] == 7 and settings["classes"] == "sphere,disc,membrane"
    assert settings["tomogram"]["voxel_size"] == 16 and settings["tomogram"]["optics"]["contrast"] == "dark"
    result = simulate(tmp_path / "again", "--config", str(folder / "settings.toml"), "--device", "cpu")
    assert result.exit_code == 0, result.output
    for file in sorted(folder.iterdir()):
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


def test_another_seed_differs_and_the_first_of_several_is_the_only_one(folder: Path, tmp_path: Path) -> None:
    assert simulate(tmp_path / "one", *SMALL, "--seed", "7").exit_code == 0
    assert simulate(tmp_path / "other", *SMALL, "--seed", "8").exit_code == 0
    name = "tomogram_1.mrc"
    assert (tmp_path / "one" / name).read_bytes() == (folder / name).read_bytes()
    assert (tmp_path / "other" / name).read_bytes() != (folder / name).read_bytes()


def test_a_folder_is_not_replaced_unasked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert simulate(out, *SMALL, "--tomograms", "2").exit_code == 0
    (out / "notes.txt").write_text("mine")
    refused = simulate(out, *SMALL)
    assert refused.exit_code == 1 and (out / "tomogram_2.mrc").exists()
    assert simulate(out, *SMALL, "--overwrite").exit_code == 0
    assert not (out / "tomogram_2.mrc").exists() and (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("during", ["packing", "writing"])
def test_a_stopped_simulation_goes_on_to_the_same_bytes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, during: str
) -> None:
    """The signal comes while the second tomogram is made, or after the first is written."""
    whole, make, out = command.simulate_tomogram, ("--tomograms", "2", "--seed", "7"), tmp_path / "out"

    def interrupted(*given: Any, **more: Any) -> Any:
        if (more["name"] == "tomogram_2") == (during == "packing"):
            signal.raise_signal(signal.SIGINT)
            more["stopped"] = more["stopped"] if during == "packing" else lambda: False
        return whole(*given, **more)

    monkeypatch.setattr(command, "simulate_tomogram", interrupted)
    stopped = simulate(out, *SMALL, *make)
    assert stopped.exit_code == 3 and "--resume (1 tomogram of 2 finished" in stopped.output, stopped.output
    assert (out / "tomogram_1.mrc").exists() and not (out / "tomogram_2.mrc").exists()
    assert len(read_particles(out / "truth.csv")) == 5 and not (out / "settings.toml").exists()
    monkeypatch.setattr(command, "simulate_tomogram", whole)
    for options, words in (((), "--resume"), (("--snr", "0.5", "--resume"), "snr 0.1, not 0.5;")):
        refused = simulate(out, *SMALL, *make, *options)
        assert refused.exit_code == 1 and words in refused.output, refused.output
    resumed = simulate(out, *SMALL, *make, "--resume")
    assert resumed.exit_code == 0 and "tomogram_1: 5 particles" in resumed.output, resumed.output
    assert {path.name for path in out.iterdir()} == {path.name for path in folder.iterdir()}
    for file in folder.iterdir():
        assert file.read_bytes() == (out / file.name).read_bytes(), file.name
    again = simulate(out, *SMALL, *make, "--resume")
    assert again.exit_code == 0 and "finished already" in again.output
    other = simulate(out, *SMALL, *make, "--tilt", "50", "--resume")
    assert other.exit_code == 1 and "tilt 60.0, not 50.0" in other.output and (out / "tomogram_2.mrc").exists()


@pytest.mark.parametrize("batch", [1, 2, 3], ids=["within a class", "at its end", "within the noise"])
def test_stopped_subtomograms_go_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Five boxes of a sphere and five of noise, in batches of three."""
    monkeypatch.setattr(boxes, "BOXES_AT_ONCE", 3)
    options = ("--structures", "sphere", "--subtomograms", "5", "--size", "16", "--voxel-size", "16", "--device", "cpu")
    assert simulate(tmp_path / "whole", *options).exit_code == 0
    save, written = boxes.save_progress, []

    def interrupted(*given: Any) -> None:
        save(*given)
        written.append(given)
        if len(written) == batch:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(boxes, "save_progress", interrupted)
    out = tmp_path / "out"
    stopped = simulate(out, *options)
    finished = (3, 5, 8)[batch - 1]
    assert stopped.exit_code == 3 and f"{finished} subtomograms of 10 finished and kept" in stopped.output
    assert not (out / "subtomograms.h5").exists()
    refused = simulate(out, *options, "--resume", "--seed", "3")
    assert refused.exit_code == 1 and "seed 0, not 3" in refused.output
    resumed = simulate(out, *options, "--resume")
    assert resumed.exit_code == 0 and len(written) == 4, resumed.output
    assert {path.name for path in out.iterdir()} == {"subtomograms.h5", "settings.toml"}
    assert (out / "subtomograms.h5").read_bytes() == (tmp_path / "whole" / "subtomograms.h5").read_bytes()


def test_subtomograms(tmp_path: Path) -> None:
    options = (
        "--structures",
        "sphere,disc",
        "--subtomograms",
        "5",
        "--size",
        "20",
        "--voxel-size",
        "16",
        "--device",
        "cpu",
    )
    for name in ("one", "two"):
        result = simulate(tmp_path / name, *options, "--snr", "0.5")
        assert result.exit_code == 0, result.output
    file = tmp_path / "one" / "subtomograms.h5"
    assert file.read_bytes() == (tmp_path / "two" / "subtomograms.h5").read_bytes()
    with h5py.File(file) as set_:
        assert set_["volumes"].shape == (15, 20, 20, 20) and set_.attrs["voxel_size"] == 16
        assert [label.decode() for label in set_["labels"][::5]] == ["sphere", "disc", "null"]
        assert np.allclose(set_["volumes"][:].std((1, 2, 3)), 1, atol=0.15)
        assert np.abs(set_["positions"][:10]).max(0).min() > 4 and np.abs(set_["positions"][:]).max() <= 0.1 * 20 * 16
        assert np.allclose(np.linalg.det(set_["rotations"][:]), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--structures", "spere"), 1, "did you mean sphere"),
        (("--size", "12x40"), 2, "neither a side nor"),
        (("--subtomograms", "2", "--size", "20x20x30"), 2, "cubes"),
        (("--subtomograms", "2", "--membranes", "1"), 2, "--membranes is for tomograms"),
        (("--subtomograms", "2", "--path", "whole"), 2, "--path is for tomograms"),
        (("--snr", "0.1", "--no-noise"), 2, "contradict"),
        (("--size", "8192", "--structures", "sphere"), 1, "GiB of memory"),
        (
            ("--subtomograms", "3", "--voxel-size", "0.5", "--structures", "sphere"),
            1,
            "--voxel-size 0.5: boxes of 40 voxels",
        ),
        (("--subtomograms", "1000000000", "--structures", "sphere"), 1, "--subtomograms 1000000000: they take"),
        (("--config", "gone.toml"), 1, "cannot be read"),
    ],
)
def test_bad_requests(
    tmp_path: Path, options: tuple[str, ...], code: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    result = simulate(tmp_path / "out", *options)
    assert result.exit_code == code
    assert words in result.output + caplog.text
    assert not (tmp_path / "out").exists()
