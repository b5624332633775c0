"""Spectra of boxes, with the centre of a box (index ``n // 2``) as the origin, on its grid or at any frequencies.

Between the samples of a padded spectrum it is interpolated linearly, as ``kernels.fourier_reference`` does; here every box
has frequencies of its own.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from holly_triton.geometry.volumes import frequencies
from holly_triton.tomography.config.averaging import PADDING


def grid(size: int, device: torch.device | str = "cpu") -> Tensor:
    """Frequencies of a box in the layout of ``rfftn`` ``[n, n, n // 2 + 1, 3]``: x, y, z in cycles per voxel."""
    kz, ky, kx = frequencies((size,) * 3, device)
    shape = size, size, len(kx)
    return torch.stack([kx.expand(shape), ky.expand(shape), kz.expand(shape)], -1)


def half_sphere(size: int, highest: float, device: torch.device | str = "cpu") -> Tensor:
    """Frequencies of a box's grid up to a length ``[K, 3]``, of each conjugate pair one; without frequency 0."""
    k = grid(size, device).reshape(-1, 3)
    x, y, z = k.unbind(1)
    # In the plane kx = 0 both of a pair are there.
    one = (x > 0) | ((x == 0) & ((y > 0) | ((y == 0) & (z > 0))))
    return k[one & (k.norm(dim=1) <= highest + 1e-6)]


def transformed(boxes: Tensor) -> Tensor:
    """Spectra ``[..., n, n, n // 2 + 1]`` of boxes ``[..., n, n, n]``."""
    size, axes = boxes.shape[-1], (-3, -2, -1)
    spectra: Tensor = torch.fft.rfftn(boxes.roll((-(size // 2),) * 3, axes), dim=axes)
    return spectra


def restored(spectra: Tensor, size: int) -> Tensor:
    """The inverse of ``transformed``."""
    axes = (-3, -2, -1)
    boxes: Tensor = torch.fft.irfftn(spectra, s=(size,) * 3, dim=axes).roll((size // 2,) * 3, axes)
    return boxes


def padded_spectra(boxes: Tensor, highest: float) -> Tensor:
    """Spectra of boxes ``[B, n, n, n]`` up to a frequency, padded and ready to be interpolated by ``sampled``.

    Returns:
        ``[B, 2 m + 1, 2 m + 1, m + 1]`` complex: kz and ky from -m to m steps, kx from 0, of ``1 / (PADDING n)`` each.
    """
    size = boxes.shape[-1]
    length = PADDING * size
    kernel = torch.sinc((torch.arange(size, device=boxes.device) - size // 2) / length) ** 2
    flattened = boxes / (kernel[:, None, None] * kernel[:, None] * kernel)
    whole = pad(flattened, (0, length - size) * 3).roll((-(size // 2),) * 3, (1, 2, 3))
    most = min(math.ceil(highest * length - 1e-9) + 1, length // 2)
    index = torch.arange(-most, most + 1, device=boxes.device) % length
    spectra: Tensor = torch.fft.rfftn(whole, dim=(1, 2, 3))
    return spectra[:, index][:, :, index, : most + 1]


def sampled(spectra: Tensor, size: int, at: Tensor) -> Tensor:
    """Spectra of ``padded_spectra`` at frequencies of each box's own.

    Args:
        spectra: ``[B, 2 m + 1, 2 m + 1, m + 1]``.
        size: n of the boxes.
        at: ``[B, K, 3]``: x, y, z in cycles per voxel; 0 is returned beyond those that the spectra hold.

    Returns:
        ``[B, K]`` complex.
    """
    most = spectra.shape[-1] - 1
    # Of a real box the spectrum at -k is the conjugate of that at k, so kx can be at least 0.
    side = torch.where(at[..., :1] < 0, -1.0, 1.0)
    place = at * side * (PADDING * size / most)  # from -1 to 1
    place = torch.cat([2 * place[..., :1] - 1, place[..., 1:]], -1)
    parts = torch.stack([spectra.real, spectra.imag], 1)
    found = grid_sample(parts, place[:, None, None], align_corners=True)[:, :, 0, 0]  # [B, 2, K]
    values: Tensor = torch.complex(found[:, 0], found[:, 1] * side[..., 0])
    return values


def shift_phase(at: Tensor, shift: Tensor) -> Tensor:
    """``exp(2 pi i k . t)``: what moves boxes back by shifts ``[B, 3]``, voxels, at ``[B, K, 3]`` or ``[K, 3]``."""
    turns = (at * shift[:, None]).sum(-1)
    angle = 2 * math.pi * turns
    phase: Tensor = torch.polar(torch.ones_like(angle), angle)
    return phase


def shell_of(at: Tensor, size: int) -> Tensor:
    """The number of the shell, of one step of the box's grid each, that frequencies ``[..., 3]`` are in, int64."""
    length: Tensor = at.norm(dim=-1)
    return (length * size).round().long()


def shell_means(values: Tensor, at: Tensor, size: int, weight: Tensor | None = None) -> Tensor:
    """Means over the shells of the box ``[n // 2 + 1]``, of values at frequencies; 0 in a shell without weight."""
    shell, many = shell_of(at, size).reshape(-1), size // 2 + 1
    inside = shell < many
    share = torch.ones_like(values) if weight is None else weight
    sums = [
        torch.zeros(many, device=values.device, dtype=values.dtype).index_add_(
            0, shell[inside], part.reshape(-1)[inside]
        )
        for part in (values * share, share)
    ]
    return torch.where(sums[1] > 0, sums[0] / sums[1].clamp(min=1e-30), 0)


def from_shells(shells: Tensor, at: Tensor, size: int) -> Tensor:
    """A function of frequency's length, given in the shells, interpolated linearly at frequencies ``[..., 3]``; constant beyond."""
    place = (at.norm(dim=-1) * size).clamp(max=len(shells) - 1)
    first = place.floor().clamp(max=max(0, len(shells) - 2)).long()
    return torch.lerp(shells[first], shells[(first + 1).clamp(max=len(shells) - 1)], place - first)
