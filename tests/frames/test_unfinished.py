"""``frames fit`` and ``frames localise`` are stopped, or die, and go on to the very table that one run would have written."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from holly_triton.cli import main
from holly_triton.frames import unfinished
from holly_triton.frames.camera import camera_preset
from holly_triton.frames.config.network import Network
from holly_triton.frames.config.training import Training
from holly_triton.frames.localise import Model, write_model
from holly_triton.frames.localise.localiser import Localiser
from holly_triton.frames.localise.scales import SigmaScales
from holly_triton.frames.network.outputs import Scales
from holly_triton.frames.psf import default_psf
from holly_triton.frames.unfinished import Block, folder_of
from holly_triton.io.movies.movie import Movie

FRAMES, BLOCK = 30, 7


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["frames", *map(str, arguments)])


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unfinished") / "movie"
    made = run("simulate", folder, "--frames", FRAMES, "--density", 0.1, "--size", "40x32")
    assert made.exit_code == 0, made.output
    return folder


def random_model(path: Path, frames_at_once: int) -> Path:
    """A network whose weights are so large that it finds something everywhere."""
    psf, settings = default_psf(), Network(width=4, frames_at_once=frames_at_once)
    localiser = Localiser(settings, Scales.of(psf.pixel_nm, psf.z_range_nm))
    random = torch.Generator().manual_seed(1)
    for weights in localiser.network.parameters():
        weights.data += 0.3 * torch.randn(weights.shape, generator=random)
    training = Training(steps=1, network=settings)
    write_model(path, Model(localiser, psf, camera_preset("photons"), 0.5, SigmaScales.none(), training, {}))
    return path


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = BLOCK * 40 * 32
    monkeypatch.setattr("holly_triton.frames.fit.command.FIT_PIXELS", pixels)
    monkeypatch.setattr("holly_triton.frames.localise.command.STEP_PIXELS", {"cpu": pixels})


def at_block(number: int, happens: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let something happen while a block is localised, counted from 1; the first frames of the blocks that were."""
    worked: list[int] = []

    def localised(movie: Movie, out: Path, job: Any, work: Callable[..., Block], *others: Any, **named: Any) -> Any:
        def watched(first: int, adu: Any) -> Block:
            worked.append(first)
            if len(worked) == number:
                happens()
            return work(first, adu)

        return unfinished.localised(movie, out, job, watched, *others, **named)

    for name in ("fit", "localise"):
        monkeypatch.setattr(f"holly_triton.frames.{name}.command.localised", localised)
    return worked


def content(path: Path) -> Any:
    if path.suffix == ".csv":
        return path.read_bytes()
    with h5py.File(path) as file:
        return file["locs"][:].tobytes(), path.with_suffix(".yaml").read_bytes()


