"""Particles and membranes placed at random without overlap, large ones first."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from scipy.ndimage import binary_dilation

from holly_triton.core.types import Array
from holly_triton.geometry import random_rotations
from holly_triton.geometry.volumes import centre
from holly_triton.tomography.config.simulation import (
    BODY_LEVEL,
    BODY_SPACING,
    FIRST_POINTS,
    FIRST_SPACING,
    MEMBRANE_TRIES,
    TRIES,
    TRIES_AT_ONCE,
)
from holly_triton.tomography.config.structures import THINNING
from holly_triton.tomography.structures import Density, draw_map

from .membranes import MEMBRANE_HALF_A, Membrane, Sphere, filling, leaflets, random_sphere


@dataclass
class Packed:
    """Where everything lies.

    Attributes:
        label: number of each particle's class ``[N]``, counted from 1.
        position: x, y, z of each centre of mass ``[N, 3]``, Å from the centre of voxel 0.
        rotation: active rotations ``[N, 3, 3]``.
        labels: number of the class that a voxel belongs to ``[Z, Y, X]`` uint8; 0 for none, one more than the classes for membranes.
        instances: row of the particle that a voxel belongs to, counted from 1; membranes follow ``[Z, Y, X]`` int32.
        membranes: those placed.
        left_out: particles of each class for which no room was found.
    """

    label: list[int]
    position: list[Array]
    rotation: list[Array]
    labels: Array
    instances: Array
    membranes: list[Membrane] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


def pack(
    counts: Iterable[tuple[Density, int]], shape: tuple[int, int, int], voxel: float, resolution: float,
    generator: torch.Generator, *, membranes: int = 0,
) -> Packed:  # fmt: skip
    """Place particles of several classes and membranes in a volume. No two share a voxel, nor touch.

    Membranes come first, then the particles in the order of the size of their classes. A place is drawn uniformly with a
    uniform rotation and kept if every voxel of the particle is free, so that the ways to place it are equally probable.

    Args:
        counts: The classes and how many of each.
        shape: (Z, Y, X) voxels.
        voxel: Å.
        resolution: At which a particle's own voxels are determined, Å.
        generator: Of the places, on the CPU.
        membranes: How many.
    """
    classes = list(counts)
    random = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
    room = _Room(shape)
    packed = Packed([], [], [], np.zeros(shape, np.uint8), np.zeros(shape, np.int32))
    total = sum(count for _, count in classes)
    _place_membranes(packed, room, voxel, resolution, membranes, len(classes) + 1, total, random)
    bodies = [Body.of(density, voxel, resolution) for density, _ in classes]
    for number in sorted(range(len(classes)), key=lambda one: -len(bodies[one].points)):
        density, count = classes[number]
        for done in range(count):
            found = room.find(bodies[number], generator, random)
            if found is None:  # no more of this class has room
                packed.left_out[density.name] = count - done
                break
            place, rotation, voxels = found
            packed.label.append(number + 1)
            packed.position.append(place * voxel)
            packed.rotation.append(rotation)
            packed.labels[voxels] = number + 1
            packed.instances[voxels] = len(packed.label)
    # Membranes were numbered as if every particle had found its place.
    packed.instances[packed.instances > total] -= total - len(packed.label)
    return packed


@dataclass(frozen=True)
class Body:
    """Which places about its centre of mass belong to a particle."""

    grid: Array
    """``[n, n, n]`` bool, z, y, x, ``BODY_SPACING`` voxels apart, centre ``n // 2``."""
    points: Array
    """The places that belong to it ``[M, 3]``, x, y, z in voxels, in random but fixed order."""

    @classmethod
    def of(cls, density: Density, voxel: float, resolution: float) -> Self:
        """The body of a structure at a resolution, Å."""
        spacing = BODY_SPACING * voxel
        size = int(np.ceil((density.diameter + resolution) / spacing)) + 2
        drawn = draw_map(density, size, spacing, resolution)
        grid = (drawn > BODY_LEVEL * float(drawn.square().sum() / drawn.sum())).cpu().numpy()
        points = (np.argwhere(grid)[:, ::-1] - centre(size)) * BODY_SPACING
        return cls(grid, np.random.default_rng(0).permutation(points).astype(np.float32))

    def holds(self, places: Array) -> Array:
        """Which of some places ``[..., 3]``, x, y, z in voxels about the centre of mass, belong to the particle."""
        index = np.rint(places[..., ::-1] / BODY_SPACING).astype(np.int64) + centre(len(self.grid))
        inside = ((index >= 0) & (index < len(self.grid))).all(-1)
        index[~inside] = 0
        found: Array = inside & self.grid[index[..., 0], index[..., 1], index[..., 2]]
        return found


