"""Labels that are localised repeatedly: their localisations are merged, so that each label counts once.

The localisations of a label that blinks are not independent. Counted one by one they give a pose a certainty that it does not have, and
a point the positions of a few particles. Merged, a label lies at the mean of its localisations, as precisely as that is known.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.particles.data.counts import dispersion_of
from holly_triton.particles.data.ragged import runs

MOST_PAIRS = 2**22
"""Pairs of localisations that are compared at a time; a particle of more, of 2048 localisations, is left as it is."""
ROUNDS, TOLERANCE = 6, 0.01
"""Most rounds in which the number of labels is found, and its relative change with which they end."""
LEAST = 1.5
"""Mean number of localisations of a label below which nothing is merged: some labels lie beside one another by chance."""
SAMPLE = 300
"""Particles, evenly spaced over the data, from which the numbers of ``Blinks`` are found."""


class Blinks(NamedTuple):
    """How often labels are localised, and where they lie."""

    labels: float  # of a particle that are seen, mean
    localisations: float  # of one of these, mean
    volume: float  # one over the density of a label at the place of another of the particle, nm^3


class Labels(NamedTuple):
    """L labels, or localisations of them, of P particles, one particle after the other."""

    xyz: Tensor  # [L, 3] nm
    variance: Tensor  # [L, 3] nm^2, along each axis
    offsets: Tensor  # [P + 1] int64: the first of each particle
    kind: Tensor  # [L] int64: those of different kinds are never of one label

    def select(self, index: Tensor) -> "Labels":
        """Those of some particles ``[B]``."""
        found = runs(self.offsets[index], self.offsets.diff()[index])
        return Labels(self.xyz[found.rows], self.variance[found.rows], found.offsets, self.kind[found.rows])


def merged(found: Labels, blinks: Blinks) -> Labels:
    """The labels of which there are these localisations, whose variance is above 0.

    Again and again any two are merged that are each other's likeliest to be of one label, until no two are likelier to be of one than
    of two. The number of labels of a particle is a Poisson number, that of the localisations of a label a geometric one.
    """
    xyz, variance, kept = found.xyz.clone(), found.variance.clone(), torch.ones_like(found.kind, dtype=torch.bool)
    for rows, there in _padded(found.offsets):
        x, v, alive = xyz[rows], variance[rows], there.clone()
        _merge_(x, v, alive, found.kind[rows], blinks)
        xyz[rows[there]], variance[rows[there]], kept[rows[there]] = x[there], v[there], alive[there]
    passed = torch.nn.functional.pad(kept.cumsum(0), (1, 0))
    return Labels(xyz[kept], variance[kept], passed[found.offsets], found.kind[kept])


def find_blinks(found: Labels, gyration_nm: float) -> Blinks | None:
    """How often labels are localised, by their localisations; None where they are not localised repeatedly.

    The numbers of the particles' localisations vary the more, the more come of a label, which gives a first value. Then the labels that
    are found say how many there are, until that no longer changes.

    Args:
        found: All localisations, whose variance is above 0.
        gyration_nm: Radius of gyration of the structure, nm.
    """
    P = len(found.offsets) - 1
    some = found.select(torch.linspace(0, P - 1, min(P, SAMPLE), device=found.offsets.device).long())
    counts = some.offsets.diff()
    mean = float(counts.double().mean())
    # Of a Poisson number of labels, each with a geometric number of localisations; too small where few labels are missing.
    each = max(2.0, (1 + dispersion_of(counts)) / 2)
    volume = (4 * math.pi * gyration_nm**2 / 3) ** 1.5  # of a Gaussian of this radius of gyration
    for _ in range(ROUNDS):
        before, labels = each, merged(some, Blinks(mean / each, each, volume)).offsets.diff()
        each = mean / float(labels.double().mean())
        if each < LEAST:
            return None
        if abs(each / before - 1) < TOLERANCE:
            break
    return Blinks(mean / each, each, volume)


def _padded(offsets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of particles of like size ``[B, M]``, and which of them there are."""
    counts = offsets.diff()
    order = counts.argsort(stable=True)
    order = order[counts[order].square() <= MOST_PAIRS]
    while len(order):
        # From the largest on, as many as have room when they are padded to its size.
        widest = int(counts[order[-1]])
        many = max(1, MOST_PAIRS // max(1, widest) ** 2)
        part, order = order[-many:], order[:-many]
        slot = torch.arange(widest, device=offsets.device)
        there = slot < counts[part, None]
        yield torch.where(there, offsets[part, None] + slot, 0), there


def _merge_(xyz: Tensor, variance: Tensor, alive: Tensor, kind: Tensor, blinks: Blinks) -> None:
    """Merge the localisations of particles ``[B, M]`` in place; of those of a label one remains alive."""
    place = torch.arange(xyz.shape[1], device=xyz.device)
    size = torch.ones_like(alive, dtype=xyz.dtype)
    barred = (kind[:, :, None] != kind[:, None]) | (place[:, None] == place)
    while True:
        odds = _log_odds(xyz, variance, size, blinks)
        odds.masked_fill_(barred | ~(alive[:, :, None] & alive[:, None]), -torch.inf)
        best, other = odds.max(dim=2)
        pair = (best > 0) & (place < other) & (other.gather(1, other) == place)
        if not pair.any():
            return
        particle, one = pair.nonzero(as_tuple=True)
        two = other[particle, one]
        weights = 1 / variance[particle, one], 1 / variance[particle, two]
        total = weights[0] + weights[1]
        xyz[particle, one] = (weights[0] * xyz[particle, one] + weights[1] * xyz[particle, two]) / total
        variance[particle, one] = 1 / total
        size[particle, one] += size[particle, two]
        alive[particle, two] = False


def _log_odds(xyz: Tensor, variance: Tensor, size: Tensor, blinks: Blinks) -> Tensor:
    """Log of the odds that two parts of a label are of one ``[B, M, M]``, symmetric, of ``size`` localisations each ``[B, M]``.

    With a Poisson number of labels of mean L, each localised a geometric number of times of mean F, two of n and m localisations are of
    one by odds of ``(n + m)! / n! m! (F - 1) / L`` before their places are known.
    """
    both = variance[:, :, None] + variance[:, None]
    apart = (xyz[:, :, None] - xyz[:, None]).square() / both
    near = -0.5 * (apart + (2 * math.pi * both).log()).sum(dim=3)
    own = (size + 1).lgamma()
    ways = (size[:, :, None] + size[:, None] + 1).lgamma() - (own[:, :, None] + own[:, None])
    return near + ways + math.log((blinks.localisations - 1) * blinks.volume / blinks.labels)
