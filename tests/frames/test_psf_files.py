"""Calibrations of SMAP, Picasso and ThunderSTORM, also damaged and hostile ones."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from scipy.interpolate import CubicSpline

from holly_triton.core.errors import HollyError
from holly_triton.frames.psf import GaussianPsf, HuangCurve, SplinePsf, default_psf, read_psf
from holly_triton.frames.psf.yaml_files import fit_curve

DZ, Z0, SIDE = 50.0, 14, 25
"""Of the SMAP calibration that is written here; 29 planes."""


def along(values: np.ndarray) -> np.ndarray:
    """Cubic splines along the first axis, not-a-knot as MATLAB's: powers 0 to 3 as a last axis, an interval less."""
    return np.moveaxis(CubicSpline(np.arange(len(values)), values).c[::-1], 0, -1)


def smap_struct(psf: GaussianPsf) -> dict:
    """A PSF as SMAP keeps it: planes run against z, and each voxel has a polynomial."""
    z = -(np.arange(29) - Z0) * DZ
    xyz = np.column_stack([np.full((29, 2), SIDE * 50.0), z])
    nodes = psf.patches(torch.from_numpy(xyz), SIDE)[0].numpy().transpose(1, 2, 0)  # row, column, plane
    by_row = along(nodes)  # [rows - 1, columns, planes, i]
    by_column = along(by_row.transpose(1, 0, 2, 3))  # [columns - 1, rows - 1, planes, i, j]
    by_plane = along(by_column.transpose(2, 1, 0, 3, 4))  # [planes - 1, rows - 1, columns - 1, i, j, k]
    terms = by_plane.transpose(1, 2, 0, 5, 4, 3)  # row, column, plane, k, j, i
    coeff = terms.reshape(*terms.shape[:3], 64)
    return {"coeff": coeff.astype(np.float32), "dz": DZ, "z0": float(Z0), "x0": SIDE // 2 + 1.0}


def write_smap(path: Path, spline: dict, *, new: bool = False) -> Path:
    if not new:
        scipy.io.savemat(path, {"SXY": {"cspline": spline, "EMon": 0.0}}, do_compression=True)
        return path
    with h5py.File(path, "w") as file:
        struct = file.create_group("SXY")
        struct.attrs["MATLAB_class"] = np.bytes_("struct")
        inner = struct.create_group("cspline")
        inner.attrs["MATLAB_class"] = np.bytes_("struct")
        for name, value in spline.items():
            inner[name] = np.atleast_2d(value).T
            inner[name].attrs["MATLAB_class"] = np.bytes_("single" if name == "coeff" else "double")
    return path


@pytest.fixture(scope="module")
def struct() -> dict:
    return smap_struct(default_psf())


@pytest.mark.parametrize("new", [False, True], ids=["version 5", "version 7.3"])
def test_smap_is_read_with_its_sign_and_its_centre(new: bool, struct: dict, tmp_path: Path, seed: int) -> None:
    psf = read_psf(write_smap(tmp_path / "beads_3dcal.mat", struct, new=new), pixel_nm=100.0)
    assert isinstance(psf, SplinePsf) and psf.z_range_nm == (-700.0, 700.0)
    generator = torch.Generator().manual_seed(seed)
    xyz = torch.rand(20, 3, generator=generator) * torch.tensor([200.0, 200, 1200]) + torch.tensor([1150.0, 1150, -600])
    values, derivatives = psf.patches(xyz, SIDE)
    expected, slopes = default_psf().patches(xyz, SIDE)
    assert (values - expected).abs().max() < 5e-3 * expected.max()
    # The slope along z tells the sign apart.
    assert (derivatives[:, 2] - slopes[:, 2]).abs().max() < 0.05 * slopes[:, 2].abs().max()


def test_smap_turned_over_where_asked(struct: dict, tmp_path: Path) -> None:
    path = write_smap(tmp_path / "beads_3dcal.mat", struct)
    up, down = (read_psf(path, pixel_nm=100.0, z_sign=sign) for sign in (1, -1))
    xyz = torch.tensor([[1250.0, 1250.0, 310.0]])
    one, other = up.patches(xyz, SIDE)[0], down.patches(xyz * torch.tensor([1.0, 1, -1]), SIDE)[0]
    assert torch.allclose(one, other, atol=1e-6)


def changed(struct: dict, what: str) -> dict:
    spline = dict(struct)
    if what == "nan":
        spline["coeff"] = np.full_like(struct["coeff"], np.nan)
    elif what == "shape":
        spline["coeff"] = struct["coeff"][..., :60]
    elif what == "order":
        terms = struct["coeff"].reshape(*struct["coeff"].shape[:3], 4, 4, 4)
        spline["coeff"] = terms.transpose(0, 1, 2, 5, 4, 3).reshape(struct["coeff"].shape)
    elif what == "two channels":
        cells = np.empty((1, 2), dtype=object)
        cells[0, :] = [struct["coeff"], struct["coeff"]]
        spline["coeff"] = cells
    elif what == "centre":
        spline["x0"] = 400.0
    else:
        del spline["dz"]
    return spline


@pytest.mark.parametrize("what", ["nan", "shape", "order", "two channels", "centre", "no step"])
def test_wrong_calibrations_of_smap_end_in_one_line(what: str, struct: dict, tmp_path: Path) -> None:
    path = write_smap(tmp_path / "beads_3dcal.mat", changed(struct, what))
    with pytest.raises(HollyError, match="beads_3dcal.mat") as error:
        read_psf(path, pixel_nm=100.0)
    assert "\n" not in str(error.value)


def hostile(path: Path, struct: dict, what: str) -> None:
    write_smap(path, struct, new=what in ("link", "promise", "cycle"))
    if what == "truncated":
        path.write_bytes(path.read_bytes()[:3000])
    elif what == "noise":
        path.write_bytes(path.read_bytes()[:128] + np.random.default_rng(0).bytes(4000))
    elif what == "no struct":
        scipy.io.savemat(path, {"data": np.eye(3)})
    elif what == "text":
        scipy.io.savemat(path, {"SXY": "hello"})
    else:
        with h5py.File(path, "r+") as file:
            del file["SXY/cspline/coeff"]
            place = file["SXY/cspline"]
            if what == "link":
                place["coeff"] = h5py.ExternalLink("/etc/hostname", "coeff")
            elif what == "promise":
                place.create_dataset("coeff", shape=(64, 5000, 5000, 5000), dtype="f4", chunks=(1, 10, 100, 100))
            else:
                cell = place.create_dataset("coeff", shape=(1, 1), dtype=h5py.ref_dtype)
                cell.attrs["MATLAB_class"] = np.bytes_("cell")
                cell[0, 0] = cell.ref


@pytest.mark.parametrize("what", ["truncated", "noise", "no struct", "text", "link", "promise", "cycle"])
def test_hostile_mat_files_end_in_one_line(what: str, struct: dict, tmp_path: Path) -> None:
    path = tmp_path / "evil_3dcal.mat"
    hostile(path, struct, what)
    with pytest.raises(HollyError, match="evil_3dcal.mat") as error:
        read_psf(path, pixel_nm=100.0)
    assert "\n" not in str(error.value)


PICASSO = """\
X Coefficients: [{x}]
Y Coefficients: [{y}]
Number of frames: 101
Step size in nm: 10.0
Magnification factor: {factor}
"""


def write_picasso(path: Path, psf: GaussianPsf, factor: float = 1.0) -> Path:
    """Polynomials of the sixth degree through the widths of a Gaussian, as Picasso fits them."""
    z = np.linspace(-500, 500, 101)
    coefficients = []
    for curve in (psf.x, psf.y):
        widths = curve.variance(torch.from_numpy(z * factor))[0].sqrt().numpy() / psf.pixel_nm
        coefficients.append(", ".join(f"{value:.17e}" for value in np.polyfit(z, widths, 6)))
    path.write_text(PICASSO.format(x=coefficients[0], y=coefficients[1], factor=factor))
    return path


@pytest.mark.parametrize("factor", [1.0, 0.79])
def test_picasso_gives_widths_in_nm_over_corrected_depths(factor: float, tmp_path: Path) -> None:
    psf = read_psf(write_picasso(tmp_path / "cal.yaml", default_psf(), factor), pixel_nm=100.0)
    assert isinstance(psf, GaussianPsf) and psf.z_range_nm == pytest.approx((-500 * factor, 500 * factor))
    z = torch.linspace(*psf.z_range_nm, 50)
    for found, expected in ((psf.x, default_psf().x), (psf.y, default_psf().y)):
        # The polynomial itself is off by up to 1 %.
        assert (found.variance(z)[0] / expected.variance(z)[0]).sqrt().tolist() == pytest.approx([1.0] * 50, abs=0.015)


def test_picasso_can_be_turned_over(tmp_path: Path) -> None:
    psf = read_psf(write_picasso(tmp_path / "cal.yaml", default_psf()), pixel_nm=100.0, z_sign=-1)
    assert isinstance(psf, GaussianPsf)
    assert psf.x.c_nm == pytest.approx(300, abs=30) and psf.y.c_nm == pytest.approx(-300, abs=30)


THUNDERSTORM = """\
!!cz.cuni.lf1.lge.ThunderSTORM.calibration.{kind}
a1: {a1}
a2: {a2}
angle: 0.2
b1: {b1}
b2: {b2}
c1: -250.0
c2: 270.0
d1: {d1}
d2: {d2}
homography: null
isBiplane: false
name: Huang '08
w01: 2.8
w02: 3.0
"""


def test_thunderstorm_writes_twice_the_width_in_pixels(tmp_path: Path) -> None:
    path = tmp_path / "cal.yaml"
    path.write_text(THUNDERSTORM.format(kind="DaostormCalibration", a1=0.0, a2=0.0, b1=0.1, b2=0.2, d1=380.0, d2=400.0))
    psf = read_psf(path, pixel_nm=80.0)
    assert isinstance(psf, GaussianPsf)
    assert psf.x == HuangCurve(112.0, -250.0, 380.0, 0.0, 0.1) and psf.y == HuangCurve(120.0, 270.0, 400.0, 0.0, 0.2)
    assert psf.tilt_deg == pytest.approx(-np.rad2deg(0.2)) and psf.pixel_nm == 80.0
    down = read_psf(path, pixel_nm=80.0, z_sign=-1)
    assert isinstance(down, GaussianPsf) and down.x.c_nm == 250.0


def test_thunderstorm_polynomials_become_the_nearest_curves(tmp_path: Path) -> None:
    path = tmp_path / "cal.yaml"
    values = {"a1": 4e-6, "a2": 5e-6, "b1": 1.3, "b2": 1.4, "d1": 0.0, "d2": 0.0}
    path.write_text(THUNDERSTORM.format(kind="PolynomialCalibration", **values))
    psf = read_psf(path, pixel_nm=100.0)
    assert isinstance(psf, GaussianPsf)
    z = torch.linspace(*psf.z_range_nm, 40)
    expected = 100 * (1.3 + 4e-6 * (z + 250) ** 2)
    assert (psf.x.variance(z)[0].sqrt() / expected).tolist() == pytest.approx([1.0] * 40, abs=0.02)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch owned']",
        "X Coefficients: !!python/object/apply:os.system ['touch owned']\nY Coefficients: [1, 2]",
        "!!javax.script.ScriptEngineManager [x]",
        "X Coefficients: [1, two]\nY Coefficients: [1, 2]",
        "X Coefficients: [.nan, 1]\nY Coefficients: [1, 2]",
        "X Coefficients: [0, -3]\nY Coefficients: [0, 2]",
        "a: [1, 2",
        "- 1\n- 2",
        "just text",
        "",
        "a: " + "[" * 3000,
        "x: " + "y" * 2_000_000,
        THUNDERSTORM.format(kind="DaostormCalibration", a1=0, a2=0, b1=0, b2=0, d1=0, d2=1),
        THUNDERSTORM.format(kind="DoubleDefocusCalibration", a1=0, a2=0, b1=0, b2=0, d1=1, d2=1),
    ],
    ids=range(14),
)
def test_hostile_and_wrong_yaml_ends_in_one_line(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "cal.yaml"
    path.write_text(text)
    with pytest.raises(HollyError, match="cal.yaml") as error:
        read_psf(path, pixel_nm=100.0)
    assert "\n" not in str(error.value) and not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["cal.yaml", "beads_3dcal.mat"])
def test_the_pixel_size_is_asked_for(name: str, struct: dict, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith("yaml"):
        write_picasso(path, default_psf())
    else:
        write_smap(path, struct)
    with pytest.raises(HollyError, match="--pixel-size"):
        read_psf(path)


def test_curves_are_found_again() -> None:
    z = np.linspace(-600, 700, 80)
    curve = HuangCurve(150.0, 120.0, 310.0, 0.2, 0.15)
    found, fitted = fit_curve(z, curve.variance(torch.from_numpy(z))[0].sqrt().numpy())
    assert [found.sigma0_nm, found.c_nm, found.d_nm] == pytest.approx([150, 120, 310], rel=1e-3)
    assert [found.a, found.b] == pytest.approx([0.2, 0.15], abs=2e-3)
    assert len(fitted) == 80
