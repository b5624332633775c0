"""The loop of alignment and averaging, for two halves of the particles that never see each other's average.

Each half is aligned to its own average. What they share is the first reference, up to its stated detail, where one was given;
the number that says how fine the next reference may be; and, without a reference, the rotation and shift that lay one average
on the other.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.core.progress import following
from holly_triton.geometry.groups import point_group
from holly_triton.geometry.rotations import compose, orthonormalised, random_rotations
from holly_triton.geometry.sampling import rotation_grid
from holly_triton.tomography.config.averaging import (
    ANGLE_PER_DETAIL,
    COARSEST_ANGLE_DEG,
    FINEST_STEP,
    GLOBAL_ITERATIONS,
    LOCAL_ITERATIONS,
    MASK_RADIUS,
    REACH_OF_BOX,
    START_ANGSTROM,
    START_VOXELS,
    Averaging,
)  # fmt: skip

from .alignment import Reference, as_reference, best_of, noise_power, refined, search
from .fsc import Fsc, shell_correlation
from .imaging import Imaging
from .particles import Particles, Poses, normalised
from .reconstruction import Sums, add_up, expected_agreement, volume_of

TOGETHER = 32
"""Particles that are aligned at a time; after each lot the work may be stopped."""
EVERYTHING = Imaging(1.0, (-90.0, 90.0), contrast="bright")
"""Of an average, which lacks no wedge."""


class StoppedError(Exception):
    """A stop was requested; the last whole iteration stands."""


@dataclass(frozen=True)
class State:
    """Where the loop stands, which is all that resuming it takes.

    Attributes:
        half: The half of each particle, 0 or 1 ``[N]``.
        poses: Of all N particles.
        highest: Longest frequency of the next references, cycles per voxel.
        correlation: FSC of the two halves ``[S]``; empty before the first.
        iteration: Iterations done.
        history: Resolution at 0.143 after each iteration, Å.
    """

    half: Tensor
    poses: Poses
    highest: float
    correlation: Tensor = field(default_factory=lambda: torch.zeros(0))
    iteration: int = 0
    history: tuple[float, ...] = ()


class Plan(NamedTuple):
    """What the settings come to for boxes of a size."""

    settings: Averaging
    mask: Tensor
    start: Tensor | None
    """The given reference ``[n, n, n]``, protein positive."""
    known: bool
    """Whether the particles came with rotations."""
    imaging: Imaging
    """Of the particles."""

    @property
    def voxel(self) -> float:
        """Å."""
        return self.imaging.voxel

    @property
    def global_iterations(self) -> int:
        """Iterations that search all rotations."""
        if self.start is not None:
            return 1
        return 0 if self.known else GLOBAL_ITERATIONS

    @property
    def iterations(self) -> int:
        """Of the whole loop."""
        if not self.settings.align:
            return 0
        return self.settings.iterations or self.global_iterations + LOCAL_ITERATIONS

    @property
    def first_highest(self) -> float:
        """Longest frequency of the first references, cycles per voxel."""
        detail = self.settings.start_angstrom or max(START_ANGSTROM, START_VOXELS * self.voxel)
        return min(0.5, self.voxel / detail)

    @property
    def reach(self) -> float:
        """Longest shift from the pick, voxels."""
        given = self.settings.reach_angstrom
        return REACH_OF_BOX * len(self.mask) if given is None else given / self.voxel

    def crowther(self, highest: float) -> float:
        """Degrees in which a sphere of the mask's radius turns by the finest detail."""
        return math.degrees(1 / (highest * 2 * MASK_RADIUS * len(self.mask)))


def begin(
    particles: Particles, plan: Plan, poses: Poses | None, remainder: Tensor, generator: torch.Generator
) -> State:
    """The state before the first iteration.

    Args:
        particles: N of them.
        plan: For these.
        poses: Rotations that the particles came with, or None.
        remainder: Where each pick lies in its box ``[N, 3]``, voxels from the centre.
        generator: Of the halves and of the rotations of particles that have none, on a CPU.
    """
    count, device = len(particles), particles.boxes.device
    half = torch.empty(count, dtype=torch.long)
    half[torch.randperm(count, generator=generator)] = torch.arange(count) % 2
    rotation = random_rotations(count, generator).to(device)
    start = Poses.of(rotation if poses is None else poses.rotation, remainder)
    return State(half.to(device), start, plan.first_highest)


