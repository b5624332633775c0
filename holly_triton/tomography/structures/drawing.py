"""Densities drawn into boxes: the transform of a cloud of Gaussians is a sum that separates along x, y and z.

With ``e_x[n, k] = exp(-2 pi i k x_n)`` and e_y, e_z alike, the transform is ``sum_n w_n e_z e_y e_x``: one complex matrix
product ``[Z Y, N] @ [N, X / 2 + 1]`` for a box, exact at every frequency of the box. Real space would need Gaussians of at
least a voxel, since narrower ones alias.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from holly_triton.geometry.volumes import centre, frequencies
from holly_triton.tomography.config.structures import DRAW_BYTES, FEWEST_TO_THIN, SIGMA_PER_RESOLUTION, THINNING

from .density import Density


def draw_map(
    density: Density, size: int, voxel: float, resolution: float, *, rotation: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A density in a cubic box, as mass per volume; protein is positive.

    Args:
        density: What to draw; it is moved to the device of rotation or shift.
        size: Voxels along a side.
        voxel: Å.
        resolution: Å; the points are blurred to the Gaussian that it stands for, less what they blur already.
        rotation: Active rotations about the centre of mass ``[B, 3, 3]`` or ``[3, 3]``.
        shift: Where the centre of mass lies, x, y, z in Å from the box's centre (index ``size // 2``), ``[B, 3]`` or ``[3]``.

    Returns:
        ``[n, n, n]``, or ``[B, n, n, n]`` where rotation or shift has B rows; Da per cubic Å. Points outside the box are
        left out.
    """
    single = (rotation is None or rotation.dim() == 2) and (shift is None or shift.dim() == 1)
    spectrum = draw_spectrum(density, size, voxel, resolution, rotation=rotation, shift=shift)
    volume: Tensor = torch.fft.irfftn(spectrum, s=(size,) * 3, dim=(-3, -2, -1))
    return volume[0] if single else volume


def draw_spectrum(
    density: Density, size: int, voxel: float, resolution: float, *, rotation: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The transform of what ``draw_map`` draws, ``[B, n, n, n // 2 + 1]`` complex64 in the layout of ``rfftn``."""
    device = next((one.device for one in (rotation, shift) if one is not None), density.points.device)
    thin = fitting(density, resolution).to(device)
    points = placed(thin.points, rotation, shift) / voxel  # [B, N, 3]
    variance = blur_left(thin, resolution) / voxel**2
    kz, ky, kx = frequencies((size,) * 3, points.device)
    blur = torch.exp(-2 * math.pi**2 * variance * (kx**2 + ky**2 + kz**2)) / voxel**3
    inside = (points.abs() <= size / 2).all(-1)  # [B, N]
    points = points + centre(size)
    rows = [sum_of_waves(one, thin.weights * kept, kz, ky, kx) for one, kept in zip(points, inside, strict=True)]
    return torch.stack(rows) * blur


@lru_cache(maxsize=64)
def fitting(density: Density, resolution: float) -> Density:
    """A density with as few points as a drawing at a resolution, Å, needs."""
    fine = resolution**2 - density.resolution**2
    if fine <= 0 or len(density.points) < FEWEST_TO_THIN:
        return density
    return density.thinned(THINNING * math.sqrt(fine))


def blur_left(density: Density, resolution: float) -> float:
    """Variance in Å2 by which points are still to be blurred; 0 where they are coarser than the resolution."""
    return max(0.0, (SIGMA_PER_RESOLUTION * resolution) ** 2 - density.sigma**2)


def placed(points: Tensor, rotation: Tensor | None, shift: Tensor | None) -> Tensor:
    """Points ``[N, 3]`` under rotations ``[B, 3, 3]`` and shifts ``[B, 3]``, each optional, in float32: ``[B, N, 3]``."""
    moved = points[None]
    if rotation is not None:
        turn = rotation.to(points).reshape(-1, 3, 3)
        # Multiply-adds: a matrix product may run in TF32, which moves a point by a thousandth of its distance.
        moved = (turn[:, None] * points[None, :, None]).sum(-1)
    return moved if shift is None else moved + shift.to(points).reshape(-1, 1, 3)


def sum_of_waves(points: Tensor, weights: Tensor, kz: Tensor, ky: Tensor, kx: Tensor) -> Tensor:
    """``sum_n w_n exp(-2 pi i k . p_n)`` ``[Z, Y, X / 2 + 1]`` of points ``[N, 3]`` in voxels."""
    wave = [
        torch.exp(-2j * math.pi * k.reshape(-1, 1) * place)
        for k, place in zip((kz, ky, kx), points.flip(1).T, strict=True)
    ]  # each [K, N]
    ez, ey, ex = wave[0], wave[1], (wave[2] * weights).T
    total = [
        # [z Y, N] @ [N, X / 2 + 1], in as many planes at a time as memory allows.
        ((planes[:, None] * ey).flatten(0, 1) @ ex).reshape(len(planes), len(ey), -1)
        for planes in torch.split(ez, max(1, DRAW_BYTES // (8 * max(1, ey.numel()))))
    ]
    return torch.cat(total)
