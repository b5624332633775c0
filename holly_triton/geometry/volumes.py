"""Grids of volumes ``[Z, Y, X]``: the index of a voxel is its centre, and a volume's centre is index ``n // 2``.

The kernels that draw pictures take ``(n - 1) / 2`` for the centre instead, half a voxel apart where n is even.
"""

import math

import torch
from torch import Tensor

from holly_triton.kernels import splat


def centre(size: int) -> int:
    """Index of the centre along an axis of this many voxels, as the FFT, RELION, EMAN2 and PyTom have it."""
    return size // 2


def splat_centred(points: Tensor, rotation: Tensor, shift: Tensor, sigma: float, shape: tuple[int, int], *, weights: Tensor | None = None) -> Tensor:  # fmt: skip
    """``splat`` whose origin is pixel ``(H // 2, W // 2)``; lengths in pixels, pictures ``[B, H, W]``."""
    apart = torch.tensor([centre(size) - (size - 1) / 2 for size in reversed(shape)], dtype=shift.dtype)
    return splat(points, rotation, shift + apart.to(shift.device), sigma, shape, weights=weights)


def frequencies(shape: tuple[int, int, int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    """Frequencies kz ``[Z, 1, 1]``, ky ``[Y, 1]``, kx ``[X // 2 + 1]`` in cycles per voxel, in the layout of ``rfftn``."""
    depth, rows, columns = shape
    kz = torch.fft.fftfreq(depth, device=device)[:, None, None]
    ky = torch.fft.fftfreq(rows, device=device)[:, None]
    return kz, ky, torch.fft.rfftfreq(columns, device=device)


def wedge(shape: tuple[int, int, int], tilt: tuple[float, float], device: torch.device | str = "cpu") -> Tensor:
    """Which frequencies a tilt series about y has measured, 1 or 0 ``[Z, Y, X // 2 + 1]``, in the layout of ``rfftn``.

    The beam is along z, and a tilt by the angle a turns the specimen by Ry(a), so its picture, a sum along the turned z,
    measures the plane of frequencies (u cos a, v, u sin a). A series from ``tilt[0]`` to ``tilt[1]`` degrees thus measures
    ``kz`` between ``kx tan(tilt[0])`` and ``kx tan(tilt[1])``; where ``kx`` is 0, only ``kz = 0``,
    unless a tilt is 90 degrees.
    """
    kz, _, kx = frequencies(shape, device)
    return _between(kz, kx, tilt).expand(shape[0], shape[1], -1).float()


def measured(at: Tensor, tilt: tuple[float, float]) -> Tensor:
    """``wedge`` at any frequencies ``[..., 3]``, x y z in cycles per voxel, on either side of space: 1 or 0 ``[...]``."""
    side = torch.where(at[..., 0] < 0, -1, 1)
    return _between(side * at[..., 2], at[..., 0].abs(), tilt).to(at.dtype)


def _between(kz: Tensor, kx: Tensor, tilt: tuple[float, float]) -> Tensor:
    """Whether frequencies lie between the planes of two tilts, where kx is at least 0."""
    least, most = (math.tan(math.radians(angle)) for angle in tilt)
    # A small tolerance keeps the planes at the two ends, whatever the rounding.
    inside = (kz >= kx * least - 1e-6) & (kz <= kx * most + 1e-6)
    return inside | (kx <= 1e-6) if max(-tilt[0], tilt[1]) >= 90 else inside
