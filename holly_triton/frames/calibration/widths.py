"""The astigmatic Gaussian nearest to a measured PSF."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.frames.config.calibration import Calibrating
from holly_triton.frames.psf import GaussianPsf, SplinePsf
from holly_triton.frames.psf.yaml_files import fit_curve

from .ellipses import fit_ellipses


@dataclass(frozen=True)
class Widths:
    """Widths of a PSF over the depth.

    Attributes:
        z_nm: Depths ``[n]``, nm.
        sigma_nm: Standard deviations along both axes ``[n, 2]``, without the pixel's own width; NaN where the Gaussian is
            wider than the region can show.
        centre_nm: Where the Gaussian's centre lies ``[n, 2]``, nm.
        tilt_deg: Direction of the first axis, degrees from x towards y.
    """

    z_nm: Array
    sigma_nm: Array
    centre_nm: Array
    tilt_deg: float

    @property
    def astigmatism(self) -> float:
        """By how much the logarithm of the ratio of the widths changes over the depth."""
        ratio = np.log(self.sigma_nm[:, 0] / self.sigma_nm[:, 1])
        known = ratio[np.isfinite(ratio)]
        return float(np.ptp(np.percentile(known, [5, 95]))) if len(known) else 0.0

    @property
    def round_at_nm(self) -> float | None:
        """The depth at which both widths are equal; None if they never are."""
        ratio = np.log(self.sigma_nm[:, 0] / self.sigma_nm[:, 1])
        known = np.isfinite(ratio)
        z, ratio = self.z_nm[known], ratio[known]
        crossings = np.flatnonzero(np.diff(np.sign(ratio)))
        if not len(crossings):
            return None
        place = crossings[np.nansum(self.sigma_nm[known], axis=1)[crossings].argmin()]
        share = ratio[place] / (ratio[place] - ratio[place + 1])
        return float(z[place] + share * (z[place + 1] - z[place]))


def measure_widths(psf: SplinePsf, settings: Calibrating) -> Widths:
    """Fit a Gaussian to the PSF at each of its planes, with the weights that pixels of an emitter have."""
    table, pixel = psf.table, psf.pixel_nm
    side = int(table.coefficients.shape[-1])
    z = np.linspace(*psf.depths_nm, max(4 * table.planes, 30))
    xyz = np.column_stack([np.full((len(z), 2), side / 2 * pixel), z])
    light = psf.patches(torch.as_tensor(xyz, dtype=torch.float32), side)[0].double()
    weights = 1 / (settings.photons * light.clamp(min=0) + settings.background)
    fitted = fit_ellipses(light, weights).numpy()
    tilt = _direction(fitted)
    cosine, sine = math.cos(tilt), math.sin(tilt)
    xx, yy, xy = fitted[:, 2], fitted[:, 3], fitted[:, 4]
    first = cosine**2 * xx + sine**2 * yy + 2 * cosine * sine * xy
    second = sine**2 * xx + cosine**2 * yy - 2 * cosine * sine * xy
    sigma = pixel * np.sqrt(np.maximum(np.stack([first, second], axis=1) - 1 / 12, 0.01))
    sigma[sigma > settings.widest * side * pixel] = np.nan
    return Widths(z, sigma, fitted[:, :2] * pixel, math.degrees(tilt))


def fit_gaussian(widths: Widths, pixel_nm: float, z_range_nm: tuple[float, float]) -> tuple[GaussianPsf, float]:
    """Curves of Huang et al. through the widths, and the root mean square of what they leave, pixels.

    Raises:
        HollyError: Too few planes show widths.
    """
    curves, rest = [], []
    for sigma in widths.sigma_nm.T:
        known = np.isfinite(sigma) & (widths.z_nm >= z_range_nm[0]) & (widths.z_nm <= z_range_nm[1])
        if known.sum() < 8:
            raise HollyError(
                "too few planes show the beads' widths for a curve; scan further on both sides of the focus, or take a larger --roi"
            )
        curve, fitted = fit_curve(widths.z_nm[known], sigma[known], weights=float(sigma[known].min()) / sigma[known])
        curves.append(curve)
        rest.append((fitted - sigma[known]) / pixel_nm)
    x, y = curves
    tilt = widths.tilt_deg
    return GaussianPsf(x, y, tilt, pixel_nm, *z_range_nm), float(np.sqrt(np.mean(np.concatenate(rest) ** 2)))


def _direction(fitted: Array) -> float:
    """Angle of the axis along which the widths change, radians, from -45 to 45 degrees.

    A covariance turned by t has xx - yy = (a - b) cos 2t and 2 xy = (a - b) sin 2t: over the depth these two lie on a line.
    """
    plane = np.stack([fitted[:, 2] - fitted[:, 3], 2 * fitted[:, 4]])
    # Of very wide Gaussians, which the region cuts off, the direction is that of the region.
    small = fitted[:, 2] + fitted[:, 3] < 6 * np.min(fitted[:, 2] + fitted[:, 3])
    _, vectors = np.linalg.eigh(np.cov(plane[:, small]))
    angle = math.atan2(vectors[1, -1], vectors[0, -1])
    return (angle - math.pi * round(angle / math.pi)) / 2
