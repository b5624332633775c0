"""A symmetry that is imposed on a structure from 3D localisations: its group, its gradient, and what held-out particles gain."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.geometry import random_rotations
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.particles.config import Config
from holly_triton.particles.run.run import Run, carry_out, resume_run, start_run
from holly_triton.particles.run.symmetries import symmetries_of
from holly_triton.particles.run.trainers import make_spatial_trainer, settled
from holly_triton.particles.simulate import Precision, simulate
from holly_triton.particles.spatial.config import PoseEffort, Spatial
from holly_triton.particles.spatial.symmetry import cosines, folded, nearest_count, rotations_of, spread_, unit_of
from holly_triton.particles.spatial.train import SpatialTrainer
from holly_triton.validation.alignment import align

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

CORNER = np.array([[50.0, 0, 20], [25, 12, -15]])
FOURFOLD = np.concatenate([CORNER @ Rotation.from_euler("z", 90 * k, degrees=True).as_matrix().T for k in range(4)])
ASKEW = np.array([[0, 0, 0], [60, 0, 0], [0, 40, 0], [0, 0, 30], [60, 40, 10], [-20, 15, 45]], dtype=float)
BRIEF = """
[spatial]
steps = 50
batch = 20
[spatial.search]
candidates = 200
few = 12
near = 8
[spatial.last]
candidates = 200
few = 20
near = 8
climbs = 3
"""


def invoke(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(word) for word in words])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("name", "order", "free"), [(None, 1, 3), ("C2", 2, 1), ("C8", 8, 1), ("D3", 6, 0), ("T", 12, 0), ("O", 24, 0), ("I", 60, 0)]
)  # fmt: skip
def test_a_group_is_closed_and_leaves_its_axis_free(name: str | None, order: int, free: int) -> None:
    group = rotations_of(name).double()
    assert len(group) == order and torch.equal(group[0], torch.eye(3).double())
    products = (group[:, None] @ group).flatten(0, 1)
    assert float((products[:, None] - group).abs().amax((2, 3)).amin(1).max()) < 1e-5
    # The mean of all rotations projects onto the directions that the group leaves free; of C_n that is z.
    middle = group.mean(0)
    assert round(float(middle.trace())) == free
    assert free != 1 or float((middle - torch.diag(torch.tensor([0, 0, 1.0]))).abs().max()) < 1e-6


@pytest.mark.parametrize("name", [None, "C5", "D2", "T"])
def test_the_gradient_of_the_unit_is_that_of_its_orbit(name: str | None, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    group = rotations_of(name)
    unit = torch.randn(3, 3, generator=generator).requires_grad_()
    weight = torch.randn(3 * len(group), 3, generator=generator)
    orbit = (unit @ group.mT).flatten(0, 1)
    (orbit * weight).sum().backward()
    torch.testing.assert_close(folded(weight, group), unit.grad)
    whole = torch.cat([unit.detach(), torch.zeros(3 * len(group) - 3, 3)])
    spread_(whole, group)
    torch.testing.assert_close(whole, orbit.detach())


def test_poses_that_differ_by_a_rotation_of_the_group_are_one(seed: int) -> None:
    group = rotations_of("D4")
    first = random_rotations(5, torch.Generator().manual_seed(seed))
    pairs = torch.stack([first, first @ group[[1, 3, 4, 6, 7]]], dim=1)
    torch.testing.assert_close(cosines(pairs, group), torch.ones(5, 2, 2), atol=1e-5, rtol=0)
    assert float(cosines(pairs, group[:1])[:, 0, 1].max()) < 0.1


@pytest.mark.parametrize(("points", "found"), [(80, 80), (81, 80), (85, 88), (3, 8)])
def test_the_number_of_points_is_rounded_to_whole_orbits(points: int, found: int) -> None:
    assert nearest_count("C8", points) == found


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--symmetry", "C1"], "leave it out for no symmetry"),
        (["--symmetry", "C0"], "leave it out for no symmetry"),
        (["--symmetry", "Q5"], "must be C2"),
        (["--symmetry", "C1000"], "more than 360"),
        (["--symmetry", "C8", "--points", 6], "6 is too few"),
        (["--symmetry", "c4", "--pose", "direct"], "--symmetry C4"),
        (["--symmetry", "C4", "--dimensions", 2], "3D localisations"),
    ],
)
def test_what_cannot_be_imposed_is_refused_in_one_line(made: Path, options: list[object], said: str) -> None:
    code, output = invoke("train", made / "askew", "--out", made / "none", *options)
    assert code == 1 and said in output.splitlines()[-1] and not (made / "none").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Particles of a structure without symmetry."""
    folder = tmp_path_factory.mktemp("imposed")
    write_cloud(folder / "askew.ply", ASKEW)
    (folder / "brief.toml").write_text(BRIEF)
    noise = ("--precision", 2, "--max-spawn", 2, "--dimensions", 3)
    assert invoke("simulate", folder / "askew.ply", folder / "askew", "--images", 120, *noise)[0] == 0
    return folder


def test_a_symmetry_that_the_structure_lacks_is_said_to_be_contradicted(made: Path) -> None:
    settings = ("--symmetry", "c3", "--points", 10, "--config", made / "brief.toml", "--held-out", 0.2)
    code, output = invoke("train", made / "askew", "--out", made / "run", *settings)
    assert code == 0 and "Warning: The symmetry C3" in output and "9 points are 3 points" in output
    points = read_cloud(made / "run" / "cloud.ply").points
    turn = Rotation.from_euler("z", 120, degrees=True).as_matrix()
    assert len(points) == 9 and cKDTree(points).query(points @ turn.T)[0].max() < 1e-2
    imposed = json.loads((made / "run" / "metrics.json").read_text())["imposed"]
    assert imposed["symmetry"] == "C3" and imposed["held_out"] == 24
    assert imposed["gain"] < -5 * imposed["gain_error"]
    assert "C3 symmetry imposed" in invoke("measure", made / "run")[1]


