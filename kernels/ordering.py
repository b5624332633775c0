"""``morton_order``: an order of points in which neighbours in space are neighbours in memory."""

import torch
from torch import Tensor

from .arguments import check_tensor

BITS = 10
"""Cells along each axis are 2**10: finer than any block of points of a million."""


def morton_order(points: Tensor) -> Tensor:
    """Indices that sort a cloud along a Morton (Z-order) curve, so that consecutive points are neighbours.

    Kernels skip (block, tile) pairs that do not overlap: their speed depends on this order, their result does not,
    except for rounding. A trainer permutes the points and its optimiser's state with it at intervals.

    Args:
        points: ``[N, 3]``, float32 or float64, any device; a point that isn't finite is sorted like 0 or
            the edge.

    Returns:
        A permutation ``[N]`` int64 on the same device: ``points[morton_order(points)]`` is sorted. Equal
        cells keep their order.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import morton_order
        >>> corners = torch.tensor([[9.0, 9.0, 9.0], [0.0, 0.0, 0.0], [9.0, 9.0, 8.0]])
        >>> morton_order(corners).tolist()
        [1, 2, 0]
    """
    cloud = check_tensor("points", points, "N 3").detach().nan_to_num()
    if not len(cloud):
        return torch.empty(0, dtype=torch.int64, device=points.device)
    low = cloud.amin(0)
    # Halves, as the whole range of floats doesn't fit in a float.
    extent = (cloud.amax(0) / 2 - low / 2).amax().clamp_min(torch.finfo(cloud.dtype).tiny)
    cell = ((cloud / 2 - low / 2) / extent * (2**BITS - 1)).to(torch.int64)  # [N, 3]
    code = torch.zeros_like(cell[:, 0])
    for bit in range(BITS):
        for axis in range(3):
            code |= (cell[:, axis] >> bit & 1) << (3 * bit + axis)
    return torch.argsort(code, stable=True)
