import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from holly_triton.core.types import Array
from holly_triton.geometry.pointset import spacing
from holly_triton.report.symmetry import axis_in_words, explain_order, explain_symmetries
from holly_triton.structures import cep152
from holly_triton.validation import group
from holly_triton.validation.group import find_group
from holly_triton.validation.measure import measure_points
from holly_triton.validation.operations import conceivable
from holly_triton.validation.symmetry import Change, Symmetry, find_symmetries, residual_error, self_distance


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def posed(points: Array, rng: np.random.Generator) -> Array:
    """In any orientation and place."""
    return np.asarray(points @ Rotation.random(random_state=rng).as_matrix().T + rng.normal(size=3) * 500)


def torus(count: int, rng: np.random.Generator) -> Array:
    around, across = rng.uniform(0, 2 * np.pi, (2, count))
    reach = 100 + 30 * np.cos(across)
    return np.stack([reach * np.cos(around), reach * np.sin(around), 30 * np.sin(across)], axis=1)


def pore() -> Array:
    """Two rings of eight, 50 nm apart and twisted: C8 and C2 across, no mirror."""
    angle = 2 * np.pi * np.arange(8) / 8
    rings = [
        np.stack([50 * np.cos(angle + twist), 50 * np.sin(angle + twist), np.full(8, z)], axis=1)
        for z, twist in ((-25.0, 0.0), (25.0, 0.2))
    ]
    return np.concatenate(rings)


def names(symmetries: list[Symmetry], *verdicts: str) -> set[str]:
    return {s.name for s in symmetries if s.verdict in verdicts}


def test_cep152_has_exactly_one_mirror_plane(rng: np.random.Generator) -> None:
    turn = Rotation.random(random_state=rng).as_matrix()
    found = find_symmetries(cep152() @ turn.T)
    true = [s for s in found if s.verdict == "symmetric"]
    assert [s.name for s in true] == ["mirror"]
    assert true[0].rmsd_nm < 1e-6
    assert abs(true[0].axis @ turn[:, 0]) == pytest.approx(1)
    # The narrow cylinder's offset of 19 nm is all that breaks a second plane: that must not pass for a symmetry.
    assert names(found, "nearly") <= {"C2"}


def test_the_plane_survives_errors_of_the_points(rng: np.random.Generator) -> None:
    noise = 2.0
    found = find_symmetries(posed(cep152() + rng.normal(0, noise, (112, 3)), rng))
    assert names(found, "symmetric") == {"mirror"}
    plane = next(s for s in found if s.name == "mirror")
    # A point and its partner differ by sqrt(6) noise; the nearest point may be nearer, as in 112 points it seldom is.
    assert 0.8 < plane.rmsd_nm / (6**0.5 * noise) < 1.15


def test_a_torus_has_every_turn_and_a_mirror_as_far_as_its_spacing_shows(rng: np.random.Generator) -> None:
    found = find_symmetries(posed(torus(400, rng), rng))
    assert names(found, "symmetric", "nearly") == {"mirror", *(f"C{n}" for n in range(2, 13))}


@pytest.mark.parametrize("count", [30, 300])
def test_a_random_cloud_has_none(count: int, rng: np.random.Generator) -> None:
    found = find_symmetries(rng.normal(size=(count, 3)) * 100)
    assert names(found, "not") == {"mirror", *(f"C{n}" for n in range(2, 13))}
    assert explain_symmetries(found).startswith("No C2-C12")


def test_eight_spokes_are_told_from_seven_and_nine(rng: np.random.Generator) -> None:
    found = find_symmetries(posed(pore(), rng))
    assert names(found, "symmetric") == {"C2", "C4", "C8"}
    nine = next(s for s in found if s.name == "C9")
    # 1/9 of a turn lies 5 degrees from 1/8, which is where the copy slips: 50 nm * 0.087.
    assert nine.slip_nm == pytest.approx(50 * np.deg2rad(5), rel=1e-3)


def test_data_distinguish_a_true_from_a_near_symmetry() -> None:
    """With a stand-in for the pictures: how far the points lie from the sites and the sites from the points."""
    sites = cep152()

    def loss_of(points: Array) -> float:
        squared = np.square(points[:, None] - sites).sum(axis=-1)
        return float(squared.min(axis=1).mean() + squared.min(axis=0).mean())

    noisy = sites + np.random.default_rng(0).normal(0, 3.0, sites.shape)
    found = {s.name: s for s in find_symmetries(noisy, lambda joined: Change(loss_of(joined) / loss_of(noisy) - 1))}
    assert found["mirror"].supported is True
    assert found["C2"].verdict == "nearly" and found["C2"].supported is False
    assert found["C3"].verdict == "not" and found["C3"].loss_change is None
    said = explain_symmetries(list(found.values()))
    assert "mirror" in said and "C2" not in said and "compatible" in said


