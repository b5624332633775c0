from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from holly_triton.core.types import Array
from holly_triton.particles.simulate import simulate
from holly_triton.report.evaluation import explain_poses
from holly_triton.structures import cep152, read_structure
from holly_triton.validation.group import find_turns_of
from holly_triton.validation.pose_error import MIRROR, PoseError, find_pose_error

COUNT = 400
CENTRE = np.array([12.0, -30.0, 7.0])
EXACT_DEG, EXACT_NM = 1e-5, 1e-3
"""Rounding of float64 through an arcsine, and the tolerance at which the fit of c stops (1e-6 of the shifts)."""


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def truth(rng: np.random.Generator) -> tuple[Array, Array]:
    return Rotation.random(COUNT, rng).as_matrix(), rng.uniform(-30, 30, (COUNT, 2))


def recovered(true: tuple[Array, Array], frame: Array, mirrored: bool) -> tuple[Array, Array]:
    """Poses of the same pictures for the cloud ``frame @ hand(truth) + CENTRE``."""
    rotation, shift = true
    if mirrored:
        rotation = MIRROR @ rotation @ MIRROR
    rotation = rotation @ frame.T
    return rotation, shift - rotation[:, :2] @ CENTRE


def turned(rotation: Array, degrees: Array, rng: np.random.Generator) -> Array:
    axis = rng.normal(size=(len(rotation), 3))
    axis *= (np.deg2rad(degrees) / np.linalg.norm(axis, axis=1))[:, None]
    return np.asarray(Rotation.from_rotvec(axis).as_matrix() @ rotation)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_global_rotation_hand_and_shift_cost_nothing(rng: np.random.Generator, mirrored: bool) -> None:
    true, frame = truth(rng), Rotation.random(random_state=rng).as_matrix()
    found = find_pose_error(*recovered(true, frame, mirrored), *true)
    assert found.mirrored == mirrored
    np.testing.assert_allclose(found.rotation, frame, atol=1e-7)
    np.testing.assert_allclose(found.centre_nm, CENTRE, atol=EXACT_NM)
    assert found.angle_deg.max() < EXACT_DEG
    assert found.shift_nm.max() < EXACT_NM


@pytest.mark.parametrize("mirrored", [False, True])
def test_recovered_poses_draw_the_pictures_of_the_true_ones(rng: np.random.Generator, mirrored: bool) -> None:
    """The convention itself: what these tests call recovered must show the same projections."""
    true, frame = truth(rng), Rotation.random(random_state=rng).as_matrix()
    points = rng.normal(size=(5, 3)) * 100
    cloud = (points @ MIRROR if mirrored else points) @ frame.T + CENTRE
    rotation, shift = recovered(true, frame, mirrored)
    seen = (cloud @ rotation.transpose(0, 2, 1))[..., :2] + shift[:, None]
    np.testing.assert_allclose(seen, (points @ true[0].transpose(0, 2, 1))[..., :2] + true[1][:, None], atol=1e-9)


def test_known_errors_are_read_although_most_poses_are_wrong(rng: np.random.Generator) -> None:
    true, frame = truth(rng), Rotation.random(random_state=rng).as_matrix()
    rotation, shift = recovered(true, frame, True)
    right = np.arange(COUNT) < 0.4 * COUNT
    rotation[~right] = Rotation.random((~right).sum(), rng).as_matrix()
    rotation[right] = turned(rotation[right], np.full(right.sum(), 3.0), rng)
    found = find_pose_error(rotation, shift, *true)
    # The frame is the median of 160 turns of 3 degrees, uncertain by some 3 / sqrt(160) = 0.24 degrees an axis.
    assert np.abs(found.angle_deg[right] - 3).max() < 1.0
    assert found.mirrored
    # A random rotation is within 10 degrees of a given one once in 3600.
    assert found.figures()["share_right"] == pytest.approx(right.mean(), abs=2 / COUNT)


def test_shift_errors_are_read_although_many_poses_are_wrong(rng: np.random.Generator) -> None:
    true, frame = truth(rng), Rotation.random(random_state=rng).as_matrix()
    rotation, shift = recovered(true, frame, False)
    off = rng.normal(0, 2.0, shift.shape)
    wrong = np.arange(COUNT) < 0.3 * COUNT
    off[wrong] += rng.uniform(-100, 100, (wrong.sum(), 2))
    found = find_pose_error(rotation, shift + off, *true)
    # Each of c's parts is fitted from 280 pictures: uncertain by 2 * sqrt(3 / 2 / 280) = 0.15 nm.
    np.testing.assert_allclose(found.centre_nm, CENTRE, atol=1.0)
    np.testing.assert_allclose(found.shift_nm, np.linalg.norm(off, axis=1), atol=1.5)


