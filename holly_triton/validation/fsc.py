"""Half-set reproducibility: Fourier shell correlation (FSC) of two clouds from separate halves of the particles.

Both clouds are aligned and drawn as densities. Shell by shell of spatial frequency,

    FSC(k) = Re sum F1 F2* / sqrt(sum |F1|^2 sum |F2|^2),

the sums over the Fourier voxels of the shell (Harauz & van Heel 1986). It starts at 1 and falls where the halves
stop agreeing; the figure is 1 / k where it first passes 0.143. The halves must share nothing but the method: neither
particles nor starting cloud.

Both clouds are drawn with the same Gaussian, which scales numerator and denominator alike, so its sigma does not
move the curve; it decides how fine a grid is needed and so where the curve ends (``limit_nm``). Points whose errors
are Gaussian with standard deviation s along each axis give ``FSC = exp(-4 pi^2 s^2 k^2)`` in shells where the points of
the structure do not interfere, hence a crossing at 4.5 s: ``positional_sd_nm`` is that s.

This is no resolution in the sense of electron microscopy. The threshold of 0.143 is derived for additive noise in half
maps and for the map of all data (Rosenthal & Henderson 2003); a cloud of Gaussians has no noise between its points. The
figure is of clouds from half of the data, while the cloud reported is their mean. Both halves share settings such as
the number of points, and are aligned by the same points that are then compared (six parameters).
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import fft

from holly_triton.core.types import Array
from holly_triton.geometry.pointset import gyration

from .alignment import align

THRESHOLD = 0.143
RESOLUTION_PER_SD = 2 * math.pi / math.sqrt(-math.log(THRESHOLD))
"""4.5: where ``exp(-4 pi^2 s^2 k^2)`` passes the threshold, 1 / k in units of s."""
SIGMA_VOXELS = 1.5
"""A Gaussian this wide has fallen by 1e-5 at the Nyquist frequency: sampling adds nothing."""
LARGEST_GRID = 256
"""Voxels a side; a larger structure is drawn with a wider sigma."""
MARGIN, EDGE = 5.0, 3.0
"""Distance from the outermost point to the mask's edge, and the width of that edge, in sigma."""
COMMON_SIZE = 0.5
"""Of the radius of gyration: halves that agree no finer than this share their size and little else. Unrelated random
clouds of 100 and 300 points, aligned as well as they can be, came to 0.6 to 1.2."""
CHUNK = 256
"""Points drawn at a time."""


@dataclass(frozen=True)
class Resolution:
    """Resolution at which two halves agree.

    Attributes:
        verdict: ``"measured"``; ``"limited"``: the curve never falls below 0.143, so the halves agree to ``limit_nm`` or
            finer; ``"nothing in common"``: it falls at once.
        resolution_nm: 1 / k where the curve passes 0.143, nm; None where it never does.
        limit_nm: two voxels, the finest that the drawing shows.
        frequency: centre of each shell ``[S]``, 1/nm, from 0.
        correlation: FSC ``[S]``, 1 at frequency 0.
        sigma_nm: the Gaussian as drawn.
        voxel_nm: side of a voxel.
        mask_radius_nm: radius of the spherical mask about the centroid, and
        mask_edge_nm: width of its raised-cosine edge beyond that. It holds every point, so no agreement comes from it.
        rmsd_nm: symmetrised nearest-neighbour RMSD of the aligned halves.
    """

    verdict: Literal["measured", "limited", "nothing in common"]
    resolution_nm: float | None
    limit_nm: float
    frequency: Array
    correlation: Array
    sigma_nm: float
    voxel_nm: float
    mask_radius_nm: float
    mask_edge_nm: float
    rmsd_nm: float

    @property
    def positional_sd_nm(self) -> float | None:
        """Standard deviation of points along each axis that gives this figure, nm; None where there is none."""
        return None if self.resolution_nm is None else self.resolution_nm / RESOLUTION_PER_SD

    def figures(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "verdict": self.verdict,
            "resolution": self.resolution_nm,
            "positional_sd": self.positional_sd_nm,
            "threshold": THRESHOLD,
            "limit": self.limit_nm,
            "sigma": self.sigma_nm,
            "voxel": self.voxel_nm,
            "mask_radius": self.mask_radius_nm,
            "mask_edge": self.mask_edge_nm,
            "rmsd_between_halves": self.rmsd_nm,
            "unit": "nm",
            "frequency_per_nm": self.frequency.tolist(),
            "correlation": self.correlation.tolist(),
        }


