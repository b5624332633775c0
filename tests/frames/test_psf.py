"""PSFs: derivatives, integration over pixels, drawing, depths, and their own files."""

import math
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.special import erf

from holly_triton.core.errors import HollyError
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf import (
    GaussianPsf,
    HuangCurve,
    Psf,
    SplinePsf,
    check_depths,
    default_psf,
    read_psf,
    write_psf,
)
from holly_triton.frames.psf.model import draw_patches
from holly_triton.frames.psf.spline import basis, spline_of_slices

TILTED = GaussianPsf(HuangCurve(150, -250, 350, 0.1, 0.2), HuangCurve(160, 280, 300, -0.1, 0.1), tilt_deg=25.0)
MILD = replace(default_psf(), tilt_deg=25.0)
NAMES = ["gaussian", "tilted", "spline"]


def slices(psf: Psf, z_nm: np.ndarray, side: int) -> np.ndarray:
    """The PSF in the middle of patches, at several depths."""
    xyz = np.column_stack([np.full((len(z_nm), 2), side / 2 * psf.pixel_nm), z_nm])
    return psf.patches(torch.from_numpy(xyz), side)[0].numpy()


def spline(psf: GaussianPsf = MILD, side: int = 27) -> SplinePsf:
    """A table of a Gaussian."""
    z = np.arange(-700, 701, 25.0)
    return spline_of_slices(slices(psf, z, side), z, pixel_nm=100.0, planes=np.arange(-700, 701, 100.0))


def model(name: str) -> Psf:
    return {"gaussian": default_psf, "tilted": lambda: TILTED, "spline": spline}[name]()


