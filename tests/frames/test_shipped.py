"""The model that ships: small, good, taken for the movies that it was made for, and refused for others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.frames.camera import camera_preset
from holly_triton.frames.config.scoring import Scoring
from holly_triton.frames.config.simulation import MovieSettings
from holly_triton.frames.localise import localise_frames, read_model
from holly_triton.frames.localise.shipped import SHIPPED
from holly_triton.frames.movie import write_movie
from holly_triton.frames.psf import GaussianPsf, default_psf, write_psf
from holly_triton.frames.samplers import RandomSampler
from holly_triton.frames.score.evaluate import evaluate
from holly_triton.frames.train.validation import truth_table

LARGEST = 1.5e6


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("movie") / "simulated"
    write_movie(folder, MovieSettings(frames=8, width_px=32, height_px=32), default_psf(), camera_preset("scmos"))
    return folder / "frames.tif"


def localise(movie: Path, out: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["frames", "localise", str(movie), str(out), *options])
    return result.exit_code, result.stderr


def test_it_is_small_and_its_training_is_recorded() -> None:
    assert SHIPPED.stat().st_size <= LARGEST
    model = read_model(SHIPPED)
    record = SHIPPED.with_suffix(".txt").read_text(encoding="utf-8")
    assert "holly-triton frames train" in record
    assert f"--steps {model.training.steps}" in record and f"--seed {model.training.seed}" in record
    assert f"--width {model.training.network.width}" in record and f"--sampling {model.training.sampling}" in record
    assert model.psf == default_psf()


def test_it_localises_random_emitters(seed: int) -> None:
    model, generator = read_model(SHIPPED), torch.Generator().manual_seed(seed)
    emitters = RandomSampler(model.psf.z_range_nm).draw(torch.full((100,), 0.1), (3200.0, 3200.0), generator)
    emitters = emitters._replace(photons=torch.full((len(emitters.xyz),), 5000.0))
    photons = torch.poisson(model.psf.draw(emitters, (32, 32)) + 50, generator=generator)
    score = evaluate(
        localise_frames(model, photons), truth_table(emitters, 1),
        Scoring(width_nm=3200, height_nm=3200, resamplings=0),
    )  # fmt: skip
    assert score.main["jaccard"] > 0.85
    assert score.main["rmse_lateral"] < 30 and score.main["rmse_axial"] < 60


def test_it_is_taken_for_a_simulated_movie_of_its_psf(movie: Path, tmp_path: Path) -> None:
    assert localise(movie, tmp_path / "a.csv") == (0, "")
    assert localise(movie, tmp_path / "b.csv", "--model", "default") == (0, "")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_where_nothing_is_found_that_is_said(tmp_path: Path) -> None:
    photons = np.random.default_rng(0).poisson(50, (4, 32, 32)).astype(np.uint16)
    np.save(tmp_path / "empty.npy", photons)
    asked = ("--model", "default", "--pixel-size", "100", "--camera", "photons")
    code, said = localise(tmp_path / "empty.npy", tmp_path / "found.csv", *asked)
    assert code == 0 and "no emitter was found" in said and "--max-sigma" not in said


def test_where_an_option_left_all_out_it_is_named(movie: Path, tmp_path: Path) -> None:
    code, said = localise(movie, tmp_path / "found.csv", "--max-sigma", "0.01")
    assert code == 0 and "no emitter was found within --max-sigma 0.01:" in said


def test_a_movie_that_states_no_psf_needs_a_model(movie: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.tif").write_bytes(movie.read_bytes())
    code, said = localise(tmp_path / "alone.tif", tmp_path / "found.csv", "--camera", "scmos")
    assert code == 1 and "--model" in said and len(said.splitlines()) == 1
    assert localise(tmp_path / "alone.tif", tmp_path / "found.csv", "--camera", "scmos", "--model", "default")[0] == 0


def test_a_movie_that_is_not_there_is_said_before_a_model_is_asked_for(movie: Path, tmp_path: Path) -> None:
    (tmp_path / "movie.tif").write_bytes(movie.read_bytes())
    code, said = localise(tmp_path / "movei.tif", tmp_path / "found.csv")
    assert code == 1 and "movie.tif" in said and "--model" not in said


OTHERS = {
    "of a wider spot": replace(default_psf(), x=replace(default_psf().x, sigma0_nm=190)),
    "of other foci": replace(default_psf(), y=replace(default_psf().y, c_nm=200)),
    "deeper": replace(default_psf(), z_min_nm=-900.0, z_max_nm=900.0),
    "of other pixels": replace(default_psf(), pixel_nm=120.0),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("options", [(), ("--model", "default")], ids=["by itself", "by name"])
def test_another_psf_is_refused_in_one_line(
    other: GaussianPsf, options: tuple[str, ...], movie: Path, tmp_path: Path
) -> None:
    here = tmp_path / "frames.tif"
    here.write_bytes(movie.read_bytes())
    write_psf(tmp_path / "psf.h5", other)
    code, said = localise(here, tmp_path / "found.csv", "--camera", "scmos", *options)
    assert code == 1 and "psf.h5" in said and len(said.splitlines()) == 1
    assert not (tmp_path / "found.csv").exists()


def test_another_camera_is_refused_in_one_line(movie: Path, tmp_path: Path) -> None:
    code, said = localise(movie, tmp_path / "found.csv", "--camera", "challenge")
    assert code == 1 and "--camera" in said and "noise" in said and len(said.splitlines()) == 1


def test_pixels_must_be_known_and_its_own(tmp_path: Path) -> None:
    np.save(tmp_path / "movie.npy", np.full((3, 32, 32), 50, np.uint16))
    options = ("--model", "default", "--camera", "photons")
    code, said = localise(tmp_path / "movie.npy", tmp_path / "found.csv", *options)
    assert code == 1 and "--pixel-size" in said
    code, said = localise(tmp_path / "movie.npy", tmp_path / "found.csv", *options, "--pixel-size", "160")
    assert code == 1 and "160" in said
    assert localise(tmp_path / "movie.npy", tmp_path / "found.csv", *options, "--pixel-size", "100")[0] == 0
