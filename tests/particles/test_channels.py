"""Channels of 3D localisations: the likelihood of several, clouds in one frame, results that state them, and data that lack them."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from scipy.spatial.transform import Rotation
from torch import Tensor

from holly_triton.cli import main
from holly_triton.core.config import write_config
from holly_triton.core.errors import HollyError
from holly_triton.io.channels import CHANNEL_COLOURS, PointChannels
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.io.metrics import Metrics, write_metrics
from holly_triton.particles.config import Config
from holly_triton.particles.data import Localisations, open_dataset
from holly_triton.particles.run import study
from holly_triton.particles.run.run import carry_out, resume_run, start_run
from holly_triton.particles.run.trainers import settled
from holly_triton.particles.spatial.choice import sizes_of
from holly_triton.particles.spatial.density import look_up
from holly_triton.particles.spatial.mixture import Expected, Model, Padded, Weighed, expected, log_likelihood
from holly_triton.particles.spatial.particles import Ragged
from holly_triton.particles.spatial.poses import looked_up
from holly_triton.particles.spatial.relocation import relocated
from holly_triton.particles.spatial.state import SpatialState
from holly_triton.view.scene import scene_of

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

OUTER = np.array([[0, 0, 0], [60, 0, 0], [0, 40, 0], [0, 0, 30], [60, 40, 10]], dtype=float)
INNER = np.array([[20, 20, 20], [40, -20, 30], [-20, 15, 45]], dtype=float)
NAMES = ('Nup96, "A"', "dye é; 2")
SIZES = (5, 3)
BRIEF = """
[spatial]
steps = 60
batch = 20
[spatial.search]
candidates = 300
few = 16
near = 8
[spatial.last]
candidates = 300
few = 20
near = 8
climbs = 3
"""


def invoke(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def call(*words: object) -> str:
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    return result.stdout if "--json" in words else result.output


def two_channels(seed: int) -> tuple[Model, Padded, Weighed]:
    """A cloud of two channels, localisations of three particles, some of no channel, and five weighed poses."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    points = torch.from_numpy(np.concatenate([OUTER, INNER]))
    model = Model(points, torch.tensor(9.0).double(), torch.tensor(0.1).double(), torch.tensor(900.0).double(), SIZES)
    of = torch.randint(0, 3, (3, 11), generator=generator)
    mask = (torch.rand(3, 11, generator=generator) > 0.3).double()
    membership = torch.nn.functional.one_hot(of, 3)[..., :2] * mask[..., None]
    data = Padded(normal(3, 11, 3) * 30, 1 + normal(3, 11, 3).square() * 40, mask, membership)
    turns = torch.from_numpy(Rotation.random(5, random_state=seed).as_matrix())
    weight = torch.rand(5, generator=generator, dtype=torch.float64)
    return model, data, Weighed(torch.tensor([0, 1, 1, 2, 2]), turns, normal(5, 3) * 5, weight)


def of_channel(model: Model, data: Padded, channel: int) -> tuple[Model, Padded]:
    """One channel as a data set of its own."""
    assert data.membership is not None
    alone = model._replace(points=model.of_channels[channel], sizes=())
    return alone, data._replace(mask=data.membership[..., channel], membership=None)


def test_the_likelihood_is_the_product_of_those_of_each_channel(seed: int) -> None:
    model, data, poses = two_channels(seed)
    assert data.membership is not None
    unknown = data.mask - data.membership.sum(-1)
    # Points far away explain nothing: what is left is the background, of which localisations of no channel are.
    away = Model(torch.full((1, 3), 1e4).double(), *model[1:4])
    parts = [of_channel(model, data, channel) for channel in (0, 1)]
    parts.append((away, data._replace(mask=unknown, membership=None)))
    together = log_likelihood(model, data, poses)
    alone = torch.stack([log_likelihood(*part, poses) for part in parts])
    assert torch.allclose(together, alone.sum(0), rtol=1e-9)
    found, each = expected(model, data, poses), [expected(*part, poses) for part in parts]

    def summed(name: str) -> Tensor:
        return torch.stack([getattr(one, name) for one in each]).sum(0)

    for name in set(Expected._fields) - {"points", "load", "field"}:
        assert torch.allclose(getattr(found, name), summed(name), rtol=1e-6, atol=1e-9), name
    for name in ("points", "load"):
        assert torch.allclose(getattr(found, name), torch.cat([getattr(one, name) for one in each[:2]]), rtol=1e-6), (
            name
        )


