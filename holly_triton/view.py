"""Pictures of a cloud: four views in one PNG, a window to turn it by hand, a GIF that turns by itself.

Spheres are drawn by VTK (through pyvista) one view at a time, in parallel projection and at one scale; matplotlib
sets the words around them. Near spheres are dark and saturated, far ones pale. Both libraries are imported when
a picture is asked for, and nothing on the training path imports this file.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from holly_triton.errors import HollyError
from holly_triton.files import replacing

Array = NDArray[Any]

PANEL_PX = 760
"""Side of one view in the PNG."""
SIDE_PX, HEAD_PX, ABOVE_PX, BELOW_PX = 36, 96, 34, 52
"""White beside the views, and strips for the title, for each view's heading and for its scale bar."""
GIF_PX, GIF_FRAMES, GIF_FRAME_MS = 480, 60, 60
MARGIN = 1.08
"""Half width of a view over the farthest sphere's distance from its middle."""
BLUE = ((0.020, 0.145, 0.380), (0.180, 0.440, 0.750), (0.740, 0.850, 0.945))
ORANGE = ((0.700, 0.240, 0.000), (0.950, 0.500, 0.080), (0.995, 0.850, 0.660))
"""Near, middle and far: two hues that every kind of colour vision tells apart, both falling in strength alike."""


@dataclass(frozen=True)
class View:
    """A direction to look along and the direction that is up in the picture: unit vectors ``[3]``, orthogonal."""

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


# x right, y down, z into the picture; the side and the top share y and x with the front beside and above them.
VIEWS = (
    _looking("Front, as in the input pictures", "x to the right, y down", (0, 0, 1), (0, -1, 0)),
    _looking("Side, from the right", "z to the right, y down", (-1, 0, 0), (0, -1, 0)),
    _looking("Top, from above", "x to the right, z up", (0, 1, 0), (0, 0, 1)),
    _looking("Oblique, from the front, right and above", "same scale", (-0.60, 0.50, 0.80), (0, -1, 0)),
)


@dataclass(frozen=True)
class _Spheres:
    """One cloud to draw: centres ``[N, 3]`` and radius in nm, colours near to far, lift towards the viewer in nm."""

    points: Array
    radius: float
    ramp: tuple[tuple[float, float, float], ...]
    lift: float = 0.0


def render_cloud(points_nm: Array, path: Path, *, truth: Array | None = None, title: str | None = None) -> None:
    """Writes one PNG: front, side, top and an oblique view, all in parallel projection and at one scale.

    Args:
        points_nm: the result ``[N, 3]`` nm, drawn blue.
        path: ends in .png.
        truth: ``[M, 3]`` nm, drawn orange behind the result; the two must lie in the same frame (`evaluate.align`).
        title: a line at the top.

    Raises:
        HollyError: `path` does not end in .png or cannot be written.
    """
    _check_suffix(path, ".png")
    spheres = _spheres(points_nm, truth)
    frames = [_frame(view, spheres) for view in VIEWS]
    half = max(half for _, half in frames)
    with _stage(spheres, 2 * PANEL_PX) as stage:  # twice the size, then halved: smooth edges
        panels = [_halved(stage.draw(view, centre, half)) for view, (centre, _) in zip(VIEWS, frames, strict=True)]
    _compose(panels, half, _caption(points_nm, truth), title, path)


