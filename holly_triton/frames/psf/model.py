"""What every point-spread function can do."""

from collections.abc import Callable, Iterator
from typing import Protocol, Self

import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.frames.emitters import Emitters
from holly_triton.kernels.frames.scatter import add_at

CHUNK_PIXELS = 2**22
"""Largest number of pixels in the patches that are held at once."""


class Psf(Protocol):
    """The light of one emitter on the camera, as a function of its position in 3D.

    Depths beyond ``z_range_nm`` are drawn as the nearest one within it, because no model holds there.
    """

    @property
    def pixel_nm(self) -> float:
        """Side of a camera pixel, nm."""

    @property
    def z_range_nm(self) -> tuple[float, float]:
        """Smallest and largest depth that it describes, nm."""

    @property
    def size(self) -> int:
        """Odd side, pixels, of a patch that holds an emitter's light at every depth."""

    def draw(self, emitters: Emitters, shape: tuple[int, int]) -> Tensor:
        """Expected photons ``[B, H, W]`` of the emitters, without a background and without a gradient."""

    def patches(self, xyz: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """The light of single emitters, each in a patch of its own.

        Args:
            xyz: ``[E, 3]`` nm: x and y from the outer corner of each patch's first pixel.
            size: Side of a patch, pixels.

        Returns:
            Shares of the photons ``[E, size, size]``, whose sum over a large patch is about 1, and their derivatives with
            respect to x, y and z ``[E, 3, size, size]``, 1/nm.
        """

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""


def check_depths(psf: Psf, z_nm: Tensor, what: str) -> None:
    """Refuse depths that a calibration does not describe.

    Raises:
        HollyError: Some ``z_nm`` lies outside; the message begins with ``what``, where they come from.
    """
    least, most = psf.z_range_nm
    if len(z_nm) and not (least <= float(z_nm.min()) and float(z_nm.max()) <= most):
        raise HollyError(
            f"{what}: its depths reach from {float(z_nm.min()):.0f} to {float(z_nm.max()):.0f} nm, but the calibration of the "
            f"PSF holds from {least:.0f} to {most:.0f} nm only; leave those out, or calibrate over a longer range"
        )


def windows(psf: Psf, emitters: Emitters) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Emitters in parts, each in a patch of ``psf.size`` about its own pixel.

    Yields:
        Which emitters, the row and column of the first pixel of each patch ``[e, 2]`` int64, and the positions relative to
        its outer corner ``[e, 3]`` nm.
    """
    step = max(1, CHUNK_PIXELS // psf.size**2)
    for start in range(0, len(emitters.xyz), step):
        part = slice(start, start + step)
        xyz = emitters.xyz[part]
        corner = (xyz[:, :2] / psf.pixel_nm).floor() - psf.size // 2
        local = torch.cat([xyz[:, :2] - corner * psf.pixel_nm, xyz[:, 2:]], dim=1)
        yield part, corner.flip(1).long(), local


def pixels_of(corner: Tensor, size: int, frame: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The pixels of patches in frames that lie one after the other.

    Args:
        corner: Row and column of the first pixel of each patch ``[e, 2]``.
        size: Side of a patch, pixels.
        frame: The frame of each ``[e]``.
        shape: (H, W).

    Returns:
        Index of each pixel ``[e, size, size]``, 0 where it lies outside of the frame, and whether it lies inside.
    """
    height, width = shape
    along = torch.arange(size, device=corner.device)
    rows, columns = corner[:, :1] + along, corner[:, 1:] + along
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    index = (frame[:, None] * height + rows)[:, :, None] * width + columns[:, None, :]
    return index * inside, inside


def draw_patches(
    psf: Psf, values: Callable[[Tensor, int], Tensor], emitters: Emitters, shape: tuple[int, int]
) -> Tensor:
    """Add patches to frames: ``Psf.draw`` of a model that no kernel draws.

    Args:
        psf: The model.
        values: Its shares of the photons, as the first that ``patches`` returns.
        emitters: What is drawn.
        shape: (H, W).
    """
    frames = emitters.xyz.new_zeros(emitters.frames * shape[0] * shape[1])
    of_each = emitters.frame()
    for part, corner, local in windows(psf, emitters):
        index, inside = pixels_of(corner, psf.size, of_each[part], shape)
        light = values(local, psf.size) * emitters.photons[part, None, None]
        add_at(frames, index, light * inside)
    return frames.view(emitters.frames, *shape)
