"""Training on small tomograms of two kinds of blobs: it learns, it resumes byte for byte, and its models pick."""

import dataclasses
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from scipy import ndimage

from holly_triton.cli import main
from holly_triton.core.config import write_config
from holly_triton.core.errors import HollyError
from holly_triton.core.training import Step
from holly_triton.io.particle_lists.particle_list import ParticleList, joined
from holly_triton.io.particle_lists.reading import read_particles
from holly_triton.io.particle_lists.writing import write_particles
from holly_triton.io.volumes.reading import read_volume
from holly_triton.io.volumes.writing import write_volume
from holly_triton.tomography.config.network import Network
from holly_triton.tomography.config.simulation import SimulationSettings, TomogramSettings
from holly_triton.tomography.config.training import LabelNoise, Optimiser, Patching, Renewal, Training
from holly_triton.tomography.score.evaluate import evaluate
from holly_triton.tomography.segment.model import read_model
from holly_triton.tomography.segment.picking import pick
from holly_triton.tomography.train import carry_out, resume_run, start_run
from holly_triton.tomography.train import command as train_command
from holly_triton.tomography.train.radii import Counted, radii_of
from holly_triton.tomography.train.scenes import Scene
from holly_triton.tomography.train.simulated import Simulated
from holly_triton.tomography.train.sources import Fixed, Kinds

VOXEL = 10.0
KINDS = Kinds(("ball", "dumbbell"), (30.0, 30.0), VOXEL)


