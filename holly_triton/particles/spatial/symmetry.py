"""A rotational symmetry that is imposed on a cloud: its points are those of the asymmetric unit and their images.

All points lie in one tensor, the unit first and then its image under each other rotation of the group, so that whatever reads
the cloud sees all of it. Only the unit is fitted. As ``p_g = R_g p``, the gradient of a point of the unit is the sum of those of
its images, turned back: ``sum_g R_g^T grad_g``. Poses that differ by a rotation of the group put the cloud in the same place,
and count as one.
"""

import re
from functools import cache

import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from holly_triton.core.errors import HollyError

NAMED = re.compile(r"[CD](?:[2-9]|[1-9]\d+)|[TOI]")
MOST = 360
"""Largest number of rotations: one for each degree about an axis."""


@cache
def rotations_of(name: str | None) -> Tensor:
    """The rotations ``[G, 3, 3]`` of a point group in Schoenflies notation, identity first; it alone without a name.

    C and D have their main axis along z; T, O and I are those of ``scipy.spatial.transform.Rotation.create_group``.

    Raises:
        HollyError: There is no such group.
    """
    if name is None:
        return torch.eye(3)[None]
    if not NAMED.fullmatch(name):
        none = ": leave it out for no symmetry" if name in ("C0", "C1", "D0", "D1") else ""
        raise HollyError(f"--symmetry {name}: must be C2, C3, ..., D2, D3, ..., T, O or I{none}")
    if name[1:] and int(name[1:]) * (1 + name.startswith("D")) > MOST:
        raise HollyError(f"--symmetry {name}: is of more than {MOST} rotations, which no data resolve")
    found = Rotation.create_group(name)
    order = found.magnitude().argsort(kind="stable")
    return torch.from_numpy(found[order].as_matrix()).float()


def check_points(name: str, points: int) -> None:
    """Refuse fewer points than a group has rotations.

    Raises:
        HollyError: There are fewer.
    """
    if points < len(rotations_of(name)):
        raise HollyError(
            f"--symmetry {name}: has {len(rotations_of(name))} rotations, and the cloud a point for each at least; --points "
            f"{points} is too few"
        )


def nearest_count(name: str | None, points: int) -> int:
    """The number of points of a symmetric cloud that is nearest to the one given, at least one for each rotation."""
    order = len(rotations_of(name))
    return max(1, round(points / order)) * order


def unit_of(points: Tensor, group: Tensor) -> Tensor:
    """The points of the asymmetric unit ``[N / G, 3]``: a view."""
    return points if len(group) == 1 else points[: len(points) // len(group)]


def spread_(points: Tensor, group: Tensor) -> None:
    """Put the images ``[N, 3]`` where the unit requires them, in place."""
    if len(group) > 1:
        unit = unit_of(points, group)
        points[len(unit) :] = (unit @ group[1:].mT).flatten(0, 1)


def folded(gradient: Tensor, group: Tensor) -> Tensor:
    """Gradient with respect to the points of the unit ``[N / G, 3]``, from that with respect to all points ``[N, 3]``."""
    if len(group) == 1:
        return gradient
    whole: Tensor = (gradient.view(len(group), -1, 3) @ group).sum(0)
    return whole


def cosines(rotation: Tensor, group: Tensor) -> Tensor:
    """Cosine of the angle between each two of K orientations ``[B, K, 3, 3]``, up to rotations of the group: ``[B, K, K]``."""
    trace = torch.einsum("bkij,blij->bkl", rotation, rotation)
    for turn in group[1:]:
        trace = torch.maximum(trace, torch.einsum("bkij,blij->bkl", rotation @ turn, rotation))
    return (trace - 1) / 2