def test_poses_are_scored_modulo_the_turns_of_a_structure(rng: np.random.Generator) -> None:
    true, frame = truth(rng), Rotation.random(random_state=rng).as_matrix()
    group = Rotation.from_rotvec(np.outer(np.arange(8) * np.pi / 4, [0, 0, 1])).as_matrix()
    equivalent = true[0] @ group[rng.integers(0, 8, COUNT)]
    poses = recovered((equivalent, true[1]), frame, True)
    assert find_pose_error(*poses, *true, symmetry=group).angle_deg.max() < EXACT_DEG
    assert np.median(find_pose_error(*poses, *true).angle_deg) > 40


def test_a_structure_with_a_mirror_plane_shows_each_picture_from_two_sides(rng: np.random.Generator) -> None:
    true, frame = truth(rng), Rotation.random(random_state=rng).as_matrix()
    plane = np.diag([-1.0, 1.0, 1.0])
    points = cep152() * [1, 1, 1]
    other = MIRROR @ true[0][0] @ plane
    seen, again = (np.sort((points @ pose.T)[:, 0]) for pose in (true[0][0], other))
    np.testing.assert_allclose(seen, again, atol=1e-9)
    equivalent = true[0].copy()
    swapped = rng.random(COUNT) < 0.5
    equivalent[swapped] = MIRROR @ true[0][swapped] @ plane
    poses = recovered((equivalent, true[1]), frame, False)
    found = find_pose_error(*poses, *true, symmetry=np.stack([np.eye(3), plane]))
    assert found.angle_deg.max() < EXACT_DEG
    assert not found.mirrored  # both hands fit a structure that is its own mirror image


def test_adding_the_centroids_back_makes_the_shift_error_of_localisations_honest() -> None:
    rng = np.random.default_rng(0)
    simulation = simulate(
        rng.normal(size=(6, 3)) * 100, 200, missing=0.5, shift_nm=30, generator=torch.Generator().manual_seed(0)
    )
    particles = simulation.localisations
    kept = np.array([int(name) for name in particles.names])
    assert 0 < len(kept) < 200  # some particles hold no emitter, and their rows must drop out
    true = simulation.rotation[kept].numpy(), simulation.shift[kept].numpy()
    centres = particles.centres.numpy()
    from_centroid = true[1] - centres  # what a perfect run writes: shifts from each particle's centroid
    honest = find_pose_error(true[0], from_centroid + centres, *true)
    assert honest.shift_nm.max() < EXACT_NM
    assert np.median(find_pose_error(true[0], from_centroid, *true).shift_nm) > 10


def test_figures_and_sentence_say_the_numbers() -> None:
    error = PoseError(np.eye(3), False, np.zeros(3), np.array([1.0, 2.0, 3.0, 40.0]), np.array([1.0, 2.0, 3.0, 90.0]))
    figures = error.figures()
    assert (figures["median_angle"], figures["share_right"], figures["median_shift"]) == (2.5, 0.75, 2.5)
    assert figures["p90_angle"] == pytest.approx(28.9)
    assert explain_poses(error.figures()).startswith("75% of 4 poses are within 10 degrees")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rotation": np.eye(3)}, "rotation must be finite"),
        ({"shift": np.full((2, 2), np.nan)}, "shift must be finite"),
        ({"true_shift": np.zeros((3, 2))}, "same pictures"),
        ({"symmetry": 2 * np.eye(3)[None]}, "orthogonal"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Array], message: str) -> None:
    eye, zero = np.stack([np.eye(3)] * 2), np.zeros((2, 2))
    given: dict[str, Any] = {"rotation": eye, "shift": zero, "true_rotation": eye, "true_shift": zero}
    with pytest.raises(ValueError, match=message):
        find_pose_error(**{**given, **changed})


def test_turns_of_a_pore_are_found_in_noisy_localisations():
    rng = np.random.default_rng(0)
    sites = read_structure("nuclear-pore").points
    turn = Rotation.random(random_state=1).as_matrix()
    seen = (np.repeat(sites, 30, axis=0) + rng.normal(size=(30 * len(sites), 3)) * 6) @ turn.T
    group = find_turns_of(seen)
    assert len(group) == 8
    assert np.allclose(group[0], np.eye(3))
    assert np.abs(group @ turn[:, 2] - turn[:, 2]).max() < 0.05  # the pore's own axis stays
    assert len(find_turns_of(rng.normal(size=(500, 3)))) == 1
