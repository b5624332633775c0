"""The Cramér-Rao bound against published figures and closed forms."""

import math
from dataclasses import replace

import pytest
import torch
from scipy.integrate import quad

from holly_triton.frames.bound import cramer_rao
from holly_triton.frames.camera import Camera, camera_preset
from holly_triton.frames.config.camera import CAMERAS
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf import GaussianPsf, HuangCurve, default_psf

IDEAL = camera_preset("photons")
EMCCD = Camera("emccd", em_gain=300.0)


def alone(depths: torch.Tensor, photons: float, side: int) -> Emitters:
    """An emitter in the middle of its own frame, at each depth."""
    xyz = torch.cat([torch.full((len(depths), 2), side * 50.0), depths[:, None]], dim=1)
    return Emitters(xyz, torch.full((len(depths),), photons), torch.arange(len(depths) + 1))


def rms(psf: GaussianPsf, photons: float, background: float, camera: Camera, reach: float) -> tuple[float, float]:
    """Lateral and axial, every 50 nm of depth."""
    emitters = alone(torch.arange(-reach, reach + 1, 50.0), photons, 29)
    levels = torch.full((emitters.frames,), background)
    x, y, z, _ = cramer_rao(emitters, levels, psf, camera, (29, 29), multi=False).unbind(1)
    return math.sqrt((x**2 + y**2).mean()), math.sqrt((z**2).mean())


@pytest.mark.parametrize(
    ("photons", "background", "reach", "lateral", "axial"),
    [
        (1000, 10, 700, 15.3, 33.6),
        (5000, 50, 700, 6.8, 15.0),
        (20000, 200, 700, 3.4, 7.5),
        (1000, 10, 500, 12.9, 32.8),
        (5000, 50, 500, 5.8, 14.7),
        (20000, 200, 500, 2.9, 7.3),
    ],
)
def test_the_default_psf_has_the_known_limits(
    photons: float, background: float, reach: float, lateral: float, axial: float
) -> None:
    # Computed independently with integrated Gaussians and numeric derivatives, and rounded to 0.1 nm.
    found = rms(default_psf(), photons, background, IDEAL, reach)
    assert found == pytest.approx((lateral, axial), abs=0.06)


@pytest.mark.parametrize(("camera", "factor"), [(IDEAL, 1.0), (EMCCD, math.sqrt(2))])
@pytest.mark.parametrize("background", [1.0, 30.0])
def test_a_round_gaussian_has_the_closed_form_of_mortensen(camera: Camera, factor: float, background: float) -> None:
    sigma, photons = 150.0, 2000.0
    psf = GaussianPsf(HuangCurve(sigma, 0, 400), HuangCurve(sigma, 0, 400))
    emitters = alone(torch.tensor([0.0]), photons, 41)
    # In focus the width does not change with z, which then is unknowable and does not touch x and y.
    found = cramer_rao(emitters, torch.tensor([background]), psf, camera, (41, 41), multi=False)[0]
    widened = sigma**2 + 100.0**2 / 12
    tau = 2 * math.pi * widened * background / (photons * 100.0**2)
    loss = 1 + quad(lambda t: math.log(t) / (1 + t / tau), 0, 1)[0]
    expected = factor * math.sqrt(widened / photons / loss)  # Mortensen et al. 2010, equation 5 (maximum likelihood)
    # Theirs integrates over continuous space; pixels of 0.66 sigma come within 1 %.
    assert found[:2].tolist() == pytest.approx([expected, expected], rel=0.01)
    assert found[2] > 1e3 or math.isinf(found[2])


@pytest.mark.parametrize("camera", [*CAMERAS])
def test_the_variance_is_linear_in_the_photons(camera: str) -> None:
    # The bound takes the variance of a pixel from that in the dark and with one photon.
    none, one, many = camera_preset(camera).variance(torch.tensor([0.0, 1.0, 500.0])).double().tolist()
    assert many - none == pytest.approx(500 * (one - none), rel=1e-5)


