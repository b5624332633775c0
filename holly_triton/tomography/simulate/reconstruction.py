"""Tomograms from tilt series by weighted back-projection or direct Fourier inversion; both are linear.

The tilt axis is y, so that each plane at a right angle to it is reconstructed from its own rows of the pictures.
"""

import math

import torch
from torch import Tensor

from holly_triton.geometry.volumes import centre
from holly_triton.tomography.config.simulation import LEAST_WEIGHT, OVERSAMPLING, ROWS_AT_ONCE


def back_project(series: Tensor, angles: Tensor, depth: int) -> Tensor:
    """Weighted back-projection: the inverse transform in polar coordinates, with the ramp ``|u|`` for its area.

    Args:
        series: Pictures ``[T, Y, X]``, of which pixel (Y // 2, X // 2) is the centre.
        angles: Tilts ``[T]``, degrees, ascending and evenly spaced.
        depth: Voxels along z.

    Returns:
        ``[depth, Y, X]``, density in the units of the series per voxel along the beam.
    """
    tilts, rows, columns = series.shape
    samples = _filtered(series, angles)  # [T, S, Y]
    half = samples.shape[1] // 2
    x = torch.arange(columns, device=series.device) - centre(columns)
    z = torch.arange(depth, device=series.device) - centre(depth)
    volume = series.new_zeros(depth, columns, rows)
    for picture, angle in zip(samples, angles.tolist(), strict=True):
        radians = math.radians(angle)
        place = (z[:, None] * math.sin(radians) + x * math.cos(radians)) * OVERSAMPLING + half
        place = place.clamp(0, len(picture) - 1.001)
        below = place.floor()
        share = (place - below)[..., None]
        index = below.long()
        for plane, first, part in zip(volume, index, share, strict=True):
            plane += torch.lerp(picture[first], picture[first + 1], part)
    return volume.transpose(1, 2).contiguous()


def _filtered(series: Tensor, angles: Tensor) -> Tensor:
    """Rows of pictures times the ramp, ``OVERSAMPLING`` samples a pixel, the centre in the middle ``[T, S, Y]``."""
    columns = series.shape[2]
    padded = 2 * columns
    spectrum = torch.fft.rfft(series.transpose(1, 2), n=padded, dim=1)
    u = torch.fft.rfftfreq(padded, device=series.device)
    step = math.radians(float(angles[-1] - angles[0]) / max(1, len(angles) - 1)) if len(angles) > 1 else math.pi
    # At frequency 0 the ramp stands for the disc around it, of a radius of half a sample.
    ramp = u.clamp(min=1 / (8 * padded)) * step
    # Linear interpolation multiplies by a squared sinc, which is undone beforehand.
    ramp = ramp / torch.sinc(u / OVERSAMPLING) ** 2
    fine: Tensor = torch.fft.irfft(spectrum * ramp[:, None], n=padded * OVERSAMPLING, dim=1) * OVERSAMPLING
    # The pictures start at sample 0; their centre goes to the middle.
    return fine.roll(padded * OVERSAMPLING // 2 - centre(columns) * OVERSAMPLING, dims=1)


def fourier_invert(series: Tensor, angles: Tensor, depth: int) -> Tensor:
    """Direct Fourier inversion: each picture's transform is inserted at its place and divided by the accumulated weight.

    Where the lines of neighbouring tilts lie farther apart than a sample of twice the box, nothing is between them: it
    suits small boxes and fine steps, as in Xu et al. 2017.

    Args:
        series: Pictures ``[T, Y, X]``, of which pixel (Y // 2, X // 2) is the centre.
        angles: Tilts ``[T]``, degrees.
        depth: Voxels along z.

    Returns:
        ``[depth, Y, X]``, density in the units of the series per voxel along the beam.
    """
    tilts, rows, columns = series.shape
    wide, deep = 2 * columns, 2 * depth
    u = torch.fft.fftfreq(wide, device=series.device)
    radians = torch.deg2rad(angles).to(series.device)[:, None]
    place, share = _corners(u * radians.sin() * deep, u * radians.cos() * wide, deep, wide)
    weight = series.new_zeros(deep * wide).index_add_(0, place.flatten(), share.flatten())
    scale = torch.where(weight > LEAST_WEIGHT, 1 / weight.clamp(min=LEAST_WEIGHT), torch.zeros_like(weight))
    # The centre goes to sample 0, where transforms have their origin.
    padded = series.new_zeros(tilts, rows, wide)
    padded[..., :columns] = series
    spectrum = torch.fft.fft(padded.roll(-centre(columns), dims=2), dim=2)
    out = []
    for part in spectrum.split(ROWS_AT_ONCE, dim=1):
        values = part.transpose(1, 2)[:, :, None] * share[..., None]  # [T, U, 4, y]
        grid = torch.zeros(deep * wide, part.shape[1], dtype=values.dtype, device=values.device)
        grid.index_add_(0, place.flatten(), values.flatten(0, 2))
        planes = torch.fft.ifft2((grid * scale[:, None]).view(deep, wide, -1), dim=(0, 1)).real
        planes = planes.roll((centre(depth), centre(columns)), dims=(0, 1))[:depth, :columns]
        out.append(planes.permute(0, 2, 1))
    return torch.cat(out, dim=1) * _undone(depth, columns, series)


def _corners(z: Tensor, x: Tensor, deep: int, wide: int) -> tuple[Tensor, Tensor]:
    """The four samples around each place of a periodic grid, and their bilinear weights: ``[..., 4]`` both."""
    places, shares = [], []
    for dz in (0, 1):
        for dx in (0, 1):
            iz, ix = z.floor() + dz, x.floor() + dx
            places.append((iz.long() % deep) * wide + ix.long() % wide)
            shares.append((1 - (z - iz).abs()) * (1 - (x - ix).abs()))
    return torch.stack(places, dim=-1), torch.stack(shares, dim=-1)


def _undone(depth: int, columns: int, like: Tensor) -> Tensor:
    """What bilinear insertion into a grid of twice the size takes from a volume towards its borders, undone ``[Z, 1, X]``."""
    z, x = ((torch.arange(n, device=like.device) - centre(n)) / (2 * n) for n in (depth, columns))
    return 1 / (torch.sinc(z)[:, None, None] ** 2 * torch.sinc(x) ** 2)
