"""``tomo average``: from picks and a tomogram to a folder, resumed, and with what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from holly_triton.cli import main
from holly_triton.geometry import random_rotations
from holly_triton.geometry.volumes import wedge
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.io.particle_lists.reading import read_particles
from holly_triton.io.particle_lists.writing import write_particles
from holly_triton.io.volumes.reading import read_volume
from holly_triton.io.volumes.writing import write_volume
from holly_triton.tomography.average import command, results
from holly_triton.tomography.average.refinement import StoppedError
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.simulate.whole import simulate_subtomograms
from holly_triton.tomography.structures import Density, draw_map

VOXEL, BOX, SHAPE = 12.0, 20, (26, 72, 110)
COUNT = 12


def body() -> Density:
    arms = torch.tensor([[70.0, 0, 0], [0, 55, 10], [-20, -10, 60], [-40, 30, -35], [20, -50, -25]])
    points = arms.repeat_interleave(40, 0) + 14 * torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    return Density.of("body", points, torch.tensor([3.0, 2, 2.5, 1.5, 1]).repeat_interleave(40))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tomogram of 12 bodies with noise, the picks 5 Å beside them, and the body as a map."""
    folder = tmp_path_factory.mktemp("average")
    generator = torch.Generator().manual_seed(1)
    rotation = random_rotations(COUNT, generator)
    boxes = simulate_subtomograms(body(), rotation, size=BOX, voxel=VOXEL, optics=Optics(defocus_um=4.0))
    volume, places = torch.zeros(SHAPE), []
    for number, box in enumerate(boxes):
        x, y, z = 12 + 16 * (number % 4), 13 + 20 * (number // 4), 13
        volume[z - 10 : z + 10, y - 10 : y + 10, x - 10 : x + 10] += box
        places.append([x, y, z])
    noise = torch.fft.irfftn(
        torch.fft.rfftn(torch.randn(SHAPE, generator=generator)) * wedge(SHAPE, (-60, 60)), s=SHAPE
    )
    volume += 1.5 * boxes.std() * noise
    write_volume(folder / "tomo.mrc", volume.numpy(), VOXEL)
    write_volume(folder / "body.mrc", draw_map(body(), 48, 5.0, 10.0).numpy(), 5.0)
    true = ParticleList.of("body", np.array(places) * VOXEL, rotations=rotation.numpy(), tomogram="tomo")
    write_particles(folder / "true.star", true)
    beside = true.positions + 5 * torch.randn(COUNT, 3, generator=generator).numpy()
    write_particles(folder / "picks.csv", ParticleList.of("body", beside, tomogram="tomo"))
    return folder


def run(folder: Path, out: Path, *options: Any, picks: str = "picks.csv", tomogram: str = "tomo.mrc") -> Result:
    given = ["tomo", "average", folder / picks, out, "--tomogram", folder / tomogram, *options]
    return CliRunner().invoke(main, [str(part) for part in given])


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Surfaces take seconds; one test draws them."""
    monkeypatch.setattr(results, "draw_averages", lambda *_: None)


ALIGNED = ("--box", 240, "--defocus", 4, "--iterations", 2, "--start", 50)


def test_aligned_to_a_reference_picks_average_to_the_structure(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    body_file = folder / "body.mrc"
    done = run(folder, out, *ALIGNED, "--reference", body_file, "--truth", body_file, "--control", 6)
    assert done.exit_code == 0, done.output
    assert {path.name for path in out.iterdir()} == {
        "average.mrc", "half1.mrc", "half2.mrc", "control.mrc", "fsc.csv", "fsc.png", "slices.png", "aligned.star", "summary.json",
    }  # fmt: skip
    summary = json.loads((out / "summary.json").read_text())
    assert summary["particles"] == COUNT and summary["outside"] == 0 and summary["iterations"] == 2
    assert summary["resolution_angstrom"] < 40 and summary["truth_angstrom"] < 40
    control = summary["control"]
    assert control["particles"] == 6
    assert (
        control["resolution_angstrom"] is None or control["resolution_angstrom"] > 1.3 * summary["resolution_angstrom"]
    )
    aligned, true = (read_particles(path) for path in (out / "aligned.star", folder / "true.star"))
    assert np.median(np.linalg.norm(aligned.positions - true.positions, axis=1)) < 5
    assert aligned.rotations is not None and true.rotations is not None
    traces = np.trace(np.swapaxes(aligned.rotations, 1, 2) @ true.rotations, axis1=1, axis2=2)
    assert np.median(np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1)))) < 8
    average = read_volume(out / "average.mrc")
    assert average.voxel == pytest.approx(VOXEL) and average.values.shape == (20, 20, 20)
    curve = np.loadtxt(out / "fsc.csv", delimiter=",", skiprows=1)
    assert curve.shape == (10, 5) and curve[0, 1] == pytest.approx(240)


@pytest.mark.usefixtures("no_pictures")
def test_at_its_own_rotations_and_binned(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(folder, out, "--box", 240, "--no-align", "--binning", 2, "--defocus", 4, picks="true.star")
    assert done.exit_code == 0, done.output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["voxel_angstrom"] == 24 and summary["box_voxels"] == 10 and summary["history_angstrom"] == []
    assert summary["resolution_angstrom"] < 60
    assert np.allclose(read_particles(out / "aligned.star").positions, read_particles(folder / "true.star").positions)


@pytest.mark.usefixtures("no_pictures")
def test_a_stopped_average_goes_on_to_the_same_end(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (*ALIGNED, "--reference", folder / "body.mrc")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(folder, whole, *options).exit_code == 0
    true_iterate = command.iterate

    def once(particles: Any, plan: Any, state: Any, stopped: Any) -> Any:
        if state.iteration == 1:
            raise StoppedError
        return true_iterate(particles, plan, state, stopped)

    monkeypatch.setattr(command, "iterate", once)
    stopped = run(folder, parts, *options)
    assert stopped.exit_code == 3 and "--resume (1 iteration done" in stopped.output
    monkeypatch.setattr(command, "iterate", true_iterate)
    refused = run(folder, parts, *options)
    assert refused.exit_code == 1 and "--resume" in refused.output
    assert run(folder, parts, *options, "--symmetry", "C2", "--resume").exit_code == 1
    assert run(folder, parts, *options, "--resume").exit_code == 0
    assert np.array_equal(read_volume(whole / "half1.mrc").values, read_volume(parts / "half1.mrc").values)
    assert not (parts / command.PROGRESS).exists()
    again = run(folder, parts, *options, "--resume")
    assert again.exit_code == 1 and "finished already" in again.output


REFUSED = [
    pytest.param(("--class", "ribosome", "--box", 240), {}, "ribosome; it holds body", id="class"),
    pytest.param((), {}, "give --box", id="no-box"),
    pytest.param(("--box", 20), {}, "--box 20", id="small-box"),
    pytest.param(("--box", 2000), {}, "1992 Å does not fit", id="large-box"),
    pytest.param(("--box", "1e9"), {}, "does not fit", id="huge-box"),
    pytest.param(("--box", 240, "--no-align"), {}, "leave out --no-align", id="no-rotations"),
    pytest.param(("--box", 240, "--symmetry", "X3"), {}, "--symmetry", id="symmetry"),
    pytest.param(("--box", 240, "--reference", "nosuch.mrc"), {}, "nosuch.mrc", id="reference"),
    pytest.param(("--box", 240), {"tomogram": "missing.mrc"}, "missing.mrc", id="tomogram"),
    pytest.param(("--box", 240), {"picks": "missing.csv"}, "missing.csv", id="picks"),
    pytest.param(("--box", 240, "--resume"), {}, "leave out --resume", id="resume"),
    pytest.param(("--box", 240, "--control", 500), {}, "--control", id="control"),
]


@pytest.mark.parametrize(("options", "files", "message"), REFUSED)
def test_what_does_not_fit_ends_in_one_line(
    folder: Path, tmp_path: Path, options: tuple[Any, ...], files: dict[str, str], message: str
) -> None:
    done = run(folder, tmp_path / "out", *options, **files)
    assert done.exit_code == 1, done.output
    assert message in done.output and "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--phase-shift", 90),
        *(("--no-align", option, 2) for option in ("--iterations", "--start", "--reach", "--reference")),
    ],
    ids=lambda options: options[-2],
)
def test_options_without_a_use_are_refused(folder: Path, tmp_path: Path, options: tuple[Any, ...]) -> None:
    done = run(folder, tmp_path / "out", "--box", 240, *options, picks="true.star")
    assert done.exit_code == 2 and options[-2] in done.output, done.output


def test_an_empty_list_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "empty.csv").write_text("class,x,y,z\n")
    done = run(folder, tmp_path / "out", "--box", 240, picks="empty.csv")
    assert done.exit_code == 1 and "empty.csv: holds no pick" in done.output


def test_several_classes_other_tomograms_and_a_wrong_mask_are_refused(folder: Path, tmp_path: Path) -> None:
    lists = read_particles(folder / "picks.csv")
    mixed = ParticleList.of(["a", "b"] * 6, lists.positions, tomogram="tomo")
    write_particles(folder / "mixed.csv", mixed)
    assert "choose one with --class" in run(folder, tmp_path / "out", "--box", 240, picks="mixed.csv").output
    names = ["here", "there"] * 6
    elsewhere = ParticleList(lists.labels, lists.positions, None, lists.scores, np.array(names))
    write_particles(folder / "elsewhere.csv", elsewhere)
    assert "its tomograms are here, there" in run(folder, tmp_path / "out", "--box", 240, picks="elsewhere.csv").output
    write_volume(folder / "mask.mrc", np.ones((18, 18, 18)), VOXEL)
    assert (
        "a mask here has 20 x 20 x 20"
        in run(folder, tmp_path / "out", "--box", 240, "--mask", folder / "mask.mrc").output
    )


def test_an_existing_folder_is_kept(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.json").write_text("{}")
    done = run(folder, tmp_path / "out", "--box", 240)
    assert done.exit_code == 1 and "--overwrite" in done.output
    assert (tmp_path / "out" / "summary.json").read_text() == "{}"
