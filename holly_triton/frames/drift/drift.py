"""Drift over the frames of a movie, with its error, from a table of localisations."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from holly_triton.core.errors import InsufficientError
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.frames.config.drift import REWEIGHTINGS, Drifting

from .correlation import axial_shifts, lateral_shifts, pairs_of


@dataclass(frozen=True)
class Drift:
    """How the sample moved.

    Attributes:
        path: Position of the sample in each frame ``[F, 3]``, nm, about its mean over the frames; z is 0 in 2D.
        error: Standard error of ``path`` along each axis ``[3]``, nm, from two random halves of the localisations.
        knots: Frames, from 1, in the middle of each segment ``[K]``.
        at_knots: ``path`` there ``[K, 3]``, nm.
        axes: Which axes are corrected ``[3]``: those along which drift is significant.
    """

    path: Array
    error: Array
    knots: Array
    at_knots: Array
    axes: Array

    @property
    def rms(self) -> Array:
        """Root mean square of the drift along each axis ``[3]``, nm."""
        found: Array = np.sqrt((self.path**2).mean(axis=0))
        return found

    @property
    def correction(self) -> Array:
        """What is taken away in each frame ``[F, 3]``, nm: nothing along axes without significant drift."""
        return self.path * self.axes

    def taken_from(self, table: Array) -> Array:
        """A copy of a table of localisations without the drift."""
        still = table.copy()
        moved = self.correction[table["frame"] - 1]
        for index, axis in enumerate("xyz"):
            still[axis] -= moved[:, index]
        return still


def find_drift(table: Array, frames: int, settings: Drifting | None = None) -> Drift:
    """Measure the drift in a table of localisations by redundant cross-correlation (Wang et al. 2014).

    The movie is cut into segments of equal length, every pair of them is correlated, and the positions that agree best with
    all shifts are found by least squares, in which pairs that contradict the others have little weight. A cubic spline
    through them gives the frames between.

    Args:
        table: Of ``localisations.KIND``, frames from 1.
        frames: Frames of the movie.
        settings: The defaults if not given.

    Raises:
        InsufficientError: There are too few localisations or frames for ``fewest_segments``.
    """
    settings = settings or Drifting()
    segments = settings.segments(len(table), frames)
    if segments < settings.fewest_segments:
        raise InsufficientError(
            f"{counted(len(table), 'localisation')} in {counted(frames, 'frame')} are too few to measure a drift: at least "
            f"{settings.fewest_segments} segments of {settings.localisations} localisations are needed"
        )
    half = np.random.default_rng(settings.seed).random(len(table)) < 0.5
    knots, at_knots = _measure(table, frames, segments, settings)
    halves = [_measure(table[part], frames, segments, settings)[1] for part in (half, ~half)]
    # Each half has twice the variance of the whole, and their difference four times.
    error = np.sqrt(((halves[0] - halves[1]) ** 2).mean(axis=0)) / 2
    path = _between(knots, at_knots, frames)
    mean = path.mean(axis=0)
    rms = np.sqrt(((path - mean) ** 2).mean(axis=0))
    lateral = np.hypot(*rms[:2]) > settings.significant * np.hypot(*error[:2])
    axes = np.array([lateral, lateral, rms[2] > settings.significant * error[2]])
    return Drift(path - mean, error, knots, at_knots - mean, axes)


def _measure(table: Array, frames: int, segments: int, settings: Drifting) -> tuple[Array, Array]:
    """The middle frame of each segment ``[K]``, and the drift there ``[K, 3]``, nm."""
    xyz = np.stack([table[axis] for axis in "xyz"], axis=1)
    flat = not np.isfinite(xyz[:, 2]).all()
    segment = (table["frame"] - 1) * segments // frames
    knots = (np.arange(segments) + 0.5) * frames / segments + 0.5
    total = np.zeros((segments, 3))
    for _ in range(settings.rounds):
        still = xyz - _between(knots, total, frames)[table["frame"] - 1]
        total[:, :2] += _positions(lateral_shifts(still[:, :2], segment, segments, settings), segments)
        if not flat:
            still = xyz - _between(knots, total, frames)[table["frame"] - 1]
            total[:, 2:] += _positions(axial_shifts(still, segment, segments, settings), segments)
    return knots, total


def _positions(shifts: Array, segments: int) -> Array:
    """Positions of the segments ``[K, D]``, of mean 0, whose differences are the shifts of the pairs ``[P, D]``.

    Least squares, with weights that fall with the distance of a pair from the others' agreement (Cauchy), since a false peak
    may be anywhere.
    """
    pairs = pairs_of(segments)
    differences = np.zeros((len(pairs), segments))
    differences[np.arange(len(pairs)), pairs[:, 0]] = -1
    differences[np.arange(len(pairs)), pairs[:, 1]] = 1
    weight = np.ones(len(pairs))
    positions = np.zeros((segments, shifts.shape[1]))
    for _ in range(REWEIGHTINGS):
        root = np.sqrt(weight)[:, None]
        positions = np.linalg.lstsq(root * differences, root * shifts, rcond=None)[0]
        distance = np.linalg.norm(differences @ positions - shifts, axis=1)
        scale = 1.48 * np.median(distance) + 1e-6
        weight = 1 / (1 + (distance / scale) ** 2)
    centred: Array = positions - positions.mean(axis=0)
    return centred


def _between(knots: Array, at_knots: Array, frames: int) -> Array:
    """Drift in every frame ``[F, 3]``: a natural cubic spline, continued straight before the first and after the last knot."""
    frame = np.arange(1, frames + 1)
    spline = CubicSpline(knots, at_knots, bc_type="natural")
    inside = np.clip(frame, knots[0], knots[-1])
    found: Array = spline(inside) + (frame - inside)[:, None] * spline(inside, 1)
    return found
