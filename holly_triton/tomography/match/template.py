"""Templates: maps of macromolecules at the tomogram's voxel size, with a mask, turned in space and filtered by the microscope."""

import math
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from holly_triton.core.errors import HollyError
from holly_triton.geometry.volumes import centre, frequencies, wedge
from holly_triton.tomography.config.matching import (
    DENSITY_SHARE,
    FILTER_ROOM,
    MASK_MARGIN,
    OVERSAMPLING,
    SOFT_VOXELS,
    Matching,
)
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.simulate.optics import ctf


@dataclass(frozen=True, eq=False)
class Template:
    """A macromolecule to search for.

    Attributes:
        name: Its class in lists of particles.
        values: Density ``[n, n, n]`` about the centre ``n // 2``; macromolecules are positive.
        voxel: Å.
        radius: Of the sphere about the centre that holds the density, Å.
        symmetry: Point group about the centre.
        mask: ``[n, n, n]`` from 0 to 1, turned with the template; None is a sphere with a soft edge.
    """

    name: str
    values: Tensor
    voxel: float
    radius: float
    symmetry: str = "C1"
    mask: Tensor | None = None

    @classmethod
    def of(cls, name: str, values: Tensor, voxel: float, *, radius: float | None = None, symmetry: str = "C1", mask: Tensor | None = None) -> Self:  # fmt: skip
        """A template from a map of any shape, which is padded to a cube about its centre.

        Raises:
            HollyError: The map is flat, not finite, or nowhere positive; or the mask has another shape or removes everything.
        """
        if not bool(values.isfinite().all()):
            raise HollyError(f"{name}: has voxels that are NaN or infinite; remove them")
        if float(values.max()) <= 0 or float(values.max()) == float(values.min()):
            raise HollyError(f"{name}: is no density: it is flat or nowhere above 0; macromolecules are positive in a template, whatever the tomogram's contrast")  # fmt: skip
        if mask is not None and mask.shape != values.shape:
            raise HollyError(f"{name}: has {_shown(values)} voxels and its mask {_shown(mask)}; give a mask of the same shape")  # fmt: skip
        if mask is not None and float(mask.max()) <= 0:
            raise HollyError(f"{name}: its mask is 0 everywhere; it must be 1 where the template counts")
        cube = to_cube(values.float())
        held = cube if mask is None else to_cube(mask.float())
        if radius is None:
            far = distance(len(cube), cube.device)[held > DENSITY_SHARE * held.max()]
            radius = (float(far.max()) + 0.5) * voxel
        return cls(name, cube, voxel, radius, symmetry, None if mask is None else held)

    def mirrored(self) -> Self:
        """The other hand: z -> -z."""
        other = None if self.mask is None else _flipped(self.mask)
        return replace(self, values=_flipped(self.values), mask=other)

    def decoy(self, generator: torch.Generator) -> Self:
        """A density of no structure that is as wide and as fine.

        It is noise with the template's root mean square at every radius, and then its mean power at every frequency. With the
        template's amplitudes at random phases it would fill the box, and change faster than the template as it turns.
        """
        values = self.values
        noise = torch.randn(values.shape, generator=generator).to(values.device)
        spectrum, wanted = (torch.fft.fftshift(torch.fft.fftn(one)) for one in (noise * _over_shells(values), values))
        spectrum = spectrum * (_over_shells(wanted) / _over_shells(spectrum).clamp(min=torch.finfo(torch.float32).tiny))
        return replace(self, values=torch.fft.ifftn(torch.fft.ifftshift(spectrum)).real.contiguous())

    def to(self, device: torch.device) -> Self:
        """The template on a device."""
        return replace(self, values=self.values.to(device), mask=None if self.mask is None else self.mask.to(device))


class Turning:
    """A template at some voxel size, ready to be turned, filtered and normalised under its mask."""

    def __init__(self, template: Template, voxel: float, settings: Matching, optics: Optics) -> None:
        self.template, self.voxel = template, voxel
        self.radius = template.radius / voxel
        reach = self.radius + MASK_MARGIN + (SOFT_VOXELS if template.mask is None else 0)
        self.size = 2 * math.ceil(reach) + 1
        self.wide = max(self.size, good_size(math.ceil(FILTER_ROOM * self.size)))
        fine = voxel / template.voxel / OVERSAMPLING
        self.source = resampled(template.values, fine, OVERSAMPLING * self.wide)
        self.mask_source = None if template.mask is None else resampled(template.mask, fine, OVERSAMPLING * self.wide)
        self.transfer = transfer(self.wide, voxel, settings, optics, template.values.device)
        self.sphere = spherical_mask(self.size, self.radius + MASK_MARGIN, template.values.device)

    def filtered(self, rotation: Tensor) -> Tensor:
        """Turned and as the microscope shows it, without mask ``[B, w, w, w]``."""
        spectrum = (
            torch.fft.rfftn(turned(self.source, rotation, self.wide, self.radius + MASK_MARGIN), dim=(1, 2, 3))
            * self.transfer
        )
        shown: Tensor = torch.fft.irfftn(spectrum, s=(self.wide,) * 3, dim=(1, 2, 3))
        return shown

    def masks(self, rotation: Tensor) -> Tensor:
        """Masks of rotations ``[B, n, n, n]``, or of all alike ``[1, n, n, n]``."""
        if self.mask_source is None:
            return self.sphere[None]
        return turned(self.mask_source, rotation, self.size, self.radius + MASK_MARGIN).clamp(0, 1)

    def normalised(self, rotation: Tensor) -> tuple[Tensor, Tensor]:
        """Templates and masks ``[B, n, n, n]``: of mean 0 and standard deviation 1 under the mask, and times the mask."""
        mask = self.masks(rotation)
        values = cut(self.filtered(rotation), self.size)
        count = mask.sum((1, 2, 3), keepdim=True)
        apart = values - (mask * values).sum((1, 2, 3), keepdim=True) / count
        spread = ((mask * apart.square()).sum((1, 2, 3), keepdim=True) / count).sqrt()
        return mask * apart / spread.clamp(min=torch.finfo(spread.dtype).tiny), mask


