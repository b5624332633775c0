"""Sheets of still views in one PNG, two per row, all at one scale: of one cloud, or of two side by side."""

from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.io.channels import PointChannels

from .colours import BLUE
from .page import BLACK, GREY, Page
from .scene import Scene, Spheres, View, frame, scene_of, sphere_radius, views_not_edge_on, views_of
from .stage import stage

PANEL_PX = 760
"""Side of one view."""
SIDE_PX, HEAD_PX, ABOVE_PX, BELOW_PX = 36, 96, 34, 52
"""Margins of the views, and strips for the title, for each view's heading and for its scale bar."""
TEXT_PX = 19
BAR_PX = 420
"""Length of the colour bar."""
DEPTH = "dark is near, pale is far"


def render_cloud(
    points_nm: Array,
    path: Path,
    *,
    truth: Array | None = None,
    spread: Array | None = None,
    channels: PointChannels | None = None,
    title: str = "Reconstructed structure",
    caption: str | None = None,
    front: str | None = None,
) -> None:
    """Write a PNG of the front, side, top and an oblique view, all in parallel projection and at one scale.

    A flat structure is not shown edge on.

    Args:
        points_nm: The result ``[N, 3]``, nm, drawn blue.
        path: Name of the file, which ends in .png.
        truth: ``[M, 3]``, nm, drawn orange behind the result, in the same frame (``validation.alignment.align``).
        spread: Spread of each point ``[N]``, nm, shown by its colour; not together with a truth.
        channels: The channel of each point, shown by its colour where there are neither truth nor spread.
        title: A line at the top.
        caption: The line below it; by default what is drawn in which colour.
        front: Name of the front view where the points are in the canonical orientation (``orientation.upright``).

    Raises:
        HollyError: The name does not end in .png, or the file can't be written.
    """
    _check_png(path)
    scene = scene_of(points_nm, truth, spread, channels)
    views = views_not_edge_on(views_of(front), np.concatenate([cloud.points for cloud in scene.clouds]))
    frames = [frame(view, scene.clouds) for view in views]
    half = max(half for _, half in frames)
    with stage(scene, PANEL_PX) as drawn:
        panels = [drawn.draw(view, centre, half) for view, (centre, _) in zip(views, frames, strict=True)]
    page = _page(len(panels), title, caption or _caption(points_nm, truth, spread, front))
    if scene.spread_limit_nm is not None:
        page.colour_bar(page.width - SIDE_PX, 28, BAR_PX, scene.spread_limit_nm, TEXT_PX)
    if scene.legend:
        page.legend(scene.legend, page.width - SIDE_PX, 28, TEXT_PX)
    for index, (view, panel) in enumerate(zip(views, panels, strict=True)):
        _place(page, index, panel, half, view.name, view)
    page.save(path)


def render_halves(first_nm: Array, second_nm: Array, path: Path, *, front: str | None = None) -> None:
    """Write a PNG of the clouds of two half sets side by side, from the front, from the side and from above.

    Args:
        first_nm: ``[N, 3]``, nm, on the left.
        second_nm: ``[M, 3]``, nm, on the right, in the frame of the first (``validation.alignment.align``).
        path: Name of the file, which ends in .png.
        front: As for ``render_cloud``.

    Raises:
        HollyError: The name does not end in .png, or the file can't be written.
    """
    _check_png(path)
    origin = np.mean(first_nm, axis=0)  # one frame for both, so that differences are visible
    radius = min(sphere_radius(first_nm), sphere_radius(second_nm))
    clouds = [Spheres(points - origin, radius, BLUE) for points in (first_nm, second_nm)]
    views = views_not_edge_on(views_of(front)[:3], np.concatenate([first_nm, second_nm]))
    frames = [frame(view, clouds) for view in views]
    half = max(half for _, half in frames)
    caption = f"{_count(first_nm)} and {_points(second_nm)}, aligned{_orientation(front)};  {DEPTH}"
    page = _page(2 * len(views), "Two halves of the particles", caption)
    for column, cloud in enumerate(clouds):
        with stage(Scene([cloud]), PANEL_PX) as drawn:
            for row, (view, (centre, _)) in enumerate(zip(views, frames, strict=True)):
                panel = drawn.draw(view, centre, half)
                _place(page, 2 * row + column, panel, half, f"Half {column + 1}: {view.name.lower()}", view)
    page.save(path)


def corner(index: int) -> tuple[int, int]:
    """Left and top pixel of a view in the PNG, in the order of ``VIEWS``: two a row."""
    left = SIDE_PX + index % 2 * (PANEL_PX + SIDE_PX)
    return left, HEAD_PX + ABOVE_PX + index // 2 * (ABOVE_PX + PANEL_PX + BELOW_PX)


def _page(panels: int, title: str, caption: str) -> Page:
    page = Page(2 * PANEL_PX + 3 * SIDE_PX, HEAD_PX + (panels + 1) // 2 * (ABOVE_PX + PANEL_PX + BELOW_PX))
    page.write(SIDE_PX, 46, title, 27, BLACK, weight="bold")
    page.write(SIDE_PX, 80, caption, TEXT_PX)
    return page


def _place(page: Page, index: int, panel: Array, half_nm: float, heading: str, view: View) -> None:
    """Add a panel ``[S, S, 3]`` that is 2 ``half_nm`` wide, with its heading and its scale bar in separate strips."""
    left, top = corner(index)
    right, bottom = left + PANEL_PX, top + PANEL_PX
    page.write(left, top - 11, heading, TEXT_PX, "#333333", weight="bold")
    page.picture(left, top, panel)
    page.line([left, right, right, left, left], [top, top, bottom, bottom, top], color="#dddddd", linewidth=0.8)
    page.scale_bar(left, bottom + 24, 0.6 * half_nm, PANEL_PX / (2 * half_nm), TEXT_PX)
    page.write(right, bottom + 30, view.axes, 17, GREY, ha="right")


def _caption(points: Array, truth: Array | None, spread: Array | None, front: str | None) -> str:
    if truth is not None:
        return f"blue: result, {_points(points)};  orange: truth, {_points(truth)};  {DEPTH}"
    if spread is not None:
        return f"{_points(points)} of the consensus{_orientation(front)};  colour: positional spread between the runs"
    return f"{_points(points)}{_orientation(front)};  {DEPTH}"


def _orientation(front: str | None) -> str:
    return "" if front is None else ", in canonical orientation"


def _points(points: Array) -> str:
    return f"{_count(points)} point{'' if len(points) == 1 else 's'}"


def _count(points: Array) -> str:
    return f"{len(points):,}".replace(",", "\N{NO-BREAK SPACE}")


def _check_png(path: Path) -> None:
    if path.suffix.lower() != ".png":
        raise HollyError(f"{path}: the name must end in .png, the only format of this picture")
