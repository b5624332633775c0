"""Classes that are one structure: a pure cluster is sorted into classes all the same, and their particles belong together.

From the FSC ``f`` of its halves, an average is expected to correlate with the truth as ``sqrt(2 f / (1 + f))``, and two averages
of one structure with each other as the product of these (Rosenthal & Henderson 2003, appendix). Classes whose averages correlate
as well as that are one.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.geometry.rotations import compose, orthonormalised
from holly_triton.tomography.average.fsc import Fsc, shell_correlation
from holly_triton.tomography.average.particles import Poses
from holly_triton.tomography.average.reconstruction import expected_agreement
from holly_triton.tomography.average.refinement import Plan, register, turned_volume
from holly_triton.tomography.average.results import Average
from holly_triton.tomography.config.averaging import ANGLE_PER_DETAIL, COARSEST_ANGLE_DEG
from holly_triton.tomography.config.discovery import SAME_STRUCTURE


class Member(NamedTuple):
    """A class that belongs to a group."""

    number: int
    """Its place in the list of classes."""
    lies: Poses | None
    """How its average lies relative to that of the group's first class; None for that class."""


def grouped(averages: Sequence[Average], plan: Plan) -> list[list[Member]]:
    """Classes grouped by structure: each joins the first group whose first class it agrees with.

    Args:
        averages: Of the classes.
        plan: Of all of them.
    """
    groups: list[list[Member]] = []
    for number, average in enumerate(averages):
        for group in groups:
            lies = _same(averages[group[0].number], average, plan)
            if lies is not None:
                group.append(Member(number, lies))
                break
        else:
            groups.append([Member(number, None)])
    return groups


def same_structure(average: Average, others: Mapping[int, Average], plan: Plan) -> int | None:
    """The number of the first other average that is of the same structure; None where none is."""
    return next((number for number, other in others.items() if _same(other, average, plan) is not None), None)


def laid(poses: Poses, lies: Poses | None) -> Poses:
    """Poses relative to one average, made relative to another on which the first lies so."""
    if lies is None:
        return poses
    rotation = compose(poses.rotation, lies.rotation.expand_as(poses.rotation))
    return Poses(orthonormalised(rotation), poses.shift + poses.rotation @ lies.shift[0], poses.score)


def _same(first: Average, second: Average, plan: Plan) -> Poses | None:
    """How the second average lies relative to the first, if the two are of one structure."""
    angle = min(COARSEST_ANGLE_DEG, ANGLE_PER_DETAIL * plan.crowther(plan.first_highest))
    lies = register(second.raw, first.raw, plan.mask, plan.first_highest, angle)
    found = shell_correlation(first.raw, turned_volume(second.raw, lies), plan.imaging, plan.mask)
    return lies if _share(found, first.curve, second.curve) >= SAME_STRUCTURE else None


def _share(found: Fsc, first: Fsc, second: Fsc) -> float:
    """The correlation of two averages as a share of what is expected of one structure, up to the detail that both have."""
    detail = max(first.resolution(), second.resolution())
    kept = found.frequency <= 1 / detail + 1e-9
    expected: Tensor = (
        expected_agreement(first.correlation, 2)[1:] * expected_agreement(second.correlation, 2)[1:]
    ).sqrt()
    total = float((expected * kept).sum())
    return float((found.correlation * kept).sum()) / total if total > 0 else 0.0


def joined_poses(parts: Sequence[Poses]) -> Poses:
    """The poses of several sets of particles, one after the other."""
    return Poses(*(torch.cat([getattr(part, name) for part in parts]) for name in ("rotation", "shift", "score")))
