"""Figures of one ring or two, from the localisations of all particles in their poses; the same for every program."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from holly_triton.core.types import Array

from .config import AXES, AXIS_SAMPLE, ORDER

NORMAL = 1.4826
"""Standard deviation of a normal distribution, in median absolute deviations."""


class Ring(NamedTuple):
    """What ``AverageRow`` states of a structure."""

    radius_nm: float
    width_nm: float
    amplitude: float
    layers_nm: float


class Cylindrical(NamedTuple):
    """Points about the axis of one ring or of two."""

    distance: Array
    """From the axis ``[E]``, nm."""
    angle: Array
    """About the axis ``[E]``, radians."""
    along: Array
    """Along the axis ``[E]``, nm; 0 where the points are flat."""
    rings: tuple[Array, ...]
    """Which points are of the only ring, or of the lower and the upper one, each ``[E]``."""

    @property
    def layers_nm(self) -> float:
        """Distance of the two rings along the axis; NaN where there is one."""
        if len(self.rings) == 1:
            return float("nan")
        lower, upper = (float(np.median(self.along[ring])) for ring in self.rings)
        return upper - lower


def about_axis(points: Array, seed: int = 0) -> Cylindrical:
    """Points ``[E, 2]`` about the centre of one ring, or ``[E, 3]`` about the axis of two.

    The axis is the direction about which the distances vary least.
    """
    centred = points - np.median(points, axis=0)
    if points.shape[1] == 2:
        across, along = centred, np.zeros(len(points))
        rings: tuple[Array, ...] = (np.ones(len(points), bool),)
    else:
        frame = _frame(_axis(centred, seed))
        across, along = centred @ frame[:, :2], centred @ frame[:, 2]
        rings = (along < 0, along >= 0)
    across = across - _centre(across)
    return Cylindrical(np.linalg.norm(across, axis=1), np.arctan2(across[:, 1], across[:, 0]), along, rings)


def ring_figures(points: Array, seed: int = 0) -> Ring:
    """Figures of localisations ``[E, 2]`` about one ring, or ``[E, 3]`` about two rings on one axis."""
    found = about_axis(points, seed)
    radius = float(np.median(found.distance))
    width = float(NORMAL * np.median(np.abs(found.distance - radius)))
    turns = np.exp(1j * ORDER * found.angle)
    amplitude = float(np.mean([abs(turns[ring].mean()) for ring in found.rings]))
    return Ring(radius, width, amplitude, found.layers_nm)


def _axis(centred: Array, seed: int) -> Array:
    """Unit vector ``[3]`` about which the distances of points ``[E, 3]`` vary least: the best of many, then refined."""
    some = centred[np.random.default_rng(seed).permutation(len(centred))[:AXIS_SAMPLE]]
    square = (some**2).sum(1)

    def variation(axis: Array) -> float:
        along = some @ axis / np.linalg.norm(axis)
        distance = np.sqrt(np.maximum(square - along**2, 0))
        return float(np.abs(distance - np.median(distance)).mean())

    number = np.arange(AXES) + 0.5
    height, angle = (
        1 - number / AXES,
        np.pi * (1 + 5**0.5) * number,
    )  # a Fibonacci lattice on the upper half of a sphere
    flat = np.sqrt(1 - height**2)
    best = min(np.column_stack([flat * np.cos(angle), flat * np.sin(angle), height]), key=variation)
    frame = _frame(best)
    tilt = minimize(lambda tilt: variation(frame @ [*tilt, 1]), [0.02, 0.02], method="Nelder-Mead").x
    axis = frame @ [*tilt, 1]
    return np.asarray(axis / np.linalg.norm(axis))


def _frame(axis: Array) -> Array:
    """Two vectors across the axis and the axis, as columns ``[3, 3]``."""
    first = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    first /= np.linalg.norm(first)
    return np.column_stack([first, np.cross(axis, first), axis])


def _centre(across: Array) -> Array:
    """Centre of the circle that fits points ``[E, 2]`` best in the least squares of its equation (Kåsa 1976)."""
    equation = np.column_stack([2 * across, np.ones(len(across))])
    found = np.linalg.lstsq(equation, (across**2).sum(1), rcond=None)[0]
    return np.asarray(found[:2])
