r"""``splat_psf``: camera frames of ragged lists of 3D emitters, drawn with a tabulated PSF.

Frame b shows the emitters from ``offsets[b]`` to ``offsets[b + 1]``, each of w photons, with P of ``table``::

    frame[i, j] = sum_e  w_e P(q_e, i - i_e, j - j_e)

q_e is the emitter's z in planes of the table, and (i_e, j_e) the pixel on which the table's first row and column fall.
Rows and columns are one pixel apart, so with ``i_e = n + f`` split into a whole number and a fraction, the four
weights along y are the same for all pixels, and those along x too. An emitter is therefore a contraction of four
planes, a filter of four rows and a filter of four columns, and lights h + 3 by w + 3 pixels::

    plane[r, c] = sum_a  w_e beta_a(q_e) C[k + a, r, c]                     beta_a: spline_weights
    patch[m, l] = sum_b sum_c  beta_b(1 - f_y) beta_c(1 - f_x) plane[m - 3 + b, l - 3 + c]

It draws the data and therefore has no gradient.
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, pad

from ..arguments import (
    Backend,
    Shape,
    check_offsets,
    check_shape,
    check_tensor,
    check_values,
    choose_backend,
    read_offsets,
)  # fmt: skip
from ..autograd import public_operation
from .scatter import add_at, frame_of_emitters
from .table import PsfTable, check_table, spline_weights

CHUNK_BYTES = 8 * 2**20
"""Bytes of the patches held at a time, with their copies and indices."""

COPIES = 7
"""A patch is held as the plane, with its margin, after each filter and as indices of 8 bytes."""

FAR = 2.0**29
"""A coordinate in pixels outside any frame, which a whole number of 32 bits holds."""


def axis_place(position: Tensor, length: int, table_length: int) -> tuple[Tensor, Tensor]:
    """First pixel ``[E]`` that an emitter lights along an axis, and its four weights ``[E, 4]``.

    The fraction is split off before the centre is added, which would round it.
    """
    whole = position.floor()
    half = (length - table_length) % 2 / 2
    start = (length - table_length) // 2
    fraction = position - whole + half
    carried = fraction >= 1
    fraction = torch.where(carried, fraction - 1, fraction)
    first = whole.nan_to_num(0.0, FAR, -FAR).clamp(-FAR, FAR).long() + carried + (start - 1)
    return first, spline_weights(1 - fraction)


def plane_place(z: Tensor, psf: PsfTable) -> tuple[Tensor, Tensor]:
    """First of the four planes of coefficients ``[E]`` at z, and their weights ``[E, 4]``.

    An emitter beyond the table is drawn with its outermost plane.
    """
    last = psf.planes - 1
    plane = ((z - psf.z_first) / psf.z_step).clamp(0, last)
    first = plane.nan_to_num().floor().clamp(max=last - 1)
    return first.long(), spline_weights(plane - first)


def _filtered(part: Tensor, weights: Tensor) -> Tensor:
    """Four weights ``[e, 4]`` along the second axis: ``[e, n + 6, m]`` to ``[e, n + 3, m]``."""
    length = part.shape[1] - 3
    out = part[:, :length] * weights[:, 0, None, None]
    for tap in range(1, 4):
        out.addcmul_(part[:, tap : tap + length], weights[:, tap, None, None])
    return out


def _splat_psf_torch(xyz: Tensor, bounds: list[int], psf: PsfTable, weights: Tensor | None, shape: Shape) -> Tensor:
    (height, width), (_, rows, columns) = shape, psf.coefficients.shape
    frames, lit = len(bounds) - 1, (rows + 3, columns + 3)
    frame = frame_of_emitters(torch.tensor(bounds, device=xyz.device), len(xyz))  # [E]
    photons = xyz.new_ones(len(xyz)) if weights is None else weights
    flat = xyz.new_zeros(1 + frames * height * width)  # the first takes what falls outside
    planes = psf.coefficients.reshape(psf.planes + 2, rows * columns)
    tap, row, column = (torch.arange(length, device=xyz.device) for length in (4, *lit))
    outside = -2 * len(flat)
    step = max(1, CHUNK_BYTES // (COPIES * xyz.element_size() * lit[0] * lit[1]))
    for start in range(0, len(xyz), step):
        some = slice(start, start + step)
        (x, y, z), count = xyz[some].unbind(1), len(xyz[some])
        k, along_z = plane_place(z, psf)
        i, along_y = axis_place(y, height, rows)
        j, along_x = axis_place(x, width, columns)
        plane = embedding_bag(
            k[:, None] + tap, planes, mode="sum", per_sample_weights=along_z * photons[some, None]
        ).view(count, rows, columns)
        turned = _filtered(pad(plane, (3, 3, 3, 3)), along_y).transpose(1, 2)
        patch = _filtered(turned, along_x).transpose(1, 2)  # [e, h + 3, w + 3]
        i, j = i[:, None] + row, j[:, None] + column
        line = torch.where((i >= 0) & (i < height), (frame[some, None] * height + i) * width + 1, outside)
        pixel = (line[:, :, None] + torch.where((j >= 0) & (j < width), j, outside)[:, None]).clamp_(min=0)
        add_at(flat, pixel, patch)
    images = flat[1:].view(frames, height, width)
    return images.masked_fill_(_spoilt(xyz, photons, frame, frames)[:, None, None], torch.nan)


def _spoilt(xyz: Tensor, photons: Tensor, frame: Tensor, frames: int) -> Tensor:
    """Frames ``[B]`` that hold an emitter with a NaN, or with infinitely many photons."""
    bad = xyz.isnan().any(1) | ~photons.isfinite()
    return torch.bincount(frame, weights=bad, minlength=frames) > 0


@public_operation
def splat_psf(
    xyz: Tensor,
    offsets: Tensor,
    psf: PsfTable,
    shape: Shape,
    *,
    weights: Tensor | None = None,
    backend: Backend | None = None,
    check: bool = False,
) -> Tensor:
    """Draw emitters ``offsets[b]`` to ``offsets[b + 1]`` into frame b with a tabulated PSF, cubic splines in x, y and z.

    It draws the data and therefore has no gradient. The same input gives the same bits. An emitter beyond the first or
    the last plane is drawn with that plane: out of focus, it still sends its photons. Where the table ends along x and
    y the PSF is 0. One at an infinite x or y lies outside; a NaN turns its whole frame into NaN.

    Args:
        xyz: Emitters of all frames, concatenated, ``[E, 3]``: x and y in pixels from the frame's centre
            ((W-1)/2, (H-1)/2), z in the unit of ``psf.z_first`` and ``psf.z_step``.
        offsets: ``[B + 1]`` int64 on any device, from 0 to E, never decreasing; equal neighbours mean an empty
            frame. Their values are checked where that costs nothing: on CUDA only with ``check``.
        psf: The PSF, in the dtype and on the device of ``xyz``; ``psf_table`` makes it from values.
        shape: (H, W).
        weights: Photons of each emitter ``[E]``; 1 if not given.
        backend: ``"triton"`` (float32 on CUDA), ``"separable"`` (PyTorch on any device), or None to choose by device
            and dtype.
        check: Also check values (finite, offsets in order), which waits for the device.

    Returns:
        Frames ``[B, H, W]`` in the dtype of ``xyz`` (float32 or float64).

    Raises:
        TypeError: An argument of another type or dtype.
        ValueError: An argument of another shape, device or, with ``check``, value.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import psf_table, splat_psf
        >>> spot = torch.exp(-(torch.arange(-6.0, 7.0) ** 2) / 4)
        >>> table = psf_table((spot[:, None] * spot / spot.sum() ** 2).expand(5, 13, 13), z_first=-400.0, z_step=200.0)
        >>> emitters = torch.tensor([[0.3, -2.0, 150.0], [4.0, 1.7, -90.0]])
        >>> frames = splat_psf(emitters, torch.tensor([0, 2, 2]), table, (32, 40), weights=torch.tensor([900.0, 100.0]))
        >>> [round(total, 1) for total in frames.sum((1, 2)).tolist()]
        [1000.0, 0.0]
    """
    xyz = check_tensor("xyz", xyz, "E 3").detach()
    psf = check_table(psf, xyz)
    shape = check_shape(shape)
    weights = None if weights is None else check_tensor("weights", weights, "E", xyz, E=len(xyz)).detach()
    check_offsets(offsets)
    chosen = choose_backend(backend, xyz)
    if check:
        check_values(xyz=xyz, weights=weights, **{"psf.coefficients": psf.coefficients})
    if chosen == "separable":
        return _splat_psf_torch(xyz, read_offsets(offsets, len(xyz)), psf, weights, shape)
    from .triton_emitters import splat_psf_triton

    # Reading offsets back would stall a GPU; the kernel clamps them.
    if check or not offsets.is_cuda:
        read_offsets(offsets, len(xyz))
    return splat_psf_triton(xyz, offsets, psf, weights, shape)