def places(number: int, seed: int, side: int) -> torch.Tensor:
    """Positions in float64 near the middle of patches."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.tensor([200.0, 200, 1200], dtype=torch.float64)
    middle = torch.tensor([side * 50.0, side * 50.0, 0], dtype=torch.float64)
    return (torch.rand(number, 3, generator=generator, dtype=torch.float64) - 0.5) * spread + middle


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_the_values(name: str, seed: int) -> None:
    psf = model(name)
    if isinstance(psf, SplinePsf):
        psf = replace(psf, table=psf.table._replace(coefficients=psf.table.coefficients.double()))
    xyz = places(6, seed, 19)
    derivatives = psf.patches(xyz, 19)[1]
    for axis in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = 0.05
        numeric = (psf.patches(xyz + step, 19)[0] - psf.patches(xyz - step, 19)[0]) / 0.1
        assert (numeric - derivatives[:, axis]).abs().max() < 1e-5 * derivatives[:, axis].abs().max()


@pytest.mark.parametrize("name", ["gaussian", "tilted"])
def test_derivatives_agree_with_autograd(name: str, seed: int) -> None:
    psf, xyz = model(name), places(3, seed, 15).requires_grad_()
    values, derivatives = psf.patches(xyz, 15)
    weights = torch.rand(values.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    (gradient,) = torch.autograd.grad((values * weights).sum(), xyz)
    assert torch.allclose(gradient, (derivatives * weights[:, None]).sum((2, 3)), rtol=1e-9)


def test_a_gaussian_is_integrated_over_the_pixels() -> None:
    psf = default_psf()
    xyz = torch.tensor([[1030.0, 1080.0, 40.0]], dtype=torch.float64)
    edges = np.arange(22) * 100.0

    def integrated(at: float, curve: HuangCurve) -> np.ndarray:
        sigma = math.sqrt(float(curve.variance(xyz[0, 2])[0]))
        return np.diff(erf((edges - at) / (math.sqrt(2) * sigma))) / 2

    exact = integrated(1080, psf.y)[:, None] * integrated(1030, psf.x)
    # A twelfth of a square pixel more; at these widths, 1.6 and 1.7 px, the error is below 0.03 % of the peak.
    assert np.abs(psf.patches(xyz, 21)[0][0].numpy() - exact).max() < 3e-4 * exact.max()


@pytest.mark.parametrize("name", NAMES)
def test_a_patch_holds_nearly_all_photons_at_every_depth(name: str) -> None:
    psf = model(name)
    z = torch.linspace(*psf.z_range_nm, 9)
    middle = torch.full((9, 2), psf.size / 2 * psf.pixel_nm)
    totals = psf.patches(torch.cat([middle, z[:, None]], dim=1), psf.size)[0].sum((1, 2))
    # A table made of 27 pixels keeps what they hold of the widest Gaussian, 3.5 px.
    assert (totals - 1).abs().max() < (5e-4 if name == "spline" else 2e-4)


@pytest.mark.parametrize("name", NAMES)
def test_frames_are_the_sum_of_the_patches(name: str, seed: int) -> None:
    psf = model(name)
    generator = torch.Generator().manual_seed(seed)
    xyz = torch.rand(40, 3, generator=generator) * torch.tensor([3400.0, 2700, 1200]) - torch.tensor([200.0, 200, 600])
    emitters = Emitters.of(xyz, torch.rand(40, generator=generator) * 1000, torch.tensor([17, 0, 23]))
    frames = psf.draw(emitters, (24, 31))
    summed = draw_patches(psf, lambda at, size: psf.patches(at, size)[0], emitters, (24, 31))
    assert frames.shape == (3, 24, 31) and not frames[1].any()
    # Patches cut a Gaussian off at four standard deviations.
    assert (frames - summed).abs().max() < 3e-4 * frames.max()


def test_exchanging_the_axes_turns_the_frame_over(seed: int) -> None:
    psf = GaussianPsf()
    turned = replace(psf, x=psf.y, y=psf.x)
    xyz = places(5, seed, 24).float()
    one = psf.draw(Emitters(xyz, torch.ones(5), torch.tensor([0, 5])), (24, 24))
    other = turned.draw(Emitters(xyz[:, [1, 0, 2]], torch.ones(5), torch.tensor([0, 5])), (24, 24))
    assert torch.allclose(one, other.mT, atol=1e-7)


def test_a_tilt_of_a_right_angle_exchanges_the_widths(seed: int) -> None:
    psf = GaussianPsf()
    xyz = places(4, seed, 21)
    exchanged = replace(psf, x=psf.y, y=psf.x)
    for one, other in zip(replace(psf, tilt_deg=90.0).patches(xyz, 21), exchanged.patches(xyz, 21), strict=True):
        assert torch.allclose(one, other, atol=1e-12)


def test_a_tilt_is_seen_where_it_points() -> None:
    wide = GaussianPsf(HuangCurve(300, 0, 400), HuangCurve(120, 0, 400), tilt_deg=30.0)
    image = wide.patches(torch.tensor([[1550.0, 1550.0, 0.0]]), 31)[0][0].double()
    at = torch.arange(31, dtype=torch.float64) - 15
    xx, yy = ((image * part).sum() for part in (at**2, at[:, None] ** 2))
    xy = (image * at * at[:, None]).sum()
    assert math.degrees(math.atan2(2 * xy, xx - yy)) / 2 == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_beyond_its_depths_the_nearest_is_drawn(name: str) -> None:
    psf = model(name)
    xyz = torch.tensor([[1200.0, 1200.0, psf.z_range_nm[1]], [1200.0, 1200.0, 2000.0]])
    values = psf.patches(xyz, 25)[0]
    assert torch.equal(values[0], values[1])
    drawn = psf.draw(Emitters(xyz, torch.ones(2), torch.tensor([0, 1, 2])), (25, 25))
    assert torch.allclose(drawn[0], drawn[1])


def test_depths_outside_the_calibration_are_refused_by_name() -> None:
    check_depths(default_psf(), torch.tensor([-700.0, 0, 700]), "truth.csv")
    check_depths(default_psf(), torch.zeros(0), "truth.csv")
    with pytest.raises(HollyError, match=r"truth\.csv: .* to 900 nm.* -700 to 700 nm"):
        check_depths(default_psf(), torch.tensor([0.0, 900.0]), "truth.csv")
    with pytest.raises(HollyError, match="truth"):
        check_depths(default_psf(), torch.tensor([float("nan")]), "truth")


def test_a_table_agrees_with_what_it_was_made_of(seed: int) -> None:
    xyz = places(30, seed, 25)
    xyz[:, 2] = xyz[:, 2].clamp(-600, 600)
    values, derivatives = MILD.patches(xyz, 25)
    table, table_derivatives = spline().patches(xyz.float(), 25)
    # Cubic splines at whole pixels, of a Gaussian of 1.5 px at its narrowest.
    assert (table - values).abs().max() < 5e-3 * values.max()
    assert (table_derivatives - derivatives).abs().amax((0, 2, 3)).tolist() < (
        0.04 * derivatives.abs().amax((0, 2, 3))
    ).tolist()


def test_b_splines_add_up_to_one_inside() -> None:
    assert np.allclose(basis(np.linspace(1, 5, 17), 7).sum(axis=1), 1)
    assert np.allclose(basis(np.array([2.0]), 5), [[0, 1 / 6, 2 / 3, 1 / 6, 0]])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"z_min_nm": 700.0}, "z_min_nm"),
        ({"x": HuangCurve(130, 0, 200, 0.0, -0.5)}, "width along x vanishes"),
        ({"pixel_nm": 0.0}, "pixel_nm"),
    ],
)
def test_impossible_gaussians_are_refused(change: dict, said: str) -> None:
    with pytest.raises(HollyError, match=said):
        replace(GaussianPsf(), **change)


@pytest.mark.parametrize("name", NAMES)
def test_files_come_back_as_they_were(name: str, tmp_path: Path, seed: int) -> None:
    psf, path = model(name), tmp_path / "psf.h5"
    if isinstance(psf, SplinePsf):
        psf = replace(psf, z_range_nm=(-550.0, 480.0))
    write_psf(path, psf)
    back = read_psf(path)
    assert type(back) is type(psf) and back.z_range_nm == psf.z_range_nm and back.pixel_nm == psf.pixel_nm
    if isinstance(psf, GaussianPsf):
        assert back == psf
    xyz = places(4, seed, 21).float()
    for one, other in zip(psf.patches(xyz, 21), back.patches(xyz, 21), strict=True):
        assert torch.equal(one, other)


def damaged(path: Path, what: str) -> None:
    write_psf(path, spline())
    if what == "truncated":
        path.write_bytes(path.read_bytes()[:-2000])
        return
    if what == "no hdf5":
        path.write_bytes(b"PSF")
        return
    with h5py.File(path, "r+") as file:
        if what == "newer":
            file.attrs["version"] = 99
        elif what == "other":
            file.attrs["format"] = "something else"
        elif what == "missing":
            del file.attrs["z_step_nm"]
        elif what == "depths":
            file.attrs["z_max_nm"] = 5000.0
        elif what == "nan":
            file["coefficients"][3, 3, 3] = np.nan
        else:
            del file["coefficients"]
            file.create_dataset("coefficients", shape=(100_000, 10_001, 10_001), dtype="f4", chunks=(1, 100, 100))


@pytest.mark.parametrize(
    "what", ["truncated", "no hdf5", "newer", "other", "missing", "depths", "nan", "promises too much"]
)
def test_damaged_files_end_in_one_line(what: str, tmp_path: Path) -> None:
    path = tmp_path / "psf.h5"
    damaged(path, what)
    with pytest.raises(HollyError, match="psf.h5") as error:
        read_psf(path)
    assert "\n" not in str(error.value)


def test_no_file_and_no_name_for_one(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="no such file"):
        read_psf(tmp_path / "psf.h5")
    with pytest.raises(HollyError, match=r"\.h5"):
        write_psf(tmp_path / "psf.txt", default_psf())
