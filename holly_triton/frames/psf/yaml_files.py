"""Calibrations as YAML: Picasso's polynomials of the widths, and ThunderSTORM's curves."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.polynomial import polynomial
from scipy.optimize import least_squares

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.log import LOG
from holly_triton.core.types import Array
from holly_triton.frames.config.common import Z_RANGE_NM
from holly_triton.frames.config.psf import CURVE_STEPS, LARGEST_YAML, WORST_CURVE

from .gaussian import GaussianPsf, HuangCurve

THUNDERSTORM = "tag:yaml.org,2002:cz.cuni.lf1.lge.ThunderSTORM.calibration."
"""ThunderSTORM marks its calibrations with the name of a class of its own."""
MOST_TERMS = 20
"""Of a polynomial."""
SQUARE_ROOT, POLYNOMIAL = "DaostormCalibration", "PolynomialCalibration"


def read_yaml(path: Path, pixel_nm: float | None, z_sign: int) -> GaussianPsf:
    """The PSF of a calibration of Picasso or ThunderSTORM.

    Polynomials are replaced by the nearest curves of Huang et al.; by how much those differ is reported.

    Args:
        path: The file.
        pixel_nm: Side of a camera pixel, nm: both state widths in pixels, and not the size of these.
        z_sign: -1 reverses its depths.

    Raises:
        HollyError: The file is damaged, neither of these, or no pixel size is given.
    """
    if path.stat().st_size > LARGEST_YAML:
        raise HollyError(
            f"{path}: is larger than {LARGEST_YAML} bytes, as no calibration of Picasso or ThunderSTORM is"
        )
    with foreign(path, "YAML"):
        kind, document = _document(path)
    if pixel_nm is None:
        raise HollyError(f"{path}: states widths in pixels, but not the pixel size; give it with --pixel-size NM")
    if kind is not None or "w01" in document:
        return _thunderstorm(path, kind or SQUARE_ROOT, document, pixel_nm, z_sign)
    if "X Coefficients" in document:
        return _picasso(path, document, pixel_nm, z_sign)
    found = ", ".join(map(str, [*document][:8])) or "nothing"
    raise HollyError(f"{path}: has neither Picasso's X Coefficients nor ThunderSTORM's w01; found {found}")


def _document(path: Path) -> tuple[str | None, Mapping[Any, Any]]:
    """The only document, and the name of ThunderSTORM's class, if it has one. No object of any program is created."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    kinds: list[str] = []

    def construct(loader: Any, suffix: str, node: Any) -> Any:
        kinds.append(suffix)
        return loader.construct_mapping(node) if isinstance(node, yaml.MappingNode) else None

    Loader.add_multi_constructor(THUNDERSTORM, construct)
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)
    if not isinstance(document, Mapping):
        raise HollyError(f"{path}: is not a calibration of Picasso or ThunderSTORM")
    return (kinds[0] if kinds else None), document


def _picasso(path: Path, document: Mapping[Any, Any], pixel_nm: float, z_sign: int) -> GaussianPsf:
    """Widths in pixels as polynomials of the depth in nm, the highest power first (Schnitzbauer et al. 2017).

    Depths that follow from them are multiplied by the magnification factor, which corrects for the refractive index.
    """
    curves = [_coefficients(path, document, f"{axis} Coefficients") for axis in "XY"]
    factor = _number(path, document, "Magnification factor", 1.0)
    planes, step = (_number(path, document, name, 0.0) for name in ("Number of frames", "Step size in nm"))
    half = abs((planes - 1) * step) / 2 or Z_RANGE_NM[1]
    ends = sorted(factor * end for end in (-half, half))

    def width(coefficients: Array) -> Callable[[Array], Array]:
        return lambda z: pixel_nm * polynomial.polyval(z_sign * z / factor, coefficients[::-1])

    return _nearest(path, [width(curve) for curve in curves], (ends[0], ends[1]), pixel_nm, 0.0)


def _thunderstorm(
    path: Path, kind: str, document: Mapping[Any, Any], pixel_nm: float, z_sign: int
) -> GaussianPsf:  # fmt: skip
    """Widths in pixels: w0 / 2 times Huang's square root, or b + a (z - c)^2 + d (z - c)^3 (Ovesny et al. 2014)."""
    if document.get("isBiplane") or kind not in (SQUARE_ROOT, POLYNOMIAL):
        raise HollyError(f"{path}: is a calibration for several planes ({kind}); only astigmatism is read")
    names = [{name: f"{name}{axis}" for name in ("a", "b", "c", "d")} | {"w0": f"w0{axis}"} for axis in (1, 2)]
    values = [{name: _number(path, document, key) for name, key in axis.items()} for axis in names]
    tilt = -float(np.rad2deg(_number(path, document, "angle", 0.0)))
    middle = z_sign * (values[0]["c"] + values[1]["c"]) / 2
    ends = middle + Z_RANGE_NM[0], middle + Z_RANGE_NM[1]
    LOG.info("%s: states no range of depths; %.0f to %.0f nm, about its foci, is taken.", path, *ends)
    if kind == POLYNOMIAL:
        widths = [_polynomial(value, pixel_nm, z_sign) for value in values]
        return _nearest(path, widths, ends, pixel_nm, tilt)
    curves = [
        {"sigma0_nm": abs(v["w0"]) / 2 * pixel_nm, "c_nm": z_sign * v["c"], "d_nm": abs(v["d"]),
         "a": z_sign * v["a"] * (-1 if v["d"] < 0 else 1), "b": v["b"]}
        for v in values
    ]  # fmt: skip
    shared = {"tilt_deg": tilt, "pixel_nm": pixel_nm, "z_min_nm": ends[0], "z_max_nm": ends[1]}
    return GaussianPsf.of({"x": curves[0], "y": curves[1], **shared}, str(path))