def find_resolution(half: Array, other: Array, sigma_nm: float, seed: int = 0) -> Resolution:
    """Align two half-set clouds, either handedness, and measure their Fourier shell correlation.

    Args:
        half: ``[N, 3]`` nm.
        other: ``[M, 3]`` nm.
        sigma_nm: of the Gaussian drawn at each point: the sigma that the run ended with.
        seed: of the alignment.

    Raises:
        ValueError: an array is not finite points ``[N, 3]``, all points coincide, or sigma is not above 0.
    """
    if not 0 < sigma_nm < float("inf"):
        raise ValueError(f"sigma_nm must be above 0 and finite, got {sigma_nm}")
    fit = align(half, other, seed)
    other = np.asarray(other, dtype=np.float64)
    centre = other.mean(axis=0)
    clouds = fit.aligned - centre, other - centre
    reach = max(float(np.linalg.norm(cloud, axis=1).max()) for cloud in clouds)
    if reach == 0:
        raise ValueError("half and other must have some extent; all their points coincide")
    grid = _Grid.around(reach, sigma_nm)
    spectra = [fft.rfftn(grid.draw(cloud) * grid.mask()) for cloud in clouds]
    frequency, correlation = shell_correlation(spectra[0], spectra[1], grid.voxel_nm)
    resolution = crossing(frequency, correlation)
    verdict: Literal["measured", "limited", "nothing in common"] = "measured"
    if resolution is None:
        verdict = "limited"
    elif resolution > COMMON_SIZE * gyration(other):
        verdict = "nothing in common"
    return Resolution(
        verdict=verdict,
        resolution_nm=resolution,
        limit_nm=2 * grid.voxel_nm,
        frequency=frequency,
        correlation=correlation,
        sigma_nm=grid.sigma_nm,
        voxel_nm=grid.voxel_nm,
        mask_radius_nm=grid.radius_nm,
        mask_edge_nm=EDGE * grid.sigma_nm,
        rmsd_nm=fit.rmsd,
    )


def shell_correlation(half: Array, other: Array, voxel_nm: float) -> tuple[Array, Array]:
    """FSC of two half spectra ``[S, S, S // 2 + 1]`` (``rfftn``), up to the Nyquist frequency.

    Returns:
        Frequencies ``[S // 2 + 1]``, 1/nm, one shell a voxel of Fourier space; correlation of each, 0 in a shell
        that holds nothing.
    """
    size = half.shape[0]
    axis, last = fft.fftfreq(size, 1 / size), np.arange(half.shape[2])
    shell = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + last**2).round().astype(int).ravel()
    # A half spectrum holds its first plane and, of even sizes, its last whole, every other plane once for two.
    twice = np.where((last == 0) | (2 * last == size), 1.0, 2.0)

    def total(values: Array) -> Array:
        return np.bincount(shell, (values * twice).ravel())[: size // 2 + 1]

    shared = total((half * other.conj()).real)
    power = total(np.abs(half) ** 2) * total(np.abs(other) ** 2)
    correlation = np.divide(shared, np.sqrt(power), out=np.zeros_like(shared), where=power > 0)
    return np.arange(size // 2 + 1) / (size * voxel_nm), correlation


def crossing(frequency: Array, correlation: Array, threshold: float = THRESHOLD) -> float | None:
    """1 / frequency at which the curve first falls below the threshold, between shells by a line; None if never."""
    below = np.flatnonzero(correlation < threshold)
    if len(below) == 0:
        return None
    after = max(int(below[0]), 1)
    before = after - 1
    part = (correlation[before] - threshold) / (correlation[before] - correlation[after])
    return float(1 / (frequency[before] + part * (frequency[after] - frequency[before])))


@dataclass(frozen=True)
class _Grid:
    """A cube of voxels about the origin that holds the mask."""

    size: int
    voxel_nm: float
    sigma_nm: float
    radius_nm: float

    @staticmethod
    def around(reach_nm: float, sigma_nm: float) -> "_Grid":
        """The grid for points up to `reach_nm` from the origin; sigma widened where the grid would grow too large."""
        around_nm = MARGIN + EDGE  # in sigma
        # 2 (reach + around sigma) SIGMA_VOXELS / sigma voxels must not pass LARGEST_GRID.
        least = reach_nm / (LARGEST_GRID / (2 * SIGMA_VOXELS) - around_nm)
        sigma_nm = max(sigma_nm, least)
        voxel_nm = sigma_nm / SIGMA_VOXELS
        size = fft.next_fast_len(int(np.ceil(2 * (reach_nm + around_nm * sigma_nm) / voxel_nm - 1e-9)), real=True)
        return _Grid(size, voxel_nm, sigma_nm, reach_nm + MARGIN * sigma_nm)

    @property
    def ticks(self) -> Array:
        """Centres of the voxels along one axis ``[S]``, nm."""
        return (np.arange(self.size) - (self.size - 1) / 2) * self.voxel_nm

    def draw(self, points: Array) -> Array:
        """Density ``[S, S, S]`` of points ``[N, 3]``: Gaussians of peak 1, which separate into their axes."""
        density = np.zeros((self.size**2, self.size))
        for start in range(0, len(points), CHUNK):
            offset = points[start : start + CHUNK, :, None] - self.ticks  # [n, 3, S]
            x, y, z = np.exp(-0.5 * (offset / self.sigma_nm) ** 2).transpose(1, 0, 2)
            density += (x[:, :, None] * y[:, None]).reshape(len(x), -1).T @ z
        return density.reshape(self.size, self.size, self.size)

    def mask(self) -> Array:
        """1 inside the sphere, a raised cosine across its edge, 0 beyond ``[S, S, S]``."""
        squared = self.ticks**2
        radius = np.sqrt(squared[:, None, None] + squared[:, None] + squared)
        beyond = np.clip((radius - self.radius_nm) / (EDGE * self.sigma_nm), 0, 1)
        return np.asarray((1 + np.cos(np.pi * beyond)) / 2)
