"""Pictures of few labels: the points keep moving from the first step on, and the structure is not flattened."""

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
import torch

from holly_triton.particles.config import Config
from holly_triton.particles.data.counts import noisy_counts
from holly_triton.particles.poses.search import SearchedPoses
from holly_triton.particles.run.trainers import make_trainer
from holly_triton.particles.simulate import simulate
from holly_triton.structures import read_structure

LAYERS_NM, RADIUS_NM = 59.1, 48.2
"""Of the nuclear pore that ships as a formula: mean distance of its two rings, mean radius."""
BLOCK = 5


class Outcome(NamedTuple):
    """What a short run on sparse data did."""

    points: np.ndarray  # [N, 3], nm
    movement: np.ndarray  # [steps]: of the median coordinate, over the learning rate
    searching: int  # steps before sigma sharpens and step lengths fall


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """Of three seeds: a run in some ten ends with layers that are 50 to 54 nm apart, those of most 56 to 60."""
    return [outcome_of(seed) for seed in range(3)]


def outcome_of(seed: int) -> Outcome:
    """400 pores, each seen with half of its 32 sites, which scatter by 5 nm; half of the usual steps."""
    sites = read_structure("nuclear-pore").points
    made = simulate(sites, 400, scatter_nm=5.0, missing=0.5, generator=torch.Generator().manual_seed(0))
    config = Config(points=len(sites), seed=seed, device="cpu")
    brief = {"starts": 1, "search_steps": 150, "rescue_passes": 0, "polish_steps": 30, "refine_steps": 1, "batch": 128}
    config = dataclasses.replace(
        config,
        schedule=dataclasses.replace(config.schedule, **brief),
        search=dataclasses.replace(config.search, candidates=500),
        sparse=dataclasses.replace(config.sparse, most=0),  # poses by pictures, though there are few labels
    )
    trainer = make_trainer(config, made.localisations)
    assert isinstance(trainer.method, SearchedPoses)
    movement, before = [], trainer.state.points.detach().clone()
    for _ in trainer.run():
        now = trainer.state.points.detach().clone()
        movement.append(float((now - before).abs().median()) / trainer.method.optimiser.param_groups[0]["lr"])
        before = now
    return Outcome(before.double().numpy(), np.array(movement), brief["search_steps"])


def test_points_keep_moving_while_poses_are_searched(outcomes):
    """An optimiser that remembers gradients of another size stands still: by a factor of 200 in an earlier version."""
    outcome = outcomes[0]
    searching = outcome.movement[
        BLOCK : outcome.searching - 10 * BLOCK
    ]  # Adam's first steps are longer, the last settle
    blocks = np.median(searching.reshape(-1, BLOCK), axis=1)
    assert blocks.max() / blocks.min() < 3


def test_a_structure_of_few_labels_is_not_flattened(outcomes):
    """Taking each picture's best pose under the masked L1 gave layers 38 nm apart."""
    layers, radii = zip(*(extent_nm(outcome.points) for outcome in outcomes), strict=True)
    assert np.median(layers) == pytest.approx(LAYERS_NM, rel=0.1)
    assert np.median(radii) == pytest.approx(RADIUS_NM, rel=0.1)


def extent_nm(points: np.ndarray) -> tuple[float, float]:
    """Distance of the layers and radius of a pore, nm."""
    points = points - points.mean(0)
    axis = np.linalg.eigh(np.cov(points.T))[1][:, 0]  # the pore is lower than it is wide
    height = points @ axis
    return 2 * np.median(np.abs(height)), np.median(np.linalg.norm(points - np.outer(height, axis), axis=1))


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.5])
def test_poses_are_drawn_where_labels_are_missing(missing: float) -> None:
    """The numbers of localisations alone say whether pictures show every label, before anything is fitted."""
    generator = torch.Generator().manual_seed(0)
    counts = (torch.rand(500, 100, generator=generator) >= missing).sum(1)
    drawn = noisy_counts(counts, Config().search.least_dispersion)
    assert (drawn is counts) == (missing == 0.5)


def test_without_numbers_of_localisations_the_best_poses_are_taken() -> None:
    assert noisy_counts(None, 0.2) is None