def _polynomial(value: Mapping[str, float], pixel_nm: float, z_sign: int) -> Callable[[Array], Array]:
    def width(z: Array) -> Array:
        beyond = z_sign * z - value["c"]
        return pixel_nm * (value["b"] + value["a"] * beyond**2 + value["d"] * beyond**3)

    return width


def _nearest(
    path: Path, widths: list[Callable[[Array], Array]], ends: tuple[float, float], pixel_nm: float, tilt_deg: float
) -> GaussianPsf:
    """The curves of Huang et al. nearest to others, and how much they differ.

    Raises:
        HollyError: Widths are not above 0, or differ from every such curve.
    """
    z = np.linspace(*ends, CURVE_STEPS)
    curves, worst = [], 0.0
    for width in widths:
        values = width(z)
        if not np.isfinite(values).all() or values.min() <= 0:
            raise HollyError(
                f"{path}: its widths are not above 0 between {ends[0]:.0f} and {ends[1]:.0f} nm; calibrate again"
            )
        curve, fitted = fit_curve(z, values)
        curves.append(curve)
        worst = max(worst, float(np.abs(fitted / values - 1).max()))
    if worst > WORST_CURVE:
        raise HollyError(
            f"{path}: its widths differ by up to {worst:.0%} from those of any astigmatic Gaussian between {ends[0]:.0f} and "
            f"{ends[1]:.0f} nm; calibrate again over a shorter range, with frames calibrate"
        )
    LOG.info(
        "%s: its polynomials were replaced by the curves of Huang et al.; widths differ by up to %.1f %%.",
        path,
        100 * worst,
    )
    x, y = curves
    return GaussianPsf(x, y, tilt_deg, pixel_nm, *ends)


def fit_curve(z_nm: Array, width_nm: Array, weights: Array | None = None) -> tuple[HuangCurve, Array]:
    """The curve of Huang et al. through widths, in the least squares, and its widths.

    Args:
        z_nm: Depths ``[n]``, nm.
        width_nm: Standard deviations ``[n]``, nm.
        weights: Of each ``[n]``, relative to the others; 1 if not given.
    """
    focus, least = float(z_nm[width_nm.argmin()]), float(width_nm.min())
    weights = np.ones(len(z_nm)) if weights is None else weights

    def quartic(values: Array) -> float:
        return float(values[3] ** 2 / 4 + values[4])  # at least A^2 / 4: the width is smallest in focus

    def widths(values: Array) -> Array:
        u = (z_nm - values[1]) / values[2]
        sigma: Array = values[0] * np.sqrt(1 + u * u * (1 + u * (values[3] + quartic(values) * u)))
        return sigma

    depth = float(np.ptp(z_nm))
    bounds = (
        [0.3 * least, z_nm.min() - depth, 0.1 * depth, -2.0, 0.0],
        [2 * least, z_nm.max() + depth, 3 * depth, 2.0, 5.0],
    )
    start = [least, focus, 0.3 * depth, 0.0, 0.1]
    found = least_squares(
        lambda values: weights * (widths(values) / least - width_nm / least), start, bounds=bounds, x_scale=(least, 100, 100, 1, 1),
        loss="soft_l1", f_scale=0.05,
    ).x  # fmt: skip
    sigma0, c, d, a, _ = map(float, found)
    return HuangCurve(sigma0, c, d, a, quartic(found)), widths(found)


def _coefficients(path: Path, document: Mapping[Any, Any], name: str) -> Array:
    values = document.get(name)
    if not isinstance(values, list) or not 2 <= len(values) <= MOST_TERMS or None in map(_as_number, values):
        raise HollyError(f"{path}: {name} must be a list of the numbers of a polynomial")
    return np.array([_as_number(value) for value in values], dtype=np.float64)


def _number(path: Path, document: Mapping[Any, Any], name: str, default: float | None = None) -> float:
    number = _as_number(document.get(name, default))
    if number is None:
        raise HollyError(f"{path}: {name} must be a number; it is {document.get(name)!r:.100}")
    return number


def _as_number(value: Any) -> float | None:
    """A finite number; None for anything else. PyYAML takes 4e-06, which has no point, as text."""
    try:
        number = float(value) if type(value) in (int, float, str) else float("nan")
    except (ValueError, OverflowError):
        return None
    return number if np.isfinite(number) else None
