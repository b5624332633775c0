"""The label, loss and peaks of a network like LUENN's (Abdehkakha 2023): one phasor for each cell of a fine grid.

Each emitter adds a Gaussian of one cell's width to the grid, times (cos, sin) of an angle from 0 to pi that rises with its
depth. So the magnitude is where emitters are and the angle is how deep; two of opposite depths at one place cancel.
Photons, background and uncertainties are not predicted.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from .detections import Detections, nothing_known
from .loss import Labels, Parts
from .network.outputs import Scales

REACH = 2
"""Cells about an emitter's own that its Gaussian extends over."""


def phasor_label(labels: Labels, shape: tuple[int, int], cells: int) -> Tensor:
    """Grids ``[B, 2, cells H, cells W]`` of emitters in frames of a shape (H, W); a lone emitter has magnitude 1."""
    height, width = (cells * side for side in shape)
    step = torch.arange(-REACH, REACH + 1, device=labels.values.device)
    place = labels.values[:, :2] * cells
    near = place.long()[:, :, None] + step  # [E, 2, 5]
    weight = (-((near + 0.5 - place[:, :, None]) ** 2) / 2).exp()
    x, y = near[:, 0, None, :], near[:, 1, :, None]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    magnitude = weight[:, 0, None, :] * weight[:, 1, :, None] * inside
    index = (labels.frame[:, None, None] * height + y.clamp(0, height - 1)) * width + x.clamp(0, width - 1)
    angle = math.pi * (labels.values[:, 2] + 1) / 2
    grids = [
        place.new_zeros((len(labels.offsets) - 1) * height * width).index_add(0, index.flatten(), (magnitude * part[:, None, None]).flatten())
        for part in (angle.cos(), angle.sin())
    ]  # fmt: skip
    return torch.stack(grids).view(2, -1, height, width).transpose(0, 1)


def phasor_loss(output: Tensor, labels: Labels, cells: int) -> Parts:
    """Squared distance to the label, summed over cells and divided by the number of emitters."""
    height, width = output.shape[2] // cells, output.shape[3] // cells
    distance = ((output - phasor_label(labels, (height, width), cells)) ** 2).sum()
    loss = distance / (len(labels.values) + len(labels.offsets) - 1)
    return Parts(loss, {"phasor": loss.detach()})


def phasor_detections(output: Tensor, scales: Scales, cells: int, lowest: float) -> Detections:
    """Peaks of the magnitude ``[B, 2, cells H, cells W]`` whose sum over a cross of five cells exceeds a share of a lone emitter's.

    x and y are those of a parabola through the logarithm of the magnitude; z is from the summed phasor of 3 x 3 cells.
    """
    magnitude = output.norm(dim=1, keepdim=True)
    cross = functional.conv2d(magnitude, _cross(magnitude), padding=1)[:, 0] / (1 + 4 * math.exp(-0.5))
    frame, row, column = (_peaks(magnitude) & (cross > lowest)).nonzero(as_tuple=True)
    edges = functional.pad(magnitude[:, 0], (1, 1, 1, 1)).clamp(min=1e-6).log()
    middle = edges[frame, row + 1, column + 1]
    x = column + 0.5 + _vertex(edges[frame, row + 1, column], middle, edges[frame, row + 1, column + 2])
    y = row + 0.5 + _vertex(edges[frame, row, column + 1], middle, edges[frame, row + 2, column + 1])
    cosine, sine = functional.avg_pool2d(output, 3, 1, 1)[frame, :, row, column].unbind(1)
    angle = torch.atan2(sine.clamp(min=0), cosine)
    z = scales.z_middle_nm + scales.z_half_nm * (2 * angle / math.pi - 1)
    cell_nm = scales.pixel_nm / cells
    return nothing_known(
        frame, torch.stack([x * cell_nm, y * cell_nm, z], dim=1), cross[frame, row, column].clamp(max=1)
    )


def _peaks(magnitude: Tensor) -> Tensor:
    """Cells ``[B, H, W]`` that exceed their neighbours; of equal ones, as about an emitter on a border, the first."""
    before = functional.pad(magnitude[:, 0], (1, 1, 1, 0))
    above = functional.max_pool2d(before[:, None, :-1], (1, 3), stride=1)[:, 0]
    first = (magnitude[:, 0] > above) & (magnitude[:, 0] > before[:, 1:, :-2])
    return first & (magnitude == functional.max_pool2d(magnitude, 3, 1, 1))[:, 0]


def _cross(like: Tensor) -> Tensor:
    return like.new_tensor([[0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]])[None, None]


def _vertex(before: Tensor, middle: Tensor, after: Tensor) -> Tensor:
    """Where a parabola through three neighbours has its vertex, cells from the middle one."""
    bend = (before - 2 * middle + after).clamp(max=-1e-6)
    return ((before - after) / (2 * bend)).clamp(-0.5, 0.5)
