"""A deformation: its likelihood against the definition, the fields, amplitudes that are found again, and going on with a run."""

import csv
import dataclasses
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.geometry import random_rotations
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.io.run_files import read_amplitudes
from holly_triton.particles.config import Config
from holly_triton.particles.data import Localisations
from holly_triton.particles.deformation.config import Deforming
from holly_triton.particles.deformation.field import Fields
from holly_triton.particles.deformation.posterior import flex
from holly_triton.particles.deformation.state import DeformationState
from holly_triton.particles.deformation.train import DeformationTrainer, first_state
from holly_triton.particles.run.deformation import KIND, SAVED, deform, open_deformation
from holly_triton.particles.run.run import resume_run
from holly_triton.particles.run.trainers import make_spatial_trainer, settled
from holly_triton.particles.simulate import Precision, Simulation, simulate
from holly_triton.particles.simulated_mixture import mixed
from holly_triton.particles.simulated_stretch import draw_stretch
from holly_triton.particles.spatial.mixture import Model, Padded, Weighed, climb, expected, log_likelihood
from holly_triton.particles.spatial.particles import Particles
from holly_triton.particles.spatial.poses import Kept
from holly_triton.particles.spatial.symmetry import rotations_of
from holly_triton.particles.spatial.train import SpatialTrainer
from holly_triton.report import find_warnings

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

SITES = np.array([[0, 0, -20], [60, 0, -25], [0, 40, 25], [10, 0, 30], [60, 40, 10], [-20, 15, -30]], dtype=float)
"""A structure without symmetry, 60 nm high."""
BRIEF = """
[spatial]
steps = 12
kept = 2
batch = 32
[spatial.search]
candidates = 100
few = 8
near = 4
rounds = 1
[spatial.last]
candidates = 100
few = 8
near = 4
rounds = 1
[deforming]
steps = 6
"""


def invoke(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(word) for word in words])
    return result.exit_code, result.output


