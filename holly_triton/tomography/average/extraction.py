"""Subtomograms: boxes cut from a tomogram about positions, and positions at which there is nothing known."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.tomography.config.averaging import CONTROL_TRIES

from .spectra import restored, transformed


class Extracted(NamedTuple):
    """Boxes about those of N positions whose boxes lie in the tomogram, M of them."""

    boxes: Tensor
    """``[M, n, n, n]`` float32; the centre of a box, index ``n // 2``, is on a voxel of the tomogram."""
    kept: Array
    """Which positions have a box ``[N]``, bool."""
    centres: Array
    """The voxels of the tomogram on which the boxes have their centres ``[M, 3]``, x y z, int64."""
    remainder: Tensor
    """Where the positions lie in their boxes ``[M, 3]``, x y z in voxels of the boxes from the centre, at most half a voxel of the
    tomogram along each axis."""


def extract(volume: Array, positions: Array, size: int, voxel: float, *, binning: int = 1) -> Extracted:
    """Boxes about the voxels nearest to positions, so that nothing is interpolated; ``moved`` moves them the rest of the way.

    Args:
        volume: The tomogram ``[Z, Y, X]``, which may be mapped from a file: boxes are read one by one.
        positions: ``[N, 3]``, x y z in Å from the centre of voxel 0.
        size: n, in voxels after binning.
        voxel: Of the tomogram, Å.
        binning: So many voxels along each axis become one, by cutting the spectrum, which keeps the centre and aliases nothing.

    Returns:
        The boxes. A position whose box does not lie in the tomogram has none, and is counted by ``kept``.
    """
    whole, places = size * binning, np.asarray(positions, dtype=np.float64) / voxel
    finite: Array = np.all(np.isfinite(places), axis=1)
    centres = np.rint(np.where(finite[:, None], places, -1)).astype(np.int64)
    first = centres - whole // 2
    inside = np.concatenate([first >= 0, first + whole <= np.array(volume.shape[::-1])], 1)
    kept: Array = np.logical_and(finite, np.all(inside, axis=1))
    boxes = torch.empty(int(kept.sum()), size, size, size)
    for row, (x, y, z) in enumerate(first[kept]):
        cut = np.ascontiguousarray(volume[z : z + whole, y : y + whole, x : x + whole], dtype=np.float32)
        boxes[row] = binned_box(torch.from_numpy(cut), size) if binning > 1 else torch.from_numpy(cut)
    remainder = torch.from_numpy((places - centres)[kept] / binning).float()
    return Extracted(boxes, kept, centres[kept], remainder)


def binned_box(box: Tensor, size: int) -> Tensor:
    """A cube reduced to ``size`` voxels a side by cutting its spectrum; centre and mean stay."""
    whole = len(box)
    spectrum = transformed(box)
    index = torch.fft.fftfreq(size, 1 / size, device=box.device).long() % whole
    cut = spectrum[index][:, index][:, :, : size // 2 + 1]
    return restored(cut, size) * (size / whole) ** 3


def moved(boxes: Tensor, shift: Tensor) -> Tensor:
    """Boxes ``[N, n, n, n]`` moved by shifts ``[N, 3]``, x y z in voxels, any fraction of one, by their spectra's phases.

    What leaves a box on one side comes in on the other.
    """
    size = boxes.shape[-1]
    axes = [torch.fft.fftfreq(size, device=boxes.device)] * 2 + [torch.fft.rfftfreq(size, device=boxes.device)]
    spectra = transformed(boxes)
    for axis, (k, along) in enumerate(zip(axes, shift.flip(1).T, strict=True)):
        phase = torch.exp(-2j * torch.pi * k * along[:, None])
        if size % 2 == 0:  # Nyquist stands for both signs at once
            phase = torch.where(k.abs() == 0.5, phase.real.to(phase.dtype), phase)
        spectra = spectra * phase.reshape(-1, *(len(k) if at == axis else 1 for at in range(3)))
    return restored(spectra, size)


def random_positions(
    shape: tuple[int, ...], voxel: float, side: float, count: int, picks: Array, distance: float, generator: torch.Generator
) -> Array:  # fmt: skip
    """Positions ``[count, 3]`` in Å, where boxes of a side lie in the tomogram, at random but away from picks and each other.

    Positions near to each other would share their noise, and the halves of such a control would agree on it.

    Args:
        shape: Of the tomogram, Z, Y, X.
        voxel: Å.
        side: Of the boxes, Å.
        count: Number of positions.
        picks: ``[N, 3]`` in Å.
        distance: Least distance from any pick and any other position, Å.
        generator: On a CPU.

    Raises:
        HollyError: There is no such room.
    """
    length = torch.tensor([float(axis) * voxel for axis in reversed(shape)])
    room = length - side - voxel
    if bool((room < 0).any()):
        raise HollyError(f"a box of {side:.0f} Å does not fit in the tomogram; give a smaller --box")
    drawn = side / 2 + room * torch.rand(CONTROL_TRIES * max(1, count), 3, generator=generator)
    away = torch.cdist(drawn.double(), torch.from_numpy(np.asarray(picks, dtype=np.float64).reshape(-1, 3)))
    free = drawn[(away >= distance).all(1)]
    chosen = free[:0]
    while len(chosen) < count and len(free):
        chosen = torch.cat([chosen, free[:1]])
        free = free[(free - free[0]).norm(dim=1) >= distance]
    if len(chosen) < count:
        raise HollyError(
            f"only {len(chosen)} of {count} positions are {distance:.0f} Å from every pick and each other; give a smaller --control"
        )
    return np.asarray(chosen.double().numpy())