def blobs(seed: int, shape: tuple[int, int, int] = (32, 48, 48), noise: float = 0.2) -> tuple[np.ndarray, ParticleList]:
    """A tomogram with dark balls, and dumbbells of two smaller ones along x, at least 12 voxels apart."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    centres: list[np.ndarray] = []
    while len(centres) < 8:
        place = random.uniform(4, np.array(shape) - 5)
        if all(np.linalg.norm(place - other) > 12 for other in centres):
            centres.append(place)
    density = np.zeros(shape)
    for number, place in enumerate(centres):
        lobes = [(0.0, 2.2)] if number % 2 else [(-2.5, 1.6), (2.5, 1.6)]
        for shift, sigma in lobes:
            square = ((grid - place - (0, 0, shift)) ** 2).sum(-1)
            density += np.exp(-square / (2 * sigma**2))
    values = (100 - density + noise * random.standard_normal(shape)).astype(np.float32)
    labels = ["ball" if number % 2 else "dumbbell" for number in range(len(centres))]
    rotations = np.broadcast_to(np.eye(3), (len(centres), 3, 3))
    positions = np.array(centres)[:, ::-1] * VOXEL
    return values, ParticleList.of(labels, positions, rotations=rotations, tomogram=f"tomogram_{seed}")


def scene(seed: int, shape: tuple[int, int, int] = (32, 48, 48)) -> Scene:
    """The same as training takes it."""
    values, truth = blobs(seed, shape)
    return Scene.of(f"tomogram_{seed}", values, VOXEL, truth, KINDS.classes, "dark")


def source(seed: int = 0) -> Fixed:
    """Two tomograms for training and one for validation."""
    return Fixed(KINDS, [scene(seed), scene(seed + 1)], [scene(seed + 2)])


BRIEF = Training(
    data="memory",
    steps=100,
    batch=4,
    device="cpu",
    validations=2,
    network=Network(width=8),
    patches=Patching(side=24),
    optimiser=Optimiser(rate=6e-3, warm_up_steps=10, average=0.9),
)
FEW = dataclasses.replace(BRIEF, steps=6)


def never() -> bool:
    return False


def losses_of(model: Path, settings: Training, stop_after: int | None = None) -> list[float]:
    """The loss of every step of a training, which may be stopped."""
    run = start_run(model, settings, source=source())
    losses: list[float] = []

    def callback(step: Step) -> None:
        losses.append(float(step.figures["loss"]))

    carry_out(run, callback, lambda: len(losses) == stop_after)
    return losses


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows the blobs."""
    model = tmp_path_factory.mktemp("trained") / "net.pt"
    losses = losses_of(model, BRIEF)
    assert np.mean(losses[-20:]) < 0.6 * np.mean(losses[:20])
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tomograms with truth and label volumes, as tomo simulate writes them."""
    place = tmp_path_factory.mktemp("data")
    lists = []
    for number in range(3):
        values, truth = blobs(number)
        write_volume(place / f"tomogram_{number}.mrc", values, VOXEL)
        grid = np.stack(np.meshgrid(*map(np.arange, values.shape), indexing="ij"), axis=-1)
        labels = np.zeros(values.shape, np.int16)
        for name, position in zip(truth.labels, truth.positions, strict=True):
            inside = ((grid - position[::-1] / VOXEL) ** 2).sum(-1) <= 3.0**2
            labels[inside] = 1 + KINDS.classes.index(name)
        write_volume(place / f"labels_{number}.mrc", labels, VOXEL)
        lists.append(truth)
    write_particles(place / "truth.csv", joined(lists))
    return place


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)], catch_exceptions=False)


def test_a_model_picks_what_it_learnt(trained: Path) -> None:
    model = read_model(trained)
    values, truth = blobs(7)
    found = pick(model, values, scene(7).normalisation, "tomogram_7")
    score = evaluate(found, truth)
    assert score.macro["f1"] > 0.8
    assert np.median(score.overall.distance) < 0.5 * VOXEL
    averaged = pick(model, values, scene(7).normalisation, "tomogram_7", averaged=True)
    assert evaluate(averaged, truth).macro["f1"] > 0.8


def test_a_stopped_training_goes_on_byte_for_byte(tmp_path: Path) -> None:
    whole = losses_of(tmp_path / "whole.pt", FEW)
    model = tmp_path / "net.pt"
    first = losses_of(model, FEW, stop_after=3)
    assert len(first) == 3 and read_model(model).figures["steps"] == 3
    carry_out(resume_run(model, source=source()), lambda step: first.append(float(step.figures["loss"])), never)
    assert first == whole
    mine, theirs = (read_model(path).network.state_dict() for path in (model, tmp_path / "whole.pt"))
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
    other = losses_of(tmp_path / "other.pt", dataclasses.replace(FEW, seed=1, steps=1))
    assert other[0] != whole[0]


def test_a_model_comes_back_as_it_was(trained: Path) -> None:
    model = read_model(trained)
    assert (model.classes, model.radii, model.voxel) == (KINDS.classes, KINDS.radii, VOXEL)
    assert model.training == BRIEF and model.contrast == "dark" and model.figures["f1_ball"] > 0.5
    assert all(0 < threshold < 1 for threshold in model.thresholds)


@pytest.mark.parametrize("harm", ["cut", "changed", "text", "absent"])
def test_a_damaged_model_is_named_in_one_line(harm: str, trained: Path, tmp_path: Path) -> None:
    path, content = tmp_path / "net.pt", bytearray(trained.read_bytes())
    if harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "changed":
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    elif harm == "text":
        path.write_text("x,y,z\n")
    with pytest.raises(HollyError, match="net.pt"):
        read_model(path)


@pytest.mark.parametrize(("network", "targets"), [("own", "spheres"), ("own", "shapes"), ("deepfinder", "heat")])
def test_every_network_and_target_trains_from_a_folder(network: str, targets: str, folder: Path, tmp_path: Path) -> None:  # fmt: skip
    config = tmp_path / "config.toml"
    write_config(config, FEW)
    model = tmp_path / "net.pt"
    result = run("tomo", "train", folder, model, "--config", config, "--network", network, "--width", 4, "--targets", targets, "--steps", 3)  # fmt: skip
    assert result.exit_code == 0 and "3 steps" in result.output
    made = read_model(model)
    assert made.classes == ("ball", "dumbbell") and made.targets == targets
    np.testing.assert_allclose(made.radii, 30.0, rtol=0.05)  # as the label volumes have them
    again = run("tomo", "train", folder, model, "--steps", 3)
    assert again.exit_code == 1 and "--overwrite" in again.output


def test_the_radius_of_a_hollow_particle_is_measured_too() -> None:
    grid = np.stack(np.meshgrid(*(np.arange(40),) * 3, indexing="ij"), axis=-1)
    labels = np.zeros((40, 40, 40), np.uint8)
    distance = [np.linalg.norm(grid - place, axis=-1) for place in ((10, 10, 10), (28, 28, 28))]
    labels[(distance[0] < 6) & (distance[0] > 3)] = 4
    labels[distance[1] < 5] = 2
    truth = ParticleList.of(["shell", "ball"], [[100.0, 100.0, 100.0], [280.0, 280.0, 280.0]])
    radii = radii_of([Counted(truth, labels)], 10.0)
    assert radii == pytest.approx({"ball": 50, "shell": (6**3 - 3**3) ** (1 / 3) * 10}, rel=0.03)


def test_radii_may_be_given(folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "net.pt"
    common = ("tomo", "train", folder, model, "--steps", 1, "--width", 4, "--patch", 16, "--batch", 1)
    assert run(*common, "--radii", "ball=42").exit_code == 0
    assert (read_model(model).classes, read_model(model).radii) == (("ball",), (42.0,))
    for wrong in ("ball=-1", "cube=3", "ball=x"):
        result = run(*common, "--radii", wrong, "--overwrite")
        assert result.exit_code == 1 and "--radii" in result.output


def test_a_signal_stops_and_resume_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "net.pt"
    real: Callable[..., object] = train_command.carry_out

    def interrupted(run: object, callback: Callable[[Step], None], should_stop: Callable[[], bool]) -> object:
        def after(step: Step) -> None:
            callback(step)
            if step.step == 2:
                signal.raise_signal(signal.SIGINT)

        return real(run, after, should_stop)

    monkeypatch.setattr(train_command, "carry_out", interrupted)
    common = ("--width", 4, "--patch", 16, "--batch", 1)
    stopped = run("tomo", "train", folder, model, "--steps", 4, *common)
    assert stopped.exit_code == 3 and "--resume" in stopped.output
    resumed = run("tomo", "train", "--resume", model)
    assert resumed.exit_code == 0 and "4 steps" in resumed.output
    assert resumed.output.splitlines()[-1].endswith(f"--model {model}") and "Next: " not in stopped.output
    assert run("tomo", "train", "--resume", model, "--steps", 5).exit_code == 2
    assert run("tomo", "train", "--resume", tmp_path / "none.pt").exit_code == 1


def test_pick_writes_positions_and_a_score_map(trained: Path, tmp_path: Path) -> None:
    values, truth = blobs(7)
    write_volume(tmp_path / "tomogram_7.mrc", values, VOXEL)
    out, scores = tmp_path / "picks.csv", tmp_path / "scores.mrc"
    result = run("tomo", "pick", tmp_path / "tomogram_7.mrc", out, "--model", trained, "--scores", scores)
    assert result.exit_code == 0 and "ball" in result.output and "inverted" not in result.output
    assert evaluate(read_particles(out), truth).macro["f1"] > 0.8
    shares = np.asarray(read_volume(scores).values)
    assert shares.shape == values.shape and 0 <= shares.min() and shares.max() <= 1
    places = np.rint(truth.positions[:, ::-1] / VOXEL).astype(int)
    assert shares[tuple(places.T)].mean() > 5 * shares.mean()
    assert run("tomo", "pick", tmp_path / "tomogram_7.mrc", out, "--model", trained).exit_code == 1


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    for out, scores, words in (
        ("out.txt", "s.mrc", "out.txt: is not a list"), ("nowhere/out.csv", "s.mrc", "no folder"), ("out.csv", "s.png", "s.png: is not a volume"),
    ):  # fmt: skip
        picked = run("tomo", "pick", "absent.mrc", tmp_path / out, "--model", "default", "--scores", tmp_path / scores)
        assert picked.exit_code == 1 and words in picked.output, picked.output


def test_mean_shift_is_the_paper_s_way(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    values, truth = blobs(7)
    write_volume(tmp_path / "tomogram_7.mrc", values, VOXEL)
    out = tmp_path / "picks.star"
    result = run("tomo", "pick", tmp_path / "tomogram_7.mrc", out, "--model", trained, "--cluster", "mean-shift")
    assert result.exit_code == 0
    found = read_particles(out, voxel_size=VOXEL, shape=values.shape)
    assert evaluate(found, truth).macro["recall"] > 0.6


def test_a_voxel_size_nearby_is_resampled_and_another_is_refused(trained: Path, tmp_path: Path) -> None:
    values, truth = blobs(7)
    write_volume(tmp_path / "large.mrc", values, 2 * VOXEL)
    refused = run("tomo", "pick", tmp_path / "large.mrc", tmp_path / "a.csv", "--model", trained)
    assert refused.exit_code == 1 and "20 Å" in refused.output and "10 Å" in refused.output
    fine = ndimage.affine_transform(values, np.full(3, 0.8), output_shape=(39, 59, 59))
    write_volume(tmp_path / "fine.mrc", fine, 0.8 * VOXEL)
    resampled = run("tomo", "pick", tmp_path / "fine.mrc", tmp_path / "fine.csv", "--model", trained)
    assert resampled.exit_code == 0 and "resampled" in resampled.output
    found = read_particles(tmp_path / "fine.csv")
    score = evaluate(found, dataclasses.replace(truth, tomograms=np.full(len(truth), "fine")))
    assert score.blind.recall > 0.7 and np.abs(score.offset).max() < 0.25 * VOXEL


def test_another_contrast_is_doubted(trained: Path, tmp_path: Path) -> None:
    values, _ = blobs(7)
    write_volume(tmp_path / "bright.mrc", -values, VOXEL)
    doubted = run("tomo", "pick", tmp_path / "bright.mrc", tmp_path / "b.csv", "--model", trained)
    assert doubted.exit_code == 0 and "--contrast bright" in doubted.output
    stated = run("tomo", "pick", tmp_path / "bright.mrc", tmp_path / "c.csv", "--model", trained, "--contrast", "bright")  # fmt: skip
    assert "inverted" not in stated.output and len(read_particles(tmp_path / "c.csv")) >= 6


def test_a_tomogram_thinner_than_a_patch_is_picked(trained: Path, tmp_path: Path) -> None:
    values, truth = blobs(7)
    write_volume(tmp_path / "thin.mrc", values[8:17], VOXEL)
    result = run("tomo", "pick", tmp_path / "thin.mrc", tmp_path / "thin.csv", "--model", trained)
    assert result.exit_code == 0


def test_a_folder_that_lacks_something_says_what(folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "net.pt"
    for break_it, words in (
        ("truth", "particle list"), ("tomograms", "tomogram (.mrc"), ("labels", "--radii"), ("single", "--validation"), ("names", "column tomogram"),
    ):  # fmt: skip
        place = tmp_path / break_it
        place.mkdir()
        truth = read_particles(folder / "truth.csv")
        for number in range(1 if break_it == "single" else 3):
            if break_it != "tomograms":
                (place / f"tomogram_{number}.mrc").write_bytes((folder / f"tomogram_{number}.mrc").read_bytes())
            if break_it != "labels":
                (place / f"labels_{number}.mrc").write_bytes((folder / f"labels_{number}.mrc").read_bytes())
        if break_it == "names":
            truth = dataclasses.replace(truth, tomograms=np.full(len(truth), "other"))
        if break_it == "single":
            truth = truth.take(truth.tomograms == "tomogram_0")
        if break_it != "truth":
            write_particles(place / "truth.csv", truth)
        result = run("tomo", "train", place, model, "--steps", 1)
        assert result.exit_code == 1 and words in result.output, result.output
    result = run("tomo", "train", folder / "tomogram_0.mrc", model, "--steps", 1)
    assert result.exit_code == 1 and "tomogram_0.mrc: is a file" in result.output, result.output
    assert not model.exists() and not (tmp_path / "net-training").exists()


SIMULATION = TomogramSettings(
    structures="sphere:3,disc:3", size_x=36, size_y=40, size_z=28, voxel_size=20.0, membranes=0, path="whole", snr=1.0
)


def test_simulated_tomograms_are_renewed_and_repeatable() -> None:
    renewal = Renewal(first=2, steps=3, kept=2, validation=1, snr_least=0.1, snr_most=10.0)
    sources = [Simulated.of(SIMULATION, renewal, LabelNoise(), "dark", 5) for _ in range(2)]
    early, late = sources[0].scenes(2), sources[0].scenes(3)
    assert [each.name for each in early] == ["simulated 0", "simulated 1"]
    assert [each.name for each in late] == ["simulated 1", "simulated 2"]
    np.testing.assert_array_equal(sources[1].scenes(3)[1].values, late[1].values)
    assert not np.array_equal(late[0].values, late[1].values)
    assert sources[0].kinds.classes == ("sphere", "disc")
    np.testing.assert_allclose(sources[0].kinds.radii, (75, 78), rtol=0.12)  # of the ball; of the disc's volume
    other = Simulated.of(SIMULATION, renewal, LabelNoise(), "dark", 6)
    assert not np.array_equal(other.validation[0].values, sources[0].validation[0].values)


def test_a_training_on_a_simulation_resumes_byte_for_byte(tmp_path: Path) -> None:
    settings = tmp_path / "simulation.toml"
    write_config(settings, SimulationSettings(tomogram=SIMULATION))
    brief = dataclasses.replace(FEW, data=str(settings), steps=4, renewal=Renewal(first=1, steps=2, validation=1))
    losses: list[list[float]] = [[], []]

    def note(into: list[float]) -> Callable[[Step], None]:
        return lambda step: into.append(float(step.figures["loss"]))

    carry_out(start_run(tmp_path / "whole.pt", brief), note(losses[0]), never)
    stopped = start_run(tmp_path / "net.pt", brief)
    carry_out(stopped, note(losses[1]), lambda: len(losses[1]) == 3)
    carry_out(resume_run(tmp_path / "net.pt"), note(losses[1]), never)
    assert losses[0] == losses[1] and len(losses[0]) == 4
    refused = run("tomo", "train", settings, tmp_path / "a.pt", "--validation", tmp_path, "--steps", 1)
    assert refused.exit_code == 1 and "--validation" in refused.output
