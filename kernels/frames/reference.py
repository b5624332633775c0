"""The dense version of every operation on frames, any float dtype: the specification, and the oracle of the harness.

Arguments are those of the public functions, unchecked. Every emitter meets every pixel: for small shapes only.
"""

import math

import torch
from torch import Tensor

from ..arguments import Shape
from .table import PsfTable


def splat_psf(xyz: Tensor, offsets: Tensor, psf: PsfTable, shape: Shape, *, weights: Tensor | None = None) -> Tensor:
    """Frames ``[B, H, W]`` of ragged emitters ``[E, 3]``."""
    planes, height, width = psf.coefficients.shape
    x, y, z = xyz.unbind(1)
    z = ((z - psf.z_first) / psf.z_step).clamp(0, planes - 3) + 1  # in planes of coefficients
    along_z = cubic_b_spline(z[:, None] - centred(planes, xyz) - (planes - 1) / 2)  # [E, D + 2]
    along_y, along_x = (
        cubic_b_spline(centred(length, xyz)[:, None] - at[:, None, None] - centred(table, xyz))  # [E, H, h], [E, W, w]
        for at, length, table in ((y, shape[0], height), (x, shape[1], width))
    )
    plane = (along_z @ psf.coefficients.reshape(planes, -1)).reshape(-1, height, width)  # [E, h, w]
    each = along_y @ plane @ along_x.transpose(1, 2)  # [E, H, W]
    each = each if weights is None else each * weights[:, None, None]
    frame = torch.repeat_interleave(offsets.diff()).to(xyz.device)  # [E], in which frame each emitter lies
    return xyz.new_zeros(len(offsets) - 1, *shape).index_add(0, frame, each)


def emitter_nll(
    logits: Tensor, mean: Tensor, sigma: Tensor, emitters: Tensor, offsets: Tensor, *, window: int = 5
) -> Tensor:
    """Negative log-likelihood ``[E]`` of emitters ``[E, 4]`` under the mixture that the output of every pixel describes."""
    _, height, width = logits.shape
    columns, rows = centred(width, logits), centred(height, logits)[:, None]
    centres = torch.stack([columns.expand(height, width), rows.expand(height, width)])  # [2, H, W]
    frame = torch.repeat_interleave(offsets.diff()).to(logits.device)  # [E]
    probability = torch.sigmoid(logits)
    share = probability.log() - probability.sum((1, 2), keepdim=True).log()  # [B, H, W]
    predicted = torch.cat([mean[:, :2] + centres, mean[:, 2:]], 1)  # [B, 4, H, W]
    offset = emitters[:, :, None, None] - predicted[frame]  # [E, 4, H, W]
    density = -((offset / sigma[frame]) ** 2) / 2 - sigma[frame].log() - math.log(2 * math.pi) / 2
    each = share[frame] + density.sum(1)  # [E, H, W]
    half = torch.tensor([width / 2, height / 2], dtype=emitters.dtype, device=emitters.device)
    cell = (emitters[:, :2] + half).floor() - half + 0.5  # centre of the pixel that holds the emitter
    inside = ((centres - cell[:, :, None, None]).abs() < (window + 1) / 2).all(1)  # [E, H, W]; false for a NaN
    nll = -torch.where(inside, each, -torch.inf).flatten(1).logsumexp(1)
    nowhere = torch.where(emitters[:, :2].isnan().any(1), torch.nan, 0.0).to(emitters.dtype)
    return torch.where(inside.flatten(1).any(1), nll, nowhere)


def centred(length: int, like: Tensor) -> Tensor:
    """Indices along one axis ``[length]``, relative to its centre."""
    return torch.arange(length, dtype=like.dtype, device=like.device) - (length - 1) / 2


def cubic_b_spline(t: Tensor) -> Tensor:
    """The cubic B-spline: 2/3 at 0, 1/6 at 1 and -1, 0 from 2 on, of integral 1."""
    far = t.abs()
    return torch.where(far < 1, 2 / 3 - far**2 + far**3 / 2, (2 - far.clamp(max=2)) ** 3 / 6)
