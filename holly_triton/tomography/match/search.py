"""The search: the locally normalised correlation of a tomogram with every turned template (Roseman 2003).

With the template t of mean 0 and standard deviation 1 under the mask m, and already times m, the score at x is

    S(x) = sum_u t(u) v(x + u) / (N s(x)),    N = sum_u m(u),    s(x)^2 = (m * v^2)(x) / N - ((m * v)(x) / N)^2

and lies within -1 and 1. The sums for all rotations are products of the coefficients of ``basis`` with correlations of the
tomogram, block by block, so that memory stays within a plan. Only the largest score of a voxel is kept; at which rotation it
was found is computed again at the peaks, which are few.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional

from holly_triton.core.progress import following
from holly_triton.geometry.volumes import centre
from holly_triton.tomography.config.matching import (
    BLOCK_BYTES,
    FEW_ROTATIONS,
    FLAT,
    GPU_TILES,
    LEAST_INSIDE,
    TILE_ROTATIONS,
    TILE_VOXELS,
    TWINS,
)

from .basis import Basis

Shape = tuple[int, int, int]


class Scores(NamedTuple):
    """What a search found."""

    best: Tensor
    """Largest score of each voxel over the rotations ``[Z, Y, X]``; -inf where there is none."""
    sigma: float
    """Standard deviation of the scores of all voxels and some rotations."""
    voxels: int
    """Voxels that have a score."""
    highest: Tensor
    """Largest score at the same few rotations ``[Z, Y, X]``,"""
    lowest: Tensor
    """and the smallest: where these reach farther, the contrast is inverted."""


class Plan(NamedTuple):
    """Blocks in which a tomogram is searched."""

    valid: Shape
    """Voxels of a block that get scores."""
    transform: Shape
    """Its size for Fourier transforms, with what the template reaches over."""
    bytes: int
    """Memory that a block takes, estimated."""


class Tiles(NamedTuple):
    """Some voxels of a block, ready to be scored."""

    where: Tensor
    """Their indices in the tomogram, flat ``[P]``."""
    maps: Tensor
    """Correlations with the functions ``[K, P]``, divided by the local standard deviation if that holds for all rotations."""
    moments: Tensor | None
    """Correlations of the tomogram and of its square with the functions of the masks ``[2, L, P]``."""
    share: Tensor
    """Share of the mask that is inside of the tomogram ``[P]``."""


def plan_blocks(shape: Shape, template: int, functions: int, budget: int) -> Plan:
    """The largest blocks whose correlations with all functions fit a budget in bytes: the longest side is halved until they do."""
    valid = list(shape)
    while True:
        fast = tuple(next_fast_len(side + template - 1, real=True) for side in valid)
        needed = 8 * (functions + 4) * math.prod(valid) + 32 * math.prod(fast)
        if needed <= budget or max(valid) <= template:
            return Plan((valid[0], valid[1], valid[2]), (fast[0], fast[1], fast[2]), needed)
        longest = valid.index(max(valid))
        valid[longest] = -(-valid[longest] // 2)


def budget_of(device: torch.device) -> int:
    """Bytes that a search may take on a device beside the tomogram."""
    return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else BLOCK_BYTES


class Search:
    """A tomogram and the basis of a template."""

    def __init__(self, volume: Tensor, basis: Basis, sphere: Tensor, masks: Basis | None = None) -> None:
        """Prepare a search.

        Args:
            volume: ``[Z, Y, X]``, its median 0.
            basis: Of the turned templates.
            sphere: The mask if it is the same for all rotations, else one about it, by which the share inside is found.
            masks: Of the turned masks, where they depend on the rotation.
        """
        self.volume, self.basis, self.sphere, self.masks = volume, basis, sphere, masks
        self.shape: Shape = (volume.shape[0], volume.shape[1], volume.shape[2])
        self.size = sphere.shape[-1]
        self.floor = FLAT**2 * float(volume.square().mean())
        rows = len(basis) + (0 if masks is None else 2 * len(masks))
        self.plan = plan_blocks(self.shape, self.size, rows, budget_of(volume.device))
        before = centre(self.size)
        reached = [(side - 1) // part * part + full for side, part, full in zip(self.shape, self.plan.valid, self.plan.transform, strict=True)]  # fmt: skip
        behind = [most - before - side for most, side in zip(reached, self.shape, strict=True)]
        self.padded = functional.pad(volume, [one for more in reversed(behind) for one in (before, more)])
        self.many = TILE_VOXELS * (GPU_TILES if volume.device.type == "cuda" else 1)
        if masks is not None:
            self.counts = masks.coefficients @ masks.functions.sum((1, 2, 3))  # sum of the mask of each rotation

    def run(self, mask: Tensor | None = None, stopped: Callable[[], bool] = lambda: False) -> Scores | None:
        """Score every voxel, or those of a mask ``[Z, Y, X]``, bool; None where it was stopped."""
        best, highest, lowest = (torch.full_like(self.volume, -math.inf) for _ in range(3))
        count, total, squares = 0, 0.0, 0.0
        rotations = len(self.basis.coefficients)
        few = torch.linspace(0, rotations - 1, min(FEW_ROTATIONS, rotations)).long().to(self.volume.device)
        per_block = -(-math.prod(self.plan.valid) // self.many)
        work = [(corner, tile) for corner in self._corners() for tile in range(per_block)]
        block: Tiles | None = None
        for corner, tile in following(work):
            if stopped():
                return None
            if tile == 0:
                block = None  # frees the memory before the next one
                block = self._block(corner, mask)
            assert block is not None
            part = slice(tile * self.many, (tile + 1) * self.many)
            where = block.where[part]
            if len(where) == 0:
                continue
            some = Tiles(where, block.maps[:, part], None if block.moments is None else block.moments[..., part], block.share[part])  # fmt: skip
            sample = self._scored(few, some)
            count, total = count + len(where), total + float(sample.double().sum())
            squares += float(sample.double().square().sum())
            highest.view(-1)[where], lowest.view(-1)[where] = sample.amax(0), -sample.amin(0)
            best.view(-1)[where] = self._largest(some)
        scored = max(1, count * len(few))
        sigma = math.sqrt(max(0.0, squares / scored - (total / scored) ** 2))
        return Scores(best, sigma, count, highest, lowest)

    def rotations_at(self, voxels: Tensor, rotations: Tensor, apart_deg: float) -> Tensor:
        """The rotations with the largest scores at voxels ``[P, 3]``, the best first and none near a better one.

        Args:
            voxels: z, y, x.
            rotations: The grid ``[R, 3, 3]``.
            apart_deg: Least angle between two.

        Returns:
            ``[P, TWINS, 3, 3]``; where there are fewer, the best one is repeated.
        """
        offsets = torch.cartesian_prod(*(torch.arange(self.size, device=voxels.device),) * 3)
        found = [torch.zeros(0, TWINS, 3, 3, device=voxels.device)]
        for part in torch.split(voxels, 256):
            box = self.padded[(part[:, None] + offsets).unbind(-1)]  # [P, n^3]; the padding shifts by the centre
            moments = None
            if self.masks is not None:
                of_mask = self.masks.functions.flatten(1)
                moments = torch.stack([of_mask @ box.T, of_mask @ box.square().T])
            some = Tiles(part, self.basis.functions.flatten(1) @ box.T, moments, torch.ones(len(part), device=box.device))  # fmt: skip
            scores = self._scored(slice(None), some).T.clone()  # [P, R]
            found.append(rotations[_distinct(scores, rotations, apart_deg)])
        return torch.cat(found)

    def _largest(self, some: Tiles) -> Tensor:
        """Largest score over all rotations ``[P]``."""
        rotations = len(self.basis.coefficients)
        best = torch.full_like(some.share, -math.inf)
        for first in range(0, rotations, TILE_ROTATIONS):
            best = torch.maximum(best, self._scored(slice(first, first + TILE_ROTATIONS), some).amax(0))
        return best

    def _scored(self, rows: slice | Tensor, some: Tiles) -> Tensor:
        """Scores of some rotations ``[r, P]``."""
        product: Tensor = self.basis.coefficients[rows] @ some.maps
        if self.masks is None or some.moments is None:
            return product
        count = self.counts[rows, None]
        mean, square = ((self.masks.coefficients[rows] @ moment) / count / some.share for moment in some.moments)
        deviation = (square - mean.square()).clamp(min=self.floor).sqrt()
        scores: Tensor = product / (count * deviation)
        return scores

    def _corners(self) -> list[Shape]:
        steps = [range(0, side, part) for side, part in zip(self.shape, self.plan.valid, strict=True)]
        return [(z, y, x) for z in steps[0] for y in steps[1] for x in steps[2]]

    def _block(self, corner: Shape, mask: Tensor | None) -> Tiles:
        """Correlations of the voxels of a block that have a score."""
        device = self.volume.device
        valid = tuple(
            min(part, side - low) for low, part, side in zip(corner, self.plan.valid, self.shape, strict=True)
        )
        raw = self.padded[tuple(slice(low, low + full) for low, full in zip(corner, self.plan.transform, strict=True))]
        spectrum, square = torch.fft.rfftn(raw), torch.fft.rfftn(raw.square())
        everywhere = torch.ones(valid, dtype=torch.bool, device=device)
        share = self._inside(corner, valid)
        (mean,), (second,) = (self._correlated(self.sphere[None], one, everywhere) for one in (spectrum, square))
        whole = float(self.sphere.sum())
        flat_share = share.reshape(-1)
        mean, second = mean / whole / flat_share, second / whole / flat_share
        deviation = (second - mean.square()).clamp(min=0).view(valid)
        chosen = (share >= LEAST_INSIDE) & (deviation > self.floor)
        if mask is not None:
            chosen &= mask[tuple(slice(low, low + side) for low, side in zip(corner, valid, strict=True))]
        maps = self._correlated(self.basis.functions, spectrum, chosen)
        moments = None
        if self.masks is None:
            maps *= (whole * deviation[chosen].sqrt()).reciprocal()
        else:
            moments = torch.stack([self._correlated(self.masks.functions, one, chosen) for one in (spectrum, square)])
        place = chosen.nonzero() + torch.tensor(corner, device=device)
        strides = torch.tensor(self.volume.stride(), device=device)
        return Tiles((place * strides).sum(1), maps, moments, share[chosen])

    def _correlated(self, functions: Tensor, spectrum: Tensor, chosen: Tensor) -> Tensor:
        """``sum_u f(u) v(x + u)`` at the chosen voxels of a block ``[K, P]``."""
        out = functions.new_empty(len(functions), int(chosen.sum()))
        index = chosen.nonzero(as_tuple=True)
        every = len(index[0]) == chosen.numel()
        full = self.plan.transform
        for row, function in enumerate(functions):
            product = torch.fft.rfftn(function, s=full).conj()
            values = torch.fft.irfftn(spectrum * product, s=full)
            inner = values[: chosen.shape[0], : chosen.shape[1], : chosen.shape[2]]
            out[row] = inner.reshape(-1) if every else inner[index]
        return out

    def _inside(self, corner: Shape, valid: tuple[int, ...]) -> Tensor:
        """Share of the mask that is inside of the tomogram ``[z, y, x]``, 0 to 1, for the voxels of a block."""
        full = tuple(side + self.size - 1 for side in valid)
        inside = self.volume.new_ones(())
        for axis, (low, side) in enumerate(zip(corner, self.shape, strict=True)):
            place = torch.arange(full[axis], device=self.volume.device) + low - centre(self.size)
            within = ((place >= 0) & (place < side)).float()
            inside = inside * within.view([-1 if one == axis else 1 for one in range(3)])
        fast = tuple(next_fast_len(side, real=True) for side in full)
        product = torch.fft.rfftn(inside, s=fast) * torch.fft.rfftn(self.sphere, s=fast).conj()
        share: Tensor = torch.fft.irfftn(product, s=fast)[: valid[0], : valid[1], : valid[2]] / self.sphere.sum()
        return share.clamp(1e-6, 1)


def _distinct(scores: Tensor, rotations: Tensor, apart_deg: float) -> Tensor:
    """Indices ``[P, TWINS]`` of the largest of scores ``[P, R]`` whose rotations are apart; the first where no more are."""
    flat, limit = rotations.flatten(1), 1 + 2 * math.cos(math.radians(min(apart_deg, 180.0)))
    chosen = [scores.argmax(1)]
    for _ in range(TWINS - 1):
        trace = flat[chosen[-1]] @ flat.T  # of R1^T R2, 1 + 2 cos(angle)
        scores = scores.masked_fill(trace > limit - 1e-5, -math.inf)
        most, index = scores.max(1)
        chosen.append(torch.where(most > -math.inf, index, chosen[0]))
    return torch.stack(chosen, dim=1)
