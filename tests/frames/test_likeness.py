"""A movie's background, width of spots and saturation are measured, and what differs from the training is said."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import erf
from torch import Tensor

from holly_triton.frames.emitters import Emitters
from holly_triton.frames.likeness import Look, Ranges, compare, look_at, look_at_frames, widths_of
from holly_triton.frames.spots import isolated_spots, widths
from holly_triton.io.movies.opening import open_movie

SIDE, BACKGROUND, SIGMA_PX = 64, 50.0, 1.3
SEEN_PX = float(np.sqrt(SIGMA_PX**2 + 1 / 12))
"""The width with the integration over a pixel."""
RANGES = Ranges(background=(20, 100), width_px=(1.25, 2.0), pixel_nm=100.0)


@dataclass(frozen=True)
class Camera:
    """A linear camera: ADU = offset + photons / gain."""

    offset: float = 0.0
    gain: float = 1.0

    def photons(self, adu: Tensor) -> Tensor:
        return (adu - self.offset) * self.gain

    def saturated(self, adu: Tensor) -> Tensor:
        return adu >= 4095


@dataclass(frozen=True)
class Astigmatic:
    """A PSF whose widths are known: along x they grow with z, along y they shrink."""

    pixel_nm: float = 100.0
    z_range_nm: tuple[float, float] = (-300.0, 300.0)

    def draw(self, emitters: Emitters, shape: tuple[int, int]) -> Tensor:
        frames = torch.zeros(emitters.frames, *shape)
        for (x, y, z), photons, frame in zip(emitters.xyz, emitters.photons, emitters.frame(), strict=True):
            sigma_x, sigma_y = 1.5 + float(z) / 1000, 1.5 - float(z) / 1000
            drawn = spot(float(x) / 100, float(y) / 100, sigma_x, sigma_y, shape[0])
            frames[frame] += photons * torch.from_numpy(drawn)
        return frames


def spot(x: float, y: float, sigma_x: float, sigma_y: float, side: int = SIDE) -> Any:
    edges = np.arange(side + 1)
    along = [np.diff(erf((edges - place) / sigma / np.sqrt(2))) / 2 for place, sigma in ((y, sigma_y), (x, sigma_x))]
    return np.outer(*along)


def record(
    rng: Any, *, emitters: float = 2.0, frames: int = 96, sigma: float = SIGMA_PX, level: float = BACKGROUND
) -> Any:
    """Photons of frames ``[F, H, W]`` in which no emitter stays on."""
    expected = np.full((frames, SIDE, SIDE), level)
    for frame in expected:
        for _ in range(rng.poisson(emitters)):
            frame += 5000 * spot(*rng.uniform(0, SIDE, 2), sigma, sigma)
    return rng.poisson(expected).astype(np.float32)


def look(frames: Any, camera: Camera | None = None) -> Look:
    return look_at_frames(frames, camera or Camera())


@pytest.mark.parametrize("emitters", [0.5, 7])
def test_figures_are_those_of_the_simulation(emitters: float, seed: int) -> None:
    found = look(record(np.random.default_rng(seed), emitters=emitters))
    assert found.background == pytest.approx(BACKGROUND, abs=2)
    # Along an axis 5000 photons over 50 a pixel give 1.6 % of a width for each of at least 20 spots.
    assert found.width_px[1] == pytest.approx(SEEN_PX, rel=0.015)
    assert found.saturated == 0
    assert compare(found, RANGES) == []


@pytest.mark.parametrize("sigmas", [(1.0, 1.0), (1.2, 2.0), (2.5, 1.1)])
def test_width_is_the_geometric_mean_of_both_axes(sigmas: tuple[float, float]) -> None:
    drawn = spot(32.3, 31.6, *sigmas)[25:40, 25:40]
    expected = np.sqrt(np.prod([np.sqrt(sigma**2 + 1 / 12) for sigma in sigmas]))
    assert widths(drawn[None])[0] == pytest.approx(expected, rel=0.01)


def test_no_width_without_a_spot(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert len(isolated_spots(rng.poisson(50, (20, SIDE, SIDE)).astype(float))) == 0
    assert np.isnan(widths(np.zeros((1, 15, 15)))).all()
    two = spot(30, 32, 1.3, 1.3) + spot(34, 32, 1.3, 1.3)
    assert len(isolated_spots(1000 * two[None])) == 0
    assert len(isolated_spots(np.zeros((2, 9, 9)))) == 0  # frames smaller than a window


def test_widths_of_a_psf_are_those_over_its_depths() -> None:
    low, high = widths_of(Astigmatic())
    # At z = 0 both are 1.5 px; at the ends 1.8 and 1.2 px.
    assert high == pytest.approx(np.sqrt(1.5**2 + 1 / 12), rel=0.01)
    assert low == pytest.approx(((1.8**2 + 1 / 12) * (1.2**2 + 1 / 12)) ** 0.25, rel=0.01)


CHANGES: dict[str, tuple[dict[str, float], Camera, str]] = {
    "brighter background": ({"level": 300.0}, Camera(), "above the range of 20 to 100"),
    "darker background": ({"level": 5.0}, Camera(), "below the range"),
    "wider spots": ({"sigma": 2.6}, Camera(), "wider than the PSF"),
    "narrower spots": ({"sigma": 0.8}, Camera(), "narrower than the PSF"),
    "offset too high": ({}, Camera(offset=200), "below 0"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_differs_is_said_and_nothing_else(change: str, seed: int) -> None:
    given, camera, words = CHANGES[change]
    found = look(record(np.random.default_rng(seed), emitters=4, **given), camera)
    said = compare(found, RANGES)
    assert any(words in sentence for sentence in said)
    assert change == "offset too high" or len(said) == 1


def test_saturation_and_pixel_size() -> None:
    frames = record(np.random.default_rng(0), emitters=1, frames=12)
    frames[:, 3, 3:5] = 4095
    found = replace(look(frames), pixel_nm=160.0)
    assert found.saturated == pytest.approx(2 / SIDE**2)
    said = " ".join(compare(found, RANGES))
    assert "saturated" in said
    assert "160 nm" in said
    assert "160" not in " ".join(compare(replace(found, pixel_nm=101.0), RANGES))


def test_a_movie_of_one_frame_and_one_of_equal_pixels(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", record(np.random.default_rng(0), frames=1)[0].astype(np.uint16))
    found = look_at(open_movie(tmp_path / "a.npy"), Camera())
    assert compare(found, RANGES) == []
    compare(look(np.zeros((4, SIDE, SIDE))), RANGES)


DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "challenge-mt0"


def test_frames_of_the_challenge() -> None:
    """An EM-CCD: 6 ADU a photon, background of 102 photons (measured by others on these frames)."""
    if not DATA.exists():
        pytest.skip("shared/data is not here")
    movie = open_movie(DATA / "test_frames")
    assert look_at(movie, Camera(offset=100, gain=1 / 6)).background == pytest.approx(102, abs=4)
