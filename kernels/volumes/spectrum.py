r"""``FourierReference``: the spectrum of a reference volume on a grid fine enough to be interpolated.

The spectrum of a volume v with its centre, index ``n // 2``, as the origin is, at a frequency k in cycles per voxel::

    V(k) = sum_x  v(x) exp(-2 pi i k . (x - c))

It is sampled every ``step`` and interpolated linearly along x, y and z. An interpolation of the spectrum multiplies the
volume by the transform of its kernel, ``sinc^2(x step)`` along each axis. So v is first divided by that, and padded with
zeros, which makes the step finer: at twice the size the error
is 1 % of the spectrum of a particle of half of the box's diameter and 9 % of one of three quarters; at three times, half of it.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..arguments import check_positive, check_tensor

COMPLEX = (torch.complex64, torch.complex128)
MOST_SAMPLES = 1000
"""Along an axis: within 1000^3 samples the kernels use int32 indices."""


class FourierReference(NamedTuple):
    """The spectrum of a reference on a cubic grid with frequency 0 in its middle; 0 outside. ``fourier_reference`` makes it.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import FourierReference, fourier_reference
        >>> reference = fourier_reference(torch.rand(8, 8, 8), highest=0.25)
        >>> isinstance(reference, FourierReference), reference.values.shape, reference.step
        (True, torch.Size([11, 11, 11]), 0.0625)
    """

    values: Tensor
    """``[M, M, M]`` complex, axes z, y, x: sample ``[k, j, i]`` is at the frequency ``step (i, j, k) - step (M // 2)``."""
    step: float
    """Distance between samples, cycles per voxel, above 0."""

    @property
    def side(self) -> int:
        """M."""
        return len(self.values)


def fourier_reference(volume: Tensor, *, padding: int = 2, highest: float = 0.5) -> FourierReference:
    """The spectrum of a volume up to a frequency, ready to be interpolated.

    Args:
        volume: ``[n, n, n]``, float32 or float64, axes z, y, x; its origin is index ``n // 2``.
        padding: The volume is padded to this many times its size.
        highest: Length of the longest frequency that will be asked for, cycles per voxel, at most 0.5.

    Raises:
        TypeError: An argument of another type or dtype.
        ValueError: The volume is not a cube, or a number is out of range.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import fourier_reference
        >>> reference = fourier_reference(torch.ones(8, 8, 8))
        >>> round(abs(reference.values[9, 9, 9].item()) / 8**3, 2)  # frequency 0; the volume was divided by sinc^2
        1.25
    """
    volume = check_tensor("volume", volume, "n n n").detach()
    size = len(volume)
    if not size or volume.shape != (size, size, size):
        raise ValueError(f"volume must be a cube [n, n, n] of at least one voxel, got {list(volume.shape)}")
    if not isinstance(padding, int) or padding < 1:
        raise ValueError(f"padding must be a whole number of at least 1, got {padding!r}")
    if check_positive("highest", highest) > 0.5:
        raise ValueError(f"highest must be at most 0.5 cycles per voxel, got {highest}")
    length = padding * size
    at = torch.arange(size, dtype=volume.dtype, device=volume.device) - size // 2
    kernel = torch.sinc(at / length) ** 2
    flattened = volume / (kernel[:, None, None] * kernel[:, None] * kernel)
    padded = torch.nn.functional.pad(flattened, (0, length - size) * 3)
    spectrum = torch.fft.fftn(padded.roll((-(size // 2),) * 3, (0, 1, 2)))
    # One sample beyond the highest frequency, so that every frequency asked for lies between two.
    reach = math.ceil(highest * length - 1e-9) + 1
    index = torch.arange(-reach, reach + 1, device=volume.device) % length
    values = spectrum[index[:, None, None], index[:, None], index].contiguous()
    return check_reference(FourierReference(values, 1 / length), volume)


def check_reference(reference: object, like: Tensor) -> FourierReference:
    """A reference of consistent shapes, in the dtype (``like``'s, real) and on the device of the other arguments."""
    if not isinstance(reference, FourierReference):
        raise TypeError(f"reference must be a FourierReference, got {type(reference).__name__}")
    values = check_spectrum("reference.values", reference.values, "M M M", like)
    side = len(values)
    if not 0 < side <= MOST_SAMPLES or values.shape != (side, side, side):
        raise ValueError(
            f"reference.values must be a cube of 1 to {MOST_SAMPLES} samples a side, got {list(values.shape)}"
        )
    return FourierReference(values, check_positive("reference.step", reference.step))


def check_spectrum(name: str, value: object, shape: str, like: Tensor | None = None, **sizes: int) -> Tensor:
    """A complex tensor of a shape such as ``"P K"``; its parts have the dtype of ``like``."""
    if isinstance(value, Tensor) and value.dtype not in COMPLEX:
        raise TypeError(f"{name} must be complex64 or complex128, got {value.dtype}")
    check_tensor(name, value.real if isinstance(value, Tensor) else value, shape, like, **sizes)
    assert isinstance(value, Tensor)
    return value.detach()


def phases(shift: Tensor, frequencies: Tensor) -> Tensor:
    """``exp(2 pi i k . t)`` ``[S, K]``; whole turns are removed first, as they cost precision."""
    turns = shift @ frequencies.T
    angle = 2 * math.pi * (turns - turns.round())
    return torch.polar(torch.ones_like(angle), angle)
