"""What is said of a movie before it is localised: where camera, light or spots are not those of the training, and only there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from holly_triton.frames.camera import Camera, camera_preset
from holly_triton.frames.config.likeness import CROWDED_PER_UM2
from holly_triton.frames.config.network import Network
from holly_triton.frames.config.simulation import FrameSettings
from holly_triton.frames.config.training import CROP_PX, Training
from holly_triton.frames.localise import Model
from holly_triton.frames.localise.doubts import crowded, doubts_about, ranges_of
from holly_triton.frames.localise.localiser import Localiser
from holly_triton.frames.localise.scales import SigmaScales
from holly_triton.frames.network.outputs import Scales
from holly_triton.frames.psf import GaussianPsf, default_psf
from holly_triton.frames.samplers import RandomSampler
from holly_triton.frames.simulate import draw_batch
from holly_triton.io.movies.movie import Movie
from holly_triton.io.movies.opening import open_movie

SCMOS = camera_preset("scmos")


def model_of(frames: FrameSettings) -> Model:
    psf = default_psf()
    localiser = Localiser(Network(width=2), Scales.of(psf.pixel_nm, psf.z_range_nm))
    return Model(localiser, psf, SCMOS, 0.5, SigmaScales.none(), Training(steps=1, frames=frames), {})


def movie_of(
    path: Path, seed: int, *, density: float = 0.05, background: float = 50.0, psf: GaussianPsf | None = None
) -> Movie:
    """A movie with 5000 photons an emitter, recorded by the camera of ``model_of``."""
    settings = FrameSettings(
        density_least=density, density_most=density, photons_least=5000, photons_most=5000, background_unit="photons",
        background_least=background, background_most=background, background_variation=0,
    )  # fmt: skip
    psf = psf or default_psf()
    sampler, random = RandomSampler(psf.z_range_nm), torch.Generator().manual_seed(seed)
    adu = draw_batch(sampler, psf, SCMOS, settings, 64, (64, 64), random).adu
    np.save(path / "movie.npy", adu.numpy().astype(np.uint16))
    return open_movie(path / "movie.npy")


@pytest.mark.parametrize("density", [0.05, 0.5, 4.0])
def test_nothing_is_said_of_a_movie_like_the_training(density: float, tmp_path: Path, seed: int) -> None:
    assert doubts_about(movie_of(tmp_path, seed, density=density), SCMOS, model_of(FrameSettings())) == []


CAMERAS = {
    "gain": (replace(SCMOS, electrons_per_adu=0.2), "electrons_per_adu"),
    "offset too high": (replace(SCMOS, offset_adu=300), "below the offset"),
    "EM-CCD": (replace(SCMOS, kind="emccd", em_gain=100, electrons_per_adu=50), "variance"),
}


@pytest.mark.parametrize("change", CAMERAS)
def test_a_wrong_camera_is_said_once(change: str, tmp_path: Path, seed: int) -> None:
    camera, words = CAMERAS[change]
    said = doubts_about(movie_of(tmp_path, seed), camera, model_of(FrameSettings()))
    assert len(said) == 1
    assert words in said[0]


def test_other_light_and_other_spots_are_said(tmp_path: Path, seed: int) -> None:
    model = model_of(FrameSettings())
    psf = default_psf()
    wide = replace(psf, x=replace(psf.x, sigma0_nm=220.0), y=replace(psf.y, sigma0_nm=220.0))
    (said,) = doubts_about(movie_of(tmp_path, seed, psf=wide), SCMOS, model)
    assert "wider than the PSF" in said
    (said,) = doubts_about(movie_of(tmp_path, seed, background=900), SCMOS, model)
    assert "above the range of 3.5 to 500" in said


def test_saturation_is_said(tmp_path: Path, seed: int) -> None:
    camera: Camera = replace(SCMOS, saturation_adu=700)
    movie = movie_of(tmp_path, seed)
    adu = np.minimum(np.load(movie.path), 700)
    np.save(movie.path, adu)
    assert (adu == 700).any()
    assert any("saturated" in sentence for sentence in doubts_about(movie, camera, model_of(FrameSettings())))


def test_ranges_follow_from_what_was_simulated() -> None:
    shares = FrameSettings(photons_least=1000, photons_most=4000, background_least=0.01, background_most=0.02)
    assert ranges_of(model_of(shares)).background == (10, 80)
    photons = replace(shares, background_unit="photons", background_least=20, background_most=30)
    assert ranges_of(model_of(photons)).background == (20, 30)


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 20, 20), (5, 8, 9)])
def test_short_and_small_movies_are_looked_at_as_far_as_they_go(shape: tuple[int, int, int], tmp_path: Path) -> None:
    np.save(tmp_path / "movie.npy", np.random.default_rng(0).poisson(60, shape).astype(np.uint16) + 100)
    doubts_about(open_movie(tmp_path / "movie.npy"), SCMOS, model_of(FrameSettings()))


@pytest.mark.parametrize(("side", "said"), [(16, 1), (CROP_PX, 0)])
def test_frames_smaller_than_those_of_the_training_are_said(side: int, said: int, tmp_path: Path) -> None:
    np.save(tmp_path / "movie.npy", np.random.default_rng(0).poisson(60, (3, 64, side)).astype(np.uint16) + 100)
    doubts = doubts_about(open_movie(tmp_path / "movie.npy"), SCMOS, model_of(FrameSettings()))
    assert sum("smaller" in sentence for sentence in doubts) == said


def test_crowding_is_said_by_density() -> None:
    dense = round(1.1 * CROWDED_PER_UM2 * 40 * 10)
    assert crowded(dense, 10, 40.0)
    assert crowded(dense, 20, 40.0) == []
    assert crowded(0, 0, 40.0) == []
