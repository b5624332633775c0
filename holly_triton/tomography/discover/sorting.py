"""Reference-free classification of the particles of a cluster, with the missing wedge taken into account.

From random rotations all particles are aligned to one average. Aligned, they are divided by k-means on principal components,
where what the wedge lacks is that of the average, so that it does not divide them (as in Xu et al. 2012). Then each particle is
aligned to the average of every class, and joins the one with which it correlates best; that is repeated.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.core.optional import require
from holly_triton.core.progress import following
from holly_triton.geometry.rotations import orthonormalised, random_rotations
from holly_triton.tomography.average.alignment import Reference, as_reference, noise_power
from holly_triton.tomography.average.particles import Particles, Poses
from holly_triton.tomography.average.reconstruction import add_up, volume_of
from holly_triton.tomography.average.refinement import TOGETHER, Plan, StoppedError, aligned
from holly_triton.tomography.average.spectra import half_sphere, padded_spectra, sampled, shift_phase
from holly_triton.tomography.config.averaging import FEWEST
from holly_triton.tomography.config.discovery import COMPONENTS, CONSENSUS, STARTS, WIDE, Discovery


class Classes(NamedTuple):
    """The particles of a cluster, aligned and sorted."""

    poses: Poses
    """Of all M particles, each relative to the average of its class."""
    members: Tensor
    """The class of each ``[M]`` int64, from 0, the largest first."""

    @property
    def sizes(self) -> list[int]:
        """Particles of each class."""
        return torch.bincount(self.members).tolist()


def sort_particles(
    particles: Particles, plan: Plan, settings: Discovery, generator: torch.Generator, stopped: Callable[[], bool] = lambda: False
) -> Classes:  # fmt: skip
    """Align and classify particles without a reference.

    Args:
        particles: M of them.
        plan: For their boxes, of an average without a reference; details finer than it begins with take no part.
        settings: How many classes and iterations.
        generator: Of the first rotations, on a CPU.
        stopped: Whether to stop.

    Raises:
        StoppedError: ``stopped`` became true.
        MissingExtraError: scikit-learn is not installed.
    """
    count, device = len(particles), particles.boxes.device
    noise = noise_power(particles)
    poses = Poses.of(random_rotations(count, generator).to(device))
    members = torch.zeros(count, dtype=torch.long, device=device)
    for step in following(range(CONSENSUS + settings.iterations)):
        if step == CONSENSUS and settings.classes > 1 and count >= FEWEST * settings.classes:
            members = divided(particles, poses, plan.first_highest, settings)
        references = _references(particles, plan, poses, members)
        poses, members = _joined(particles, plan, poses, references, noise, stopped, wide=step < CONSENSUS + WIDE)
    order = torch.bincount(members).argsort(descending=True, stable=True)
    return Classes(poses, order.argsort()[members])


def divided(particles: Particles, poses: Poses, highest: float, settings: Discovery) -> Tensor:
    """Classes ``[M]`` int64 of aligned particles, by k-means on principal components of their spectra up to a frequency.

    A frequency that a particle's wedge lacks is taken from the average of all.
    """
    k = half_sphere(particles.size, highest, particles.boxes.device)
    rows, seen = [], []
    for some in torch.split(torch.arange(len(particles), device=k.device), TOGETHER):
        at = k @ poses.rotation[some].transpose(1, 2)
        there, gain = particles.imaging.transfer(at)
        spectra = sampled(padded_spectra(particles.boxes[some], highest), particles.size, at)
        rows.append(spectra * torch.where(gain < 0, -there, there) * shift_phase(at, poses.shift[some]))
        seen.append(there)
    values, measured = torch.cat(rows), torch.cat(seen)
    apart = values - measured * (values.sum(0) / measured.sum(0).clamp(min=1))
    flat = torch.view_as_real(apart).flatten(1).double()
    left, lengths, _ = torch.linalg.svd(flat, full_matrices=False)
    kept = (left * lengths)[:, :COMPONENTS].cpu().numpy()
    cluster = require("sklearn.cluster", "Discovering structures")
    found = cluster.KMeans(settings.classes, n_init=STARTS, random_state=settings.seed % 2**32).fit(kept)
    return torch.from_numpy(found.labels_).long().to(k.device)


def _references(particles: Particles, plan: Plan, poses: Poses, members: Tensor) -> dict[int, Reference]:
    """The averages of the classes that have enough particles."""
    found = {}
    for number, size in enumerate(torch.bincount(members).tolist()):
        if size >= FEWEST:
            rows = (members == number).nonzero()[:, 0]
            average = volume_of(add_up(particles.take(rows), poses.take(rows)))
            found[number] = as_reference(average, plan.mask, plan.first_highest)
    return found


def _joined(
    particles: Particles, plan: Plan, poses: Poses, references: dict[int, Reference], noise: Tensor,
    stopped: Callable[[], bool], *, wide: bool,
) -> tuple[Poses, Tensor]:  # fmt: skip
    """Each particle aligned to every reference: its pose relative to the best, and the number of that."""
    moved = Poses(poses.rotation.clone(), poses.shift.clone(), torch.full_like(poses.score, -torch.inf))
    members = torch.zeros(len(particles), dtype=torch.long, device=noise.device)
    lots = torch.split(torch.arange(len(particles), device=noise.device), TOGETHER)
    for number, lot in ((number, lot) for number in references for lot in lots):
        if stopped():
            raise StoppedError
        found = aligned(particles.take(lot), poses.take(lot), references[number], plan, noise, wide)
        better = found.score > moved.score[lot]
        rows = lot[better]
        moved.rotation[rows], moved.shift[rows] = orthonormalised(found.rotation[better]), found.shift[better]
        moved.score[rows], members[rows] = found.score[better], number
    return moved, members