def turntable(points_nm: Array, path: Path, truth: Array | None = None) -> None:
    """Writes a GIF of the cloud turning once about the vertical, seen slightly from above.

    Args:
        points_nm: the result ``[N, 3]`` nm.
        path: ends in .gif.
        truth: ``[M, 3]`` nm, in the same frame.

    Raises:
        HollyError: `path` does not end in .gif or cannot be written.
    """
    from PIL import Image

    _check_suffix(path, ".gif")
    spheres = _spheres(points_nm, truth)
    angles = np.arange(GIF_FRAMES) * (2 * np.pi / GIF_FRAMES)
    views = [_looking("", "", (float(-np.sin(a)), 0.3, float(np.cos(a))), (0, -1, 0)) for a in angles]
    everything = np.concatenate([cloud.points for cloud in spheres])
    centre = (everything.min(axis=0) + everything.max(axis=0)) / 2
    reach = np.linalg.norm(everything - centre, axis=1).max() + spheres[0].radius
    half = float(MARGIN * reach)  # holds the structure however it is turned
    with _stage(spheres, 2 * GIF_PX) as stage:
        pictures = [Image.fromarray(_halved(stage.draw(view, centre, half))) for view in views]
    # One palette for all frames: a palette of its own for each would flicker.
    palette = pictures[0].quantize(128, dither=Image.Dither.NONE)
    indexed = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    with replacing(path) as partial:
        indexed[0].save(partial, format="GIF", save_all=True, append_images=indexed[1:], duration=GIF_FRAME_MS, loop=0)


def interactive(points_nm: Array, truth: Array | None = None) -> None:
    """Opens a window in which the cloud turns with the mouse; returns when it is closed.

    Args:
        points_nm: the result ``[N, 3]`` nm, blue.
        truth: ``[M, 3]`` nm, orange, in the same frame.

    Raises:
        HollyError: there is no display to open a window on.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise HollyError("no display to open a window on: leave out --interactive to write a PNG instead")
    spheres = _spheres(points_nm, truth)
    stage = _Stage(spheres, 1000, off_screen=False)
    stage.aim(VIEWS[0], *_frame(VIEWS[0], spheres))
    stage.follow_the_mouse()
    stage.plotter.show(title="holly-triton")


def _spheres(points: Array, truth: Array | None) -> list[_Spheres]:
    origin = np.mean(points, axis=0)  # far from 0, float32 on the graphics card would not tell neighbours apart
    points = points - origin
    if truth is None:
        return [_Spheres(points, _radius(points), BLUE)]
    # Where both agree, a blue sphere sits inside an orange one: it is smaller, and drawn nearer to the viewer,
    # which parallel projection does not show.
    radius = min(_radius(points), _radius(truth))
    return [_Spheres(truth - origin, 1.15 * radius, ORANGE), _Spheres(points, 0.7 * radius, BLUE, 1.15 * radius)]


def _radius(points: Array) -> float:
    """Radius that just keeps neighbours apart, within limits that can be seen and leave room."""
    extent = max(float(np.ptp(points, axis=0).max()), 1e-9)
    if len(points) < 2:
        return 0.03 * extent
    spacing = cKDTree(points).query(points, k=2)[0][:, 1]
    least = max(0.0025, 0.18 / np.sqrt(len(points)))  # of the extent: points in tight groups must still be seen
    return float(np.clip(0.45 * np.median(spacing), least * extent, 0.022 * extent))


def _frame(view: View, spheres: list[_Spheres]) -> tuple[Array, float]:
    """The middle of what the view shows ``[3]`` and the half width it needs, nm."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    basis = np.stack([view.right, view.up, view.along])
    for cloud in spheres:
        seen = cloud.points @ basis.T
        low = np.minimum(low, seen.min(axis=0) - cloud.radius)
        high = np.maximum(high, seen.max(axis=0) + cloud.radius)
    return (low + high) / 2 @ basis, float(MARGIN * (high - low)[:2].max() / 2)


