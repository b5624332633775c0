"""Particles that are held out: which, that nothing is learnt from them, and how well the structure fits them."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.config import read_config, write_config
from holly_triton.core.errors import HollyError
from holly_triton.geometry import Grid
from holly_triton.particles.config import Config, Schedule, Search
from holly_triton.particles.data import Localisations, open_dataset
from holly_triton.particles.data.grouping import localisations_from_rows
from holly_triton.particles.paper.presets import read_preset
from holly_triton.particles.run.held_out import FEWEST_HELD_OUT, score_held_out, split
from holly_triton.particles.run.trainers import make_trainer
from holly_triton.particles.simulate import simulate
from holly_triton.particles.simulated_files import write_simulation

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

SITES = np.random.default_rng(6).normal(size=(12, 3)) * (40, 30, 20)
PICTURES, SHARE = 60, 0.2
HELD = 12
BRIEF = Config(
    points=12,
    device="cpu",
    held_out=SHARE,
    schedule=Schedule(search_steps=12, rescue_passes=0, polish_steps=3, refine_steps=2, sizes=(16,)),
    search=Search(candidates=60, dense_candidates=200, dense_rounds=2),
)


def call(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.stdout if "--json" in words else result.output  # progress goes to stderr


def particles(count: int, *, z: bool = False) -> Localisations:
    xyz = np.random.default_rng(0).normal(size=(count * 9, 3 if z else 2)) * 50
    return localisations_from_rows(xyz, np.full(count, 9), [f"p{number}" for number in range(count)], source="test")


def names(dataset: Any) -> set[str]:
    return set() if dataset is None else {*dataset.names}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, a share of its particles held out."""
    folder = tmp_path_factory.mktemp("held-out")
    write_simulation(folder / "data", simulate(SITES, PICTURES, generator=torch.Generator().manual_seed(1)))
    write_config(folder / "brief.toml", BRIEF)
    call("train", folder / "data", "--config", folder / "brief.toml", "--out", folder / "run")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_share_of_the_particles_is_held_out_and_none_is_in_both() -> None:
    whole = particles(200)
    parts = split(whole, 0.05)
    assert len(names(parts.held_out)) == 10
    assert names(parts.training) | names(parts.held_out) == names(whole)
    assert not names(parts.training) & names(parts.held_out)
    assert parts.names == whole.names
    assert "10 of 200" in parts.notes[0]


@pytest.mark.parametrize(("count", "share"), [(60, 0.05), (200, 0.0), (12, 0.5), (180, 0.05)])
def test_of_few_particles_none_is_held_out(count: int, share: float) -> None:
    whole = particles(count)
    parts = split(whole, share)
    assert parts.held_out is None and parts.training is whole
    assert bool(parts.notes) == (share > 0)


def test_the_choice_depends_on_the_names_alone() -> None:
    whole = particles(300)
    chosen = names(split(whole, 0.1).held_out)
    turned = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    assert names(split(whole.select(turned), 0.1).held_out) == chosen
    # Without 30 others, bad ones say, 3 fewer are held out, and they are the same.
    others = [row for row, name in enumerate(whole.names) if name not in chosen][:30]
    kept = torch.tensor([row for row in range(300) if row not in others])
    assert names(split(whole.select(kept), 0.1).held_out) < chosen
    position = [whole.names.index(name) for name in chosen]
    assert 90 < np.mean(position) < 210  # spread over the data, not one end of it


def test_all_views_of_a_particle_are_held_out_together() -> None:
    views = particles(100, z=True).views(3, torch.Generator().manual_seed(0))
    parts = split(views, 0.1)
    assert parts.held_out is not None and len(parts.held_out) == 30
    seen, unseen = ({name.split("/")[0] for name in names(part)} for part in (parts.training, parts.held_out))
    assert len(unseen) == 10 and not seen & unseen


def test_both_kinds_are_drawn_in_the_order_of_the_data() -> None:
    whole = particles(40)
    parts = split(whole, 0.3)
    assert parts.held_out is not None
    index, grid = torch.tensor([39, 3, 0, 17, 18, 3]), Grid(16, 400.0)
    # Pictures are drawn in groups of similar sizes, and the last bits depend on the group.
    torch.testing.assert_close(parts.draw(index, grid, 30.0), whole.draw(index, grid, 30.0), rtol=1e-5, atol=1e-12)
    counts = torch.arange(40)
    held = torch.from_numpy(parts.is_held_out)
    assert torch.equal(parts.join(counts[~held], counts[held]), counts)


def test_nothing_is_learnt_from_what_is_held_out() -> None:
    """Other particles in the place of the held-out ones give the same cloud to the last bit."""
    whole = simulate(SITES, PICTURES, generator=torch.Generator().manual_seed(1)).localisations
    held = split(whole, SHARE).is_held_out
    rows_of = torch.from_numpy(held).repeat_interleave(whole.counts)
    junk = dataclasses.replace(whole, xyz=torch.where(rows_of[:, None], 3 * whole.xyz.flip(1) + 20, whole.xyz))
    clouds = []
    for dataset in (whole, junk):
        trainer = make_trainer(BRIEF, split(dataset, SHARE).training)
        for _ in trainer.run():
            pass
        clouds.append((trainer.state.points.detach().clone(), score_held_out(split(dataset, SHARE), trainer)))
    (cloud, scored), (again, of_junk) = clouds
    assert torch.equal(cloud, again)
    assert scored is not None and of_junk is not None
    assert of_junk[0].loss_training == scored[0].loss_training
    assert of_junk[0].loss != scored[0].loss