@pytest.mark.parametrize(
    ("name", "frames", "suffix"), [("fit", 1, ".hdf5"), ("localise", 1, ".csv"), ("localise", 3, ".csv")]
)
def test_what_was_stopped_goes_on_to_the_same_table(
    name: str, frames: int, suffix: str, movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_fit = ("--psf", movie / "psf.h5")
    given = by_fit if name == "fit" else ("--model", random_model(tmp_path / "net.pt", frames))
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"part{suffix}"
    assert run(name, movie / "frames.tif", whole, *given).exit_code == 0
    assert not folder_of(whole).exists()
    with monkeypatch.context() as patched:
        worked = at_block(2, lambda: signal.raise_signal(signal.SIGINT), patched)
        stopped = run(name, movie / "frames.tif", out, *given)
    assert stopped.exit_code == 3, stopped.output
    assert worked == [0, BLOCK]
    assert f"the first {2 * BLOCK} of {FRAMES} frames" in stopped.stdout
    assert f"frames {name}" in stopped.stdout
    assert "--resume" in stopped.stdout
    assert out.is_file()  # the table so far can be used
    with monkeypatch.context() as patched:
        worked = at_block(0, lambda: None, patched)
        done = run(name, movie / "frames.tif", out, "--resume")
    assert done.exit_code == 0, done.output
    assert worked == [2 * BLOCK, 3 * BLOCK, 4 * BLOCK]
    assert content(out) == content(whole)
    previews = [path.with_name(f"{path.stem}-preview.png").read_bytes() for path in (out, whole)]
    assert previews[0] == previews[1]
    assert not folder_of(out).exists()


def test_what_died_goes_on_after_its_last_whole_block(
    movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--psf", movie / "psf.h5")
    whole, out = tmp_path / "whole.csv", tmp_path / "part.csv"
    run("fit", movie / "frames.tif", whole, *given)

    def die() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        at_block(4, die, patched)
        assert run("fit", movie / "frames.tif", out, *given).exit_code != 0
    assert not out.exists()
    blocks = folder_of(out) / unfinished.BLOCKS
    blocks.write_bytes(blocks.read_bytes()[:-30])  # it died while the third one was written
    worked = at_block(0, lambda: None, monkeypatch)
    assert run("fit", movie / "frames.tif", out, "--resume").exit_code == 0
    assert worked == [2 * BLOCK, 3 * BLOCK, 4 * BLOCK]
    assert out.read_bytes() == whole.read_bytes()


def test_what_can_not_go_on_is_refused(movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, out, psf = movie / "frames.tif", tmp_path / "out.csv", tmp_path / "psf.h5"
    psf.write_bytes((movie / "psf.h5").read_bytes())
    nothing = run("fit", frames, out, "--resume")
    assert nothing.exit_code == 1 and "nothing to resume" in nothing.stderr
    assert run("fit", frames, out, "--resume", "--psf", psf).exit_code == 2
    assert run("localise", frames, out, "--resume", "--no-polish").exit_code == 2
    with monkeypatch.context() as patched:
        at_block(1, lambda: signal.raise_signal(signal.SIGTERM), patched)
        assert run("fit", frames, out, "--psf", psf).exit_code == 3
    again = run("fit", frames, tmp_path / "out.hdf5", "--psf", psf)  # would have the same folder
    assert again.exit_code == 1 and "--resume" in again.stderr
    other = tmp_path / "other.npy"
    np.save(other, np.zeros((3, 32, 32), np.uint16))
    assert "frames.tif" in run("fit", other, out, "--resume").stderr
    assert "frames fit" in run("localise", frames, out, "--resume").stderr
    job = folder_of(out) / "job.json"
    saved = job.read_text()
    job.write_text(json.dumps(json.loads(saved) | {"shape": [31, 32, 40]}))
    assert "another size" in run("fit", frames, out, "--resume").stderr
    job.write_text(saved[:20])
    assert "damaged" in run("fit", frames, out, "--resume").stderr
    job.write_text(saved)
    psf.write_bytes(psf.read_bytes() + b" ")
    changed = run("fit", frames, out, "--resume")
    assert changed.exit_code == 1 and "has changed" in changed.stderr
    assert run("fit", frames, out, "--psf", movie / "psf.h5", "--overwrite").exit_code == 0
    assert not folder_of(out).exists()


def test_nothing_is_left_where_nothing_was_done(movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    at_block(1, die, monkeypatch)
    assert run("fit", movie / "frames.tif", tmp_path / "out.csv", "--psf", movie / "psf.h5").exit_code != 0
    assert list(tmp_path.iterdir()) == []


def test_frames_about_a_block_are_those_of_the_movie() -> None:
    frames = np.arange(5, dtype=np.uint16)[:, None, None] + np.zeros((5, 2, 3), np.uint16)
    movie = Movie(Path("m"), "test", frames.shape, frames.dtype, lambda first, stop: frames[first:stop])
    seen = [(first, block[:, 0, 0].tolist()) for first, block in movie.blocks(2, around=1)]
    assert seen == [(0, [0, 0, 1, 2]), (2, [1, 2, 3, 4]), (4, [3, 4, 4])]