class _Room:
    """The voxels that are taken, each with its neighbours."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = np.array(shape)
        # A border of taken voxels on all sides, on which points outside are put.
        self.taken = np.ones(self.shape + 2, dtype=bool)
        self.taken[1:-1, 1:-1, 1:-1] = False

    def find(
        self, body: Body, generator: torch.Generator, random: np.random.Generator
    ) -> tuple[Array, Array, tuple[Array, ...]] | None:
        """A free place for a body: x, y, z in voxels, rotation, and its voxels as indices; None if none was found."""
        for _ in range(TRIES // TRIES_AT_ONCE):
            places = random.random((TRIES_AT_ONCE, 3)) * (self.shape[::-1] - 1)
            rotations = random_rotations(TRIES_AT_ONCE, generator).numpy()
            first = body.points[:FIRST_POINTS] @ rotations.transpose(0, 2, 1) + places[:, None].astype(np.float32)
            for number in np.flatnonzero(self._free(first)):
                points = body.points @ rotations[number].T + places[number].astype(np.float32)
                if self._free(points):
                    return (
                        places[number],
                        rotations[number],
                        self._take(body, points, places[number], rotations[number]),
                    )
        return None

    def _take(self, body: Body, points: Array, place: Array, rotation: Array) -> tuple[Array, ...]:
        """Take the voxels whose centres lie in a body, and their neighbours; returns their indices."""
        low, high = np.rint(points.min(0)).astype(int), np.rint(points.max(0)).astype(int)
        z, y, x = (np.arange(start - 1, end + 2) for start, end in zip(low[::-1], high[::-1], strict=True))
        centres = np.stack(np.broadcast_arrays(x, y[:, None], z[:, None, None]), axis=-1)
        local = body.holds((centres - place) @ rotation)  # the inverse of a rotation is its transpose
        window = tuple(slice(start, start + len(axis)) for start, axis in zip(low[::-1], (z, y, x), strict=True))
        self.taken[window] |= binary_dilation(local)
        return tuple(index + start - 1 for index, start in zip(local.nonzero(), low[::-1], strict=True))

    def take_membrane(self, sphere: Sphere, voxel: float) -> tuple[Array, ...] | None:
        """Take the voxels of a membrane and their neighbours; their indices, or None if one of them was taken."""
        squares = [
            (np.arange(side) * voxel - middle) ** 2
            for side, middle in zip(self.shape, sphere.middle[::-1], strict=True)
        ]
        distance = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])
        own = np.abs(distance - sphere.radius) <= MEMBRANE_HALF_A
        inner = self.taken[1:-1, 1:-1, 1:-1]
        if not own.any() or (inner & own).any():
            return None
        inner |= binary_dilation(own)
        voxels: tuple[Array, ...] = own.nonzero()
        return voxels

    def may_hold(self, points: Array) -> bool:
        """Whether no voxel of points ``[M, 3]`` is taken."""
        return bool(self._free(points))

    def _free(self, points: Array) -> Array:
        """Whether none of points ``[..., M, 3]`` lies in a taken voxel or outside."""
        index = np.clip(np.rint(points[..., ::-1]).astype(np.int64), -1, self.shape) + 1
        free: Array = ~self.taken[index[..., 0], index[..., 1], index[..., 2]]
        return np.asarray(free.all(-1))


def _place_membranes(
    packed: Packed,
    room: _Room,
    voxel: float,
    resolution: float,
    count: int,
    label: int,
    before: int,
    random: np.random.Generator,
) -> None:
    sides = (room.shape[::-1] - 1) * voxel
    for _ in range(MEMBRANE_TRIES * count):
        if len(packed.membranes) == count:
            break
        sphere = random_sphere(sides, random)
        # Most places are refused by a few of the points.
        if room.may_hold(filling(sphere, sides, FIRST_SPACING * voxel) / voxel):
            voxels = room.take_membrane(sphere, voxel)
            if voxels is not None:
                packed.membranes.append(leaflets(sphere, sides, THINNING * resolution))
                packed.labels[voxels] = label
                packed.instances[voxels] = before + len(packed.membranes)
    if len(packed.membranes) < count:
        packed.left_out["membrane"] = count - len(packed.membranes)