class _Stage:
    """A VTK window and the clouds in it, drawn from one direction after another."""

    def __init__(self, spheres: list[_Spheres], size: int, *, off_screen: bool) -> None:
        import pyvista

        new_plotter: Callable[..., Any] = pyvista.Plotter
        self.plotter = new_plotter(off_screen=off_screen, window_size=[size, size], lighting="none")
        self.plotter.set_background("white")
        self.plotter.enable_parallel_projection()
        self.clouds = [(cloud, pyvista.PolyData(cloud.points.astype(np.float32))) for cloud in spheres]
        for cloud, mesh in self.clouds:
            self.plotter.add_actor(_sphere_actor(mesh, cloud.radius))

    def aim(self, view: View, centre: Array, half: float) -> None:
        """Looks at `centre [3]` so that `half` nm fit above it."""
        self.shade(view.along)
        camera = self.plotter.camera
        camera.focal_point, camera.position, camera.up = centre, centre - 8 * half * view.along, view.up
        camera.parallel_scale = half
        self.plotter.reset_camera_clipping_range()

    def shade(self, along: Array) -> None:
        """Colours by depth along a unit vector ``[3]``, and lifts against it what is to be drawn in front."""
        depths = [cloud.points @ along for cloud, _ in self.clouds]
        near, far = min(d.min() for d in depths), max(d.max() for d in depths)
        for (cloud, mesh), depth in zip(self.clouds, depths, strict=True):
            mesh.points = (cloud.points - cloud.lift * along).astype(np.float32)
            mesh["rgb"] = _shade((depth - near) / max(far - near, 1e-9), cloud.ramp)

    def follow_the_mouse(self) -> None:
        """Keeps the shading right while the structure is turned by hand."""
        self.plotter.iren.add_observer(
            "InteractionEvent", lambda *_: self.shade(np.array(self.plotter.camera.direction))
        )

    def draw(self, view: View, centre: Array, half: float) -> Array:
        """The picture ``[size, size, 3]`` uint8."""
        self.aim(view, centre, half)
        self.plotter.render()
        return np.asarray(self.plotter.screenshot(None, return_img=True))


@contextmanager
def _stage(spheres: list[_Spheres], size: int) -> Iterator[_Stage]:
    from vtkmodules.vtkCommonCore import vtkLogger

    # On a machine without a display VTK warns that it draws by other means: no news to the reader.
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)
    try:
        stage = _Stage(spheres, size, off_screen=True)
        try:
            yield stage
        finally:
            stage.plotter.close()
    finally:
        vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_WARNING)


SPHERE_SHADER = """//VTK::Color::Impl
float r2 = dot(offsetVCVSOutput.xy, offsetVCVSOutput.xy);
if (r2 > 1.0) { discard; }
vec3 normal = vec3(offsetVCVSOutput.xy, sqrt(1.0 - r2));
float light = 0.72 + 0.36 * max(0.0, dot(normal, normalize(vec3(-0.4, 0.5, 0.8))));
float rim = mix(0.62, 1.0, smoothstep(0.0, 0.55, normal.z));
diffuseColor = min(vec3(1.0), diffuseColor * light) * rim;
ambientColor = vec3(0.0);
"""
"""A lit ball on a square that faces the viewer, its rim darker so that balls of one depth stand apart: five times
as quick as meshes of spheres where the processor does the drawing."""


def _sphere_actor(mesh: Any, radius: float) -> Any:
    from vtkmodules.vtkRenderingCore import vtkActor
    from vtkmodules.vtkRenderingOpenGL2 import vtkOpenGLPointGaussianMapper

    mesh["rgb"] = np.zeros((mesh.n_points, 3), dtype=np.uint8)
    mapper = vtkOpenGLPointGaussianMapper()
    mapper.SetInputData(mesh)
    mapper.SetScaleFactor(radius)
    mapper.EmissiveOff()
    mapper.SetSplatShaderCode(SPHERE_SHADER)
    mapper.SetScalarModeToUsePointFieldData()
    mapper.SelectColorArray("rgb")
    mapper.SetColorModeToDirectScalars()
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().LightingOff()
    return actor


def _shade(depth: Array, ramp: tuple[tuple[float, float, float], ...]) -> Array:
    """Depth ``[N]``, 0 near to 1 far, to colours ``[N, 3]`` uint8."""
    colours = [np.interp(depth, [0.0, 0.5, 1.0], channel) for channel in np.transpose(ramp)]
    return (255 * np.stack(colours, axis=1)).round().astype(np.uint8)