def some_pairs(seed: int) -> tuple[Model, Padded, Weighed]:
    """A structure that deforms, localisations of two particles, and three weighed poses with amplitudes, in float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).double()

    data = Padded(normal(2, 9, 3) * 30, 20 + normal(2, 9, 3).square() * 20, torch.ones(2, 9).double())
    model = Model(normal(5, 3) * 30, torch.tensor(30.0).double(), torch.tensor(0.1).double(), torch.tensor(900.0).double(), field=normal(5, 3) * 4)  # fmt: skip
    turns = random_rotations(3, generator).double()
    return (
        model,
        data,
        Weighed(torch.tensor([0, 1, 1]), turns, normal(3, 3) * 3, torch.tensor([1, 0.4, 0.6]).double(), normal(3)),
    )


def test_a_pose_with_an_amplitude_is_that_of_the_displaced_points(seed: int) -> None:
    model, data, poses = some_pairs(seed)
    assert poses.amplitude is not None and model.field is not None
    rigid = [
        log_likelihood(Model(model.points + a * model.field, *model[1:4]), data, poses.select(slice(k, k + 1))._replace(amplitude=None))
        for k, a in enumerate(poses.amplitude)
    ]  # fmt: skip
    torch.testing.assert_close(log_likelihood(model, data, poses), torch.cat(rigid))


def test_the_gradient_of_the_field_is_that_of_the_likelihood(seed: int) -> None:
    model, data, poses = some_pairs(seed)
    assert model.field is not None
    found, step = expected(model, data, poses), torch.zeros(5, 3).double()
    step[3, 1] = 1e-4
    up, down = (
        (log_likelihood(model._replace(field=model.field + way * step), data, poses) * poses.weight).sum()
        for way in (1, -1)
    )
    assert float(found.field[3, 1]) == pytest.approx(float(up - down) / 2e-4, rel=1e-5)


def test_climbing_leads_to_the_maximum_of_likelihood_and_prior(seed: int) -> None:
    model, data, poses = some_pairs(seed)
    for _ in range(200):
        step = climb(model, data, poses)
        assert poses.amplitude is not None
        turn = torch.linalg.matrix_exp(
            torch.linalg.cross(torch.eye(3).double().expand(3, 3, 3), step.turn[:, None].expand(3, 3, 3)).mT
        )
        poses = poses._replace(rotation=turn @ poses.rotation, shift=poses.shift + step.move, amplitude=poses.amplitude + step.amplitude)  # fmt: skip
    amplitude = poses.amplitude
    assert amplitude is not None
    up, down = (log_likelihood(model, data, poses._replace(amplitude=amplitude + way * 1e-4)) for way in (1, -1))
    torch.testing.assert_close((up - down) / 2e-4, amplitude, atol=2e-2, rtol=0)


def test_the_likelihood_of_a_pose_is_integrated_over_the_amplitude() -> None:
    model, data, poses = some_pairs(1)
    one = Kept(poses.rotation[None, :1], poses.shift[None, :1], torch.zeros(1, 1).double())
    found = flex(model, data.select(torch.tensor([0])), one, torch.zeros(1, 1).double(), Deforming(), 4)
    grid = torch.linspace(-8, 8, 1601).double()
    pairs = Weighed(
        torch.zeros(1601, dtype=torch.int64),
        found.poses.rotation[0].expand(1601, 3, 3),
        found.poses.shift[0].expand(1601, 3),
        grid,
        grid,
    )
    each = log_likelihood(model, data, pairs) - grid.square() / 2 - 0.5 * math.log(2 * math.pi)
    whole = each.logsumexp(0) + math.log(0.01)
    assert float(found.poses.score[0, 0]) == pytest.approx(float(whole), abs=0.1)
    mean = (each.softmax(0) * grid).sum()
    assert float(found.amplitude[0, 0]) == pytest.approx(float(mean), abs=0.1)


@pytest.mark.parametrize("group", [None, "C4"])
def test_fields_change_the_shape_alone(group: str | None, seed: int) -> None:
    generator, turns = torch.Generator().manual_seed(seed), rotations_of(group)
    unit = torch.randn(12, 3, generator=generator) * 30
    points = (unit @ turns.mT).flatten(0, 1)
    points = points - points.mean(dim=0)
    fields = Fields(points, 2, turns)
    field = fields.displacements(torch.randn(fields.basis.shape[1], 3, generator=generator))
    size = float(field.norm())
    assert size > 1 and float(field.sum(dim=0).norm()) < 1e-3 * size
    assert float(torch.linalg.cross(points, field).sum(dim=0).norm()) < 1e-3 * size * float(points.norm())
    places = field.view(len(turns), -1, 3)
    torch.testing.assert_close(places, (places[0] @ turns.mT), atol=1e-3 * size, rtol=0)
    # A stretch along z is one of them.
    stretch = torch.cat([torch.zeros(len(points), 2), points[:, 2:]], dim=1)
    again = fields.displacements(fields.gradient(stretch) / len(points))
    if group is not None:  # and, along the axis, is the same as its projection
        torch.testing.assert_close(again, stretch, atol=1e-2, rtol=0)


def test_a_flat_cloud_has_the_fields_of_its_plane() -> None:
    points = torch.randn(30, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([50.0, 50.0, 0])
    assert Fields(points, 2, torch.eye(3)[None]).basis.shape == (30, 5)


def stretched(deviation_nm: float, seed: int) -> Simulation:
    generator = torch.Generator().manual_seed(seed)
    stretch = draw_stretch(SITES, 100, deviation_nm, generator) if deviation_nm else None
    return simulate(
        SITES,
        100,
        missing=0.2,
        max_spawn=6,
        precision=Precision(5, 8),
        dimensions=3,
        stretch=stretch,
        generator=generator,
    )


def known_structure(made: Simulation, data: Localisations) -> SpatialTrainer:
    """A run that has found sites and poses of the first particles of a simulation."""
    trainer = make_spatial_trainer(settled(Config(device="cpu", points=6), data), data)
    state, own = trainer.state, slice(len(data))
    state.points.copy_(torch.from_numpy(made.points))
    state.log_blur.fill_(math.log(2))
    state.background.fill_(-4)
    state.rotations[:] = made.rotation[own, None]
    centres = torch.stack(
        [part.median(dim=0).values for part in torch.split(made.positions, made.offsets.diff().tolist())]
    )
    state.shifts[:] = -centres[own, None]
    return trainer


def fitted(deviation_nm: float, seed: int) -> tuple[DeformationTrainer, Simulation, Localisations]:
    """A deformation of the first 70 of 100 particles, and the others."""
    made = stretched(deviation_nm, seed)
    data = made.localisations
    structure = known_structure(made, data.select(torch.arange(70)))
    settings = Deforming(steps=20)
    trainer = DeformationTrainer(
        structure, settings, first_state(structure, settings, torch.Generator().manual_seed(seed))
    )
    for _ in trainer.run():
        pass
    return trainer, made, data.select(torch.arange(70, 100))


def test_a_stretch_is_found_again_and_held_out_particles_prefer_it(seed: int) -> None:
    trainer, made, others = fitted(10.0, seed)
    assert made.amplitude is not None
    found = trainer.state.mean * trainer.sign * trainer.spread_nm
    true = made.amplitude[:70]
    assert abs(float(np.corrcoef(found, true)[0, 1])) > 0.9
    assert trainer.spread_nm == pytest.approx(float(true.std()), rel=0.25)
    held = trainer.score(Particles.of(others))
    assert held.preferred.preferred and held.preferred.particles == 30


def test_particles_that_are_alike_have_hardly_any_amplitude_and_do_not_prefer_it(seed: int) -> None:
    trainer, _, others = fitted(0.0, seed)
    assert trainer.spread_nm < 1.5
    assert not trainer.score(Particles.of(others)).preferred.preferred


def test_amplitudes_are_those_of_the_simulation(seed: int) -> None:
    made = stretched(10.0, seed)
    assert made.amplitude is not None
    turned = torch.cat([part @ rotation for part, rotation in zip(
        torch.split(made.positions, made.offsets.diff().tolist()), made.rotation, strict=True)])  # fmt: skip
    sites = torch.from_numpy(made.points).float()[made.site]
    particle = torch.arange(100).repeat_interleave(made.offsets.diff())
    moved = torch.zeros(100).index_add_(0, particle, (turned - sites)[:, 2] * sites[:, 2])
    slope = moved / torch.zeros(100).index_add_(0, particle, sites[:, 2] ** 2) * float(sites[:, 2].std())
    assert float(np.corrcoef(slope, made.amplitude)[0, 1]) > 0.9


def test_a_mixture_keeps_the_amplitude_of_each_particle() -> None:
    parts = [stretched(10.0, 0), stretched(5.0, 1)]
    both = mixed(parts, torch.Generator().manual_seed(0))
    assert both.amplitude is not None and both.structure is not None and parts[1].amplitude is not None
    torch.testing.assert_close(both.amplitude[both.structure == 1].sort().values, parts[1].amplitude.sort().values)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stretched particles, and a finished run of them with a deformation."""
    folder = tmp_path_factory.mktemp("deformation")
    write_cloud(folder / "askew.ply", SITES)
    (folder / "brief.toml").write_text(BRIEF)
    noise = ("--precision", 4, "--max-spawn", 2, "--stretch", 6, "--images", 100, "--dimensions", 3)
    assert invoke("simulate", folder / "askew.ply", folder / "data", *noise)[0] == 0
    settings = ("--points", 8, "--held-out", 0.2, "--config", folder / "brief.toml")
    code, said = invoke("train", folder / "data", "--deformation", "--out", folder / "run", *settings)
    assert code == 0 and "Deformation:" in said
    return folder


