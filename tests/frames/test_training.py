"""Training: it learns, it resumes byte for byte, and its models localise movies the same however they are cut."""

import dataclasses
import signal
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.config import write_config
from holly_triton.core.errors import HollyError
from holly_triton.core.training import Step
from holly_triton.frames.camera import camera_preset
from holly_triton.frames.config.network import Network, Preset
from holly_triton.frames.config.simulation import FrameSettings
from holly_triton.frames.config.training import LOSSES, OPTIMISERS, Optimiser, Training, Validation
from holly_triton.frames.detections import Detections
from holly_triton.frames.localise import Model, localise_block, localise_frames, read_model, write_model
from holly_triton.frames.localise.scales import SigmaScales
from holly_triton.frames.train import Run, carry_out, command, folder_of, recalibrate, resume_run, start_run
from holly_triton.io.movies.movie import Movie

BRIEF = Training(
    sampling="random",
    steps=40,
    batch=4,
    device="cpu",
    network=Network(width=4),
    optimiser=Optimiser(warm_up_steps=5),
    frames=FrameSettings(density_most=1.0),
    validation=Validation(times=2, frames=8, side_px=32, final_frames=20, sparse_frames=20),
)


def never() -> bool:
    return False


def losses_of(model: Path, settings: Training, stop_after: int | None = None) -> list[float]:
    """The loss of every step of a training, which may be stopped."""
    run = start_run(model, settings)
    losses: list[float] = []

    def callback(step: Step) -> None:
        losses.append(float(step.figures["loss"]))

    carry_out(run, callback, lambda: len(losses) == stop_after)
    return losses


def weights(model: Path) -> dict[str, torch.Tensor]:
    return read_model(model).localiser.network.state_dict()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """A model of a training without interruption, and its losses."""
    model = tmp_path_factory.mktemp("whole") / "net.pt"
    return model, losses_of(model, BRIEF)


def test_the_loss_falls(whole: tuple[Path, list[float]]) -> None:
    losses = whole[1]
    assert np.mean(losses[-8:]) < 0.7 * np.mean(losses[:8])


