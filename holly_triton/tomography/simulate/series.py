"""Tilt series: each particle is drawn by ``splat`` at each tilt into a patch, passes through its optics, and is added up."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from holly_triton.geometry import compose
from holly_triton.geometry.volumes import centre, splat_centred
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.config.simulation import PATCH_SIGMAS, PATCH_VALUES
from holly_triton.tomography.structures import Density, blur_left, fitting

from .optics import camera, ctf, fading, spread
from .scene import excess_variance, padding, sharpening

UM_PER_A = 1e-4


@dataclass(frozen=True)
class Tilts:
    """The tilts of a series and the dose before each.

    Attributes:
        angles: ``[T]`` degrees, ascending.
        dose: e/Å2 that the specimen has received by the middle of each exposure ``[T]``.
    """

    angles: Tensor
    dose: Tensor

    @classmethod
    def symmetric(cls, tilt: float, step: float, dose: float = 0.0, device: torch.device | str = "cpu") -> "Tilts":
        """Tilts from ``-tilt`` to ``tilt`` about ``step`` degrees apart, the smallest first (Hagen et al. 2017)."""
        angles = torch.linspace(-tilt, tilt, max(2, round(2 * tilt / step) + 1))
        rank = angles.abs().argsort(stable=True).argsort()
        return cls(angles.to(device), (dose * (rank + 0.5) / len(angles)).to(device))

    @property
    def rotations(self) -> Tensor:
        """Ry of each angle ``[T, 3, 3]``: x goes to ``x cos a + z sin a``."""
        radians = torch.deg2rad(self.angles)
        cosine, sine, zero, one = radians.cos(), radians.sin(), torch.zeros_like(radians), torch.ones_like(radians)
        return torch.stack([cosine, zero, sine, zero, one, zero, -sine, zero, cosine], dim=1).view(-1, 3, 3)


class Series:
    """Pictures ``[T, Y, X]`` to which particles are added.

    Args:
        shape: (Y, X) pixels; the centre of the volume is seen at pixel (Y // 2, X // 2).
        voxel: Å.
        resolution: At which particles are drawn, Å.
        optics: Of the microscope.
        tilts: Of the series, on the device of the pictures.
    """

    def __init__(self, shape: tuple[int, int], voxel: float, resolution: float, optics: Optics, tilts: Tilts) -> None:
        self.voxel, self.resolution, self.optics, self.tilts = voxel, resolution, optics, tilts
        self._excess = excess_variance(voxel, resolution)
        self._room = [padding(side, optics, voxel) for side in shape]
        self._shape = (shape[0] + 2 * self._room[0], shape[1] + 2 * self._room[1])
        self._sum = torch.zeros(len(tilts.angles), *self._shape, device=tilts.angles.device)

    def add(self, density: Density, rotation: Tensor, position: Tensor) -> None:
        """Add particles of one class; the defocus of each follows from its own height at each tilt.

        The beam runs along z, so that what lies deeper is further underfocused.

        Args:
            density: The class.
            rotation: ``[P, 3, 3]``.
            position: Of the centres of mass from the volume's centre, x, y, z in Å ``[P, 3]``.
        """
        density = fitting(density, self.resolution).to(self._sum.device)
        width = math.sqrt(blur_left(density, self.resolution) + self._excess)
        room = 2 * (density.radius + PATCH_SIGMAS * width + spread(self.optics, self.voxel))
        side = int(next_fast_len(math.ceil(room / self.voxel) + 2, real=True))
        frequency = _radial((side, side), self._sum.device) / self.voxel
        for tilt, turn, place in self._parts(len(density.points) + side, side, rotation, position):
            # The specimen turns as a whole, and its particles with it.
            turned = (self.tilts.rotations[tilt] * place[:, None]).sum(-1) / self.voxel  # [B, 3]
            whole = turned[:, :2].round()
            patches = splat_centred(
                density.points / self.voxel, compose(self.tilts.rotations[tilt], turn), turned[:, :2] - whole,
                width / self.voxel, (side, side), weights=density.weights,
            )  # fmt: skip
            defocus = self.optics.defocus_um + turned[:, 2] * self.voxel * UM_PER_A
            spectrum = torch.fft.rfft2(patches) * ctf(frequency, self.optics, defocus[:, None, None])
            self._paste(torch.fft.irfft2(spectrum, s=(side, side)), tilt, whole.long())

    def pictures(self) -> Tensor:
        """What the camera records of everything added, without noise ``[T, Y, X]``."""
        k = _radial(self._shape, self._sum.device)
        return self._through(self._sum, sharpening(k**2, self._excess / self.voxel**2) * self._attenuation(k))

    def noise(self, generator: torch.Generator, *, before: bool) -> Tensor:
        """White noise ``[T, Y, X]``, of variance 1 if added behind the optics, or sent through them from before."""
        white = torch.randn(self._sum.shape, generator=generator, device=self._sum.device)
        k = _radial(self._shape, white.device)
        response = ctf(k / self.voxel, self.optics) * self._attenuation(k) if before else torch.ones_like(k)
        return self._through(white, response)

    def _attenuation(self, k: Tensor) -> Tensor:
        """What camera and dose leave of each picture at frequencies in cycles per pixel ``[Y, X / 2 + 1]``: ``[T or 1, ...]``."""
        left = camera(2 * k, self.optics)[None]
        if self.optics.dose:
            left = left * fading(k / self.voxel, self.tilts.dose[:, None, None], self.optics.voltage_kv)
        return left

    def _through(self, pictures: Tensor, response: Tensor) -> Tensor:
        whole: Tensor = torch.fft.irfft2(torch.fft.rfft2(pictures) * response, s=self._shape)
        y, x = (slice(room, side - room) for room, side in zip(self._room, self._shape, strict=True))
        return whole[:, y, x].contiguous()

    def _parts(
        self, points: int, side: int, rotation: Tensor, position: Tensor
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Pairs of tilt and particle in parts that memory allows: index of the tilt, rotation and position ``[B]`` each."""
        device = self._sum.device
        pair = torch.arange(len(self.tilts.angles) * len(position), device=device)
        for part in torch.split(pair, max(1, PATCH_VALUES // (points * side))):
            tilt, particle = part % len(self.tilts.angles), part // len(self.tilts.angles)
            yield tilt, rotation.to(device, torch.float32)[particle], position.to(device, torch.float32)[particle]

    def _paste(self, patches: Tensor, tilt: Tensor, whole: Tensor) -> None:
        """Add patches ``[B, P, P]`` whose centres lie at whole pixels ``[B, 2]`` (x, y) from the pictures' centres."""
        rows, columns = self._shape
        span = torch.arange(patches.shape[1], device=patches.device) - centre(patches.shape[1])
        y = whole[:, 1, None] + span + centre(rows)
        x = whole[:, 0, None] + span + centre(columns)
        kept = ((y >= 0) & (y < rows))[:, :, None] & ((x >= 0) & (x < columns))[:, None]
        place = (tilt[:, None, None] * rows + y.clamp(0, rows - 1)[:, :, None]) * columns + x.clamp(0, columns - 1)[
            :, None
        ]
        self._sum.view(-1).index_add_(0, place.flatten(), (patches * kept).flatten())


def _radial(shape: tuple[int, int], device: torch.device) -> Tensor:
    """Frequencies of pictures (Y, X) in cycles per pixel ``[Y, X / 2 + 1]``, in the layout of ``rfft2``."""
    rows, columns = shape
    x, y = torch.fft.rfftfreq(columns, device=device), torch.fft.fftfreq(rows, device=device)
    return torch.hypot(x, y[:, None])
