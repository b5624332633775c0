"""Structure that a network invents: emitters in lines, and neighbours at one depth, in frames of random emitters.

Both are measured on the detections and on the truth of the same frames. Where the emitters are independent, a ratio above 1 of
the shares of triplets in line, or a correlation of depths above the truth's, is structure that is not there. A method that
misses emitters at random changes neither.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from holly_triton.core.types import Array
from holly_triton.frames.config import Scoring
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
    """How much more structure the detections have than the truth; NaN where there are no triplets or pairs.

    The 95 % intervals are over the frames (paired bootstrap).
    """

    line_found: float
    line_true: float
    """Shares of triplets in line."""
    line_ratio: float
    line_ratio_95: tuple[float, float]
    depth_found: float
    """Correlation of the depths of neighbours."""
    depth_found_95: tuple[float, float]
    depth_true: float


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
    """Figures of the sums over detections and truth, side by side ``[F, 8]``."""
    rng = np.random.default_rng(0)
    drawn = np.stack([sums[rng.integers(len(sums), size=len(sums))].sum(axis=0) for _ in range(RESAMPLINGS)])
    main, resampled = _ratios(sums.sum(axis=0)), _ratios(drawn)
    line_found, line_true, line_ratio, depth_found, depth_true = (float(values) for values in main)
    return Invented(
        line_found, line_true, line_ratio, interval(resampled[2]), depth_found, interval(resampled[3]), depth_true
    )


def _ratios(sums: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Shares in line of detections and truth, their ratio, and both correlations of depths, of totals ``[..., 8]``."""
    columns = np.moveaxis(sums, -1, 0)
    found, true = Sums(*columns[:4]), Sums(*columns[4:])
    with np.errstate(divide="ignore", invalid="ignore"):
        line_found, line_true = found.in_line / found.triplets, true.in_line / true.triplets
        depth_found, depth_true = found.products / found.squares, true.products / true.squares
        return line_found, line_true, line_found / line_true, depth_found, depth_true


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
