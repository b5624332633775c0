"""Points that do not reduce the residual, or duplicate others, are relocated to where the residual is largest.

Gradients can't do that: the masked loss has none where pictures are dark, and no gradient moves a point that duplicates
another across empty space to an unoccupied site. Such a site is visible in the residual: at its projection, every picture
is brighter than the drawing of the cloud. The mean residual, taken over the pictures at the projections of a position in
space, therefore peaks at the site and falls slowly around it. The least useful point is tried there, and so is one of each
of several pairs of neighbours; the move that reduces the objective most is made.
"""

from operator import itemgetter
from typing import NamedTuple

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import cKDTree
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.geometry import Grid, project
from holly_triton.kernels import morton_order, splat
from holly_triton.particles.config import Relocation
from holly_triton.particles.poses.refine import objective_of

from .objective import normalised
from .stage import Stage
from .state import TrainingState

MOST_MERGED = 10_000
"""Largest number of points that can be merged: all pairs of distances are computed, which take some 800 MB."""
POINTS_AT_A_TIME = 2**16
"""Number of points projected into every picture at a time, so that a large cloud takes no more memory than a small one."""


@torch.no_grad()
def relocate_points(
    state: TrainingState,
    optimiser: torch.optim.Optimizer,
    index: Tensor,
    target: Tensor,
    stage: Stage[float],
    settings: Relocation,
    generator: torch.Generator,
) -> None:
    """Bring outliers back, then move redundant points while that improves the fit to the pictures ``[B, S, S]``.

    Half of the pictures decide which point moves and where to, the other half whether the fit improved, so that a move that
    fits the noise of one half is not confirmed by the other.
    """
    if len(state.points) >= settings.sorted_from:
        sort_points(state.points, optimiser)
    half = len(index) // 2
    if half < settings.fewest:
        return
    some, others = index[:half], index[half:]
    view = View(state.rotation[some], state.shift[some], normalised(target[:half]), stage.grid)
    width = state.width(stage.sigma_nm)

    def objective() -> float:
        pose = state.rotation[others], state.shift[others]
        return float(objective_of(state, *pose, target[half:], stage)[0].mean())

    outliers = find_outliers(state.points, view, settings.support)
    if bool(outliers.any()):
        state.points[outliers] = near_others(state.points, outliers, view, width, generator)
        _forget(state.points, outliers, optimiser)
    best = objective()
    for _ in range(settings.most):
        tried = []
        for move in propose_moves(state.points, view, width, settings, generator):
            before = state.points[move.which].clone()
            state.points[move.which] = move.to
            tried.append((objective(), move))
            state.points[move.which] = before
        if not tried:
            return
        after, move = min(tried, key=itemgetter(0))
        if after >= best:
            return
        best = after
        state.points[move.which] = move.to
        _forget(state.points, move.which, optimiser)


@torch.no_grad()
def sort_points(points: Tensor, optimiser: torch.optim.Optimizer) -> None:
    """Sort a cloud ``[N, 3]`` and the optimiser's state of it into Morton order, in place.

    Neighbours in space become neighbours in memory, so that the kernels can skip whole blocks of points.
    """
    order = morton_order(points)
    for rows in (points, *_moments(points, optimiser)):
        rows.copy_(rows[order])


def merge_points(points: Tensor, distance: float) -> Tensor:
    """Points ``[N, 3]`` with each cluster replaced by its centroid: ``[M, 3]``, M at most N.

    Clusters are at most ``distance`` wide, in the unit of the points.
    """
    rows = points.cpu().numpy().astype("float64")
    group = fcluster(linkage(rows, "complete"), distance, "distance") - 1
    counts = np.bincount(group)
    middle = np.stack([np.bincount(group, weights=axis) / counts for axis in rows.T], axis=1)
    return torch.from_numpy(middle).to(points)