def transfer(size: int, voxel: float, settings: Matching, optics: Optics, device: torch.device) -> Tensor:
    """What the tilt series and the microscope leave of a density, ``[n, n, n // 2 + 1]`` in the layout of ``rfftn``."""
    kz, ky, kx = frequencies((size,) * 3, device)
    weight = measured((size,) * 3, settings, device)
    if settings.ctf:
        return weight * ctf((kz**2 + ky**2 + kx**2).sqrt() / voxel, replace(optics, contrast=settings.contrast))
    return weight if settings.contrast == "bright" else -weight


def measured(shape: tuple[int, int, int], settings: Matching, device: torch.device) -> Tensor:
    """The frequencies that the tilt series measured, 1 or 0."""
    tilt = (settings.tilt_least_deg, settings.tilt_most_deg)
    if tilt == (-90.0, 90.0):
        return torch.ones(shape[0], shape[1], shape[2] // 2 + 1, device=device)
    return wedge(shape, tilt, device)


def turned(source: Tensor, rotation: Tensor, size: int, radius: float) -> Tensor:
    """A map of ``OVERSAMPLING`` samples a voxel under active rotations ``[B, 3, 3]`` about its centre, ``[B, n, n, n]``.

    It is 0 beyond the radius, voxels: a template fills a small part of its box, and only that part is computed.
    """
    held = (distance(size, source.device) <= radius).nonzero() - centre(size)  # [P, 3]
    z, y, x = (one[:, None] for one in held.to(source.dtype).unbind(1))
    rows = rotation[:, None]
    # The turned map at g is the map at R^T g; multiply-adds, since a matrix product may run in TF32.
    place = x * rows[:, :, 0] + y * rows[:, :, 1] + z * rows[:, :, 2]
    samples = len(source)
    unit = (2 * (OVERSAMPLING * place + centre(samples)) + 1) / samples - 1
    values = functional.grid_sample(source[None, None], unit.view(1, -1, 1, 1, 3), align_corners=False)
    volume = source.new_zeros(len(rotation), size**3)
    plane, row, column = (held + centre(size)).unbind(1)  # a GPU has no product of whole numbers
    volume[:, (plane * size + row) * size + column] = values.view(len(rotation), -1)
    return volume.view(-1, size, size, size)


def resampled(values: Tensor, ratio: float, size: int) -> Tensor:
    """A cubic map at voxels ``ratio`` times as large, in a box of another size about the same centre, without aliasing."""
    out = (torch.arange(size, device=values.device) - centre(size)) * ratio
    into = torch.arange(len(values), device=values.device) - centre(len(values))
    band = min(1.0, 1 / ratio)
    kernel = torch.sinc((out[:, None] - into) * band) * band
    for _ in range(3):  # each time the first axis goes, and comes back as the last
        values = torch.tensordot(values, kernel, dims=([0], [1]))
    return values


def spherical_mask(size: int, radius: float, device: torch.device | str = "cpu") -> Tensor:
    """1 up to the radius, voxels, then down to 0 along half a cosine ``[n, n, n]``."""
    beyond = ((distance(size, device) - radius) / SOFT_VOXELS).clamp(0, 1)
    return 0.5 + 0.5 * torch.cos(math.pi * beyond)


def distance(size: int, device: torch.device | str = "cpu") -> Tensor:
    """Distance of each voxel from the centre ``[n, n, n]``, voxels."""
    axis = torch.arange(size, device=device, dtype=torch.float32) - centre(size)
    return (axis[:, None, None].square() + axis[:, None].square() + axis.square()).sqrt()


def _over_shells(values: Tensor) -> Tensor:
    """The root mean square over each shell about the centre of a cube, of a voxel's width, at all of its voxels ``[n, n, n]``."""
    shell = distance(len(values), values.device).round().long()
    total, count = (
        torch.zeros(int(shell.max()) + 1, device=values.device).index_add_(0, shell.flatten(), one.flatten())
        for one in (values.abs().square(), torch.ones_like(values.real))
    )
    mean: Tensor = (total / count.clamp(min=1)).sqrt()[shell]
    return mean


def cut(values: Tensor, size: int) -> Tensor:
    """The box of a size about the centre of cubes ``[..., n, n, n]``."""
    start = centre(values.shape[-1]) - centre(size)
    part = slice(start, start + size)
    return values[..., part, part, part]


def to_cube(values: Tensor) -> Tensor:
    """A map padded with zeros to a cube that has its centre."""
    side = max(values.shape)
    before = [centre(side) - centre(size) for size in values.shape]
    pairs = [(low, side - size - low) for low, size in zip(before, values.shape, strict=True)]
    return functional.pad(values, [one for pair in reversed(pairs) for one in pair])


def good_size(least: int) -> int:
    """The least even size of at least this that has no prime factor above 5, for FFTs."""
    size = least + least % 2
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 2


def _flipped(values: Tensor) -> Tensor:
    """The mirror image by z -> -z about the centre; the first plane of an even cube has no partner and goes around."""
    flipped = values.flip(0)
    return flipped if len(values) % 2 else flipped.roll(1, 0)


def _shown(values: Tensor) -> str:
    return " x ".join(str(size) for size in reversed(values.shape))