def iterate(particles: Particles, plan: Plan, state: State, stopped: Callable[[], bool] = lambda: False) -> State:
    """One iteration: both halves aligned to their references, and compared.

    Raises:
        StoppedError: ``stopped`` became true.
    """
    wide = state.iteration < plan.global_iterations
    poses, rows = state.poses, [(state.half == half).nonzero()[:, 0] for half in (0, 1)]
    references = [_reference(particles.take(some), poses.take(some), plan, state) for some in rows]
    moved = Poses(poses.rotation.clone(), poses.shift.clone(), poses.score.clone())
    noise = [noise_power(particles.take(some)) for some in rows]
    lots = [(half, lot) for half in (0, 1) for lot in torch.split(rows[half], TOGETHER)]
    for half, lot in following(lots):
        if stopped():
            raise StoppedError
        found = aligned(particles.take(lot), poses.take(lot), references[half], plan, noise[half], wide)
        moved.rotation[lot], moved.shift[lot], moved.score[lot] = (
            orthonormalised(found.rotation),
            found.shift,
            found.score,
        )
    sums = half_sums(particles, moved, plan, state.half)
    if plan.start is None and wide:
        moved = _together(moved, sums, plan, state)
        sums = half_sums(particles, moved, plan, state.half)
    curve = half_correlation(sums, plan)
    detail = curve.resolution()
    highest = max(plan.first_highest, min(0.5, plan.voxel / detail))
    done = state.iteration + 1
    return replace(
        state, poses=moved, highest=highest, correlation=curve.correlation, iteration=done,
        history=(*state.history, detail),
    )  # fmt: skip


def half_sums(particles: Particles, poses: Poses, plan: Plan, half: Tensor) -> list[Sums]:
    """The sums of the two halves."""
    group = point_group(plan.settings.symmetry)
    return [add_up(particles.take(rows), poses.take(rows), group) for rows in ((half == 0), (half == 1))]


def half_correlation(sums: list[Sums], plan: Plan) -> Fsc:
    """FSC of the averages of two halves, behind the mask."""
    first, second = (volume_of(one) for one in sums)
    return shell_correlation(first, second, plan.imaging, plan.mask)


def kept_shells(correlation: Tensor, highest: float, size: int) -> Tensor:
    """The FSC ``[S]`` as a filter takes it: 0 beyond a frequency, cycles per voxel, where it is that of noise."""
    shells = torch.arange(1, len(correlation) + 1, device=correlation.device)
    return torch.where(shells <= highest * size + 1, correlation, 0)


def _reference(particles: Particles, poses: Poses, plan: Plan, state: State) -> Reference:
    """Of one half: its own average, or the start."""
    if state.iteration == 0 and plan.start is not None:
        return as_reference(plan.start, plan.mask, plan.first_highest)
    sums = add_up(particles, poses, point_group(plan.settings.symmetry))
    agreement = None
    if len(state.correlation):
        agreement = expected_agreement(kept_shells(state.correlation, state.highest, particles.size))
    return as_reference(volume_of(sums, agreement), plan.mask, state.highest)


def aligned(particles: Particles, poses: Poses, reference: Reference, plan: Plan, noise: Tensor, wide: bool) -> Poses:
    """Particles aligned to a reference: among all rotations where ``wide``, else about those so far."""
    crowther = plan.crowther(reference.highest)
    finest = FINEST_STEP * crowther
    if not wide:
        return refined(particles, reference, poses, halving(crowther, finest), noise, plan.reach)
    angle = min(COARSEST_ANGLE_DEG, ANGLE_PER_DETAIL * plan.crowther(plan.first_highest))
    rotations = rotation_grid(angle, plan.settings.symmetry).to(noise.device)
    coarse = reference._replace(highest=plan.first_highest)
    found = search(particles, coarse, rotations, plan.reach, noise)
    steps = halving(angle / 2, finest)
    return best_of([refined(particles, reference, one, steps, noise, plan.reach) for one in found])


def halving(first: float, last: float) -> list[float]:
    """Steps from the first, each half of the one before, to the first that is no larger than the last."""
    steps = [first]
    while steps[-1] > last:
        steps.append(steps[-1] / 2)
    return steps


def register(volume: Tensor, onto: Tensor, mask: Tensor, highest: float, angle: float) -> Poses:
    """How one average ``[n, n, n]`` lies relative to another, as the pose of a particle whose reference is ``onto``."""
    particle = Particles(normalised((volume * mask)[None]), EVERYTHING)
    reference, noise = as_reference(onto, mask, highest), noise_power(particle)
    reach = REACH_OF_BOX * len(mask)
    found = search(particle, reference, rotation_grid(angle).to(mask.device), reach, noise)
    return best_of([refined(particle, reference, one, halving(angle / 2, 1.0), noise, reach) for one in found])


def _together(poses: Poses, sums: list[Sums], plan: Plan, state: State) -> Poses:
    """The poses of the second half changed so that its average lies as that of the first does."""
    first, second = (volume_of(one) for one in sums)
    angle = min(COARSEST_ANGLE_DEG, ANGLE_PER_DETAIL * plan.crowther(plan.first_highest))
    lies = register(second, first, plan.mask, plan.first_highest, angle)
    rows = (state.half == 1)[:, None]
    rotation = compose(poses.rotation, lies.rotation.expand_as(poses.rotation))
    shift = poses.shift + poses.rotation @ lies.shift[0]
    return Poses(
        torch.where(rows[..., None], orthonormalised(rotation), poses.rotation),
        torch.where(rows, shift, poses.shift),
        poses.score,
    )


def turned_volume(volume: Tensor, pose: Poses) -> Tensor:
    """An average laid as the reference of its ``register`` pose lies."""
    sums = add_up(Particles(volume[None], EVERYTHING), pose)
    return volume_of(sums)
