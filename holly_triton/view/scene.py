"""The drawn scene: viewing directions, and clouds as spheres with a size and a colour."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from holly_triton.core.types import Array
from holly_triton.geometry.plane import plane_frame
from holly_triton.io.channels import CHANNEL_COLOURS, PointChannels

from .colours import BLUE, ORANGE, Ramp, by_spread, ramp_of, spread_limit

EDGE_ON = 0.1
"""Cosine of the angle between the line of sight and a plane's normal, below which the plane is seen edge on."""
MARGIN = 1.08
"""Half width of a view as a multiple of the farthest sphere's distance from its centre."""


@dataclass(frozen=True)
class View:
    """A viewing direction and the direction that is up in the picture: orthogonal unit vectors ``[3]``."""

    name: str
    axes: str
    along: Array
    up: Array

    @property
    def right(self) -> Array:
        """The direction that is to the right in the picture ``[3]``."""
        return np.cross(self.along, self.up)


def _looking(name: str, axes: str, along: tuple[float, float, float], up: tuple[float, float, float]) -> View:
    forward = np.array(along) / np.linalg.norm(along)
    upward = np.array(up) - forward * (forward @ np.array(up))
    return View(name, axes, forward, upward / np.linalg.norm(upward))


# x right, y down, z into the picture; the side view shares y with the front view, the top view x.
VIEWS = (
    _looking("Front", "x to the right, y down", (0, 0, 1), (0, -1, 0)),
    _looking("Side, from the right", "z to the right, y down", (-1, 0, 0), (0, -1, 0)),
    _looking("Top, from above", "x to the right, z up", (0, 1, 0), (0, 0, 1)),
    _looking("Oblique, from the front, right and above", "same scale", (-0.60, 0.50, 0.80), (0, -1, 0)),
)


def views_of(front: str | None) -> tuple[View, ...]:
    """The views of a cloud; with ``front``, the front view's name, those of a rotated cloud, whose axes are not x, y and z."""
    if front is None:
        return VIEWS
    turned = (replace(view, axes="") for view in VIEWS)
    return replace(next(turned), name=front), *turned


def views_not_edge_on(views: tuple[View, ...], points: Array) -> tuple[View, ...]:
    """The views of points ``[N, 3]``, without those in which a flat structure is seen edge on, as a line."""
    plane = plane_frame(points)
    return tuple(view for view in views if plane is None or abs(view.along @ plane[:, 2]) > EDGE_ON)


def around(frames: int) -> list[View]:
    """Views of a camera that rotates once about the vertical axis, slightly above the structure."""
    angles = np.arange(frames) * (2 * np.pi / frames)
    return [_looking("", "", (float(-np.sin(a)), 0.3, float(np.cos(a))), (0, -1, 0)) for a in angles]


@dataclass(frozen=True)
class Spheres:
    """One cloud to draw.

    Attributes:
        points: Centres ``[N, 3]``, nm.
        radius: Radius of the spheres, nm.
        colours: A ramp from near to far, or a colour for each sphere ``[N, 3]`` uint8.
        lift: Displacement towards the viewer, nm.
    """

    points: Array
    radius: float
    colours: Ramp | Array
    lift: float = 0.0


@dataclass(frozen=True)
class Scene:
    """Clouds that are drawn together, the upper end of the colours where they show the spread, and the names of the channels.

    ``legend`` has the name and the colour of each.
    """

    clouds: Sequence[Spheres]
    spread_limit_nm: float | None = None
    legend: Sequence[tuple[str, str]] = ()


def scene_of(
    points: Array,
    truth: Array | None = None,
    spread: Array | None = None,
    channels: PointChannels | None = None,
) -> Scene:
    """A result ``[N, 3]`` nm, over the truth ``[M, 3]`` or coloured by its spread ``[N]``, nm, or else by its channels.

    Raises:
        ValueError: Both truth and spread are given, which colours can't show together.
    """
    if truth is not None and spread is not None:
        raise ValueError("give the truth or the spread: colours can't show both")
    origin = np.mean(points, axis=0)  # far from 0, float32 on the graphics card would not resolve neighbours
    points = points - origin
    if spread is not None:
        limit = spread_limit(spread)
        return Scene([Spheres(points, sphere_radius(points), by_spread(spread, limit))], limit)
    if truth is None and channels is not None:
        legend = [*zip(channels.names, CHANNEL_COLOURS, strict=False)]
        parts = [(points[channels.named(name)], ramp_of(colour)) for name, colour in legend]
        radius = sphere_radius(points)
        return Scene([Spheres(some, radius, ramp) for some, ramp in parts if len(some)], legend=legend)
    if truth is None:
        return Scene([Spheres(points, sphere_radius(points), BLUE)])
    # Where both agree, a blue sphere lies inside an orange one. It is smaller and drawn nearer to the viewer, a
    # displacement that is invisible in parallel projection.
    radius = min(sphere_radius(points), sphere_radius(truth))
    over = Spheres(points, 0.7 * radius, BLUE, lift=1.15 * radius)
    return Scene([Spheres(truth - origin, 1.15 * radius, ORANGE), over])


def sphere_radius(points: Array) -> float:
    """Radius at which neighbouring spheres just do not touch, within limits, nm."""
    extent = max(float(np.ptp(points, axis=0).max()), 1e-9)
    if len(points) < 2:
        return 0.03 * extent
    spacing = cKDTree(points).query(points, k=2)[0][:, 1]
    least = max(
        0.0025, 0.18 / np.sqrt(len(points))
    )  # as a fraction of the extent: points in tight clusters must remain visible
    return float(np.clip(0.45 * np.median(spacing), least * extent, 0.022 * extent))


def frame(view: View, clouds: Sequence[Spheres]) -> tuple[Array, float]:
    """The centre of a view ``[3]`` and the half width that holds every sphere, nm."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    basis = np.stack([view.right, view.up, view.along])
    for cloud in clouds:
        seen = cloud.points @ basis.T
        low = np.minimum(low, seen.min(axis=0) - cloud.radius)
        high = np.maximum(high, seen.max(axis=0) + cloud.radius)
    return (low + high) / 2 @ basis, float(MARGIN * (high - low)[:2].max() / 2)


def frame_from_anywhere(clouds: Sequence[Spheres]) -> tuple[Array, float]:
    """The centre ``[3]`` and the half width that hold every sphere in any orientation of the structure, nm."""
    everything = np.concatenate([cloud.points for cloud in clouds])
    centre = (everything.min(axis=0) + everything.max(axis=0)) / 2
    reach = np.linalg.norm(everything - centre, axis=1).max() + max(cloud.radius for cloud in clouds)
    return centre, float(MARGIN * reach)