def _halved(picture: Array) -> Array:
    """``[2S, 2S, 3]`` to ``[S, S, 3]`` uint8, mean of each 2 x 2."""
    size = len(picture) // 2
    mean: Array = picture.reshape(size, 2, size, 2, 3).mean(axis=(1, 3))
    return mean.round().astype(np.uint8)


def round_length(longest: float) -> float:
    """The greatest of 1, 2, 5, 10, 20, 50 ... that is not above `longest`: the length of a scale bar."""
    decade = 10.0 ** np.floor(np.log10(longest))
    return float(max(step * decade for step in (1, 2, 5) if step * decade <= longest * (1 + 1e-9)))


def corner(index: int) -> tuple[int, int]:
    """Left and top pixel of a view in the PNG, in the order of ``VIEWS``: two a row."""
    left = SIDE_PX + index % 2 * (PANEL_PX + SIDE_PX)
    return left, HEAD_PX + ABOVE_PX + index // 2 * (ABOVE_PX + PANEL_PX + BELOW_PX)


def _compose(panels: list[Array], half_nm: float, caption: str, title: str | None, path: Path) -> None:
    """Panels ``[S, S, 3]`` that show 2 `half_nm` each, with headings and scale bars in strips of their own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    width, height = 2 * PANEL_PX + 3 * SIDE_PX, HEAD_PX + 2 * (ABOVE_PX + PANEL_PX + BELOW_PX)
    dpi = 100
    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)

    def write(x: float, y: float, text: str, size: float, **style: Any) -> None:
        figure.text(x / width, 1 - y / height, text, fontsize=size * 72 / dpi, parse_math=False, **style)

    def draw(x: list[float], y: list[float], **style: Any) -> None:
        figure.add_artist(Line2D(np.array(x) / width, 1 - np.array(y) / height, **style))

    write(SIDE_PX, 46, title or "Reconstructed structure", 27, weight="bold", color="#1a1a1a")
    write(SIDE_PX, 80, caption, 19, color="#555555")
    bar_nm = round_length(0.6 * half_nm)
    bar = bar_nm * PANEL_PX / (2 * half_nm)
    for index, (view, panel) in enumerate(zip(VIEWS, panels, strict=True)):
        left, top = corner(index)
        right, bottom = left + PANEL_PX, top + PANEL_PX
        write(left, top - 11, view.name, 19, weight="bold", color="#333333")
        box = (left / width, 1 - bottom / height, PANEL_PX / width, PANEL_PX / height)
        axes = figure.add_axes(box)
        axes.imshow(panel, interpolation="none", aspect="auto")
        axes.set_axis_off()
        draw([left, right, right, left, left], [top, top, bottom, bottom, top], color="#dddddd", linewidth=0.8)
        draw([left, left + bar], [bottom + 24] * 2, color="#1a1a1a", linewidth=4, solid_capstyle="butt")
        write(left + bar + 12, bottom + 30, f"{bar_nm:g} nm", 19, color="#1a1a1a")
        write(right, bottom + 30, view.axes, 17, color="#555555", ha="right")
    with replacing(path) as partial:
        figure.savefig(partial, format="png")


def _caption(points: Array, truth: Array | None) -> str:
    if truth is None:
        return f"{_count(points)} points; dark is near, pale is far"
    return f"blue: result, {_count(points)} points;  orange: truth, {_count(truth)} points;  dark is near, pale is far"


def _count(points: Array) -> str:
    return f"{len(points):,}".replace(",", "\N{NO-BREAK SPACE}")


def _check_suffix(path: Path, suffix: str) -> None:
    if path.suffix.lower() != suffix:
        raise HollyError(f"{path}: the name must end in {suffix}, the one format this picture is written in")
