"""The particles of one cluster: classified without a reference, then averaged class by class in two halves."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.log import LOG
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.tomography.average.fsc import Fsc, noise_deviation, soft_sphere
from holly_triton.tomography.average.imaging import Imaging
from holly_triton.tomography.average.particles import Particles, Poses, normalised
from holly_triton.tomography.average.refinement import Plan, begin, iterate
from holly_triton.tomography.average.results import Average, against_truth, average_of
from holly_triton.tomography.classify.sets import SubtomogramSet, fingerprint
from holly_triton.tomography.config.averaging import FEWEST, TRUTH_CRITERION, Averaging
from holly_triton.tomography.config.discovery import BEYOND_SHELLS, NOISE_DEVIATIONS, REACH_OF_BOX, Discovery
from holly_triton.tomography.structures import Density

from .merging import grouped, joined_poses, laid
from .sorting import Classes, sort_particles


class Averaged(NamedTuple):
    """A class of a cluster."""

    rows: Array
    """Its subtomograms ``[M]``, rows of the set."""
    poses: Poses
    """Theirs."""
    average: Average
    resolution: float
    """Detail to which the halves agree (FSC 0.143), Å."""
    consistent: bool
    """Whether that is finer than what the two halves share: the detail of the classification, and the leak of the mask; and they
    agree there more than noise would."""
    joined: int
    """Classes of the sorting that turned out to be one structure, and are one here."""
    structure: str | None
    """Name of the given structure that is nearest to the average; None where none was given."""
    discrepancy: float | None
    """Detail to which the average agrees with it (FSC 0.5), Å."""


class Given(NamedTuple):
    """What is known of the subtomograms beside their values."""

    subtomograms: SubtomogramSet
    imaging: Imaging
    structures: Sequence[Density]
    device: torch.device


def plan_for(given: Given, settings: Discovery) -> Plan:
    """Of the averages of a set."""
    size = given.subtomograms.size
    reach = REACH_OF_BOX * size * given.imaging.voxel if settings.reach_angstrom is None else settings.reach_angstrom
    averaging = Averaging(reach_angstrom=reach, seed=settings.seed)
    return Plan(averaging, soft_sphere(size).to(given.device), None, False, given.imaging)


def chosen_rows(subtomograms: SubtomogramSet, rows: Array, settings: Discovery, number: int) -> Array:
    """The subtomograms of a cluster that are averaged: of copies the first, and at most ``settings.most``, drawn at random."""
    drawn = np.random.default_rng([settings.seed, number]).permutation(rows)[: settings.most]
    some = np.sort(drawn)
    if len(some) < len(rows):
        LOG.info("Cluster %d: %d of its %d subtomograms are averaged", number, len(some), len(rows))
    seen, kept = set[bytes](), []
    for row, volume in zip(some, subtomograms.read(some), strict=True):
        content = fingerprint(volume)
        if content not in seen:
            kept.append(row)
        seen.add(content)
    if copies := len(some) - len(kept):
        LOG.warning("Cluster %d: %s of another one and left out of its averages", number, counted(copies, "subtomogram is a copy", "subtomograms are copies"))  # fmt: skip
    return np.array(kept)


def average_cluster(
    given: Given, number: int, rows: Array, settings: Discovery, stopped: Callable[[], bool] = lambda: False
) -> list[Averaged]:  # fmt: skip
    """Classify and average the subtomograms of a cluster.

    The halves of a class begin with the rotations of the classification, in which details to ``Plan.first_highest`` took part, and
    are kept apart from there on. Their agreement counts only beyond that.

    Args:
        given: The set, and what is known of it.
        number: Of the cluster: its random numbers are its own.
        rows: Its subtomograms.
        settings: How.
        stopped: Whether to stop.

    Returns:
        The classes of at least ``FEWEST`` particles, those of one structure joined, the largest first; none for a smaller cluster.

    Raises:
        StoppedError: ``stopped`` became true.
        HollyError: A subtomogram can't be read.
    """
    rows = chosen_rows(given.subtomograms, rows, settings, number)
    if len(rows) < FEWEST:
        return []
    particles = Particles(normalised(given.subtomograms.read(rows)).to(given.device), given.imaging)
    plan = plan_for(given, settings)
    generator = torch.Generator().manual_seed(int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0]))
    classes = sort_particles(particles, plan, settings, generator, stopped)
    plan, parts = plan._replace(known=True), _parts(classes)
    refined = [_refined(particles, part, plan, generator, stopped) for part in parts]
    found = []
    for group in grouped([average for _, average in refined], plan):
        part, result = parts[group[0].number], refined[group[0].number]
        if len(group) > 1:
            part = _whole([parts[one.number] for one in group], [one.lies for one in group])
            result = _refined(particles, part, plan, generator, stopped)
        found.append(_averaged(given, rows, part, *result, plan))
    return sorted(found, key=lambda one: -len(one.rows))


class _Part(NamedTuple):
    """Some particles of a cluster."""

    some: Tensor
    """Their numbers ``[M]`` in the cluster."""
    poses: Poses
    """Theirs, in the same order."""
    classes: int
    """Classes of the sorting that they come from."""


def _parts(classes: Classes) -> list[_Part]:
    """The classes with enough particles."""
    some = [(classes.members == label).nonzero()[:, 0] for label, size in enumerate(classes.sizes) if size >= FEWEST]
    return [_Part(rows, classes.poses.take(rows), 1) for rows in some]


def _whole(parts: Sequence[_Part], lies: Sequence[Poses | None]) -> _Part:
    """Classes of one structure as one, with the poses of the sorting: those that were refined have fine detail in common."""
    poses = [laid(part.poses, one) for part, one in zip(parts, lies, strict=True)]
    return _Part(torch.cat([part.some for part in parts]), joined_poses(poses), len(parts))


def _refined(
    particles: Particles, part: _Part, plan: Plan, generator: torch.Generator, stopped: Callable[[], bool]
) -> tuple[Poses, Average]:
    """The particles of a part, refined in two halves that are kept apart, and their average."""
    some = particles.take(part.some)
    state = begin(some, plan, part.poses, part.poses.shift, generator)
    while state.iteration < plan.iterations:
        state = iterate(some, plan, state, stopped)
    return state.poses, average_of(some, plan, state)


def _averaged(given: Given, rows: Array, part: _Part, poses: Poses, average: Average, plan: Plan) -> Averaged:
    nearest = _nearest(average, given.structures, plan)
    return Averaged(
        rows[part.some.cpu().numpy()], poses, average, average.curve.resolution(), _is_consistent(average.curve, plan),
        part.classes, *nearest,
    )  # fmt: skip


def _is_consistent(curve: Fsc, plan: Plan) -> bool:
    """Whether the halves agree in what they do not share, more than noise would."""
    size = len(plan.mask)
    shells = plan.first_highest * size + BEYOND_SHELLS
    # A shell next to a zero of the CTF holds no signal: the next one decides.
    later = range(int(shells), len(curve.correlation))
    decides = next((shell for shell in later if not curve.at_zero[shell - 1]), len(curve.correlation))
    least = NOISE_DEVIATIONS * noise_deviation(plan.mask, decides)
    return curve.resolution() < size * plan.voxel / shells and bool(curve.correlation[decides - 1] > least)


def _nearest(average: Average, structures: Sequence[Density], plan: Plan) -> tuple[str | None, float | None]:
    """The structure with which an average agrees to the finest detail, and that detail, Å."""
    if not structures:
        return None, None
    details = [against_truth(average.raw, one, plan).resolution(TRUTH_CRITERION) for one in structures]
    best = int(np.argmin(details))
    return structures[best].name, details[best]