@pytest.mark.parametrize("camera", [*CAMERAS])
def test_all_and_one_at_a_time_agree_where_emitters_are_far_apart(camera: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    xyz = torch.tensor([[1500.0, 1500, 0], [6500.0, 6500, 0]]) + torch.rand(2, 3, generator=generator) * 200
    emitters = Emitters(xyz, torch.tensor([4000.0, 2500]), torch.tensor([0, 2]))
    levels, psf, shape = torch.tensor([20.0]), default_psf(), (80, 80)
    one, both = (
        cramer_rao(emitters, levels, psf, camera_preset(camera), shape, multi=multi) for multi in (False, True)
    )
    # Alone, the background is estimated in a window of 31 pixels; together, in the whole frame.
    assert (both <= one * 1.0001).all()
    assert both[:, :3].flatten().tolist() == pytest.approx(one[:, :3].flatten().tolist(), rel=0.02)


def test_neighbours_raise_the_bound_and_at_one_place_leave_nothing() -> None:
    apart = torch.tensor([1200.0, 400.0, 200.0, 0.0])
    xyz = torch.zeros(8, 3)
    xyz[:, :2] = 1600.0
    xyz[1::2, 0] += apart
    emitters = Emitters(xyz, torch.full((8,), 5000.0), torch.arange(0, 9, 2))
    found = cramer_rao(emitters, torch.full((4,), 50.0), default_psf(), IDEAL, (32, 32), multi=True)[::2, 0]
    assert found.diff().gt(0).all()
    assert found[0] < 5 and found[-1] > 1e3


def test_the_bound_scales_with_the_root_of_the_photons() -> None:
    emitters = alone(torch.tensor([-200.0, 150.0]), 1000.0, 31)
    dim = cramer_rao(emitters, torch.full((2,), 10.0), default_psf(), IDEAL, (31, 31), multi=False)
    bright = emitters._replace(photons=emitters.photons * 16)
    assert torch.allclose(
        cramer_rao(bright, torch.full((2,), 160.0), default_psf(), IDEAL, (31, 31), multi=False)[:, :3] * 4, dim[:, :3]
    )


def test_read_noise_and_maps_enter_pixel_by_pixel() -> None:
    emitters = alone(torch.tensor([100.0]), 1000.0, 31)
    quiet, loud = (Camera("scmos", read_noise_electrons=noise) for noise in (0.5, 5.0))
    one, other = (
        cramer_rao(emitters, torch.tensor([5.0]), default_psf(), c, (31, 31), multi=False) for c in (quiet, loud)
    )
    assert (other > 1.3 * one).all()


def test_a_tilt_leaves_the_depth_as_well_known() -> None:
    emitters = alone(torch.tensor([100.0]), 3000.0, 31)
    turned = replace(default_psf(), tilt_deg=45.0)
    straight, tilted = (
        cramer_rao(emitters, torch.tensor([10.0]), psf, IDEAL, (31, 31), multi=False)[0]
        for psf in (default_psf(), turned)
    )
    assert tilted[2] == pytest.approx(float(straight[2]), rel=0.02)
    assert tilted[0] == pytest.approx(float(tilted[1]), rel=1e-3)


@pytest.mark.parametrize("multi", [False, True])
def test_no_emitters_and_emitters_without_light(multi: bool) -> None:
    empty = Emitters(torch.zeros(0, 3), torch.zeros(0), torch.zeros(3, dtype=torch.long))
    assert cramer_rao(empty, torch.ones(2), default_psf(), IDEAL, (20, 20), multi=multi).shape == (0, 4)
    away = Emitters(torch.tensor([[-9000.0, 0, 0]]), torch.ones(1), torch.tensor([0, 1]))
    assert cramer_rao(away, torch.ones(1), default_psf(), IDEAL, (20, 20), multi=multi).isinf().all()