def test_a_run_leaves_amplitudes_displacements_and_a_section_of_its_report(made: Path) -> None:
    run = made / "run"
    figures = json.loads((run / "metrics.json").read_text())["deformation"]
    assert figures["particles"] == 80 and figures["held_out"]["particles"] == 20
    table = read_amplitudes(run)
    assert table is not None and len(table.names) == 100 and int(table.held_out.sum()) == 20
    assert (table.error_nm > 0).all() and np.isfinite(table.amplitude_nm).all()
    assert len(read_cloud(run / "deformation.ply").points) == 8
    assert b"property double dz" in (run / "deformation.ply").read_bytes()
    assert "<h2>Deformation</h2>" in (run / "report.html").read_text()
    code, said = invoke("measure", run)
    assert code == 0 and f"amplitudes of {figures['particles']} particles" in said
    assert json.loads(invoke("measure", run, "--json")[1])["deformation"] == figures
    code, said = invoke("evaluate", run, "--truth", made / "data" / "truth.ply", "--json")
    assert code == 0
    again = json.loads(said[said.index("{") : said.rindex("}") + 1])["deformation"]
    with (made / "data" / "truth_poses.csv").open() as file:
        true = {row["picture"]: float(row["amplitude_nm"]) for row in csv.DictReader(file)}
    right = np.corrcoef([true[name] for name in table.names], table.amplitude_nm)[0, 1]
    assert again["correlation"] == pytest.approx(abs(right), abs=1e-3)
    assert again["true_sd_nm"] == pytest.approx(np.std([*true.values()]), rel=1e-3)


