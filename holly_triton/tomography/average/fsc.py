"""Fourier shell correlation: up to which detail two volumes agree."""

from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.tomography.config.averaging import CRITERION, MASK_EDGE, MASK_RADIUS, ZEROS_APART
from holly_triton.tomography.simulate.optics import ctf

from .imaging import Imaging
from .spectra import grid, shell_of, transformed

PLACES = 64
"""In a shell, at which the sign of the CTF is looked at."""


class Fsc(NamedTuple):
    """A curve over shells of frequency, from the second: the first holds the mean only."""

    frequency: Tensor
    """1/Å ``[S]``."""
    correlation: Tensor
    """``[S]``, float64."""
    at_zero: Tensor
    """Which shells are next to a zero of the CTF ``[S]``, bool."""

    @property
    def finest(self) -> float:
        """Å of the last shell: finer detail the voxels do not hold."""
        return 1 / float(self.frequency[-1])

    def resolution(self, criterion: float = CRITERION) -> float:
        """Å at which the curve first falls below a criterion, interpolated linearly; the last shell's where it never does.

        One deviation from the usual first crossing: a fall that only reaches shells next to a zero of a known CTF, and ends
        there, does not count, since without signal the curve must dip. Infinite where the first shell is below already.
        """
        below = (self.correlation < criterion).tolist()
        counts = [low and not zero for low, zero in zip(below, self.at_zero.tolist(), strict=True)]
        counts[-1] = below[-1]
        if not any(counts):
            return self.finest
        shell = counts.index(True)
        while shell > 0 and below[shell - 1]:
            shell -= 1
        if shell == 0:
            return float("inf")
        before, after = float(self.correlation[shell - 1]), float(self.correlation[shell])
        part = (before - criterion) / (before - after)
        low, high = float(self.frequency[shell - 1]), float(self.frequency[shell])
        return 1 / (low + part * (high - low))


def next_to_zeros(frequency: Tensor, imaging: Imaging) -> Tensor:
    """Which shells are next to a zero of the CTF, one on either side.

    Zeros less than ``ZEROS_APART`` shells from the one before or after, and all beyond, exempt nothing.

    Args:
        frequency: Of the shells, 1/Å ``[S]``, multiples of the first.
        imaging: With the optics; where it has none, no shell is.

    Returns:
        ``[S]`` bool.
    """
    nowhere = torch.zeros_like(frequency, dtype=torch.bool)
    if imaging.optics is None:
        return nowhere
    # To beyond the last shell, so that the zero after the last one of them is found.
    places = torch.arange(1, (len(frequency) + ZEROS_APART + 1) * PLACES, device=frequency.device)
    shells = places.double() / PLACES
    positive = ctf(shells * frequency[0], imaging.optics) > 0
    zeros = shells[1:][positive[1:] != positive[:-1]]
    close = (zeros.diff() < ZEROS_APART).nonzero()
    alone = zeros if not len(close) else zeros[: int(close[0])]
    number = torch.arange(1, len(frequency) + 1, device=frequency.device)
    return (number[:, None] - alone).abs().lt(1).any(1) if len(alone) else nowhere


def shell_correlation(first: Tensor, second: Tensor, imaging: Imaging, mask: Tensor | None = None) -> Fsc:
    """``sum A conj B / sqrt(sum |A|^2 sum |B|^2)`` over the shells of two cubes' spectra (Harauz & van Heel 1986).

    Args:
        first: ``[n, n, n]``.
        second: Of the same size.
        imaging: Of the data; it has the voxel, and the optics whose zeros count for nothing.
        mask: What both are multiplied with, such as ``soft_sphere``. It should be soft: the transform of a sharp edge
            is the same in both, and agrees.

    Returns:
        The curve up to the Nyquist frequency; 0 in shells where either is 0.
    """
    size = len(first)
    inside = torch.ones_like(first) if mask is None else mask
    a, b = (transformed((volume * inside).double()) for volume in (first, second))
    k = grid(size, first.device)
    shell = shell_of(k, size)
    # All but the planes kx = 0 and, of even boxes, Nyquist stand for two.
    twice = (k[..., 0] > 0) & (k[..., 0] < 0.5)
    terms = torch.stack([(a * b.conj()).real, a.abs().square(), b.abs().square()]) * (1 + twice.double())
    many = size // 2 + 1
    sums = torch.zeros(3, many, dtype=torch.float64, device=first.device)
    kept = shell < many
    sums.index_add_(1, shell[kept], terms[:, kept])
    scale = (sums[1] * sums[2]).sqrt()
    correlation = torch.where(scale > 0, sums[0] / scale.clamp(min=1e-300), 0)
    frequency = torch.arange(many, device=first.device, dtype=torch.float64) / (size * imaging.voxel)
    return Fsc(frequency[1:], correlation[1:], next_to_zeros(frequency[1:], imaging))


def noise_deviation(mask: Tensor, shell: int) -> float:
    """Standard deviation of the correlation of independent noise in a shell of ``shell_correlation``.

    Without a mask it is ``1 / sqrt(k)`` for k coefficients. A mask correlates those of white noise by C, the transform of its
    square, so that it is ``sqrt(sum |C(q - q')|^2) / (k C(0))`` over all pairs q, q' of the shell; the sum is found in space, where
    it is one over products.

    Args:
        mask: What both volumes are multiplied with ``[n, n, n]``.
        shell: Its number, of which 0 holds the mean only.
    """
    size, squared = len(mask), mask.double().square()
    chosen = shell_of(grid(size, mask.device), size) == shell
    wave = torch.fft.irfftn(chosen.double(), s=(size,) * 3)
    overlap = torch.fft.irfftn(torch.fft.rfftn(squared).abs().square(), s=(size,) * 3)
    return float((wave.square() * overlap).sum().sqrt() / (wave[0, 0, 0] * squared.sum()))


def soft_sphere(
    size: int, radius: float | None = None, edge: float | None = None, device: torch.device | str = "cpu"
) -> Tensor:
    """A sphere about the centre with a raised-cosine edge ``[n, n, n]``.

    Args:
        size: n.
        radius: Voxels at which it is one half; ``MASK_RADIUS`` of the box if None.
        edge: Voxels from 1 to 0; ``MASK_EDGE`` of the box, at least 2, if None.
        device: Where to make it.
    """
    radius = MASK_RADIUS * size if radius is None else radius
    edge = max(2.0, MASK_EDGE * size) if edge is None else edge
    along = torch.arange(size, device=device) - size // 2
    distance = (along[:, None, None] ** 2 + along[:, None] ** 2 + along**2).float().sqrt()
    share = ((distance - radius) / edge + 0.5).clamp(0, 1)
    return 0.5 + 0.5 * torch.cos(torch.pi * share)
