import json

import numpy as np
import pytest
from scipy import fft
from scipy.spatial.transform import Rotation

from holly_triton.core.types import Array
from holly_triton.report.agreement import explain_resolution
from holly_triton.validation.fsc import crossing, find_resolution, shell_correlation

pytestmark = pytest.mark.usefixtures("quick_alignment")

SIGMA_NM = 12.0


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def cloud(rng: np.random.Generator) -> Array:
    """300 points without order: their shells of Fourier space hold the power of points that don't interfere."""
    return np.asarray(rng.normal(size=(300, 3)) * 100)


def moved(points: Array, rng: np.random.Generator) -> Array:
    turned = rng.permutation(points) @ Rotation.random(random_state=rng).as_matrix().T
    return np.asarray(turned * [1, 1, -1] + 700)


def test_identical_halves_are_limited_by_the_drawing(rng: np.random.Generator) -> None:
    points = cloud(rng)
    found = find_resolution(moved(points, rng), points, SIGMA_NM)
    np.testing.assert_allclose(found.correlation, 1, atol=1e-6)
    assert found.verdict == "limited" and found.resolution_nm is None
    # Nyquist: two voxels, of which 1.5 make a sigma.
    assert found.limit_nm == pytest.approx(2 * SIGMA_NM / 1.5)
    assert f"{found.limit_nm:.1f} nm or finer" in explain_resolution(found) and found.positional_sd_nm is None


@pytest.mark.parametrize("jitter_nm", [6.0, 9.0])
def test_independent_errors_give_the_curve_and_the_resolution_of_the_formula(
    jitter_nm: float, rng: np.random.Generator
) -> None:
    points = cloud(rng)
    halves = [moved(points + rng.normal(0, jitter_nm, points.shape), rng) for _ in range(2)]
    found = find_resolution(halves[0], halves[1], SIGMA_NM)
    expected = np.exp(-4 * np.pi**2 * jitter_nm**2 * found.frequency**2)
    # Shells beyond the overall shape and short of Nyquist; with some 300 independent values in a shell the
    # correlation is uncertain by 0.06, and its mean over shells by far less.
    shells = (found.frequency > 1 / 150) & (found.frequency < 0.8 / found.limit_nm)
    assert np.abs(found.correlation - expected)[shells].max() < 0.15
    assert np.abs((found.correlation - expected)[shells].mean()) < 0.03
    assert found.verdict == "measured"
    # The curve's slope where it passes 0.143 turns an error of 0.06 there into 10 % of the resolution.
    assert found.resolution_nm == pytest.approx(4.5 * jitter_nm, rel=0.1)
    assert found.positional_sd_nm == pytest.approx(jitter_nm, rel=0.1)
    assert f"{found.resolution_nm:.1f} nm" in explain_resolution(found) and "FSC 0.143" in explain_resolution(found)


def test_the_drawing_s_sigma_moves_the_limit_and_not_the_resolution(rng: np.random.Generator) -> None:
    points = cloud(rng)
    halves = [points + rng.normal(0, 8.0, points.shape) for _ in range(2)]
    coarse, fine = (find_resolution(halves[0], halves[1], sigma) for sigma in (14.0, 10.0))
    assert fine.limit_nm < coarse.limit_nm
    assert coarse.resolution_nm is not None
    # Another grid cuts other shells, so the crossing moves by a part of one of them.
    assert fine.resolution_nm == pytest.approx(coarse.resolution_nm, rel=0.05)


def test_unrelated_halves_have_nothing_in_common_but_their_size(rng: np.random.Generator) -> None:
    found = find_resolution(cloud(rng), cloud(rng), SIGMA_NM)
    assert found.verdict == "nothing in common"
    assert f"no finer than {found.resolution_nm:.0f} nm" in explain_resolution(found)


def test_a_structure_too_large_for_its_sigma_is_drawn_wider_and_says_so(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holly_triton.validation.fsc.LARGEST_GRID", 64)
    points = cloud(rng)
    found = find_resolution(points, points, 2.0)
    assert found.sigma_nm > 2.0
    assert len(found.frequency) <= 64 // 2 + 1
    assert f"sigma {found.sigma_nm:.1f} nm" in explain_resolution(found)


def test_the_mask_leaves_out_no_point_and_is_stated(rng: np.random.Generator) -> None:
    points = cloud(rng)
    found = find_resolution(points, points, SIGMA_NM)
    reach = np.linalg.norm(points - points.mean(axis=0), axis=1).max()
    assert found.mask_radius_nm == pytest.approx(reach + 5 * SIGMA_NM)
    assert f"radius {found.mask_radius_nm:.0f} nm" in explain_resolution(found)
    figures = found.figures()
    assert json.loads(json.dumps(figures)) == figures


@pytest.mark.parametrize("size", [8, 9])
def test_shell_correlation_is_that_of_the_whole_spectrum(size: int, rng: np.random.Generator) -> None:
    volumes = rng.normal(size=(2, size, size, size))
    frequency, found = shell_correlation(fft.rfftn(volumes[0]), fft.rfftn(volumes[1]), 2.0)
    whole = [fft.fftn(volume) for volume in volumes]
    axis = fft.fftfreq(size, 1 / size)
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).round()
    for shell in range(size // 2 + 1):
        one, two = (spectrum[radius == shell] for spectrum in whole)
        expected = np.vdot(two, one).real / np.sqrt(np.vdot(one, one).real * np.vdot(two, two).real)
        assert found[shell] == pytest.approx(expected)
        assert frequency[shell] == pytest.approx(shell / (2.0 * size))


def test_crossing_is_the_first_and_lies_between_shells() -> None:
    frequency = np.array([0.0, 0.01, 0.02, 0.03, 0.04])
    assert crossing(frequency, np.array([1.0, 0.9, 0.243, 0.043, 0.5])) == pytest.approx(1 / 0.025)
    assert crossing(frequency, np.full(5, 0.2)) is None


@pytest.mark.parametrize(
    ("half", "sigma", "message"),
    [(np.eye(3), 0.0, "sigma_nm"), (np.zeros((3, 2)), 5.0, "finite points"), (np.zeros((3, 3)), 5.0, "extent")],
)
def test_what_cannot_be_measured_is_refused(half: Array, sigma: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_resolution(half, np.zeros((3, 3)), sigma)
