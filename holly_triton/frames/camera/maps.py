"""Cameras whose pixels differ: maps of the offset, the gain and the read noise, as calibrations of sCMOS chips record them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.core.types import Array

from .model import Camera, PerPixel


class PixelMaps(NamedTuple):
    """Properties of each pixel ``[H, W]`` float32; None where all pixels share the camera's own."""

    offset_adu: Tensor | None = None
    electrons_per_adu: Tensor | None = None
    read_noise_electrons: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W), or () without maps."""
        return next((tuple(part.shape) for part in self if part is not None), ())

    def window(self, row: int, column: int, shape: tuple[int, int]) -> "PixelMaps":
        """The part of this shape whose first pixel is (row, column)."""
        rows, columns = slice(row, row + shape[0]), slice(column, column + shape[1])
        return PixelMaps(*(None if part is None else part[..., rows, columns] for part in self))


@dataclass(frozen=True, eq=False, kw_only=True)
class MappedCamera(Camera):
    """A camera with maps. Frames have the shape of the maps, whose first pixel is that of the frame.

    Its settings are those of the base class; the maps are not among them and are kept beside them in a file.
    """

    maps: PixelMaps

    @staticmethod
    def of_camera(camera: Camera, maps: PixelMaps) -> "MappedCamera":
        """A camera with these maps in place of its own values."""
        if camera.kind == "photons":
            raise HollyError(
                "a camera of kind photons has no offset, gain or read noise, and therefore no maps of them"
            )
        return MappedCamera(**camera.table(), maps=maps)

    @property
    def pixels(self) -> tuple[PerPixel, PerPixel, PerPixel]:
        """Offset in ADU, electrons per ADU and read noise in electrons, of each pixel where there is a map."""
        offset, per_adu, read_noise = super().pixels
        maps = self.maps
        return (
            offset if maps.offset_adu is None else maps.offset_adu,
            per_adu if maps.electrons_per_adu is None else maps.electrons_per_adu,
            read_noise if maps.read_noise_electrons is None else maps.read_noise_electrons,
        )

    def window(self, row: int, column: int, shape: tuple[int, int]) -> "MappedCamera":
        """The camera for frames of a part of its chip."""
        return replace(self, maps=self.maps.window(row, column, shape))

    def seeing(self, batch: int, shape: tuple[int, int], generator: torch.Generator) -> Camera:
        """The camera for a batch of frames of this shape, each at a random part of the chip.

        Raises:
            HollyError: The frames are larger than the maps.
        """
        spare = [size - wanted for size, wanted in zip(self.maps.shape, shape, strict=True)]
        if min(spare) < 0:
            height, width = self.maps.shape
            raise HollyError(
                f"the camera's maps have {width} x {height} px; frames of {shape[1]} x {shape[0]} px are larger"
            )
        device = generator.device
        if max(spare) == 0:
            return replace(self, maps=PixelMaps(*(None if part is None else part.to(device) for part in self.maps)))
        row, column = (
            torch.randint(0, most + 1, (batch,), generator=generator, device=device).tolist() for most in spare
        )
        windows = [self.maps.window(*first, shape) for first in zip(row, column, strict=True)]
        stacked = (None if parts[0] is None else torch.stack(parts) for parts in zip(*windows, strict=True))
        return replace(self, maps=PixelMaps(*(None if part is None else part.to(device) for part in stacked)))

    def _values(self) -> list[tuple[str, object]]:
        return [(name, value) for name, value in super()._values() if name != "maps"]


def read_maps(offset: Path | None = None, gain: Path | None = None, variance: Path | None = None) -> PixelMaps:
    """Maps from files (.tif or .npy), one picture each, in the units of Huang et al. 2013 (Nature Methods 10, 653).

    Args:
        offset: Mean of dark frames, ADU.
        gain: ADU per electron.
        variance: Variance of dark frames, ADU squared.

    Raises:
        HollyError: A file can't be read, is no picture of numbers, holds impossible values or differs from another in size; or
            there is a variance without a gain, so that it can't be converted to electrons.
    """
    if variance is not None and gain is None:
        raise HollyError(
            f"{variance}: a map of the variance needs the map of the gain beside it, to convert it to electrons"
        )
    offsets, gains, variances = (None if path is None else _read_map(path) for path in (offset, gain, variance))
    for path, values, least in ((offset, offsets, "0"), (variance, variances, "0")):
        if values is not None and (values < 0).any():
            raise HollyError(f"{path}: holds values below {least}, which neither an offset nor a variance has")
    if gains is not None and (gains <= 0).any():
        raise HollyError(f"{gain}: holds a gain of 0 or below; it must be in ADU per electron, above 0 at every pixel")
    sizes = {
        path: values.shape
        for path, values in ((offset, offsets), (gain, gains), (variance, variances))
        if values is not None
    }
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{path} {shape[1]} x {shape[0]} px" for path, shape in sizes.items())
        raise HollyError(f"the camera's maps must have one size; found {found}")
    noise = None if variances is None or gains is None else np.sqrt(variances) / gains
    parts = (offsets, None if gains is None else 1 / gains, noise)
    return PixelMaps(*(None if part is None else torch.from_numpy(part.astype(np.float32)) for part in parts))


def _read_map(path: Path) -> Array:
    if not path.is_file():
        raise HollyError(f"{path}: is no file; give a map of the camera's pixels (.tif or .npy)")
    if path.suffix.lower() == ".npy":
        with foreign(path, "a NumPy array"):
            values = np.load(path, allow_pickle=False)
    else:
        with foreign(path, "TIFF"):
            values = tifffile.imread(path)
    values = np.squeeze(values)
    if values.ndim != 2 or values.dtype.kind not in "uif":
        raise HollyError(f"{path}: has {values.dtype} values of shape {values.shape}; a map is one grey picture")
    if not np.isfinite(values).all():
        raise HollyError(f"{path}: holds NaN or infinity; a map has a number at every pixel")
    return np.asarray(values, dtype=np.float64)