def test_where_the_data_support_none_one_sentence_says_how_near_the_nearest_comes(rng: np.random.Generator) -> None:
    ring = posed(torus(400, rng), rng)
    found = [
        replace(s, loss_change=int(s.name[1:]) / 100 if s.name != "mirror" else 0.5) for s in find_symmetries(ring)
    ]
    said = explain_symmetries(found)
    assert said.count(". ") == 0 and re.findall(r"\d+%", said) == ["2%"]
    assert re.findall(r"\bC\d+\b", said) == ["C2", "C12", "C2"]


def test_what_a_symmetry_implies_is_not_listed_beside_it(rng: np.random.Generator) -> None:
    """C4 and C2 about the axis of C8; other orders about it, of which none is, since points coincide under C8."""
    said = explain_symmetries(find_symmetries(posed(pore(), rng)))
    assert re.findall(r"\bC\d+\b", said) == ["C8", "C2", "C8"] and "axes perpendicular to that of C8" in said
    rough = explain_symmetries(find_symmetries(posed(torus(400, rng), rng)))
    assert "order not determined" in rough


def test_an_axis_is_named_in_the_frame_of_the_points(rng: np.random.Generator) -> None:
    assert "C8 about z (" in explain_symmetries(find_symmetries(pore()))
    turn = Rotation.from_rotvec([np.pi / 6, 0, 0]).as_matrix()  # z goes to (0, -1/2, sqrt(3)/2)
    assert "C8 about (0.00, -0.50, 0.87) (" in explain_symmetries(find_symmetries(pore() @ turn.T))
    assert axis_in_words([0, -1, 0.01]) == "y" and axis_in_words([0, 0.1, 0.995]) == "(0.00, 0.10, 1.00)"
    figures = measure_points(pore() @ turn.T)
    assert abs(np.dot(figures["symmetry"]["axis"], turn[:, 2])) > 0.999
    assert "(0.00, -0.50, 0.87) of cloud.ply" in explain_order({**figures, "imposed": None})


@pytest.mark.parametrize(("order", "other"), [(0.94, 0.1), (0.09, 0.97)])
def test_an_order_below_the_next_does_not_have_the_largest_amplitude(order: float, other: float) -> None:
    """Two rings of eight, turned by half a step, have the order 16, which is beyond those that are tried."""
    turns = {"axis": None, "order": 10, "amplitude": order, "next_order": 16, "next_strength": other**2}
    said = explain_order({"turns": turns, "symmetry": None, "confirmed": None})
    assert ("largest" in said) is (order > other) and f"{order:.2f} of 1 (order 16: {other:.2f})" in said


def test_an_exact_symmetry_is_not_denied_for_a_share_of_a_loss_that_is_nearly_nothing() -> None:
    """On clean data a true mirror plane raised a loss of 0.3 by 7 %: a hundredth of a nanometre."""
    rng, error = np.random.default_rng(8), 0.05
    structure = cep152() + rng.normal(0, error / 3**0.5, (112, 3))
    width, least = 4.0, 80 * error / 4.0  # the loss to which that error amounts

    def loss_of(points: Array) -> float:
        off = np.sqrt(np.square(points[:, None] - cep152()).sum(axis=-1).min(axis=1)).mean()
        return float(least if len(points) == 112 else 1.07 * max(least, 80 * off / width))

    known = residual_error(loss_of(structure), width)
    assert known == pytest.approx(error)
    before = loss_of(structure)
    found = {s.name: s for s in find_symmetries(structure, lambda joined: Change(loss_of(joined) / before - 1), known)}
    assert found["mirror"].loss_change == pytest.approx(0.07, abs=0.01) and found["mirror"].within_error
    assert found["mirror"].supported is True and found["mirror"].figures()["positional_error"] == known
    # The offset of 19 nm that breaks C2 is far beyond the error, whatever share of the loss it is.
    assert found["C2"].verdict == "nearly" and not found["C2"].within_error and found["C2"].supported is False


def test_a_loss_of_missing_labels_is_no_positional_error() -> None:
    assert residual_error(60.0, 10.0) is None
    assert residual_error(0.8, 4.0) == pytest.approx(0.04)