def _moments(points: Tensor, optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [moment for moment in optimiser.state[points].values() if moment.shape == points.shape]


def _forget(points: Tensor, moved: Tensor, optimiser: torch.optim.Optimizer) -> None:
    """Reset the optimiser's state of points that were moved."""
    for moment in _moments(points, optimiser):
        moment[moved] = 0


class View(NamedTuple):
    """Pictures of sum 1 ``[B, S, S]`` on a grid, and their poses."""

    rotation: Tensor  # [B, 3, 3]
    shift: Tensor  # [B, 2] nm
    wanted: Tensor  # [B, S, S]
    grid: Grid

    def brightness(self, points: Tensor, images: Tensor) -> Tensor:
        """Mean of images ``[B, S, S]`` where each of the points ``[N, 3]``, nm, projects; outside the frame it is 0."""
        return torch.cat([self._brightness(some, images) for some in torch.split(points, POINTS_AT_A_TIME)])

    def _brightness(self, points: Tensor, images: Tensor) -> Tensor:
        # Positions from -1 to 1 over the frame.
        xy = self.grid.to_pixels(project(points, self.rotation) + self.shift[:, None]) / (self.grid.size / 2)
        sampled = torch.nn.functional.grid_sample(images[:, None], xy[:, None], align_corners=False)  # [B, 1, 1, N]
        return sampled[:, 0, 0].mean(0)

    def residual(self, points: Tensor, width_nm: Tensor) -> Tensor:
        """The residual of the pictures ``[B, S, S]``, data minus drawing; negative where the drawing is too bright."""
        px = self.grid.to_pixels
        drawn = splat(px(points), self.rotation, px(self.shift), px(width_nm), self.grid.shape)
        return self.wanted - normalised(drawn)


def find_outliers(points: Tensor, view: View, threshold: float) -> Tensor:
    """Which points ``[N]`` are outliers: the pictures are dark at their projections."""
    support = view.brightness(points, view.wanted)
    return support < threshold * support.median()


def near_others(points: Tensor, outliers: Tensor, view: View, width_nm: Tensor, generator: torch.Generator) -> Tensor:
    """New positions of the outliers ``[outliers, 3]``: beside points at which the residual of the pictures is large."""
    residual = view.brightness(points, view.residual(points, width_nm))
    weight = torch.where(outliers, torch.zeros_like(residual), residual.clamp_min(0))
    if not bool(weight.sum() > 0):
        weight = (~outliers).to(residual.dtype)
    chosen = torch.multinomial(weight, int(outliers.sum()), replacement=True, generator=generator)
    return points[chosen] + width_nm / 2 * torch.randn(len(chosen), 3, generator=generator, device=points.device)


class Move(NamedTuple):
    """Points that move, and where to."""

    which: Tensor  # [M]
    to: Tensor  # [M, 3] nm


def propose_moves(
    points: Tensor, view: View, width_nm: Tensor, settings: Relocation, generator: torch.Generator
) -> list[Move]:
    """Moves of one point to the position of the largest residual, any of which may reduce it.

    The point is the least useful one, or one of two neighbours, of which the other then takes the middle. These are two that
    share a site, between which the drawing is too bright; or the two closest to each other: where there are fewer points than
    sites, a point between two near sites costs less than a site without any.
    """
    residual = view.residual(points, width_nm)
    place, peak = find_residual_peak(points, residual, view, settings, generator)
    own = 1 / (2 * torch.pi * len(points) * view.grid.to_pixels(width_nm) ** 2)  # peak of one point, in a sum of 1
    # A residual far below the peak of a point does not justify a whole point; a point worth more than half is kept. Points
    # around an empty site spread over it, which leaves a residual of half the peak of a point there, or less.
    if peak < own / 8:
        return []
    moves = []
    excess = view.brightness(points, residual)
    if excess.min() <= -own / 2:
        moves.append(Move(excess.argmin()[None], place[None]))
    pairs = [
        Move(pair, torch.stack([place, points[pair].mean(0)]))
        for pair in doubtful_pairs(points, excess, settings.pairs)
    ]
    return moves + pairs


def doubtful_pairs(points: Tensor, residual: Tensor, most: int) -> list[Tensor]:
    """Indices ``[2]`` of points and their nearest neighbours: the closest pair, and ``most`` with the least residual ``[N]``."""
    if len(points) < 2:
        return []
    distance, other = neighbours_of(points)
    pairs = np.unique(np.sort(np.stack([np.arange(len(points)), other], axis=1), axis=1), axis=0)
    least = pairs[residual.cpu().numpy()[pairs].sum(axis=1).argsort()[:most]]
    closest = np.sort([distance.argmin(), other[distance.argmin()]])
    chosen = np.unique(np.concatenate([closest[None], least]), axis=0)
    return list(torch.from_numpy(chosen).to(points.device))


def neighbours_of(points: Tensor) -> tuple[Array, Array]:
    """Distance and index of the nearest other point of each of ``[N, 3]``, N at least 2: ``[N]``, ``[N]``."""
    rows = points.cpu().numpy()
    distance, neighbour = cKDTree(rows).query(rows, k=2)
    # A point that coincides with others may be listed after them.
    other = np.where(neighbour[:, 1] == np.arange(len(rows)), neighbour[:, 0], neighbour[:, 1])
    return distance[:, 1], other


def find_residual_peak(
    points: Tensor, residual: Tensor, view: View, settings: Relocation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The position ``[3]``, nm, of the largest residual, and its value: random positions, then finer ones about the best.

    Half of the first positions are anywhere about the centre, half within the usual distance of two neighbours of a point:
    a site between others is narrow beside the structure, and would often be missed.
    """
    device, distance = points.device, float(np.median(neighbours_of(points)[0]))
    places = torch.randn(settings.places, 3, generator=generator, device=device)
    beside = torch.randint(len(points), (settings.places // 2,), generator=generator, device=device)
    places[: len(beside)] = points[beside] + distance * places[: len(beside)]
    places[len(beside) :] *= points.norm(dim=1).median()
    for _ in range(settings.closer):
        best = places[view.brightness(places, residual).topk(settings.kept).indices]
        around = best.repeat(settings.places // settings.kept, 1)
        places = around + distance * torch.randn(around.shape, generator=generator, device=device)
        places[: len(best)] = best
        distance = distance / 2
    peak = view.brightness(places, residual)
    return places[peak.argmax()], peak.max()