@pytest.fixture(scope="module")
def fourfold(made: Path) -> Callable[[Array, str | None], Run]:
    """Runs, not begun, on particles of the fourfold structure, whose cloud is set."""
    write_cloud(made / "fourfold.ply", FOURFOLD)
    noise = ("--precision", 4, "--missing", 0.2, "--max-spawn", 3, "--dimensions", 3)
    assert invoke("simulate", made / "fourfold.ply", made / "fourfold", "--images", 60, *noise)[0] == 0
    effort = PoseEffort(candidates=400, few=16, near=8, climbs=4)

    def begin(cloud: Array, symmetry: str | None) -> Run:
        config = Config(data=str(made / "fourfold"), device="cpu", points=8, held_out=0.2, symmetry=symmetry)
        spatial = Spatial(last=effort)
        run = start_run(dataclasses.replace(config, spatial=spatial), made / f"set-{symmetry}", overwrite=True)
        run.trainer.state.points.copy_(torch.from_numpy(cloud))
        run.trainer.state.log_blur.fill_(-3)
        return run

    return begin


def test_particles_support_a_true_symmetry_and_no_other(fourfold: Callable[[Array, str | None], Run]) -> None:
    """The structure has no mirror plane, and its points are off."""
    cloud = FOURFOLD + np.random.default_rng(0).normal(0, 1.5, FOURFOLD.shape)
    found = {s.name: s for s in symmetries_of(fourfold(cloud, None), cloud, 4.0)}
    assert found["C4"].supported and found["C2"].supported and 0 < found["C4"].loss_error < 0.03
    assert found["mirror"].verdict == "nearly" and not found["mirror"].supported


def test_a_likelihood_counts_all_orientations_with_a_symmetry_and_without(
    fourfold: Callable[[Array, str | None], Run],
) -> None:
    """Of a cloud that has the symmetry anyway, to impose it changes nothing: four orientations are equally likely."""
    unit_first = np.concatenate([FOURFOLD[:2] @ turn.T for turn in rotations_of("C4").double().numpy()])
    found = []
    for symmetry in (None, "C4"):
        run = fourfold(unit_first, symmetry)
        assert isinstance(run.trainer, SpatialTrainer)
        found.append(run.trainer.search(run.trainer.particles))
    free, imposed = (one.log_likelihood * run.trainer.particles.data.counts for one in found)
    best = -found[0].poses.loss.log() * run.trainer.particles.data.counts
    # In the median, as the search misses some of the orientations of some particles.
    assert float((free - best).median()) == pytest.approx(np.log(4), abs=0.1)
    assert float((imposed - free).median()) == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("stopped", [7, 20], ids=["among the starts", "after their choice"])
def test_a_run_with_a_symmetry_goes_on_to_the_same_bytes(made: Path, stopped: int) -> None:
    config = dataclasses.replace(
        Config(data=str(made / "askew"), device="cpu", points=8, symmetry="C2", held_out=0.0),
        spatial=Spatial(steps=12, batch=20, search=PoseEffort(candidates=60, few=8, near=4, rounds=1), relocate_every=3),
    )  # fmt: skip
    whole, steps = start_run(config, made / f"whole-{stopped}"), 0
    assert carry_out(whole, lambda _: None, lambda: False)
    parts = start_run(config, made / f"parts-{stopped}")

    def after_some() -> bool:
        nonlocal steps
        steps += 1
        return steps == stopped

    assert not carry_out(parts, lambda _: None, after_some) and bool(parts.trainer.state.step) is (stopped == 20)
    again = resume_run(made / f"parts-{stopped}")
    assert carry_out(again, lambda _: None, lambda: False)
    assert torch.equal(whole.trainer.state.points, again.trainer.state.points)
    (made / f"parts-{stopped}" / "config.toml").write_text(
        (made / f"parts-{stopped}" / "config.toml").read_text().replace('symmetry = "C2"', 'symmetry = "C4"')
    )
    with pytest.raises(HollyError, match="symmetry"):
        resume_run(made / f"parts-{stopped}")


def test_a_true_symmetry_makes_a_structure_of_few_labels_better(seed: int) -> None:
    """Half of 8 sites, 8 nm precise: the symmetric fit has a quarter of the free points, and as many localisations."""
    data = simulate(
        FOURFOLD, 120, missing=0.5, precision=Precision(8.0, 8.0), dimensions=3,
        generator=torch.Generator().manual_seed(seed),
    ).localisations  # fmt: skip
    effort = PoseEffort(candidates=200, few=12, near=8)
    errors = {}
    for symmetry in ("C4", None):
        config = dataclasses.replace(
            Config(points=16, device="cpu", symmetry=symmetry), spatial=Spatial(steps=60, batch=40, search=effort)
        )
        trainer = make_spatial_trainer(settled(config, data), data)
        for step in trainer.run():
            if step.step == trainer.plan.steps:
                break
        points = trainer.state.points
        torch.testing.assert_close(
            points, (unit_of(points, trainer.group) @ trainer.group.mT).flatten(0, 1), atol=1e-3, rtol=0
        )
        errors[symmetry] = align(points.double().numpy(), FOURFOLD, handed=True).rmsd
    assert errors["C4"] < errors[None] and errors["C4"] < 10
