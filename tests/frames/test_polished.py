"""Isolated emitters that the model which ships finds and the fit makes precise, as ``frames localise`` does."""

import numpy as np
import pytest
import torch

from holly_triton.core.types import Array
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.fit import polish
from holly_triton.frames.localise import Model, localise_block, localise_frames, read_model
from holly_triton.frames.localise.shipped import SHIPPED

FRAMES, SIDE, PHOTONS, BACKGROUND = 200, 32, 5000.0, 50.0


@pytest.fixture(scope="module")
def model() -> Model:
    return read_model(SHIPPED)


@pytest.fixture(scope="module")
def places() -> torch.Tensor:
    """One emitter in the middle of each frame ``[FRAMES, 3]``, nm."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(FRAMES, 3, generator=generator) * torch.tensor([800.0, 800.0, 1300.0]) + torch.tensor(
        [1200.0, 1200.0, -650.0]
    )


def errors(model: Model, places: torch.Tensor, *, polished: bool) -> Array:
    """Errors ``[found, 3]``, nm, of the frames where one localisation was found."""
    emitters = Emitters.of(places, torch.full((FRAMES,), PHOTONS), torch.ones(FRAMES, dtype=torch.long))
    expected = model.psf.draw(emitters, (SIDE, SIDE)) + BACKGROUND
    movie = torch.poisson(expected, generator=torch.Generator().manual_seed(1)).numpy()
    blocks = ((first, movie[first : first + 50]) for first in range(0, FRAMES, 50))
    table = np.concatenate([localise_block(model, first, adu, polished=polished) for first, adu in blocks])
    single = table[np.isin(table["frame"], np.flatnonzero(np.bincount(table["frame"]) == 1))]
    assert len(single) > 0.95 * FRAMES
    found = np.stack([single[axis] for axis in "xyz"], axis=1)
    return found - places.numpy()[single["frame"] - 1]


def test_polishing_brings_isolated_emitters_nearer_to_the_truth(model: Model, places: torch.Tensor) -> None:
    rough, fine = (np.sqrt(np.median(errors(model, places, polished=how) ** 2, axis=0)) for how in (False, True))
    assert (fine < 0.9 * rough).all()


def test_saturated_spots_give_no_impossible_localisations(model: Model, places: torch.Tensor) -> None:
    """A network gives places far outside the frame and 1e25 photons for these, at which the fit's sums overflow."""
    emitters = Emitters.of(places, torch.full((FRAMES,), PHOTONS), torch.ones(FRAMES, dtype=torch.long))
    movie = model.psf.draw(emitters, (SIDE, SIDE)) + BACKGROUND
    photons = torch.where(movie > 200, 65535.0, movie)
    table = polish(photons, localise_frames(model, photons), model.psf, model.camera)
    low, high = model.psf.z_range_nm
    assert all((table[axis] > -200).all() and (table[axis] < 100 * SIDE + 200).all() for axis in "xy")
    assert ((table["z"] > 1.5 * low - 0.5 * high) & (table["z"] < 1.5 * high - 0.5 * low)).all()
    assert np.isfinite(table["photons"]).all()