def test_pictures_that_the_structure_does_not_fit_show_beside_those_that_it_does() -> None:
    made = simulate(SITES, PICTURES, generator=torch.Generator().manual_seed(1))
    parts = split(made.localisations, SHARE)
    schedule = dataclasses.replace(BRIEF.schedule, refine_steps=20)
    config = dataclasses.replace(BRIEF, schedule=schedule, search=Search(dense_candidates=4000))
    trainer = make_trainer(config, parts.training)
    trainer.state.points = torch.from_numpy(made.points).float()
    trainer.state.log_blur = torch.tensor(0.0)
    scored = score_held_out(parts, trainer)
    others = simulate(SITES * [0.3, 2, 1], PICTURES, generator=torch.Generator().manual_seed(1)).localisations
    assert parts.held_out is not None and scored is not None
    of_others = score_held_out(dataclasses.replace(parts, held_out=others.select(torch.arange(HELD))), trainer)
    assert of_others is not None
    # Of 200; both kinds of pictures show the structure itself, so only a pose that was missed can set them apart.
    assert abs(scored[0].loss - scored[0].loss_training) < 10
    assert of_others[0].loss > of_others[0].loss_training + 50


def test_the_run_records_the_fit_of_both_kinds(made: Path) -> None:
    metrics = json.loads((made / "run" / "metrics.json").read_text())
    held_out = metrics["held_out"]
    assert metrics["pictures"] == PICTURES - HELD
    assert held_out["pictures"] == held_out["pictures_training"] == len(held_out["names"]) == HELD
    assert 0 < held_out["unexplained"] < 1 and 0 < held_out["loss_training"] < 200
    assert any(f"{HELD} of {PICTURES}" in note for note in metrics["notes"])
    poses = rows(made / "run" / "poses.csv")
    assert [row["picture"] for row in poses] == open_dataset(made / "data").names
    loss = [float(row["loss"]) for row in poses if row["picture"] in held_out["names"]]
    assert np.mean(loss) == pytest.approx(held_out["loss"], rel=1e-4)


def test_poses_of_both_kinds_are_scored_and_ranked(made: Path) -> None:
    figures = json.loads(call("evaluate", made / "run", "--truth", made / "data" / "truth.ply", "--json"))
    assert figures["poses"]["pictures"] == PICTURES
    call("rank", made / "run", "--bad-share", 0.1)
    assert len(rows(made / "run" / "ranking.csv")) == PICTURES
    excluded = dataclasses.replace(
        read_config(made / "run" / "config.toml", Config), exclude=str(made / "run" / "ranking.csv")
    )
    write_config(made / "excluding.toml", excluded)
    call("train", "--config", made / "excluding.toml", "--out", made / "excluding", "--device", "cpu")
    again = json.loads((made / "excluding" / "metrics.json").read_text())
    assert again["pictures"] + again["held_out"]["pictures"] == PICTURES - 6
    before = json.loads((made / "run" / "metrics.json").read_text())["held_out"]["names"]
    assert len({*again["held_out"]["names"]} - {*before}) <= 6


def test_the_option_and_the_presets_can_switch_it_off(made: Path) -> None:
    call("train", made / "data", "--config", made / "brief.toml", "--out", made / "all", "--held-out", 0)
    metrics = json.loads((made / "all" / "metrics.json").read_text())
    assert metrics["held_out"] is None and metrics["pictures"] == PICTURES
    assert read_preset("bunny").train.held_out == 0
    assert Config().held_out > 0


def test_the_share_of_a_run_is_not_to_be_changed(made: Path) -> None:
    config = read_config(made / "run" / "config.toml", Config)
    path = made / "changed"
    path.mkdir()
    (path / "checkpoints").symlink_to(made / "run" / "checkpoints")
    write_config(path / "config.toml", dataclasses.replace(config, held_out=0.3))
    assert "set held_out back" in call("evaluate", path, "--pictures", made / "data", code=1)


def test_new_pictures_are_compared_with_training_pictures_searched_alike(made: Path) -> None:
    figures = json.loads(call("evaluate", made / "run", "--pictures", made / "data", "--json"))["new_pictures"]
    assert figures["pictures"] == PICTURES and figures["pictures_training"] == PICTURES - HELD
    # Most of the "new" pictures are those of the training, so that nothing can set them apart.
    assert figures["loss"] == pytest.approx(figures["loss_training"], rel=0.1)


def test_a_share_beyond_a_half_is_refused() -> None:
    with pytest.raises(HollyError, match="held_out is 0.6"):
        Config(held_out=0.6)
    assert FEWEST_HELD_OUT <= HELD
