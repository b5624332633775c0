"""Structure that a network invents: lines, and neighbours at one depth, in frames of random emitters.

Both are measured on the detections, on the true positions of the emitters that were matched, and on all emitters. What a network
misses changes the second against the third: three emitters in line are nearer to one another than three in a triangle, and two
at different depths are easier to tell apart. What it invents changes the first against the second.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from holly_triton.core.types import Array
from holly_triton.frames.config.scoring import Scoring
from holly_triton.frames.score.intervals import interval
from holly_triton.frames.score.matching import in_field

from .config import APART_NM, LINE_NM, NEIGHBOUR_NM, RESAMPLINGS, SPAN_NM


class Sums(NamedTuple):
    """What is summed over a frame's emitters or detections, ``[...]`` each."""

    in_line: Array
    """Triplets in line,"""
    triplets: Array
    """and all of them."""
    products: Array
    """Over pairs of neighbours: products of their depths' deviations from the mean depth,"""
    squares: Array
    """and the mean of both squares."""


class Invented(NamedTuple):
    """Structure of detections, of matched emitters and of all; NaN where there are no triplets or pairs.

    The 95 % intervals are over the frames (paired bootstrap).
    """

    line: tuple[float, ...]
    """The three shares of triplets in line."""
    line_ratio: float
    """That of the detections over that of the matched emitters; more than 1 is invented."""
    line_ratio_95: tuple[float, float]
    depth: tuple[float, ...]
    """The three correlations of the depths of neighbours."""
    depth_rise: float
    """That of the detections minus that of the matched emitters; more than 0 is invented."""
    depth_rise_95: tuple[float, float]


def sums_of(table: Array, frames: int, scoring: Scoring) -> Array:
    """Sums ``[F, 4]`` over each of the frames 1 to F of a table, within the scored field.

    Args:
        table: Of ``localisations.KIND``.
        frames: F.
        scoring: The field and its border.
    """
    inside = table[in_field(table, scoring.width_nm, scoring.height_nm, scoring.border_nm)]
    middle = float(inside["z"].mean()) if len(inside) else 0.0
    sums = np.zeros((frames, len(Sums._fields)))
    for frame, rows in _frames(inside):
        xy, z = np.stack([rows["x"], rows["y"]], axis=1), rows["z"] - middle
        sums[frame - 1] = (*_triplets(xy), *_depths(xy, z))
    return sums


def figures_of(sums: Array) -> Invented:
    """Figures of the sums over detections, matched emitters and all emitters, side by side ``[F, 12]``."""
    rng = np.random.default_rng(0)
    drawn = np.stack([sums[rng.integers(len(sums), size=len(sums))].sum(axis=0) for _ in range(RESAMPLINGS)])
    line, depth = _shares(sums.sum(axis=0))
    lines, depths = _shares(drawn)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, ratios = float(line[0] / line[1]), lines[0] / lines[1]
    rise, rises = float(depth[0] - depth[1]), depths[0] - depths[1]
    return Invented(tuple(line.tolist()), ratio, interval(ratios), tuple(depth.tolist()), rise, interval(rises))


def _shares(totals: Array) -> tuple[Array, Array]:
    """Shares in line and correlations of depths ``[3, ...]`` of totals ``[..., 12]``."""
    each = Sums(*np.moveaxis(totals.reshape(*totals.shape[:-1], 3, 4), (-1, -2), (0, 1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return each.in_line / each.triplets, each.products / each.squares


def _frames(table: Array) -> Iterator[tuple[int, Array]]:
    for frame in np.unique(table["frame"]):
        yield int(frame), table[table["frame"] == frame]


def _triplets(xy: Array) -> tuple[float, float]:
    """Triplets in line, and all, among positions ``[n, 2]``: each is counted once, by its longest side."""
    if len(xy) < 3:
        return 0.0, 0.0
    step = xy[None] - xy[:, None]  # [n, n, 2]
    distance = np.hypot(step[..., 0], step[..., 1])
    first, second = np.nonzero(np.triu((distance >= APART_NM) & (distance <= SPAN_NM), 1))
    side = distance[first, second][:, None]
    to_first, to_second = distance[first], distance[second]  # [p, n]
    third = (np.maximum(to_first, to_second) < side) & (np.minimum(to_first, to_second) >= APART_NM)
    along, across = step[first, second], step[first]  # [p, 2], [p, n, 2]
    off = np.abs(along[:, None, 0] * across[..., 1] - along[:, None, 1] * across[..., 0]) / side
    return float((third & (off <= LINE_NM)).sum()), float(third.sum())


def _depths(xy: Array, z: Array) -> tuple[float, float]:
    """Sums over pairs of neighbours of positions ``[n, 2]`` with depths ``[n]``."""
    if len(xy) < 2:
        return 0.0, 0.0
    near, far = NEIGHBOUR_NM
    step = xy[None] - xy[:, None]
    distance = np.hypot(step[..., 0], step[..., 1])
    first, second = np.nonzero(np.triu((distance >= near) & (distance <= far), 1))
    return float((z[first] * z[second]).sum()), float((z[first] ** 2 + z[second] ** 2).sum() / 2)
