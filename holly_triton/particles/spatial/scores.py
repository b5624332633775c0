"""A stand-in for ``holly_triton.kernels.pose_scores`` until it lands."""

import torch
from torch import Tensor


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
    """As the contract of the kernel has it."""
    D = torch.tensor(log_density.shape[::-1])
    scale = 2 / ((D - 1) * voxel)
    out = []
    for p in range(len(offsets) - 1):
        x = xyz[offsets[p] : offsets[p + 1]]
        R = rotation if rotation.ndim == 3 else rotation[p]
        y = x @ R if shift is None else (x - shift[p][:, None]) @ R
        s = torch.nn.functional.grid_sample(
            log_density[None, None], (y * scale)[None, None], align_corners=True, padding_mode="border"
        )[0, 0, 0]
        out.append(s.sum(-1) if weights is None else s @ weights[offsets[p] : offsets[p + 1]])
    return torch.stack(out)