def test_symmetrised_clouds_are_put_to_the_pictures_in_their_own_frame() -> None:
    seen: list[Array] = []

    def impose(points: Array) -> Change:
        seen.append(points)
        return Change(0.0)

    points = pore() + [1000.0, 0.0, 0.0]
    found = find_symmetries(points, impose)
    assert len(seen) == sum(s.verdict != "not" for s in found)
    for union in seen:
        assert len(union) % 16 == 0
        np.testing.assert_allclose(union.mean(axis=0), points.mean(axis=0), atol=1e-6)
    assert all(s.loss_change == 0 for s in found if s.verdict != "not")


def test_a_rise_of_the_loss_within_its_error_does_not_contradict_a_symmetry() -> None:
    def supported(change: Change) -> set[bool | None]:
        return {s.supported for s in find_symmetries(pore(), lambda joined: change) if s.verdict == "symmetric"}

    assert supported(Change(0.03, 0.01)) == {True} and supported(Change(0.05, 0.01)) == {False}
    assert supported(Change(0.03)) == {False} and supported(Change(0.06, 0.05)) == {False}


def test_self_distance_is_the_rmsd_to_the_turned_copy() -> None:
    points = np.array([[3.0, 0, 0], [-3.0, 0, 0], [0, 1.0, 0], [0, -1.0, 0]])
    quarter = Rotation.from_rotvec([0, 0, np.pi / 2]).as_matrix()
    # Turned, an outer point lies 2 beyond an inner one; an inner one sqrt(2) or more from the nearest, another inner.
    expected = np.sqrt((2**2 + 2**2 + min(2.0**2, 1 + 1) * 2) / 4)
    assert self_distance(points, quarter) == pytest.approx(expected)
    assert self_distance(points, np.diag([-1.0, 1.0, 1.0])) < 1e-12


def test_spacing_is_the_root_mean_square_to_the_nearest_neighbour() -> None:
    assert spacing(np.array([[0.0, 0, 0], [1, 0, 0], [4, 0, 0]])) == pytest.approx(np.sqrt((1 + 1 + 9) / 3))


@pytest.mark.parametrize(("points", "order"), [(pore(), 16), (cep152(), 2), (np.eye(4)[:, :3] + [0.1, 0.2, 0.3], 6)])
def test_the_group_of_an_exact_structure(points: Array, order: int, rng: np.random.Generator) -> None:
    moved = posed(points, rng)
    found = find_group(moved)
    assert len(found) == order
    np.testing.assert_array_equal(found[0], np.eye(3))
    assert max(self_distance(moved, element) for element in found) < 1e-3 * spacing(moved)


def test_second_moments_leave_no_rotation_out_that_a_cloud_has(rng: np.random.Generator) -> None:
    names = lambda points: [kind.name for kind in conceivable(points, 0.05 * spacing(points))]  # noqa: E731
    assert names(posed(rng.normal(size=(300, 3)) * (90, 60, 30), rng)) == ["C2", "mirror"]
    seed = rng.normal(size=(12, 3)) * (20, 20, 40) + (50, 0, 0)
    for order in (3, 7, 12):
        turns = Rotation.from_rotvec(np.arange(order)[:, None] * [0, 0, 2 * np.pi / order]).as_matrix()
        cloud = posed(np.concatenate([seed @ turn.T for turn in turns]), rng)
        cloud += rng.normal(size=cloud.shape) * 0.02 * spacing(cloud)
        assert f"C{order}" in names(cloud)


def test_the_group_of_many_points_is_sought_among_few(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def counting(points: Array, **kinds: Any) -> list[Symmetry]:
        seen.append(len(points))
        return find_symmetries(points, **kinds)

    monkeypatch.setattr(group, "find_symmetries", counting)
    monkeypatch.setattr(group, "MOST_POINTS", 500)
    turns = Rotation.from_rotvec(np.arange(5)[:, None] * [0, 0, 2 * np.pi / 5]).as_matrix()
    fifth = rng.normal(size=(300, 3)) * (90, 90, 60)
    fivefold = np.concatenate([fifth @ turn.T for turn in turns])
    assert len(group.find_group(posed(fivefold, rng))) == 5
    inner = np.linalg.norm(fivefold, axis=1).argsort()[:500]
    fivefold[inner] *= (1, 1, 0.5)  # still fivefold
    fivefold[inner[:100]] += 20  # no more, though the outer points are
    assert len(group.find_group(fivefold)) == 1
    assert max(seen) < 525


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.zeros((5, 2)), np.full((5, 3), np.inf)])
def test_what_is_no_cloud_is_refused(bad: Array) -> None:
    with pytest.raises(ValueError, match="at least four"):
        find_symmetries(bad)


def test_points_all_in_one_place_or_in_a_line_do_not_fail() -> None:
    find_symmetries(np.zeros((5, 3)))
    assert "mirror" in names(find_symmetries(np.outer(np.arange(5.0), [1, 2, 3])), "symmetric")
