"""``splat_emitters``: pictures of ragged lists of 2D emitters, which is how localisation data are drawn."""

from collections.abc import Iterator

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

FULL = 0.8
"""Least number of emitters of a picture that is drawn with others at a time, as a share of the most among them."""


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
    starts, counts = torch.tensor(bounds[:-1], device=xy.device), torch.tensor(bounds, device=xy.device).diff()
    most = CHUNK_BYTES // (xy.element_size() * sum(shape))
    for some, first, last in _buckets(counts, most):
        place = torch.arange(first, last, device=xy.device)
        # What a picture lacks to the most of its bucket is filled with its own first emitter, of no photons: a NaN of another
        # picture's times 0 would be a NaN here.
        own = place < counts[some, None]
        emitters = starts[some, None] + place * own
        photons = amplitude[emitters].masked_fill_(~own, 0)
        at, width = xy[emitters], sigma[emitters]  # [b, m, 2]
        gx = axis_gaussians(at[..., 0], width[..., 0], columns)  # [b, m, W]
        gy = axis_gaussians(at[..., 1], width[..., 1], rows).mul_(photons[..., None])  # [b, m, H]
        images[some] += torch.bmm(gy.mT, gx)
    return images


def _buckets(counts: Tensor, most: int) -> Iterator[tuple[Tensor, int, int]]:
    """Pictures ``[b]`` of about as many emitters each, and from which to which of their emitters are drawn at a time.

    They are ``most`` emitters at most; a picture of more is drawn in parts.
    """
    order = counts.argsort(descending=True, stable=True)
    numbers = counts[order].tolist()
    start, pictures = 0, len(numbers) - numbers.count(0)
    while start < pictures:
        longest, stop = numbers[start], start + 1
        room = max(1, most // longest)
        while stop < min(pictures, start + room) and numbers[stop] >= FULL * longest:
            stop += 1
        for first in range(0, longest, max(1, most)):
            yield order[start:stop], first, min(longest, first + max(1, most))
        start = stop
