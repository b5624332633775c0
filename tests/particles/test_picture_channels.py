"""Channels of pictures: a cloud for each, in the poses that their sum determines."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.io.channels import PointChannels
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.particles.cloud.train import Trainer
from holly_triton.particles.config import Config, Schedule, Sharpen
from holly_triton.particles.data import Pictures, open_dataset
from holly_triton.particles.data.pictures import pictures_from_pixels
from holly_triton.particles.run.run import carry_out, resume_run, start_run
from holly_triton.particles.run.trainers import make_trainer, notes_of, settled
from holly_triton.particles.simulate import Simulation, simulate
from holly_triton.particles.simulated_files import write_simulation

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

NAMES = ("CEP152", "tubulin")
SCATTER_NM = 4.0
OF = np.arange(30) % 3 == 0
BRIEF = Config(
    device="cpu", held_out=0.0, points=30, schedule=Schedule(search_steps=4, rescue_passes=0, polish_steps=2, refine_steps=2, starts=1),
    sharpen=Sharpen(separating=6),
)  # fmt: skip


@pytest.fixture(scope="module")
def made() -> Simulation:
    """Sites on a sphere, a third of them of the first channel."""
    height = (2 * np.arange(30) + 1) / 30 - 1
    angle = np.arange(30) * np.pi * (1 + 5**0.5)
    sites = 60 * np.column_stack([*(np.sqrt(1 - height**2) * np.array([np.cos(angle), np.sin(angle)])), height])
    channels = PointChannels((~OF).astype(int), NAMES)
    return simulate(
        sites, 200, scatter_nm=SCATTER_NM, channels=channels, shift_nm=0.0, generator=torch.Generator().manual_seed(0)
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(made: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simulation(tmp_path_factory.mktemp("channels") / "data", made, tiff=True)


def refined(made: Simulation, data: Pictures) -> Trainer:
    """A run of both channels whose poses are refined, the true ones: a cloud of two points near each site."""
    config = dataclasses.replace(BRIEF, points=60, sharpen=Sharpen(separating=120), dimensions=2, channels="separate")
    trainer, generator = make_trainer(config, data), torch.Generator().manual_seed(1)
    state, sites = trainer.state, torch.from_numpy(made.points).float().repeat(2, 1)
    state.points.data = sites + SCATTER_NM * torch.randn(sites.shape, generator=generator)
    state.log_blur.data.fill_(np.log(SCATTER_NM))
    state.rotation.copy_(made.rotation)
    state.shift.copy_(made.shift - data.centres)
    state.loss.zero_()
    state.step = trainer.plan.refined_steps
    return make_trainer(config, data, state)


def nearest(points: Array, others: Array) -> float:
    """Root mean square distance of points from the nearest of others."""
    return float(np.sqrt((np.linalg.norm(points[:, None] - others[None], axis=-1).min(1) ** 2).mean()))


def test_each_channel_has_points_at_its_sites_and_nowhere_else(made: Simulation, folder: Path) -> None:
    data = open_dataset(folder)
    assert isinstance(data, Pictures) and data.channels == NAMES and len(data) == 200
    trainer = refined(made, data)
    for _ in trainer.run():
        pass
    found = trainer.channels
    assert found is not None and trainer.state.sizes == [30, 30]
    cloud = trainer.state.points.detach().double().numpy()
    for name, own in zip(NAMES, (OF, ~OF), strict=True):
        points = cloud[found.named(name)]
        assert max(nearest(points, made.points[own]), nearest(made.points[own], points)) < SCATTER_NM
        assert nearest(points, made.points[~own]) > 4 * SCATTER_NM


def test_a_particle_may_lack_a_channel(made: Simulation, folder: Path) -> None:
    data = open_dataset(folder)
    assert isinstance(data, Pictures) and data.parts is not None
    parts = data.parts.clone()
    parts[::3, 1] = 0
    trainer = refined(made, dataclasses.replace(data, parts=parts, images=parts.sum(1)))
    for _, _ in zip(trainer.run(), range(3), strict=False):
        pass
    assert torch.isfinite(trainer.state.points).all() and torch.isfinite(trainer.state.loss).all()


def test_a_picture_in_which_nothing_is_drawn_does_not_count(made: Simulation, folder: Path) -> None:
    data = open_dataset(folder)
    trainer = refined(made, data)
    trainer.state.shift[7] = 1e5
    next(trainer.run())
    sizes, cloud = trainer.state.sizes, trainer.state.points.detach()
    assert min(float(own.std(0).min()) for own in torch.split(cloud, sizes)) > 20


@pytest.mark.parametrize("channels", [7, 2])
def test_channels_that_allow_no_cloud_each_are_pooled_and_said(channels: int) -> None:
    """Too many, or one without light; the parts are not kept."""
    rng = np.random.default_rng(0)
    images = rng.random((12, channels, 24, 24)).astype(np.float32) ** 8
    if channels == 2:
        images[:, 1] = 0
    names = tuple("ABCDEFG"[:channels])
    data = pictures_from_pixels(images, [*map(str, range(12))], 5.0, source="test", channels=names)
    config = settled(dataclasses.replace(BRIEF, dimensions=2), data)
    assert config.channels == "pooled"
    why = "at most 6 channels; found 7" if channels == 7 else "no light in channel B"
    with pytest.raises(HollyError, match=why) as caught:
        settled(dataclasses.replace(BRIEF, dimensions=2, channels="separate"), data)
    assert "--where" not in str(caught.value)
    trainer = make_trainer(config, data)
    assert isinstance(trainer.dataset, Pictures) and trainer.dataset.parts is None
    assert any("pooled" in note for note in notes_of(trainer))


def test_channels_are_cropped_and_inverted_and_a_folder_of_them_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    spots = np.zeros((9, 2, 32, 32), np.float32)
    spots[:, :, 12:20, 12:20] = rng.random((9, 2, 8, 8)) + 0.5
    for number, spot in enumerate(spots):
        about = {"axes": "CYX", "PhysicalSizeX": 0.005, "PhysicalSizeY": 0.005}
        tifffile.imwrite(tmp_path / f"{number}.ome.tif", 100 - spot, ome=True, metadata=about)
    data = open_dataset(tmp_path, crop=24, contrast="dark")
    assert isinstance(data, Pictures) and data.parts is not None
    assert data.channels == ("1", "2") and len(data) == 9
    parts = data.parts / data.parts.sum((0, 2, 3), keepdim=True)
    expected = torch.from_numpy(spots[:, :, 4:-4, 4:-4])
    torch.testing.assert_close(parts, expected / expected.sum((0, 2, 3), keepdim=True), rtol=1e-3, atol=1e-6)


def test_channels_in_another_order_are_told_by_their_names_and_dark_ones_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(9):
        spot = np.zeros((2, 24, 24), np.float32)
        spot[:, 8:16, 8:16] = rng.random((2, 8, 8)) + np.array([1, 3])[:, None, None]
        names, turn = (["A", "B"], 1) if number % 2 else (["B", "A"], -1)
        about = {"axes": "CYX", "PhysicalSizeX": 0.005, "PhysicalSizeY": 0.005, "Channel": {"Name": names}}
        tifffile.imwrite(tmp_path / f"{number}.ome.tif", spot[::turn], ome=True, metadata=about)
    data = open_dataset(tmp_path)
    assert isinstance(data, Pictures) and data.parts is not None and data.channels == ("B", "A")
    assert data.parts.sum((2, 3)).std(0).max() < 0.2 * data.parts.sum((2, 3)).mean()
    for file in tmp_path.iterdir():
        tifffile.imwrite(
            file,
            100 - tifffile.imread(file),
            ome=True,
            metadata={"axes": "CYX", "PhysicalSizeX": 0.005, "PhysicalSizeY": 0.005},
        )
    said = CliRunner().invoke(main, ["info", str(tmp_path)])
    assert said.exit_code == 1 and "--contrast dark" in said.output


@pytest.mark.parametrize(("names", "channels", "noted"), [(["A", "A"], ("1", "2"), 1), (["A", "B"], ("A", "B"), 0)])
def test_channels_of_one_name_are_numbered_and_that_is_said(
    names: list[str], channels: tuple[str, ...], noted: int, tmp_path: Path
) -> None:
    spots = np.zeros((9, 2, 24, 24), np.float32)
    spots[..., 8:16, 8:16] = np.random.default_rng(0).random((9, 2, 8, 8)) + 0.5
    about = {"axes": "TCYX", "PhysicalSizeX": 0.005, "PhysicalSizeY": 0.005, "Channel": {"Name": names}}
    tifffile.imwrite(tmp_path / "spots.ome.tif", spots, ome=True, metadata=about)
    data = open_dataset(tmp_path / "spots.ome.tif")
    assert isinstance(data, Pictures) and data.channels == channels
    assert len([note for note in data.notes if "a name of its own" in note]) == noted


def test_a_run_that_is_stopped_goes_on_to_the_same_points(folder: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(BRIEF, data=str(folder))
    whole = start_run(config, tmp_path / "whole")
    assert whole.config.channels == "separate" and carry_out(whole, lambda _: None, lambda: False)
    start = start_run(config, tmp_path / "stopped")
    last = start.trainer.plan.refined_steps + 2
    carry_out(start, lambda _: None, lambda: start.trainer.state.step == last)
    again = resume_run(tmp_path / "stopped")
    assert again.trainer.state.step == last and again.trainer.state.sizes == [15, 15]
    assert carry_out(again, lambda _: None, lambda: False)
    assert torch.equal(again.trainer.state.points, whole.trainer.state.points)
    with pytest.raises(HollyError, match="leaves a channel fewer than 4 points"):
        settled(dataclasses.replace(config, channels="separate", points=7), open_dataset(folder))


def test_commands_name_the_channels(made: Simulation, tmp_path: Path) -> None:
    def call(*words: object) -> str:
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        return result.stdout

    write_cloud(tmp_path / "sites.csv", made.points, made.channels)
    call("simulate", tmp_path / "sites.csv", tmp_path / "data", "--images", 20, "--tiff")
    assert "CEP152, tubulin; a cloud for each" in call("info", tmp_path / "data")
    (tmp_path / "brief.toml").write_text(
        "[schedule]\nsearch_steps = 4\nrescue_passes = 0\npolish_steps = 2\nrefine_steps = 1\nstarts = 1\n[sharpen]\nseparating = 3\n"
    )
    call("train", tmp_path / "data", "--out", tmp_path / "run", "--points", 30, "--config", tmp_path / "brief.toml")
    cloud = read_cloud(tmp_path / "run" / "cloud.ply")
    assert cloud.channels is not None and cloud.channels.names == NAMES
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [(one["name"], one["points"]) for one in metrics["channels"]] == [(name, 15) for name in NAMES]
    figures = json.loads(call("evaluate", tmp_path / "run", "--truth", tmp_path / "data" / "truth.ply", "--json"))
    assert {*figures["channels"]} == {*NAMES}
    refused = CliRunner().invoke(
        main, ["export", str(tmp_path / "run"), str(tmp_path / "run" / "cloud.ply"), "--overwrite"]
    )
    assert refused.exit_code == 1 and "is a file of the run itself" in refused.output
    call("export", tmp_path / "run", tmp_path / "second.csv", "--channel", 2)
    assert len(read_cloud(tmp_path / "second.csv").points) == 15
    options = ["--channel", "tubulin", "--points", 30, "--config", tmp_path / "brief.toml"]
    call("train", tmp_path / "data", "--out", tmp_path / "one", *options)
    assert read_cloud(tmp_path / "one" / "cloud.ply").channels is None
    refused = CliRunner().invoke(
        main, ["export", str(tmp_path / "one"), str(tmp_path / "x.ply"), "--channel", "tubulin"]
    )
    assert refused.exit_code == 1 and "of one channel" in refused.output
