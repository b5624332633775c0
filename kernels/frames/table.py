r"""``PsfTable``: a measured PSF as cubic B-splines in x, y and z.

With ``beta`` the cubic B-spline, which is 0 from 2 on, the PSF at plane q, row s and column t of the table is::

    P(q, s, t) = sum_k sum_r sum_c  C[k, r, c] beta(q - k) beta(s - r) beta(t - c)

(Unser, Aldroubi and Eden 1993). Coefficients are kept, not values: P is twice continuously differentiable, takes 64
terms and one number a voxel, where polynomials take 64 numbers a voxel (Babcock and Zhuang 2017). Beyond its rows and
columns the table is 0, which P approaches smoothly within two pixels. Along z the ends are "not a knot".
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..arguments import MOST, check_finite, check_positive, check_tensor

FEWEST_PLANES = 4
"""The condition at the two ends takes four values."""


class PsfTable(NamedTuple):
    """A tabulated PSF whose rows and columns are one camera pixel apart.

    The emitter lies at row (h - 1) / 2 and column (w - 1) / 2. ``psf_table`` makes it from values.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import PsfTable, psf_table
        >>> table = psf_table(torch.rand(5, 9, 9), z_first=-100.0, z_step=50.0)
        >>> isinstance(table, PsfTable), table.planes, table.coefficients.shape
        (True, 5, torch.Size([7, 9, 9]))
    """

    coefficients: Tensor
    """``[D + 2, h, w]``: cubic B-spline coefficients; the first plane is one step before the first of the D values."""
    z_first: float
    """Position of the first of the D planes, in the unit of the emitters' z (``frames``: nm)."""
    z_step: float
    """Distance between planes, in the same unit, above 0."""

    @property
    def planes(self) -> int:
        """D, the number of planes of values."""
        return len(self.coefficients) - 2


def psf_table(values: Tensor, z_first: float, z_step: float) -> PsfTable:
    """Cubic B-spline coefficients of a PSF that takes the given values at the table's points.

    Args:
        values: ``[D, h, w]``, float32 or float64: share of an emitter's photons in each pixel, for planes in the order
            of rising z; at least 4 planes.
        z_first: Position of the first plane, in the unit of the emitters' z.
        z_step: Distance between planes, in the same unit, above 0.

    Returns:
        The table, in the dtype and on the device of ``values``.

    Raises:
        TypeError: An argument of another type or dtype.
        ValueError: Fewer than 4 planes, no pixel, or a step that is not above 0.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import psf_table, splat_psf
        >>> table = psf_table(torch.ones(5, 3, 3) / 9, z_first=-100.0, z_step=50.0)
        >>> frame = splat_psf(torch.tensor([[0.0, 0.0, 25.0]]), torch.tensor([0, 1]), table, (9, 9))
        >>> round(frame[0, 4, 4].item(), 4)
        0.1111
    """
    values = check_tensor("values", values, "D h w").detach()
    planes, height, width = values.shape
    if planes < FEWEST_PLANES or not height * width:
        raise ValueError(
            f"values must have at least {FEWEST_PLANES} planes of at least one pixel, got {list(values.shape)}"
        )
    wide = values.double()
    ends = wide.new_zeros(planes + 2, planes + 2)
    fourth_difference = wide.new_tensor([1.0, -4.0, 6.0, -4.0, 1.0])  # of the coefficients: third derivative continuous
    ends[0, :5] = ends[-1, -5:] = fourth_difference
    ends[1:-1] = _samples(planes + 2, wide)[1:-1]
    padded = torch.nn.functional.pad(wide, (0, 0, 0, 0, 1, 1))
    along_z = torch.linalg.solve(ends, padded.flatten(1)).view(planes + 2, height, width)
    along_y = torch.linalg.solve(_samples(height, wide), along_z)
    along_x = torch.linalg.solve(_samples(width, wide), along_y.transpose(1, 2)).transpose(1, 2)
    return PsfTable(
        along_x.contiguous().to(values.dtype), check_finite("z_first", z_first), check_positive("z_step", z_step)
    )


def _samples(length: int, like: Tensor) -> Tensor:
    """``beta(i - j)`` for i, j below length: coefficients to values."""
    one, side = like.new_full((length,), 4 / 6), like.new_full((length - 1,), 1 / 6)
    return torch.diag(one) + torch.diag(side, 1) + torch.diag(side, -1)


def check_table(psf: object, like: Tensor) -> PsfTable:
    """A table of at least 4 planes, in the dtype and on the device of the emitters."""
    if not isinstance(psf, PsfTable):
        raise TypeError(f"psf must be a PsfTable, got {type(psf).__name__}")
    coefficients = check_tensor("psf.coefficients", psf.coefficients, "D+2 h w", like).detach()
    if psf.planes < FEWEST_PLANES or not 0 < coefficients.numel() <= MOST:
        raise ValueError(
            f"psf.coefficients must have at least {FEWEST_PLANES + 2} planes and from 1 to {MOST} values, "
            f"got {list(coefficients.shape)}"
        )
    return PsfTable(coefficients, check_finite("psf.z_first", psf.z_first), check_positive("psf.z_step", psf.z_step))


def spline_weights(fraction: Tensor) -> Tensor:
    """``beta`` at u + 1, u, u - 1 and u - 2 for fractions u from 0 to 1: ``[...]`` to ``[..., 4]``."""
    rest = 1 - fraction
    squared, rest_squared = fraction * fraction, rest * rest
    inner, rest_inner = (4 - 3 * two * (1 + other) for two, other in ((squared, rest), (rest_squared, fraction)))
    return torch.stack([rest_squared * rest, inner, rest_inner, squared * fraction], dim=-1) / 6