def test_a_stopped_training_goes_on_byte_for_byte(whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    model = tmp_path / "net.pt"
    first = losses_of(model, BRIEF, stop_after=13)
    assert len(first) == 13 and read_model(model).figures["steps"] == 13
    run = resume_run(model)
    carry_out(run, lambda step: first.append(float(step.figures["loss"])), never)
    assert first == whole[1]
    assert all(torch.equal(value, weights(model)[name]) for name, value in weights(whole[0]).items())
    assert read_model(model).threshold == read_model(whole[0]).threshold


def test_another_seed_is_another_training(whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    assert losses_of(tmp_path / "net.pt", dataclasses.replace(BRIEF, seed=1, steps=2))[0] != whole[1][0]


@pytest.mark.parametrize(
    ("preset", "frames"), [("own", 3), ("decode-like", 3), ("luenn-like", 1)], ids=lambda value: str(value)
)
def test_every_preset_trains_resumes_and_localises(preset: Preset, frames: int, tmp_path: Path) -> None:
    network = Network(preset=preset, width=2 if preset == "luenn-like" else 4, frames_at_once=frames, cells=2)
    optimiser = dataclasses.replace(OPTIMISERS[preset], warm_up_steps=2, rate=5e-3)
    small = Validation(times=1, frames=8, side_px=16, final_frames=8, sparse_frames=8)
    training = dataclasses.replace(BRIEF, network=network, loss=LOSSES[preset], optimiser=optimiser)
    settings = dataclasses.replace(training, steps=12, validation=small)
    model, again, movie, out = (tmp_path / name for name in ("net.pt", "again.pt", "movie.npy", "found.hdf5"))
    losses = losses_of(model, settings)
    assert np.isfinite(losses).all() and np.mean(losses[-4:]) < np.mean(losses[:4])
    first = losses_of(again, settings, stop_after=5)
    carry_out(resume_run(again), lambda step: first.append(float(step.figures["loss"])), never)
    assert first == losses
    assert all(torch.equal(value, weights(again)[name]) for name, value in weights(model).items())
    photons = torch.poisson(torch.full((5, 21, 26), 30.0), generator=torch.Generator().manual_seed(0))
    np.save(movie, photons.numpy().astype(np.uint16))
    given = ("--model", model, "--camera", "photons", "--threshold", 0.1)
    assert invoke("localise", movie, out, *given)[0] == 0
    table = localise_frames(read_model(model), photons, lowest=0.1)
    assert set(table["frame"]) <= {*range(1, 6)}
    with h5py.File(out) as file:
        assert len(file["locs"]) == len(table)


@pytest.mark.parametrize("frames_at_once", [1, 3])
def test_a_movie_in_blocks_is_localised_as_a_whole(frames_at_once: int, tmp_path: Path, seed: int) -> None:
    settings = dataclasses.replace(BRIEF, steps=1, network=Network(width=4, frames_at_once=frames_at_once))
    losses_of(tmp_path / "net.pt", settings)
    model = read_model(tmp_path / "net.pt")
    adu = torch.poisson(torch.full((7, 30, 22), 30.0), generator=torch.Generator().manual_seed(seed)).numpy()
    together = localise_frames(model, torch.from_numpy(adu), lowest=0.0)
    movie = Movie(tmp_path, "test", adu.shape, np.dtype(np.float32), lambda first, stop: adu[first:stop])
    apart = [
        localise_block(model, first, part, lowest=0.0) for first, part in movie.blocks(3, around=frames_at_once // 2)
    ]
    assert len(together) == 0 or together["frame"].min() >= 1
    assert len(apart) == 3
    joined = np.concatenate(apart)
    np.testing.assert_array_equal(joined["frame"], together["frame"])
    for name in joined.dtype.names:  # convolutions of other batches sum in another order
        np.testing.assert_allclose(joined[name], together[name], rtol=1e-3, atol=1e-2)


def test_models_come_back_as_they_were(whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    model = read_model(whole[0])
    camera = camera_preset("challenge")
    numbers = torch.arange(20.0)
    scales = SigmaScales(
        numbers[:3], numbers[:12].view(3, 4), numbers[:2], numbers[:4].view(2, 2), numbers[:16].view(2, 2, 4)
    )
    write_model(tmp_path / "again.pt", dataclasses.replace(model, camera=camera, scales=scales))
    again = read_model(tmp_path / "again.pt")
    assert (again.psf, again.camera, again.threshold, again.training) == (
        model.psf,
        camera,
        model.threshold,
        model.training,
    )
    np.testing.assert_equal(again.figures, model.figures)  # NaN where nothing was found
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(again.scales, scales, strict=True))


@pytest.mark.parametrize("harm", ["cut", "changed", "text", "absent"])
def test_a_damaged_model_is_named_in_one_line(harm: str, whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    path, content = tmp_path / "net.pt", bytearray(whole[0].read_bytes())
    if harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "changed":
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    elif harm == "text":
        path.write_text("x,y,z\n")
    with pytest.raises(HollyError, match="net.pt"):
        read_model(path)


def test_factors_of_an_older_file_hold_for_any_photons(whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    saved = torch.load(whole[0], weights_only=True)
    photons = {"log_photons": torch.zeros(1), "factors": torch.full((1, 4), 3.0)}
    crowds = {"log_crowding": torch.tensor([0.0, 1.0]), "crowd_factors": torch.tensor([[1.0], [2.0]]).expand(2, 4)}
    torch.save({**saved, "scales": {**photons, **crowds}}, tmp_path / "old.pt")
    one, crowding = torch.ones(3), torch.tensor([0.0, 0.5, 1.0]).exp()
    found = Detections(one.long(), torch.zeros(3, 3), 900 * one, one, one, torch.ones(3, 4), crowding)
    sigma = read_model(tmp_path / "old.pt").scales.applied(found).sigma[:, 0]
    torch.testing.assert_close(sigma, torch.tensor([3.0, 4.5, 6.0]))


def test_a_model_is_recalibrated_without_training(whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    """Also one of an older version, whose scales know no crowds; the result is what the training's end chose."""
    saved = torch.load(whole[0], weights_only=True)
    saved["scales"] = {"log_photons": torch.zeros(1), "factors": torch.full((1, 4), 3.0)}
    torch.save({**saved, "threshold": 0.85, "seen": {"noise": [0.9, 1.1]}}, tmp_path / "old.pt")
    assert read_model(tmp_path / "old.pt").scales.crowd_factors.tolist() == [[[1.0] * 4]]
    again, trained = recalibrate(tmp_path / "old.pt", tmp_path / "new.pt", "cpu"), read_model(whole[0])
    assert again.threshold == trained.threshold
    np.testing.assert_equal(again.figures, trained.figures)
    for mine, theirs in zip(read_model(tmp_path / "new.pt").scales, trained.scales, strict=True):
        assert torch.equal(mine, theirs)


def settings_file(folder: Path, **changes: object) -> Path:
    write_config(folder / "brief.toml", dataclasses.replace(BRIEF, **changes))  # type: ignore[arg-type]
    return folder / "brief.toml"


def invoke(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["frames", *(str(argument) for argument in arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_commands_train_and_localise(tmp_path: Path, seed: int) -> None:
    model, movie, out = tmp_path / "net.pt", tmp_path / "movie.npy", tmp_path / "found.csv"
    code, said, _ = invoke("train", model, "--config", settings_file(tmp_path), "--steps", 3, "--width", 4)
    assert code == 0 and "3 steps" in said
    assert (folder_of(model) / "config.toml").is_file()
    assert invoke("train", model, "--steps", 3)[0] == 1  # exists
    assert invoke("train", model, "--resume")[0] == 0  # is finished
    np.save(
        movie,
        torch.poisson(torch.full((5, 20, 24), 30.0), generator=torch.Generator().manual_seed(seed))
        .numpy()
        .astype(np.uint16),
    )
    code, _, told = invoke("localise", movie, out, "--model", model)
    assert code == 1 and "--camera" in told and not out.exists()
    code, said, _ = invoke("localise", movie, out, "--model", model, "--camera", "photons", "--threshold", 0.1)
    assert code == 0 and out.is_file() and "5 frames" in said
    preview = tmp_path / "found-preview.png"
    assert preview.read_bytes()[:4] == b"\x89PNG"
    again = ("localise", movie, out, "--model", model, "--camera", "photons")
    assert invoke(*again)[0] == 1  # exists
    out.unlink()
    code, _, told = invoke(*again)
    assert code == 1 and str(preview) in told and not out.exists()
    code, said, told = invoke(*again, "--camera", "scmos,offset_adu=200", "--overwrite")
    assert code == 0 and "below the offset" in told
    code, _, told = invoke(
        "localise", movie, tmp_path / "o.csv", "--model", model, "--camera", "photons", "--pixel-size", 160
    )
    assert code == 1 and "100 nm" in told


def test_a_signal_stops_a_training_that_resume_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def signalled(run: Run, callback: Callable[[Step], None], should_stop: Callable[[], bool]) -> Model:
        def at_the_third(step: Step) -> None:
            callback(step)
            if step.step == 3:
                signal.raise_signal(signal.SIGTERM)

        return carry_out(run, at_the_third, should_stop)

    model = tmp_path / "net.pt"
    with monkeypatch.context() as patched:
        patched.setattr(command, "carry_out", signalled)
        code, said, _ = invoke("train", model, "--config", settings_file(tmp_path, steps=6))
    assert code == 3 and "--resume" in said
    assert read_model(model).figures["steps"] == 3
    assert invoke("train", model, "--resume")[0] == 0
    assert read_model(model).figures["steps"] == 6


def test_a_training_whose_settings_were_changed_is_not_resumed(tmp_path: Path) -> None:
    losses_of(tmp_path / "net.pt", dataclasses.replace(BRIEF, steps=2))
    write_config(folder_of(tmp_path / "net.pt") / "config.toml", dataclasses.replace(BRIEF, steps=3, seed=5))
    with pytest.raises(HollyError, match="seed"):
        resume_run(tmp_path / "net.pt")
    with pytest.raises(HollyError, match="no training"):
        resume_run(tmp_path / "other.pt")
    other = "cpu" if BRIEF.device == "auto" else "auto"  # a training may go on elsewhere
    write_config(folder_of(tmp_path / "net.pt") / "config.toml", dataclasses.replace(BRIEF, steps=2, device=other))
    assert resume_run(tmp_path / "net.pt").trainer.settings.device == other


def test_a_training_has_one_length() -> None:
    with pytest.raises(HollyError, match="one of the two"):
        Training()
    with pytest.raises(HollyError, match="one of the two"):
        Training(steps=3, minutes=1.0)
