"""Gain and offset from a movie, and what is said where they contradict the camera that was entered."""

import dataclasses

import numpy as np
import pytest
import torch

from holly_triton.core.errors import HollyError
from holly_triton.frames.camera import camera_preset
from holly_triton.frames.camera.estimate import compare, mean_variance
from holly_triton.frames.config.simulation import MovieSettings
from holly_triton.frames.psf import default_psf
from holly_triton.frames.scene import Scene
from holly_triton.frames.simulate import vary

SHAPE = (64, 64)


def movie(name, seed, *, variation=0.2, density=0.4):
    generator = torch.Generator().manual_seed(seed)
    settings = MovieSettings(frames=120, density=density)
    scene = Scene(settings, (6400.0, 6400.0), (-700.0, 700.0), generator)
    background = vary(torch.tensor([50.0]), SHAPE, variation, generator)
    (emitters,) = scene.blocks(120)
    return camera_preset(name).record(default_psf().draw(emitters, SHAPE) + background, generator).numpy()


@pytest.mark.parametrize("name", ["photons", "scmos", "challenge"])
def test_gain_and_offset_are_found(name, seed):
    camera = camera_preset(name)
    found = mean_variance(movie(name, seed))
    gain = camera.em_gain / camera.electrons_per_adu
    # Standard errors of 10 % were measured for such a movie; the bound is four of them and a bias of 10 % by emitters.
    assert found.slope / camera.excess == pytest.approx(gain, rel=0.5)
    offset = found.offset(camera.read_noise_electrons / camera.electrons_per_adu)
    assert offset == pytest.approx(camera.offset_adu, abs=30 * gain)
    assert compare(found, camera) == []


@pytest.mark.parametrize("change", [{"electrons_per_adu": 2.0}, {"offset_adu": 0.0}, {"electrons_per_adu": 0.2}])
def test_a_wrong_entry_is_said(change, seed):
    found = mean_variance(movie("scmos", seed))
    (said,) = compare(found, dataclasses.replace(camera_preset("scmos"), **change))
    assert "2" in said and "ADU" in said


def test_an_even_movie_is_judged_by_its_variance(seed):
    found = mean_variance(movie("scmos", seed, variation=0.0, density=0.01))
    assert np.isnan(found.slope)
    assert compare(found, camera_preset("scmos")) == []
    assert len(compare(found, dataclasses.replace(camera_preset("scmos"), electrons_per_adu=1.0))) == 1


def test_an_offset_above_the_movie_is_said(seed):
    found = mean_variance(movie("scmos", seed))
    (said,) = compare(found, dataclasses.replace(camera_preset("scmos"), offset_adu=500.0))
    assert "below the offset" in said


@pytest.mark.parametrize("shape", [(3, 64, 64), (8, 7, 64)])
def test_too_little_of_a_movie_is_refused(shape):
    with pytest.raises(HollyError):
        mean_variance(np.ones(shape))
