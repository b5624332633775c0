"""The missing wedge, found in the power spectrum: which axis the beam has, which the tilt, and how far the tilts reach."""

from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.tomography.config.inspection import (
    ANGLE_BINS,
    BLOCK,
    DEEPEST,
    EDGE,
    FREQUENCIES,
    LEAST_EXPLAINED,
    LEAST_IN_PLANE,
    MISSING_DEG,
    MOST_BLOCKS,
    MOST_POWER,
    SMALLEST_SIDE,
)

AXES = "zyx"
"""Names of the axes of a volume, in order."""
TINY = 1e-12
"""Stands for 0 where it would be divided by."""


@dataclass(frozen=True)
class Wedge:
    """A missing wedge.

    Attributes:
        beam: axis that the beam has, ``z`` by convention.
        axis: the tilt axis, ``y`` by convention.
        tilt: first and last tilt, degrees, to about 2 degrees; positive from the third axis towards the beam.
        power: mean power inside the wedge as a share of that outside.
        explained: share of the variance of the logarithm of the power over the angles that the wedge explains.
    """

    beam: str
    axis: str
    tilt: tuple[float, float]
    power: float
    explained: float

    @property
    def sure(self) -> bool:
        """Whether power and sharpness are those of a wedge."""
        return self.power <= MOST_POWER and self.explained >= LEAST_EXPLAINED

    @property
    def usual(self) -> bool:
        """Whether beam and tilt axis are z and y."""
        return (self.beam, self.axis) == ("z", "y")


def find_wedge(values: Array) -> Wedge | None:
    """The most likely missing wedge of a volume ``[Z, Y, X]``; None if it is too thin or constant. ``sure`` says if it is one."""
    if min(values.shape) < SMALLEST_SIDE:
        return None
    power = _power(values)
    if not power.any():
        return None
    candidates = [_fitted(power, beam, axis) for beam, axis in permutations(range(3), 2)]
    return max(candidates, key=lambda one: (one.sure, -np.log(max(one.power, TINY)) * one.explained))


def check_wedge(path: Path, values: Array) -> Wedge | None:
    """The wedge of a tomogram, if there surely is one; otherwise None.

    Raises:
        HollyError: It surely lies along other axes than beam z and tilt axis y.
    """
    found = find_wedge(values)
    if found is None or not found.sure:
        return None
    if not found.usual:
        raise HollyError(
            f"{path}: its missing wedge lies along {found.beam}, with the tilt axis {found.axis}; rotate the volume so that "
            "the beam is along z and the tilt axis is y (IMOD: trimvol -rx, clip rotz)"
        )
    return found


