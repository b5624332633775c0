"""Several structures that share a symmetry, which is imposed on each: --structures with --symmetry."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

from holly_triton.cli import main
from holly_triton.core.types import Array
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.io.metrics import read_metrics, write_metrics
from holly_triton.particles.classes.split import pulls_of
from holly_triton.particles.run.run import resume_run
from holly_triton.particles.spatial.symmetry import rotations_of
from holly_triton.particles.spatial.train import SpatialTrainer

pytestmark = pytest.mark.usefixtures("quick_drawing")

BRIEF = """
[spatial]
steps = 40
batch = 20
starts = 2
[spatial.search]
candidates = 200
few = 12
near = 8
[spatial.last]
candidates = 200
few = 20
near = 8
climbs = 2
rounds = 2
[classes]
steps = 36
"""


def fourfold(height: float) -> Array:
    unit = np.array([[50.0, 0, height], [25, 12, -15]])
    turns = Rotation.from_euler("z", [[0], [90], [180], [270]], degrees=True).as_matrix()
    return np.concatenate([unit @ turn.T for turn in turns])


def call(*words: object, progress: bool = False) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output if progress else result.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of 100 particles: rings of four whose outer sites are above or below the inner ones."""
    folder = tmp_path_factory.mktemp("symmetric")
    write_cloud(folder / "above.ply", fourfold(20))
    write_cloud(folder / "below.ply", fourfold(-25))
    (folder / "brief.toml").write_text(BRIEF)
    noise = ("--precision", 2, "--axial-precision", 5, "--max-spawn", 2, "--shift", 4, "--dimensions", 3)
    call(
        "simulate", folder / "above.ply", folder / "data", "--also", folder / "below.ply", 0.4, "--images", 100, *noise
    )
    settings = ("--points", 8, "--config", folder / "brief.toml", "--held-out", 0)
    train = ("train", folder / "data", "--out", folder / "run", "--structures", 2, "--symmetry", "C4", *settings)
    (folder / "said.txt").write_text(call(*train, progress=True))
    return folder / "run"


def test_each_particle_is_of_its_structure_and_each_structure_has_the_symmetry(run: Path) -> None:
    figures = json.loads(call("evaluate", run, "--json"))
    assert figures["share_right"] >= 0.95
    assert all(one["rmsd"] < 2 for one in figures["structures"])
    for one in ("consensus", "structure-1", "structure-2"):
        points = torch.from_numpy(read_cloud(run / one / "cloud.ply").points).float()
        images = points @ rotations_of("C4")[1].mT
        assert float(torch.cdist(points, images).amin(dim=1).max()) < 0.01
    assert "C4 symmetry imposed" in call("measure", run / "structure-2")
    assert "The symmetry C4, about z" in (run / "report.html").read_text()
    call("report", run, "--out", run.parent / "overview.html")
    page = (run.parent / "overview.html").read_text()
    assert "particles assigned" in page and "Structures 1 and 2 from four directions" in page


def test_the_notes_of_each_run_are_said_and_the_time_left_is_that_of_a_part(run: Path) -> None:
    said = (run.parent / "said.txt").read_text()
    for one in ("consensus", "structure-1", "structure-2"):
        notes = read_metrics(run / one).notes
        assert notes and all(note in said for note in notes)
    for part in range(1, 5):
        assert f"left in part {part} of 4\n" in said


def test_a_setting_that_the_structures_depend_on_stays(run: Path, tmp_path: Path) -> None:
    """It is refused before anything is made with it."""
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "structure-2")
    (tmp_path / "run" / "report.html").unlink()
    metrics = read_metrics(tmp_path / "run")
    write_metrics(tmp_path / "run", dataclasses.replace(metrics, finished=False))
    result = CliRunner().invoke(main, ["report", str(tmp_path / "run")])
    assert result.exit_code == 1 and "is not finished; go on with: holly-triton train --resume" in result.output
    settings = tmp_path / "run" / "config.toml"
    settings.write_text(settings.read_text().replace('symmetry = "C4"', 'symmetry = "C2"'))
    result = CliRunner().invoke(main, ["train", "--resume", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert "changed since consensus was begun: symmetry; set symmetry back" in result.output
    assert not (tmp_path / "run" / "structure-2").exists()


def test_particles_are_divided_alike_in_poses_that_the_symmetry_makes_equal(run: Path) -> None:
    trainer = resume_run(run / "consensus").trainer
    assert isinstance(trainer, SpatialTrainer)
    some = torch.arange(6)

    def pulls() -> torch.Tensor:
        return pulls_of(trainer, some, 0.25 * trainer.plan.gyration_nm, torch.Generator().manual_seed(0))

    before = pulls()
    assert before.shape == (6, 2 * 3)  # of the points of the unit
    trainer.state.rotations[:3] = trainer.state.rotations[:3] @ rotations_of("C4")[1]
    torch.testing.assert_close(pulls(), before, atol=1e-4 * float(before.abs().max()), rtol=0)


@pytest.mark.parametrize(
    ("held_out", "advice"), [(0.5, "--held-out 0), or leave"), (0.3, "--held-out 0.166), or leave")]
)
def test_held_out_particles_that_are_too_many_are_named(
    held_out: float, advice: str, run: Path, tmp_path: Path
) -> None:
    images = 54 if advice.startswith("--held-out 0)") else 60
    call("simulate", run.parent / "above.ply", tmp_path / "data", "--images", images, "--dimensions", 3)
    words = ["train", tmp_path / "data", "--out", tmp_path / "run", "--structures", 2, "--held-out", held_out]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 1 and advice in result.output, result.output