def test_a_deformation_goes_on_where_it_was_stopped(made: Path, tmp_path: Path) -> None:
    run = dataclasses.replace(resume_run(made / "run"), folder=tmp_path)
    whole = open_deformation(run)
    steps = list(whole.run())
    trainer = open_deformation(run)
    assert not deform(run, trainer, lambda _: None, lambda: trainer.state.step == 2)
    assert (tmp_path / SAVED).is_dir()
    again = open_deformation(run)
    assert again.state.step == 2 and deform(run, again, lambda _: None, lambda: False)
    assert again.state.step == len(steps)
    torch.testing.assert_close(again.state.mean, whole.state.mean)
    torch.testing.assert_close(again.field, whole.field)


def test_a_command_stopped_in_the_deformation_names_its_steps(
    made: Path, tmp_path: Path, stop_after: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(made / "run", tmp_path / "run", ignore=shutil.ignore_patterns(SAVED, "report.html"))
    stop_after(2)
    code, said = invoke("train", "--resume", tmp_path / "run")
    assert code == 3 and "in the fit of the deformation" in said
    assert "going on" not in caplog.text
    warning = find_warnings(tmp_path / "run")[0]
    assert "deformation is missing" in warning and "at step" not in warning
    stop_after(10**6)
    caplog.clear()
    assert invoke("train", "--resume", tmp_path / "run")[0] == 0
    going = [one.getMessage() for one in caplog.records if "going on" in one.getMessage()]
    assert len(going) == 1 and going[0].endswith("at step 2 of the fit of the deformation")
    assert (tmp_path / "run" / "amplitudes.csv").read_bytes() == (made / "run" / "amplitudes.csv").read_bytes()


def test_a_damaged_state_is_not_taken_up(made: Path) -> None:
    payload = torch.load(made / "run" / SAVED / "last.pt", weights_only=True)
    assert payload["format"] == KIND
    with pytest.raises(ValueError, match="mean"):
        DeformationState.from_payload({**payload["state"], "mean": torch.zeros(3)})


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--dimensions", 2], 1, "--deformation needs localisations in 3D"),
        (["--views", "random"], 1, "--views random asks for projections"),
        (["--structures", 2], 2, "--deformation is for one structure"),
    ],
)
def test_what_does_not_go_with_a_deformation_is_refused(
    made: Path, options: list[object], code: int, said: str
) -> None:
    """Each by the option that is given, not by another."""
    found, output = invoke("train", made / "data", "--deformation", "--out", made / "none", *options)
    assert found == code and said in output and not (made / "none").exists()


def test_a_ranking_warns_of_particles_that_deform(made: Path) -> None:
    found, output = invoke("rank", made / "run", "--bad-share", 0.2)
    assert found == 0 and "amplitudes.csv" in output


def test_too_few_particles_are_refused(made: Path) -> None:
    with pytest.raises(HollyError, match="has 40 particles for the structure, and --deformation needs 50"):
        settled(Config(deformation=True), stretched(0.0, 0).localisations.select(torch.arange(40)))


def test_a_stretch_of_pictures_is_refused(made: Path) -> None:
    code, output = invoke("simulate", made / "askew.ply", made / "none", "--stretch", 2)
    assert code == 2 and "--dimensions 3" in output
    assert not (made / "none").exists()


def test_too_large_a_stretch_is_refused(made: Path) -> None:
    code, output = invoke("simulate", made / "askew.ply", made / "none", "--dimensions", 3, "--stretch", 20)
    assert code == 1 and "give at most 12" in output and not (made / "none").exists()
