"""Turned templates as sums of few functions.

The turned, filtered and normalised templates of all rotations are vectors that lie close to a space of few dimensions: a
tomogram is correlated with an orthonormal basis of it, and the correlation with every rotation is a matrix product of the
results. So a rotation costs no Fourier transform of the tomogram.
"""

import torch
from torch import Tensor

from holly_triton.core.progress import following
from holly_triton.tomography.config.matching import BASIS_SAMPLE, LARGEST_BASIS

from .template import Turning

TOGETHER = {"cpu": 2**20, "cuda": 2**25}
"""Voxels of templates that are turned at once: on a CPU they fit the cache."""


class Basis:
    """Functions and coefficients: the turned template of rotation r is ``coefficients[r] @ functions``."""

    def __init__(self, functions: Tensor, coefficients: Tensor, held: float) -> None:
        self.functions = functions
        """``[K, n, n, n]``."""
        self.coefficients = coefficients
        """``[R, K]``."""
        self.held = held
        """Share of the power of the turned templates that the functions hold."""

    def __len__(self) -> int:
        return len(self.functions)


def find_basis(turning: Turning, rotation: Tensor, power: float, generator: torch.Generator, *, of_masks: bool = False) -> Basis:  # fmt: skip
    """A basis that holds a share of the power of the templates, or the masks, of rotations ``[R, 3, 3]``.

    It is the principal components of a random part of the templates, whose mean square residual over all of them is
    measured. Where there are no more rotations than that part, the part is all of them.
    """
    size = turning.size
    batch = max(1, TOGETHER[rotation.device.type] // turning.wide**3)

    def templates(some: Tensor) -> Tensor:
        values, masks = turning.normalised(some)
        return (masks if of_masks else values).reshape(len(some), -1)

    order = torch.randperm(len(rotation), generator=generator, device=generator.device).to(rotation.device)
    sample = order[: BASIS_SAMPLE * LARGEST_BASIS]
    known = torch.cat([templates(part) for part in torch.split(rotation[sample], batch)])
    total, vectors = torch.linalg.eigh(known @ known.T)
    shares = (total.flip(0).clamp(min=0).cumsum(0) / total.clamp(min=0).sum()).cpu()
    count = min(LARGEST_BASIS, int((shares < power).sum()) + 1, len(sample))
    functions = vectors.flip(1)[:, :count].T @ known
    functions = torch.linalg.qr(functions.T)[0].T.contiguous()
    # Every template of the grid, not the sample alone: what they have outside of the basis is measured on all.
    parts, full = [], 0.0
    for part in following(torch.split(rotation, batch)):
        values = templates(part)
        parts.append(values @ functions.T)
        full += float(values.square().sum())
    coefficients = torch.cat(parts)
    held = float(coefficients.square().sum()) / full
    return Basis(functions.view(-1, size, size, size), coefficients, held)
