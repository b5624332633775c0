"""Fourier shell correlation: up to which detail two volumes agree."""

from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.tomography.config.averaging import CRITERION, MASK_EDGE, MASK_RADIUS, STAYS_BELOW

from .spectra import grid, shell_of, transformed


class Fsc(NamedTuple):
    """A curve over shells of frequency, from the second: the first holds the mean only."""

    frequency: Tensor
    """1/Å ``[S]``."""
    correlation: Tensor
    """``[S]``, float64."""

    def resolution(self, criterion: float = CRITERION) -> float:
        """Å at which the curve falls below a criterion, interpolated linearly; the last shell's where it never does.

        The fall counts where the curve then stays below for ``STAYS_BELOW`` shells or to its end, since at a zero of the
        CTF it dips. Infinite where the first shell is below already.
        """
        below = (self.correlation < criterion).tolist()
        for shell in range(len(below)):
            if all(below[shell : shell + STAYS_BELOW]):
                if shell == 0:
                    return float("inf")
                before, after = float(self.correlation[shell - 1]), float(self.correlation[shell])
                part = (before - criterion) / (before - after)
                low, high = float(self.frequency[shell - 1]), float(self.frequency[shell])
                return 1 / (low + part * (high - low))
        return 1 / float(self.frequency[-1])


def shell_correlation(first: Tensor, second: Tensor, voxel: float, mask: Tensor | None = None) -> Fsc:
    """``sum A conj B / sqrt(sum |A|^2 sum |B|^2)`` over the shells of two cubes' spectra (Harauz & van Heel 1986).

    Args:
        first: ``[n, n, n]``.
        second: Of the same size.
        voxel: Å.
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
    frequency = torch.arange(many, device=first.device, dtype=torch.float64) / (size * voxel)
    return Fsc(frequency[1:], correlation[1:])


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