def test_look_up_sums_over_the_channels(seed: int) -> None:
    model, data, poses = two_channels(seed)
    model = Model(*(part.float() for part in model[:4]), SIZES)
    some = torch.randn(2, 12, 3, generator=torch.Generator().manual_seed(seed)) * 20
    data = Padded(some[:1], torch.full((1, 12, 3), 6.0), torch.ones(1, 12), torch.eye(2)[torch.arange(12) % 2][None])
    grids = look_up(model, 6.0, half_nm=150.0, voxel_nm=1.5)
    ragged = [Ragged(some[0, channel::2], torch.tensor([0, 6])) for channel in (0, 1)]
    turns = poses.rotation.float()
    found = looked_up(ragged, turns, None, grids)[0]
    pairs = Weighed(torch.zeros(5, dtype=torch.int64), turns, torch.zeros(5, 3), torch.ones(5))
    assert torch.allclose(found, log_likelihood(model, data, pairs), atol=0.5)
    assert torch.corrcoef(torch.stack([found, log_likelihood(model, data, pairs)]))[0, 1] > 0.99


def test_no_point_is_moved_where_a_channel_has_no_localisations() -> None:
    points, none = torch.randn(9, 3), torch.zeros(0)
    moved = relocated(points, torch.rand(9), (none.view(0, 3), none), 5.0, 0.4, 3, torch.Generator())
    assert not len(moved.points) and moved.places.shape == (0, 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on 200 particles of two channels, one of them without a localisation of the second."""
    folder = tmp_path_factory.mktemp("channels")
    write_cloud(folder / "sites.csv", np.concatenate([OUTER, INNER]), PointChannels.of_sizes(SIZES, NAMES))
    (folder / "brief.toml").write_text(BRIEF)
    noise = ("--precision", 2, "--axial-precision", 4, "--max-spawn", 2, "--shift", 4)
    call("simulate", folder / "sites.csv", folder / "data", "--images", 200, "--dimensions", 3, *noise)
    table = folder / "data" / "localisations.csv"
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert {row[-1] for row in rows[1:]} == {*NAMES}
    kept = [row for row in rows if not (row[-2] == "3" and row[-1] == NAMES[1])]
    kept[1][-1] = ""  # a localisation of no channel
    write_rows(table, kept)
    call("train", folder / "data", "--out", folder / "run", "--points", 10, "--config", folder / "brief.toml")
    return folder


def write_rows(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def test_both_clouds_are_found_in_one_frame(made: Path) -> None:
    figures = json.loads(call("evaluate", made / "run", "--truth", made / "sites.csv", "--json"))
    assert figures["rmsd"] < 2.5 and {*figures["channels"]} == {*NAMES} and max(figures["channels"].values()) < 3
    assert figures["poses"]["share_right"] > 0.95
    metrics = json.loads((made / "run" / "metrics.json").read_text())
    assert [one["name"] for one in metrics["channels"]] == [*NAMES]
    assert sum(one["points"] for one in metrics["channels"]) == 10
    assert any("1 of" in note and "no channel" in note for note in metrics["notes"])
    with (made / "run" / "poses.csv").open() as file:
        assert [*next(csv.DictReader(file))][-3:] == ["sigma_nm", "loss", "entropy"]


def test_the_results_state_the_channel_of_each_point(made: Path) -> None:
    for name in ("cloud.ply", "cloud_mirror.ply"):
        channels = read_cloud(made / "run" / name).channels
        assert channels is not None and channels.names == NAMES and {*channels.of} == {0, 1}
    page = (made / "run" / "report.html").read_text()
    assert 'data-colour="channel"' in page and all(colour in page for colour in CHANNEL_COLOURS[:2])
    assert "dye é; 2" in page and "Nup96, &#34;A&#34;" in page
    whole = call("export", made / "run", made / "all.csv") and read_cloud(made / "all.csv")
    assert whole.channels is not None and whole.channels.names == NAMES  # type: ignore[union-attr]
    call("export", made / "run", made / "one.xyz", "--channel", NAMES[1])
    points = read_cloud(made / "run" / "cloud.ply")
    assert points.channels is not None
    assert np.allclose(read_cloud(made / "one.xyz").points, points.points[points.channels.named(NAMES[1])], atol=1e-5)
    call("export", made / "run", made / "one.mrc", "--channel", NAMES[0])
    refused = invoke("export", made / "run", made / "none.csv", "--channel", "Nup96")
    assert refused.exit_code == 1 and "dye é; 2" in refused.output


def test_a_run_that_is_stopped_goes_on_to_the_same_points(made: Path) -> None:
    config = Config(data=str(made / "data"), points=10, device="cpu")
    config = dataclasses.replace(config, spatial=dataclasses.replace(config.spatial, steps=8, batch=20))
    whole = start_run(config, made / "whole")
    assert whole.config.channels == "separate" and carry_out(whole, lambda _: None, lambda: False)
    steps: list[int] = []
    carry_out(start_run(config, made / "stopped"), lambda step: steps.append(step.step), lambda: len(steps) == 5)
    again = resume_run(made / "stopped")
    assert again.trainer.state.step == 5 and carry_out(again, lambda _: None, lambda: False)
    assert torch.equal(again.trainer.state.points, whole.trainer.state.points)


def test_structures_of_other_numbers_of_points_keep_their_channels(made: Path) -> None:
    """As the control and the images under a symmetry have them, in the order of the cloud."""
    trainer = start_run(Config(data=str(made / "data"), points=10, device="cpu"), made / "compared").trainer
    points = trainer.state.points
    trainer.state.rotations[:] = torch.eye(3)
    assert trainer.losses_of(points.repeat_interleave(6, dim=0))[0] == pytest.approx(
        trainer.losses_of(points)[0], rel=1e-4
    )
    assert trainer.losses_of(points.flip(0))[0] != pytest.approx(trainer.losses_of(points)[0], rel=1e-3)


def test_new_particles_need_the_same_channels(made: Path) -> None:
    found = json.loads(call("evaluate", made / "run", "--pictures", made / "data", "--json"))["new_pictures"]
    assert abs(np.log(found["loss"] / found["loss_training"])) < 0.5
    refused = invoke("evaluate", made / "run", "--pictures", made / "data", "--channel", NAMES[0])
    assert refused.exit_code == 1 and "channel" in refused.output and NAMES[0] in refused.output


def some_particles(folder: Path, channel: list[str], particles: int = 12, each: int = 20) -> Localisations:
    """Particles whose localisations have the channels of a list in turn."""
    rng = np.random.default_rng(0)
    xyz = rng.normal(scale=30, size=(particles * each, 3)).round(2).astype(str)
    rows = [[*place, str(k // each), channel[k % len(channel)]] for k, place in enumerate(xyz.tolist())]
    write_rows(folder / "some.csv", [["x [nm]", "y [nm]", "z [nm]", "particle", "channel"], *rows])
    found = open_dataset(folder / "some.csv")
    assert isinstance(found, Localisations)
    return found


def test_channels_may_be_numbers_and_are_in_their_order(tmp_path: Path) -> None:
    data = some_particles(tmp_path, ["10", "9", "9"])
    assert data.channels == ("9", "10") and data.channel_counts.sum(0).tolist() == [160, 80]
    assert settled(Config(), data).channels == "separate"
    assert open_dataset(tmp_path / "some.csv", channel="9").channels == ()  # type: ignore[union-attr]


def test_files_of_a_folder_may_name_their_channels_in_another_order(tmp_path: Path) -> None:
    for file, names in enumerate([("b", "a"), ("a", "b"), ("a", "a")] * 3):
        rows = [[str(k), str(k * k % 7), str(k % 3), name] for k, name in enumerate([*names] * 3)]
        write_rows(tmp_path / f"{file}.csv", [["x [nm]", "y [nm]", "z [nm]", "channel"], *rows])
    data = open_dataset(tmp_path)
    assert isinstance(data, Localisations) and data.channels == ("a", "b")
    assert data.channel_counts.tolist() == [[3, 3], [3, 3], [6, 0]] * 3


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        (["A"] * 20, "at least two channels; found one channel, A"),
        (["A"] * 39 + ["B"], "channel B has 6 localisations in 12 particles, too few"),
        ([*"ABCDEFG"], "at most 6 channels; found 7"),
        ([""] * 20, "found no column of channels"),
    ],
)
def test_channels_that_allow_no_cloud_each_are_pooled_or_refused(channel: list[str], said: str, tmp_path: Path) -> None:
    data = some_particles(tmp_path, channel)
    assert settled(Config(), data).channels == "pooled"
    with pytest.raises(HollyError, match=said):
        settled(Config(channels="separate"), data)


def test_channels_are_pooled_or_read_alone_where_that_is_asked_for(tmp_path: Path) -> None:
    data = some_particles(tmp_path, ["A", "B"])
    assert settled(Config(channels="pooled"), data).channels == "pooled"
    with pytest.raises(HollyError, match="--channel A reads one"):
        settled(Config(channel="A", channels="separate"), data)


def test_points_are_shared_as_the_labels_are(tmp_path: Path) -> None:
    data = some_particles(tmp_path, ["A", "A", "A", "B"], each=400)
    assert sizes_of(None, data, 3) == [160, 100]
    assert sizes_of(26, data, 3) == [16, 10]
    assert settled(Config(), data).points == 260
    with pytest.raises(HollyError, match="--points 9 leaves"):
        settled(Config(channels="separate", points=9), data)


def test_checkpoints_of_earlier_versions_have_one_channel(made: Path) -> None:
    config = Config(data=str(made / "data"), points=10, device="cpu", channels="pooled")
    payload = start_run(config, made / "earlier").trainer.state.payload()
    del payload["sizes"]
    assert SpatialState.from_payload(payload).sizes == [10]
    with pytest.raises(ValueError, match="sizes"):
        SpatialState.from_payload({**payload, "sizes": [4, 7]})


def test_pick_keeps_the_channels_of_a_field_and_of_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centres = np.stack(np.divmod(np.arange(36), 6), axis=1) * 600.0
    (tmp_path / "fields").mkdir()
    for field, names in enumerate([("dye é", "A"), ("A", "dye é")]):
        xyz = np.column_stack([centres, np.zeros(36)]).repeat(40, axis=0) + rng.normal(scale=25, size=(1440, 3))
        # The channel of a localisation follows from the sign of its z.
        rows = [
            [*(f"{value:.2f}" for value in place), "7", ("A", "dye é")[int(place[2] > 0)]]
            for place in sorted(xyz.tolist(), key=lambda place: (place[2] > 0) == (names[0] == "A"))
        ]
        write_rows(
            tmp_path / "fields" / f"{field}.csv",
            [["x [nm]", "y [nm]", "z [nm]", "uncertainty_z [nm]", "channel"], *rows],
        )
    for path in (tmp_path / "fields" / "0.csv", tmp_path / "fields"):
        said = call("pick", path, tmp_path / "picked.hdf5", "--diameter", 100, "--overwrite")
        assert "1 is A, 2 is dye é" in said
        data = open_dataset(tmp_path / "picked.hdf5")
        assert isinstance(data, Localisations) and data.channels == ("1", "2") and data.channel is not None
        z = data.xyz[:, 2] + data.centres[:, 2].float().repeat_interleave(data.counts)
        sure = z.abs() > 0.1  # positions are rounded in the files
        assert torch.equal(data.channel[sure] == 1, z[sure] > 0)
        assert data.precision_z_nm == pytest.approx(7)


def test_pictures_show_each_channel_in_its_colour() -> None:
    points = np.concatenate([OUTER, INNER])
    scene = scene_of(points, channels=PointChannels.of_sizes(SIZES, NAMES))
    assert [len(cloud.points) for cloud in scene.clouds] == [*SIZES]
    assert [*scene.legend] == [*zip(NAMES, CHANNEL_COLOURS[:2], strict=True)]
    assert scene.clouds[0].colours != scene.clouds[1].colours
    # Beside the truth, or with the spread of repeats, colours show something else.
    assert not scene_of(points, points, channels=PointChannels.of_sizes(SIZES, NAMES)).legend


def test_the_picture_of_a_study_shows_each_channel_in_its_colour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, points = Config(data="data.csv", half_sets=True), np.concatenate([OUTER, INNER])
    channels = PointChannels.of_sizes(SIZES, NAMES)
    for half in study.members(config, tmp_path):
        half.folder.mkdir()
        write_cloud(half.folder / "cloud.ply", points, channels)
        write_metrics(half.folder, Metrics(finished=True, sigma_nm=2.0, dimensions=3))
    write_config(tmp_path / "config.toml", config)
    drawn = []
    monkeypatch.setattr(study, "draw_cloud", lambda path, points, channels: drawn.append(channels))
    study.conclude_study(config, tmp_path)
    (found,) = drawn
    assert found.names == NAMES and [int(found.named(name).sum()) for name in NAMES] == [*SIZES]


def test_structures_in_one_data_set_are_of_one_channel_as_the_help_says(tmp_path: Path) -> None:
    write_cloud(tmp_path / "two.csv", np.concatenate([OUTER, INNER]), PointChannels.of_sizes(SIZES, NAMES))
    refused = invoke("simulate", tmp_path / "two.csv", tmp_path / "data", "--also", tmp_path / "two.csv", 0.5)
    assert refused.exit_code == 1 and "one channel" in refused.output and not (tmp_path / "data").exists()
    assert "of one channel" in " ".join(call("simulate", "--help").split())
