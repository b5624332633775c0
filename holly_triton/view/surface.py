"""Isosurfaces of densities, drawn off-screen in parallel projection with VTK (through pyvista)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from holly_triton.core.types import Array

from .scene import View
from .stage import load_pyvista, quiet_vtk

COLOUR = "#7fb2d9"
SMOOTHING = 20
"""Passes of Taubin's smoothing, which takes the voxels' steps from a surface and leaves its size."""


def draw_surface(density: Array, level: float, views: Sequence[View], side: int) -> list[Array]:
    """The surface of a density at a level, seen from several directions.

    Args:
        density: ``[Z, Y, X]``, larger inside.
        level: The density of the surface.
        views: Directions.
        side: Of the pictures, in pixels.

    Returns:
        A picture ``[side, side, 3]`` uint8 for each direction, all at the scale at which the whole grid fits; white where the
        density nowhere reaches the level.

    Raises:
        MissingExtraError: pyvista is not installed.
    """
    with quiet_vtk():
        pyvista = load_pyvista()
        depth, rows, columns = density.shape
        grid = pyvista.ImageData(dimensions=(columns, rows, depth))
        grid["density"] = np.asarray(density, dtype=np.float32).ravel()  # x is the fastest axis of both
        surface = grid.contour([level], scalars="density")
        if surface.n_points == 0:
            return [np.full((side, side, 3), 255, np.uint8)] * len(views)
        surface = surface.smooth_taubin(n_iter=SMOOTHING)
        new_plotter: Callable[..., Any] = pyvista.Plotter
        plotter = new_plotter(off_screen=True, window_size=[2 * side, 2 * side])
        try:
            plotter.set_background("white")
            plotter.enable_parallel_projection()
            plotter.add_mesh(surface, color=COLOUR, smooth_shading=True, specular=0.2)
            return [_picture(plotter, view, np.array([columns, rows, depth])) for view in views]
        finally:
            plotter.close()


def _picture(plotter: Any, view: View, size: Array) -> Array:
    """Drawn at twice the size and reduced, which smooths edges."""
    from PIL import Image

    half = float(size.max()) / 2
    camera, centre = plotter.camera, (size - 1) / 2
    camera.focal_point, camera.position, camera.up = centre, centre - 8 * half * view.along, view.up
    camera.parallel_scale = half
    plotter.reset_camera_clipping_range()
    plotter.render()
    return np.asarray(Image.fromarray(plotter.screenshot(None, return_img=True)).reduce(2))
