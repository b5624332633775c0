"""The whole-volume path for a crowded tomogram: everything drawn into one volume, then wedge and CTF in its transform."""

import math

import torch
from torch import Tensor

from holly_triton.geometry.volumes import centre, frequencies, wedge
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.config.simulation import PATCH_SIGMAS
from holly_triton.tomography.structures import Density, blur_left, fitting, placed

from .scene import excess_variance, padding, sharpening
from .whole import transfer


class WholeVolume:
    """A volume ``[Z, Y, X]`` to which particles are added.

    Args:
        shape: (Z, Y, X) voxels.
        voxel: Å.
        resolution: At which particles are drawn, Å.
        optics: Of the microscope.
        tilt: First and last tilt, degrees.
        device: Where to draw.
    """

    def __init__(
        self, shape: tuple[int, int, int], voxel: float, resolution: float, optics: Optics, tilt: tuple[float, float],
        device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        self.voxel, self.resolution = voxel, resolution
        self._room = [padding(side, optics, voxel) for side in shape]
        self._shape = (shape[0] + 2 * self._room[0], shape[1] + 2 * self._room[1], shape[2] + 2 * self._room[2])
        self._excess = excess_variance(voxel, resolution)
        self._sum = torch.zeros(self._shape, device=device)
        self._transfer = transfer(self._shape, voxel, optics, tilt, device=device)
        self._wedge = wedge(self._shape, tilt, device)

    def add(self, density: Density, rotation: Tensor, position: Tensor) -> None:
        """Add particles of one class.

        Args:
            density: The class.
            rotation: ``[P, 3, 3]``.
            position: Of the centres of mass from the volume's centre, x, y, z in Å ``[P, 3]``.
        """
        density = fitting(density, self.resolution).to(self._sum.device)
        width = math.sqrt(blur_left(density, self.resolution) + self._excess) / self.voxel
        reach = math.ceil(density.radius / self.voxel + PATCH_SIGMAS * width) + 1
        span = torch.arange(-reach, reach + 1, device=self._sum.device)
        weights = density.weights / (math.sqrt(2 * math.pi) * width) ** 3
        turned = placed(density.points, rotation, None).flip(2) / self.voxel  # [P, N, 3]: z, y, x
        for points, place in zip(turned, position.to(turned).flip(1) / self.voxel, strict=True):
            whole = place.round()
            apart = span[:, None] - (points + (place - whole)).T[:, None]  # [3, P, N]
            gz, gy, gx = torch.exp(-(apart**2) / (2 * width**2))
            box = ((gz[:, None] * gy).flatten(0, 1) @ (gx * weights).T).view((len(span),) * 3)
            self._paste(box, [int(one) - reach for one in whole])

    def signal(self) -> Tensor:
        """Everything added as a tomogram shows it, without noise, Da per voxel."""
        return self._through(self._sum, self._transfer * self._sharpening())

    def density(self) -> Tensor:
        """Everything added, Da per voxel."""
        return self._through(self._sum, self._sharpening())

    def noise(self, generator: torch.Generator, *, before: bool) -> Tensor:
        """White noise sent through the optics and the wedge, or through the wedge only."""
        white = torch.randn(self._shape, generator=generator, device=self._sum.device)
        return self._through(white, self._transfer if before else self._wedge)

    def _sharpening(self) -> Tensor:
        kz, ky, kx = frequencies(self._shape, self._sum.device)
        return sharpening(kx**2 + ky**2 + kz**2, self._excess / self.voxel**2)

    def _through(self, volume: Tensor, response: Tensor) -> Tensor:
        whole: Tensor = torch.fft.irfftn(torch.fft.rfftn(volume) * response, s=self._shape)
        z, y, x = (slice(room, side - room) for room, side in zip(self._room, self._shape, strict=True))
        return whole[z, y, x].contiguous()

    def _paste(self, box: Tensor, corner: list[int]) -> None:
        """Add a box whose first voxel lies here from the centre; the parts outside are left out."""
        window, inside = [], []
        for side, first, length in zip(self._shape, corner, box.shape, strict=True):
            start = centre(side) + first
            low, high = max(0, start), min(side, start + length)
            if low >= high:
                return
            window.append(slice(low, high))
            inside.append(slice(low - start, high - start))
        self._sum[tuple(window)] += box[tuple(inside)]
