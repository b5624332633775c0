"""Predicted deviations are made honest at every number of photons and in crowds, and of equal thresholds the lowest is taken."""

import numpy as np
import pytest
import torch
from torch import Tensor

from holly_triton.frames.config.localisation import THRESHOLDS
from holly_triton.frames.config.scoring import Scoring
from holly_triton.frames.detections import Detections
from holly_triton.frames.localisations import localisations
from holly_triton.frames.localise.peaks import mixture_detections
from holly_triton.frames.localise.scales import SigmaScales
from holly_triton.frames.network.outputs import Scales
from holly_triton.frames.train.validation import Examples, best_threshold

COUNT = 8000


def found_of(photons: Tensor, crowding: Tensor) -> Detections:
    unit = torch.ones(len(photons))
    return Detections(
        unit.long(), torch.zeros(len(photons), 3), photons, unit, unit, torch.ones(len(photons), 4), crowding
    )


def drawn(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Photons, crowding, deviations and errors whose deviations depend on both."""
    random = torch.Generator().manual_seed(seed)
    photons = torch.exp(torch.rand(COUNT, generator=random) * 3.5 + 6.5)
    crowding = torch.exp(2 * (torch.rand(COUNT, generator=random) - 0.5).clamp(min=0) * 2)
    off = 0.6 + 0.3 * (photons.log() - 6.5)[:, None] * torch.tensor([1.0, 0.5, 0.2, 0.8])
    brighter = (photons.log() - 6.5)[
        :, None
    ] / 3.5  # in crowds, the errors of bright emitters exceed their deviations more
    off = off * (1 + brighter * crowding.log()[:, None] * torch.tensor([1.0, 0.8, 0.2, 0.0]))
    return photons, crowding, off, off * torch.randn(COUNT, 4, generator=random)


def test_scales_make_the_pull_1_at_every_number_of_photons_and_in_every_crowd(seed: int) -> None:
    photons, crowding, _, errors = drawn(seed)
    alone = crowding == 1
    isolated = SigmaScales.fitted(photons[alone], errors[alone])
    first = isolated.applied(found_of(photons, crowding)).sigma
    scales = isolated.fitted_in_crowds(photons, crowding, errors / first)
    pull = errors / scales.applied(found_of(photons, crowding)).sigma
    for values in (photons, crowding + photons / 1e9):
        for part in values.argsort().tensor_split(5):
            assert (pull[part].std(dim=0) - 1).abs().max() < 0.1
    crowd, bright = crowding > 2, photons.log() > 8.25
    for part in (crowd & bright, crowd & ~bright):
        assert (pull[part].std(dim=0) - 1).abs().max() < 0.1
    before = (errors / first)[crowding > 4].std(dim=0)
    assert before[0] > 1.5
    assert before[3] < 1.1
    # Lone emitters have the deviations that were fitted on such.
    torch.testing.assert_close(scales.applied(found_of(photons, crowding)).sigma[alone], first[alone])


def test_few_pairs_leave_the_deviations_alone() -> None:
    few, pull = torch.full((20,), 900.0), torch.ones(20, 4)
    scales = SigmaScales.fitted(few, 5 * pull).fitted_in_crowds(few, few, 5 * pull)
    assert torch.equal(scales.applied(found_of(few, few)).sigma, pull)


def test_crowding_is_the_expected_number_of_emitters_nearby() -> None:
    output = torch.zeros(2, 10, 64, 64)
    output[:, 0] = -30.0
    for row, column in ((8, 8), (8, 14), (40, 40)):
        output[0, 0, row, column] = 30.0
    output[1, 0, 0, 63] = 30.0  # in a corner, beyond which nothing is
    output[:, 6:] = 1.0
    found = mixture_detections(output, torch.full((2,), 50.0), Scales.of(100.0, (-700.0, 700.0)), 0.5)
    assert found.crowding.tolist() == pytest.approx([2, 2, 1, 1], abs=1e-3)


@pytest.mark.parametrize(("late", "chosen"), [(0.0, 0.3), (1.0, 0.6)])
def test_the_lowest_of_equal_thresholds_is_chosen(late: float, chosen: float) -> None:
    """False localisations have a probability below 0.3; those of every other frame, 400 nm off, have less than 0.6."""
    truth = localisations(60)
    truth["frame"], truth["x"], truth["y"] = np.arange(1, 61), 1600, 1600
    right, false = truth.copy(), truth.copy()
    right["probability"] = 0.95
    off = right["frame"] % 2 == 0
    right["x"][off] += 400 * late
    right["probability"][off] = 0.59
    false["x"], false["probability"] = 600, 0.29
    examples = Examples((), truth, Scoring(width_nm=3200, height_nm=3200, resamplings=0))
    threshold, figures = best_threshold(np.concatenate([right, false]), examples)
    assert threshold == min(value for value in THRESHOLDS if value >= chosen)
    assert figures["jaccard"] == pytest.approx(1 - late / 2)
