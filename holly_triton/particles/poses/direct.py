"""Direct poses: a free pose for each picture and no network, the paper's baseline, which fails (its runs 7.A to 7.I)."""

import torch
from torch import Tensor, nn

from holly_triton.geometry import axis_angle_from_rotation


class FreePoses(nn.Module):
    """Pose outputs in a table with a row for each picture, which are optimised directly."""

    def __init__(self, rotation: Tensor, outputs: int) -> None:
        """Start from rotations ``[P, 3, 3]``, with 0 for all other outputs."""
        super().__init__()
        axis_angle = torch.from_numpy(axis_angle_from_rotation(rotation.cpu().numpy())).to(rotation)
        self.table = nn.Parameter(nn.functional.pad(axis_angle, (0, outputs - 3)))

    def forward(self, index: Tensor, target: Tensor) -> Tensor:
        """Outputs ``[B, outputs]`` of the pictures ``[B]``, independent of their pixels."""
        return self.table[index]
