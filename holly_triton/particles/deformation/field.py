"""Fields of displacements of a cloud that change its shape: polynomials in the places of its points."""

from itertools import combinations_with_replacement

import torch
from torch import Tensor

from holly_triton.particles.spatial.symmetry import folded, spread_, unit_of

LEAST = 1e-3
"""Polynomials that the others determine to within this share of the largest are left out: of a flat cloud those in its normal."""


class Fields:
    """The displacements of N points that are polynomials, without shifts and rotations of the whole, as linear combinations."""

    def __init__(self, points: Tensor, degree: int, group: Tensor) -> None:
        """Fields of a cloud ``[N, 3]`` that have the symmetry of a group ``[G, 3, 3]``."""
        self.group = group
        centred = points - points.mean(dim=0)
        scaled = centred / centred.square().mean().sqrt()
        monomials = torch.stack(
            [
                scaled[:, list(axes)].prod(dim=1)
                for power in range(1, degree + 1)
                for axes in combinations_with_replacement(range(3), power)
            ],
            dim=1,
        )
        values, size, _ = torch.linalg.svd(monomials - monomials.mean(dim=0), full_matrices=False)
        self.basis = values[:, size > LEAST * size[0]] * len(points) ** 0.5  # [N, Q], each of mean square 1
        x, y, z = centred.unbind(dim=1)
        none = torch.zeros_like(x)
        turns = (
            torch.stack([none, -z, y, z, none, -x, -y, x, none], dim=1).view(-1, 3, 3).mT.flatten(0, 1)
        )  # w -> w x p
        self.turns = torch.linalg.svd(turns, full_matrices=False).U

    def displacements(self, coefficients: Tensor) -> Tensor:
        """The field ``[N, 3]`` of some coefficients ``[Q, 3]``."""
        return self._shaped(self.basis @ coefficients)

    def gradient(self, displacements: Tensor) -> Tensor:
        """The gradient with respect to the coefficients ``[Q, 3]``, from that with respect to the displacements ``[N, 3]``."""
        gradient: Tensor = self.basis.T @ self._shaped(displacements)
        return gradient

    def _shaped(self, field: Tensor) -> Tensor:
        """The nearest field that neither shifts nor turns the whole, and has the symmetry."""
        field = field - field.mean(dim=0)
        flat = field.flatten()
        field = (flat - self.turns @ (self.turns.T @ flat)).view_as(field)
        if len(self.group) > 1:
            unit_of(field, self.group).copy_(folded(field, self.group) / len(self.group))
            spread_(field, self.group)
        return field
