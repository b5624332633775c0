"""The frame that structures are drawn in, of structures that are known, turned at random."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from holly_triton.core.types import Array
from holly_triton.geometry import mirror
from holly_triton.structures import STRUCTURES
from holly_triton.view.orientation import upright


def turned(points: Array, seed: int) -> Array:
    return np.asarray(points @ Rotation.random(random_state=seed).as_matrix().T + [300.0, -200, 100])


def lopsided() -> Array:
    """A full body with a longer tail along each of its axes: 3 to 2 to 1, and no two ends alike."""
    return np.random.default_rng(5).gamma(2.0, 1.0, (400, 3)) * [90.0, 60, 30]


@pytest.mark.parametrize("name", ["nuclear-pore", "torus", "microtubule"])
@pytest.mark.parametrize("seed", [1, 2])
def test_rings_tori_and_cylinders_are_seen_along_their_axis(name: str, seed: int) -> None:
    axis = Rotation.random(random_state=seed).as_matrix()[:, 2]
    frame, front = upright(turned(STRUCTURES[name](), seed))
    assert abs(frame[:, 2] @ axis) > np.cos(np.deg2rad(2))
    assert front == "Front, along its axis"


def test_anything_else_lies_lengthwise_and_flat_with_its_tails_to_the_right_and_far_away() -> None:
    points = turned(lopsided(), 3)
    frame, front = upright(points)
    seen = (points - points.mean(axis=0)) @ frame
    wide, high, deep = seen.std(axis=0)
    assert wide > high > deep
    assert ((seen**3).sum(axis=0)[[0, 2]] > 0).all()
    assert front == "Front"


def test_however_a_cloud_lies_it_is_drawn_alike() -> None:
    points = lopsided()
    seen = points @ upright(points).frame
    for seed in (4, 5):
        other = turned(points, seed)
        other = other @ upright(other).frame
        np.testing.assert_allclose(other - other.mean(axis=0), seen - seen.mean(axis=0), atol=1e-6)


def test_the_same_points_give_the_same_frame_to_the_last_bit() -> None:
    points = turned(np.repeat(STRUCTURES["nuclear-pore"](), 40, axis=0), 6)  # more than are fitted
    np.testing.assert_array_equal(upright(points).frame, upright(points.copy()).frame)


def test_a_mirror_image_stays_one() -> None:
    points = lopsided()
    seen, other = (cloud @ upright(cloud).frame for cloud in (points, mirror(points)))
    np.testing.assert_allclose(other - other.mean(axis=0), (seen - seen.mean(axis=0)) * [1, -1, 1], atol=1e-6)


def test_outliers_rotate_nothing() -> None:
    points = lopsided()
    far = np.concatenate([points, [[0.0, 9000, 0], [7000, 0, 7000]]])
    np.testing.assert_allclose(upright(far).frame, upright(points).frame, atol=1e-9)


@pytest.mark.parametrize(
    "points",
    [np.ones((1, 3)), np.eye(3)[:2], np.ones((30, 3)), np.outer(np.arange(30.0), [1, 2, 3]), np.eye(3)],
    ids=["one", "two", "one place", "line", "three"],
)
def test_what_has_no_extent_still_has_a_frame(points: Array) -> None:
    frame, front = upright(points)
    np.testing.assert_allclose(frame.T @ frame, np.eye(3), atol=1e-9)
    assert np.linalg.det(frame) == pytest.approx(1)
    assert front == "Front"
