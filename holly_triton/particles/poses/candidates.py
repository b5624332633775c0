"""Pose search: poses of the current cloud are drawn in proportion to the likelihood of each picture, or the best is taken.

A picture of few localisations fits many poses almost equally well. The best of them also fits its noise, and a structure
that is made from the best poses comes out flattened. So one pose is drawn from all of them at each step, as in stochastic
expectation maximisation (Celeux and Diebolt 1985): over the steps every pose counts by its likelihood. Both halves of a
step leave the distribution of the poses as it is. First, rotations drawn at random from all of SO(3), which the pictures
of a batch share, compete with the pose that a picture has (iterated sampling importance resampling, Andrieu et al. 2018).
Then perturbations of the winner do, about a centre that is perturbed itself, so that from each of them the others are as
likely to be proposed (Tjelmeland 2004).

Where every picture shows every label, one pose is far likelier than all others. Then the best is taken, among perturbations
of the pose that a picture has and of the best candidate, and the twins of the former (``twins``).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from holly_triton.core.distributed import gather, share
from holly_triton.geometry import limit_tilt, random_rotations, turned
from holly_triton.kernels import splat
from holly_triton.particles.cloud.objective import log_density, normalised
from holly_triton.particles.cloud.stage import AnyStage
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.config import Search

from .twins import near_symmetries, twin_poses

CACHED = 2**19
"""Pixels of pictures that are drawn at a time on a CPU."""


@torch.no_grad()
def search_poses(
    state: TrainingState,
    target: Tensor,
    rotation: Tensor,
    shift: Tensor,
    localisations: Tensor | None,
    pictures: int,
    stage: AnyStage,
    settings: Search,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """A pose of each picture ``[B, 3, 3]``, ``[B, 2]``: drawn by its likelihood, or the best that was found.

    Ranks share the pictures, and the drawing of the candidates that all pictures are compared with.

    Args:
        state: Cloud, of a very large one a random part is drawn, blur, background, and the shifts of all pictures.
        target: This rank's pictures ``[B, S, S]`` on the stage's search grid at its search sigma.
        rotation: The poses they had ``[B, 3, 3]``.
        shift: Their shifts ``[B, 2]``, nm.
        localisations: How many each picture holds ``[B]``; None takes the best pose, which is never worse than before.
        pictures: How many all ranks have.
        stage: Grid, sigma and reach of this step.
        settings: How many candidates to try.
        generator: Source of the candidates.
    """
    compared = _Comparison(state, target, localisations, pictures, stage, settings, generator)
    with full_precision():
        search = _best_poses if localisations is None else _drawn_poses
        return search(compared, state, rotation, shift, stage, settings)


def _best_poses(
    compared: "_Comparison", state: TrainingState, rotation: Tensor, shift: Tensor, stage: AnyStage, settings: Search
) -> tuple[Tensor, Tensor]:
    """The best among the known poses, their twins, the best candidates, and perturbations of all but the twins."""
    centres, by = rotation[:, None], shift[:, None]
    if stage.global_search:
        candidates = random_rotations(settings.candidates, compared.generator, stage.largest_tilt)
        best = compared.choose(compared.shared_scores(candidates, shift.new_zeros(len(candidates), 2)))
        # A candidate some degrees off a better pose looks worse than a refined mistake, until it is refined too.
        centres = torch.cat([centres, candidates[best][:, None]], dim=1)
        by = torch.cat([by, torch.zeros_like(by)], dim=1)
    twins = twin_poses(rotation, near_symmetries(compared.points, compared.sigma, compared.generator))
    twins = limit_tilt(twins, stage.largest_tilt)
    around = compared.perturbed(centres, by, settings.neighbours, stage)
    return compared.chosen([(centres, by), (twins, shift[:, None].expand(-1, twins.shape[1], -1)), around])


def _drawn_poses(
    compared: "_Comparison", state: TrainingState, rotation: Tensor, shift: Tensor, stage: AnyStage, settings: Search
) -> tuple[Tensor, Tensor]:
    """Poses that are drawn among the known one and random candidates, then among perturbations."""
    if stage.global_search:
        candidates = random_rotations(settings.candidates, compared.generator, stage.largest_tilt)
        # Pictures of few labels are not centred on the structure: shifts are distributed as those found so far.
        known = torch.randint(
            len(state.shift), (len(candidates),), generator=compared.generator, device=compared.generator.device
        )
        shifts = state.shift[known]
        own = compared.scores(rotation[:, None], shift[:, None])
        best = compared.choose(torch.cat([own, compared.shared_scores(candidates, shifts)], dim=1)) - 1
        kept = best < 0
        rotation = torch.where(kept[:, None, None], rotation, candidates[best])
        shift = torch.where(kept[:, None], shift, shifts[best])
    known_pose = rotation[:, None], shift[:, None]
    moved, by = compared.perturbed(*known_pose, 1, stage)
    return compared.chosen([known_pose, compared.perturbed(moved, by, settings.neighbours, stage)])


class _Comparison:
    """Log-likelihoods of pictures under poses, and the choice by them."""

    def __init__(
        self, state: TrainingState, target: Tensor, localisations: Tensor | None, pictures: int, stage: AnyStage,
        settings: Search, generator: torch.Generator,
    ) -> None:  # fmt: skip
        points = state.points.detach()
        if len(points) > settings.most_points:
            order = torch.rand(len(points), generator=generator, device=points.device)
            points = points[order.topk(settings.most_points).indices]
        self.points, self.background, self.grid = points, state.background, stage.search_grid
        self.sigma = state.width(stage.search_sigma_nm).detach()
        self.wanted = normalised(target).flatten(1)  # [B, S*S]
        # A grid too coarse for the stage's sigma takes from the likelihood as the square of the width that it draws with.
        coarse = (self.sigma / state.width(stage.sigma_nm).detach()) ** 2
        self.weight = None if localisations is None else settings.sharpness * coarse * localisations[:, None]
        self.pictures, self.generator = pictures, generator

    def scores(self, rotation: Tensor, shift: Tensor) -> Tensor:
        """Log-likelihood of a localisation, mean over each picture's, in poses of its own ``[B, K]``."""
        some, found = max(1, self._at_once(len(rotation) * rotation.shape[1]) // rotation.shape[1]), []
        for turns, by, wanted in zip(
            *(torch.split(part, some) for part in (rotation, shift, self.wanted)), strict=True
        ):
            drawn = self._draw(turns.flatten(0, 1), by.flatten(0, 1)).view(*by.shape[:2], -1)
            found.append((drawn * wanted[:, None]).sum(2))  # on a CPU three times as fast as a product of matrices
        return _joined(found)

    def shared_scores(self, rotation: Tensor, shift: Tensor) -> Tensor:
        """The same in poses that all pictures share ``[B, K]``."""
        mine, found = share(rotation), []
        for turns, by in zip(
            *(torch.split(part, self._at_once(len(mine))) for part in (mine, share(shift))), strict=True
        ):
            found.append(self._draw(turns, by))
        drawn = gather(_joined(found), len(rotation))
        return self.wanted @ drawn.T

    def choose(self, scores: Tensor) -> Tensor:
        """One pose a picture ``[B]``."""
        if self.weight is not None:
            # The largest of numbers that Gumbel noise is added to falls on each as often as its exponential says.
            noise = torch.empty(self.pictures, scores.shape[1], device=scores.device)
            noise.exponential_(generator=self.generator).clamp_min_(torch.finfo(noise.dtype).tiny)
            scores = self.weight * scores - share(noise).log()
        return scores.argmax(1)

    def chosen(self, tried: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """One pose of each picture from several of its own, each of the list ``[B, K, 3, 3]`` and ``[B, K, 2]``."""
        rotation, shift = (torch.cat(parts, dim=1) for parts in zip(*tried, strict=True))
        best = self.choose(self.scores(rotation, shift))
        rows = torch.arange(len(rotation), device=rotation.device)
        return rotation[rows, best], shift[rows, best]

    def perturbed(self, rotation: Tensor, shift: Tensor, many: int, stage: AnyStage) -> tuple[Tensor, Tensor]:
        """Poses near and far about each of ``[B, C, 3, 3]``, ``[B, C, 2]``: ``[B, C * many, 3, 3]``, ``[B, C * many, 2]``."""
        lots = rotation.shape[1], many
        by_turn, by = self._steps(lots, 3, stage.turn), self._steps(lots, 2, stage.shift_nm)
        moved = limit_tilt(turned(rotation[:, :, None], by_turn), stage.largest_tilt)
        return moved.flatten(1, 2), (shift[:, :, None] + by).flatten(1, 2)

    def _steps(self, lots: tuple[int, int], axes: int, longest: float | Tensor) -> Tensor:
        """Vectors of random directions and lengths for this rank's pictures ``[B, *lots, axes]``."""
        device = self.generator.device
        direction = torch.randn(self.pictures, *lots, axes, generator=self.generator, device=device)
        length = longest * torch.rand(self.pictures, *lots, 1, generator=self.generator, device=device)
        return share(length * torch.nn.functional.normalize(direction, dim=3))

    def _at_once(self, pictures: int) -> int:
        """How many of these are drawn at a time: all of them on a GPU, what the cache holds on a CPU."""
        return max(1, pictures if self.wanted.is_cuda else min(pictures, CACHED // self.wanted.shape[1]))

    def _draw(self, rotation: Tensor, shift: Tensor) -> Tensor:
        px = self.grid.to_pixels
        images = splat(px(self.points), rotation, px(shift), px(self.sigma), self.grid.shape)
        return log_density(images, self.background).flatten(1)


def _joined(parts: list[Tensor]) -> Tensor:
    """The parts one after the other; a single one as it is."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


@contextmanager
def full_precision() -> Iterator[None]:
    """Matrix products in float32 on CUDA: in TF32, which rounds to 10 bits, the comparison of similar candidates is random."""
    matmul = torch.backends.cuda.matmul
    if not hasattr(matmul, "fp32_precision"):  # before torch 2.9
        allowed, matmul.allow_tf32 = matmul.allow_tf32, False
        try:
            yield
        finally:
            matmul.allow_tf32 = allowed
        return
    before, matmul.fp32_precision = matmul.fp32_precision, "ieee"
    try:
        yield
    finally:
        matmul.fp32_precision = before
