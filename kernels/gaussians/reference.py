"""The dense version of every operation, any float dtype: the specification, and the oracle of the harness.

It draws every Gaussian over every pixel, as HOLLy does, so it needs B x N x H x W values: for small shapes only.
Arguments are those of the public functions, unchecked.
"""

import itertools

import torch
from torch import Tensor

from ..arguments import Shape, Sigma


def splat(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Sigma,
    shape: Shape,
    *,
    weights: Tensor | None = None,
    point_sigma: Tensor | None = None,
) -> Tensor:
    """Pictures ``[B, H, W]`` of a cloud ``[N, 3]`` under B poses."""
    turned = torch.einsum("bij,nj->bni", rotation, points)  # [B, N, 3]
    xy = turned[..., :2] + shift[:, None]  # [B, N, 2]
    width = torch.as_tensor(sigma, dtype=points.dtype, device=points.device).reshape(-1, 1, 1)  # [B or 1, 1, 1]
    own = (
        points.new_zeros(len(points), 2) if point_sigma is None else point_sigma.reshape(len(points), -1).expand(-1, 2)
    )
    widths = torch.sqrt(width**2 + own**2).expand(len(rotation), -1, -1)  # [B, N, 2]
    each = gaussians(xy, widths, shape)  # [B, N, H, W]
    return each.sum(1) if weights is None else (each * weights[:, None, None]).sum(1)


def splat_emitters(xy: Tensor, offsets: Tensor, sigma: Sigma, shape: Shape, *, weights: Tensor | None = None) -> Tensor:
    """Pictures ``[B, H, W]`` of ragged emitters ``[E, 2]``."""
    width = torch.as_tensor(sigma, dtype=xy.dtype, device=xy.device)
    widths = (width[:, None] if width.ndim == 1 else width).expand(len(xy), 2)
    each = gaussians(xy, widths, shape)  # [E, H, W]
    each = each if weights is None else each * weights[:, None, None]
    picture = torch.repeat_interleave(offsets.diff()).to(xy.device)  # [E], in which picture each emitter lies
    return xy.new_zeros(len(offsets) - 1, *shape).index_add(0, picture, each)


def normalised_masked_l1(
    images: Tensor, target: Tensor, *, scale: float = 100.0, mask_threshold: float = 1e-4
) -> Tensor:
    """Loss ``[B]``."""
    wanted = normalise(target, scale)
    distance = (normalise(images, scale) - wanted).abs()  # [B, H, W]
    return torch.where(wanted > mask_threshold, distance, 0.0).sum((1, 2))


def reconstruction_loss(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Sigma,
    target: Tensor,
    *,
    weights: Tensor | None = None,
    point_sigma: Tensor | None = None,
    scale: float = 100.0,
    mask_threshold: float = 1e-4,
) -> Tensor:
    """Loss ``[B]`` of a cloud under B poses."""
    shape = (target.shape[1], target.shape[2])
    images = splat(points, rotation, shift, sigma, shape, weights=weights, point_sigma=point_sigma)
    return normalised_masked_l1(images, target, scale=scale, mask_threshold=mask_threshold)


def pose_scores(
    xyz: Tensor,
    offsets: Tensor,
    rotation: Tensor,
    shift: Tensor | None,
    log_density: Tensor,
    voxel: float,
    *,
    weights: Tensor | None = None,
) -> Tensor:
    """Scores ``[P, R]`` of particles of ragged localisations ``[E, 3]`` under poses."""
    particle = torch.repeat_interleave(offsets.diff()).to(xyz.device)  # [E], to which particle each belongs
    turn = rotation[particle] if rotation.ndim == 4 else rotation.expand(len(xyz), -1, -1, -1)  # [E, R, 3, 3]
    relative = xyz[:, None].expand(turn.shape[:-1]) if shift is None else xyz[:, None] - shift[particle]  # [E, R, 3]
    place = torch.einsum("erij,eri->erj", turn, relative) / voxel  # the transposed rotation; voxels from the centre
    each = interpolated(log_density, place)  # [E, R]
    each = each if weights is None else each * weights[:, None]
    return xyz.new_zeros(len(offsets) - 1, turn.shape[1]).index_add(0, particle, each)


def interpolated(volume: Tensor, place: Tensor) -> Tensor:
    """Linear interpolation of ``[D, H, W]`` at places ``[..., 3]``, x y z in voxels from the centre; the border's outside."""
    last = place.new_tensor([size - 1 for size in reversed(volume.shape)])  # x, y, z
    inside = torch.minimum((place + last / 2).clamp(min=0), last)
    first = inside.floor()
    out = place.new_zeros(place.shape[:-1])
    for corner in itertools.product((0, 1), repeat=3):
        offset = place.new_tensor(corner)
        weight = torch.where(offset == 1, inside - first, 1 - inside + first).prod(-1)
        i, j, k = torch.minimum((first + offset).nan_to_num(), last).long().unbind(-1)
        out = out + weight * volume[k, j, i]
    return out


def gaussians(xy: Tensor, sigma: Tensor, shape: Shape) -> Tensor:
    """Gaussians ``[..., H, W]`` of integral 1 at positions ``[..., 2]`` with widths ``[..., 2]``, pixels from the centre.

    One at an infinite position is 0, and so is its gradient: it is moved far outside, where 0 times it is 0.
    """
    height, width = shape
    rows = torch.arange(height, dtype=xy.dtype, device=xy.device)[:, None] - (height - 1) / 2  # [H, 1]
    columns = torch.arange(width, dtype=xy.dtype, device=xy.device) - (width - 1) / 2  # [W]
    x, y = (part[..., None, None].clamp(-1e18, 1e18) for part in xy.unbind(-1))
    sigma_x, sigma_y = (part[..., None, None] for part in sigma.unbind(-1))
    exponent = ((columns - x) / sigma_x) ** 2 + ((rows - y) / sigma_y) ** 2
    return torch.exp(-exponent / 2) / (2 * torch.pi * sigma_x * sigma_y)


def reconstruction_divergence(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Sigma,
    background: Tensor,
    target: Tensor,
    *,
    weights: Tensor | None = None,
) -> Tensor:
    """Divergence ``[B]``; pictures with no intensity are not for it."""
    images = splat(points, rotation, shift, sigma, (target.shape[1], target.shape[2]), weights=weights)
    return divergence(images, background, target)


def divergence(images: Tensor, background: Tensor, target: Tensor) -> Tensor:
    """Divergence ``[B]`` of the density of drawn pictures from a target."""
    share, wanted = background.sigmoid(), normalise(target, 1.0)
    density = (1 - share) * normalise(images, 1.0) + share / images.shape[1:].numel()
    found: Tensor = (torch.special.xlogy(wanted, wanted) - wanted * density.log()).sum((1, 2))
    return found


def normalise(images: Tensor, scale: float) -> Tensor:
    """Pictures whose intensities sum to ``scale``; an empty picture stays empty."""
    total = images.sum((1, 2), keepdim=True)
    return torch.where(total == 0, 0.0, images * scale / torch.where(total == 0, 1.0, total))
