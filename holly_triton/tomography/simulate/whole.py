"""Subtomograms by the whole-volume path: density, wedge and CTF in Fourier space, and noise before or after the optics."""

import math

import torch
from torch import Tensor

from holly_triton.geometry.volumes import frequencies, wedge
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.config.simulation import RESOLUTION_VOXELS, TILT_DEG
from holly_triton.tomography.structures import Density, draw_spectrum

from .optics import camera, ctf, fading, spread


def transfer(
    shape: tuple[int, int, int], voxel: float, optics: Optics, tilt: tuple[float, float] = TILT_DEG, *,
    device: torch.device | str = "cpu",
) -> Tensor:  # fmt: skip
    """What optics and wedge leave of a volume's frequencies ``[Z, Y, X // 2 + 1]``, in the layout of ``rfftn``.

    The CTF is that of the specimen's middle. A frequency fades by the dose of the tilt that has measured it, where small
    tilts come first.

    Args:
        shape: (Z, Y, X).
        voxel: Å.
        optics: Of the microscope.
        tilt: First and last tilt, degrees.
        device: Where to make it.
    """
    kz, ky, kx = frequencies(shape, device)
    k = (kx**2 + ky**2 + kz**2).sqrt()
    whole = ctf(k / voxel, optics) * camera(2 * k, optics) * wedge(shape, tilt, device)
    if optics.dose:
        angle = torch.rad2deg(torch.atan2(kz, kx)).abs() / max(abs(end) for end in tilt)
        whole = whole * fading(k / voxel, optics.dose * angle.clamp(max=1), optics.voltage_kv)
    return whole


def simulate_subtomograms(
    density: Density, rotation: Tensor, shift: Tensor | None = None, *, size: int, voxel: float,
    resolution: float | None = None, optics: Optics | None = None, tilt: tuple[float, float] = TILT_DEG,
    snr: float = math.inf, noise_after: float = 0.0, generator: torch.Generator | None = None,
) -> Tensor:  # fmt: skip
    """Subtomograms of one structure, each with its rotation and shift, as a tomogram holds them.

    Signal and noise pass through the same optics and wedge, the part ``noise_after`` of the noise through the wedge only.
    The SNR is Var(signal) / Var(noise) over the whole box, both after optics and wedge; noise that comes before the optics
    is that of Xu et al. 2017, half before and half after that of AITom. Where c is the correlation of two pictures that
    share their signal, c / (1 - c) is the same SNR (Frank & Al-Ali 1975); AITom's figures are twice that.

    Args:
        density: The structure.
        rotation: Active rotations ``[B, 3, 3]``.
        shift: Of the centre of mass from the box's centre, Å ``[B, 3]``; none if None.
        size: Voxels along a side.
        voxel: Å.
        resolution: Å of the density; ``RESOLUTION_VOXELS`` voxels if None.
        optics: Of the microscope; its defaults if None.
        tilt: First and last tilt, degrees.
        snr: Signal to noise ratio; infinite for none.
        noise_after: Share of the noise's variance that is added behind the optics.
        generator: Of the noise, on the device of ``rotation``.

    Returns:
        ``[B, n, n, n]`` float32 on the device of ``rotation``, of mean 0 in expectation.
    """
    optics = Optics() if optics is None else optics
    resolution = RESOLUTION_VOXELS * voxel if resolution is None else resolution
    room = room_around(optics, voxel)
    large = size + 2 * room
    response = transfer((large,) * 3, voxel, optics, tilt, device=rotation.device)
    clean = draw_spectrum(density, large, voxel, resolution, rotation=rotation, shift=shift)
    boxes = _cut(torch.fft.irfftn(clean * response, s=(large,) * 3, dim=(1, 2, 3)), room)
    if math.isinf(snr):
        return boxes
    noise = noise_boxes(
        len(boxes), size=size, voxel=voxel, optics=optics, tilt=tilt, noise_after=noise_after, generator=generator,
        device=rotation.device,
    )  # fmt: skip
    scale = (boxes.var(dim=(1, 2, 3), keepdim=True) / snr).sqrt()
    return boxes + scale * noise


def room_around(optics: Optics, voxel: float) -> int:
    """Voxels beyond each face of a box, to which the CTF spreads detail; a transform of the box alone would wrap it around."""
    return math.ceil(spread(optics, voxel) / voxel)


def noise_boxes(
    count: int, *, size: int, voxel: float, optics: Optics | None = None, tilt: tuple[float, float] = TILT_DEG,
    noise_after: float = 0.0, generator: torch.Generator | None = None, device: torch.device | str = "cpu",
) -> Tensor:  # fmt: skip
    """Subtomograms of noise alone, of variance 1 ``[count, n, n, n]``; the arguments are those of ``simulate_subtomograms``."""
    optics = Optics() if optics is None else optics
    room = room_around(optics, voxel)
    large = size + 2 * room
    total = torch.zeros(count, large, large, large // 2 + 1, dtype=torch.complex64, device=device)
    for share, response in (
        (1 - noise_after, transfer((large,) * 3, voxel, optics, tilt, device=device)),
        (noise_after, wedge((large,) * 3, tilt, device)),
    ):
        if share > 0:
            white = torch.randn(count, large, large, large, generator=generator, device=device)
            total += torch.fft.rfftn(white, dim=(1, 2, 3)) * (math.sqrt(share) / gain(response, large) * response)
    return _cut(torch.fft.irfftn(total, s=(large,) * 3, dim=(1, 2, 3)), room)


def gain(response: Tensor, columns: int) -> Tensor:
    """The standard deviation that a filter in the layout of ``rfftn`` leaves of white noise of 1; X gives its last axis."""
    power = response.double().square()
    twice = power[..., 1 : (columns + 1) // 2].sum()
    return ((power.sum() + twice) / (power[..., 0].numel() * columns)).sqrt().float()


def _cut(volumes: Tensor, room: int) -> Tensor:
    """Volumes ``[B, m, m, m]`` without so many voxels at each face, which leaves ``n // 2`` their centre."""
    inner = slice(room, volumes.shape[-1] - room)
    return volumes[:, inner, inner, inner]
