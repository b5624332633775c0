"""``splat_emitters``: pictures of ragged lists of 2D emitters, which is how localisation data are drawn."""

import torch
from torch import Tensor

from ..arguments import (
    Backend,
    Shape,
    Sigma,
    check_number_sigma,
    check_offsets,
    check_shape,
    check_tensor,
    check_values,
    choose_backend,
    read_offsets,
)  # fmt: skip
from ..autograd import public_operation
from .separable import CHUNK_BYTES, axis_gaussians, pixel_centres


@public_operation
def splat_emitters(
    xy: Tensor,
    offsets: Tensor,
    sigma: Sigma,
    shape: Shape,
    *,
    weights: Tensor | None = None,
    backend: Backend | None = None,
    check: bool = False,
) -> Tensor:
    """Draw emitters ``offsets[b]`` to ``offsets[b + 1]`` into picture b: Gaussians of integral ``weights``.

    It draws the data and therefore has no gradient.

    Args:
        xy: Emitters of all pictures, concatenated, ``[E, 2]``, pixels from the picture's centre.
        offsets: ``[B + 1]`` int64 on any device, from 0 to E, never decreasing; equal neighbours mean an empty
            picture. Their values are checked where that costs nothing: on CUDA only with ``check``.
        sigma: Standard deviation, pixels: a number, ``[E]`` or (x, y) ``[E, 2]``, above 0.
        shape: (H, W).
        weights: Photons of each emitter ``[E]``; 1 if not given.
        backend: ``"triton"`` (float32 on CUDA), ``"separable"`` (any device), or None to choose by device
            and dtype.
        check: Also check values (finite, sigma above 0, offsets in order), which waits for the device.

    Returns:
        Pictures ``[B, H, W]`` in the dtype of ``xy`` (float32 or float64).

    Raises:
        TypeError: An argument of another type or dtype.
        ValueError: An argument of another shape, device or, with ``check``, value.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import splat_emitters
        >>> two_then_none = torch.tensor([0, 2, 2])
        >>> images = splat_emitters(torch.zeros(2, 2), two_then_none, 1.5, (16, 16))
        >>> [round(total, 3) for total in images.sum((1, 2)).tolist()]
        [2.0, 0.0]
    """
    xy = check_tensor("xy", xy, "E 2").detach()
    widths = _emitter_sigma(sigma, xy)
    shape = check_shape(shape)
    weights = None if weights is None else check_tensor("weights", weights, "E", xy, E=len(xy)).detach()
    check_offsets(offsets)
    chosen = choose_backend(backend, xy)
    if check:
        check_values(xy=xy, sigma=widths, weights=weights)
    if chosen == "separable":
        return _splat_emitters_separable(xy, read_offsets(offsets, len(xy)), widths, weights, shape)
    from .triton_emitters import splat_emitters_triton

    # Reading offsets back would stall a GPU; the kernel clamps them.
    if check or not offsets.is_cuda:
        read_offsets(offsets, len(xy))
    return splat_emitters_triton(xy, offsets, widths, weights, shape)


def _emitter_sigma(sigma: Sigma, xy: Tensor) -> Tensor:
    """Widths as ``[E, 2]`` or, shared by all emitters, ``[1, 2]``."""
    if isinstance(sigma, Tensor) and sigma.ndim == 1:
        return check_tensor("sigma", sigma, "E", xy, E=len(xy)).detach()[:, None].expand(-1, 2)
    if isinstance(sigma, Tensor) and sigma.ndim:
        return check_tensor("sigma", sigma, "E 2", xy, E=len(xy)).detach()
    return check_number_sigma(sigma, xy, "[E] or [E, 2]").detach().expand(1, 2)


def _splat_emitters_separable(
    xy: Tensor, bounds: list[int], sigma: Tensor, weights: Tensor | None, shape: Shape
) -> Tensor:
    rows, columns = (pixel_centres(length, xy) for length in shape)
    amplitude = (1 / (2 * torch.pi * sigma[:, 0] * sigma[:, 1])).expand(len(xy))
    if weights is not None:
        amplitude = amplitude * weights
    sigma = sigma.expand(len(xy), 2)
    images = xy.new_zeros(len(bounds) - 1, *shape)
    for start, stop, pieces in _emitter_chunks(bounds, CHUNK_BYTES // (xy.element_size() * sum(shape))):
        block = slice(start, stop)
        gx = axis_gaussians(xy[block, 0], sigma[block, 0], columns)  # [e, W]
        gy = axis_gaussians(xy[block, 1], sigma[block, 1], rows) * amplitude[block, None]  # [e, H]
        for image, first, last in pieces:
            images[image].addmm_(gy[first - start : last - start].T, gx[first - start : last - start])
    return images


def _emitter_chunks(bounds: list[int], most: int) -> list[tuple[int, int, list[tuple[int, int, int]]]]:
    """Runs of at most ``most`` emitters, with (picture, first, last) pieces; a long picture spans several."""
    chunks: list[tuple[int, int, list[tuple[int, int, int]]]] = []
    start, pieces = 0, []
    for image, (first, last) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
        while first < last:
            end = min(last, start + max(1, most))
            pieces.append((image, first, end))
            first = end
            if end == start + max(1, most):
                chunks.append((start, end, pieces))
                start, pieces = end, []
    if pieces:
        chunks.append((start, bounds[-1], pieces))
    return chunks
