"""Peaks of score maps."""

import math
import time

import pytest
import torch

from holly_triton.tomography.peaks import peaks


def bumps(shape, places, heights, width):
    """Gaussians at places z, y, x, the sum of them."""
    z, y, x = torch.meshgrid(*(torch.arange(size, dtype=torch.float32) for size in shape), indexing="ij")
    volume = torch.zeros(shape)
    for place, height in zip(places, heights, strict=True):
        squared = (z - place[0]) ** 2 + (y - place[1]) ** 2 + (x - place[2]) ** 2
        volume += height * (-squared / (2 * width**2)).exp()
    return volume


PLACES = torch.tensor([[8.3, 9.0, 30.4], [12.0, 25.45, 9.7], [7.6, 14.2, 12.0]])
HEIGHTS = torch.tensor([0.9, 1.0, 0.7])


@pytest.mark.parametrize(("way", "width", "error"), [("quadratic", 1.2, 0.07), ("mass", 2.0, 0.06), ("none", 1.2, 0.5)])
def test_places_lie_between_voxels_and_the_highest_comes_first(way, width, error):
    found = peaks(bumps((20, 33, 40), PLACES, HEIGHTS, width), 5, 0.2, sub_voxel=way)
    order = HEIGHTS.argsort(descending=True)
    assert (found.positions - PLACES[order]).abs().max() <= error
    assert torch.equal(found.voxels, PLACES[order].round().long())
    assert (found.values.diff() <= 0).all()


def test_against_the_plain_greedy_search():
    scores = torch.randn(13, 14, 15, generator=torch.Generator().manual_seed(1))
    left = torch.where(torch.nn.functional.max_pool3d(scores[None, None], 3, 1, 1)[0, 0] == scores, scores, -math.inf)
    axes = torch.stack(torch.meshgrid(*(torch.arange(size) for size in scores.shape), indexing="ij"), -1)
    expected = []
    while left.max() > 0.5:
        place = axes.view(-1, 3)[left.argmax()]
        expected.append(place)
        left[(axes - place).square().sum(-1) < 3.3**2] = -math.inf
    assert torch.equal(peaks(scores, 3.3, 0.5, sub_voxel="none").voxels, torch.stack(expected))


def test_border_gaps_and_flat_tops():
    scores = torch.zeros(9, 9, 9)
    scores[0, 4, 4], scores[8, 8, 8], scores[4, 4, 4] = 3.0, 2.0, 1.0
    scores[4, 4, 5] = math.nan
    scores[2, 2, 1:3] = 0.5  # two equal voxels are one peak
    found = peaks(scores, 1.0, 0.1)
    assert found.voxels.tolist() == [[0, 4, 4], [8, 8, 8], [4, 4, 4], [2, 2, 1]]
    assert torch.equal(found.positions[:3], found.voxels[:3].float())
    assert peaks(scores, 1.0, 0.1, border=1).voxels.tolist() == [[4, 4, 4], [2, 2, 1]]
    for none in (peaks(scores, 2.0, 5.0), peaks(scores, 2.0, 0.0, border=5), peaks(scores, 2.0, 5.0, sub_voxel="mass")):
        assert none.positions.shape == (0, 3) and none.values.shape == (0,)


def test_a_tomogram_takes_no_more_than_seconds():
    scores = torch.randn(64, 256, 256, generator=torch.Generator().manual_seed(2))  # an eighth of 128 x 512 x 512
    begun = time.process_time()
    found = peaks(scores, 8, 3.0)
    assert time.process_time() - begun < 2.5
    assert 500 < len(found.values) < 6000