def _power(values: Array) -> Array:
    """Mean power spectrum of blocks ``[b, b, b]``, each standardised and under a Hann window, over the mean of its shell."""
    sides = [min(BLOCK, side) for side in values.shape]
    most = round(MOST_BLOCKS ** (1 / 3))
    starts = [
        np.unique(np.linspace(0, side - block, min(most, -(-side // block))).astype(int))
        for side, block in zip(values.shape, sides, strict=True)
    ]
    windows = [np.hanning(block + 2)[1:-1].astype(np.float32) for block in sides]
    window = windows[0][:, None, None] * windows[1][:, None] * windows[2]
    total = np.zeros(sides, dtype=np.float64)
    for corner in product(*starts):
        part = values[tuple(slice(start, start + block) for start, block in zip(corner, sides, strict=True))]
        part = part - part.mean(dtype=np.float64)
        # Blocks count alike, whatever beads of gold one of them has.
        part = (part / (part.std() or 1.0)).astype(np.float32)
        total += np.abs(scipy.fft.fftn(part * window)) ** 2
    return _over_shells(total)


def _grid(shape: tuple[int, ...]) -> list[Array]:
    """Frequencies along z, y, x, cycles per voxel, to broadcast."""
    return [
        scipy.fft.fftfreq(side).reshape([-1 if axis == at else 1 for at in range(3)]) for axis, side in enumerate(shape)
    ]


def _over_shells(power: Array) -> Array:
    """Power over the mean at its frequency, 0 outside of ``FREQUENCIES``: the fall towards high frequencies is no wedge."""
    kz, ky, kx = _grid(power.shape)
    radius = np.sqrt(kz**2 + ky**2 + kx**2)
    shell = np.rint(radius * max(power.shape)).astype(int).ravel()
    mean = np.bincount(shell, power.ravel()) / np.maximum(np.bincount(shell), 1)
    used = (radius >= FREQUENCIES[0]) & (radius <= FREQUENCIES[1])
    over: Array = np.where(used, power / np.maximum(mean, np.finfo(float).tiny)[shell].reshape(power.shape), 0)
    return over


def _fitted(power: Array, beam: int, axis: int) -> Wedge:
    """The wedge about an axis of the beam, for a tilt axis, that explains most of the power's variation with the angle."""
    profile = _by_angle(power, beam, axis)
    usual = float(np.quantile(profile, 0.75))
    logarithm = np.log(np.maximum(profile, usual / DEEPEST))
    low, high = _interval(logarithm)
    inside = np.zeros(len(logarithm), dtype=bool)
    inside[low:high] = True
    means = [float(logarithm[where].mean()) for where in (inside, ~inside)]
    between = inside.mean() * (~inside).mean() * (means[0] - means[1]) ** 2
    explained = float(between / max(float(logarithm.var()), TINY))
    least = EDGE * float(np.median(profile[~inside]))
    # Measured up to the angle at which the wedge begins, and again from where it ends, half a turn on.
    tilt = -_edge(profile[::-1], ANGLE_BINS - high, least), _edge(profile, low, least)
    return Wedge(
        AXES[beam], AXES[axis], (round(tilt[0], 1), round(tilt[1], 1)), float(np.exp(means[0] - means[1])), explained
    )


def _edge(profile: Array, low: int, least: float) -> float:
    """The angle, degrees, at which the profile falls below a level for good before the interval that begins at a bin."""
    above = np.flatnonzero(profile[: (low + ANGLE_BINS // 2) // 2] >= least)
    last = int(above[-1]) if len(above) else 0
    step = 180 / ANGLE_BINS
    fall = profile[last] - profile[last + 1]
    part = float(np.clip((profile[last] - least) / fall, 0, 1)) if fall > 0 else 0.5
    return (last + 0.5 + part) * step


def _by_angle(power: Array, beam: int, axis: int) -> Array:
    """Mean power in each bin of the angle from the third axis to the beam, over half a turn."""
    grid = _grid(power.shape)
    along, across = grid[beam], grid[3 - beam - axis]
    angle = np.degrees(np.arctan2(along, across)) % 180
    in_plane = (along**2 + across**2 >= LEAST_IN_PLANE**2) & (power > 0)
    bins = np.minimum((angle * (ANGLE_BINS / 180)).astype(int), ANGLE_BINS - 1)
    bins, used = np.broadcast_to(bins, power.shape)[in_plane], power[in_plane]
    count = np.bincount(bins, minlength=ANGLE_BINS)
    mean = np.bincount(bins, used, minlength=ANGLE_BINS) / np.maximum(count, 1)
    # A small block has no frequency at some angles: its neighbours stand for it.
    known = np.flatnonzero(count)
    filled: Array = np.interp(np.arange(ANGLE_BINS), known, mean[known], period=ANGLE_BINS)
    return filled


def _interval(logarithm: Array) -> tuple[int, int]:
    """The bins from low to high, about the beam at a quarter turn, whose mean differs most from that of the others, downwards."""
    bins = len(logarithm)
    sums = np.concatenate([[0.0], np.cumsum(logarithm)])
    low, high = np.meshgrid(np.arange(bins // 2), np.arange(bins // 2 + 1, bins + 1), indexing="ij")
    width = high - low
    inside = sums[high] - sums[low]
    apart = (sums[-1] - inside) / np.maximum(bins - width, 1) - inside / width
    allowed = (width * (180 / bins) >= MISSING_DEG[0]) & (width * (180 / bins) <= MISSING_DEG[1])
    gain: Any = np.where(allowed & (apart > 0), apart**2 * width * (bins - width), -1)
    at = np.unravel_index(np.argmax(gain), gain.shape)
    return int(low[at]), int(high[at])
