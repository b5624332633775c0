"""A cloud as spheres in the scenes of other programs: BILD of ChimeraX, and glTF for Blender and web pages."""

from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.types import Array
from holly_triton.view.colours import BLUE, by_spread, spread_limit
from holly_triton.view.scene import sphere_radius

ANGSTROM_PER_NM = 10.0
PLAIN = tuple(round(255 * channel) for channel in BLUE[1])
"""Where the runs of a study do not give each point a spread."""
FACETS = 16
"""Around a sphere of a mesh."""
MOST_SPHERES = 20_000
"""Of a mesh: some 9 million triangles, about what Blender turns smoothly."""


def write_bild(path: Path, points_nm: Array, colours: Array) -> None:
    """Write spheres for ChimeraX, in Å, so that they lie in the density of the same run.

    Args:
        path: The file, ``.bild``.
        points_nm: ``[N, 3]``.
        colours: Of each point ``[N, 3]`` uint8.

    Raises:
        HollyError: The file can't be written.
    """
    radius = ANGSTROM_PER_NM * sphere_radius(points_nm)
    lines = [".comment points of a reconstruction by holly-triton, in Angstrom"]
    for (x, y, z), colour in zip(ANGSTROM_PER_NM * points_nm, colours / 255, strict=True):
        lines.append(".color " + " ".join(f"{channel:.3f}" for channel in colour))
        lines.append(f".sphere {x:.3f} {y:.3f} {z:.3f} {radius:.3f}")
    with replacing(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_gltf(path: Path, points_nm: Array, colours: Array) -> None:
    """Write a mesh of spheres with colours for Blender, in nm.

    Raises:
        HollyError: pyvista is missing, there are too many points, or the file can't be written.
    """
    from holly_triton.view.stage import load_pyvista, quiet_vtk

    if len(points_nm) > MOST_SPHERES:
        raise HollyError(
            f"{path}: {len(points_nm)} points are too many for a mesh of spheres; write .ply, which has the points"
        )
    with quiet_vtk():
        pyvista = load_pyvista()
        cloud = pyvista.PolyData(points_nm.astype(np.float32))
        cloud["rgb"] = colours
        sphere = pyvista.Sphere(radius=sphere_radius(points_nm), theta_resolution=FACETS, phi_resolution=FACETS)
        plotter = pyvista.Plotter(off_screen=True)
        plotter.add_mesh(cloud.glyph(geom=sphere, scale=False, orient=False), scalars="rgb", rgb=True)
        with replacing(path) as partial:
            plotter.export_gltf(partial)  # with its numbers inside, so that it is one file
        plotter.close()


def sphere_colours(points: Array, spread_nm: Array | None) -> Array:
    """``[N, 3]`` uint8, by the positional error of each point between runs ``[N]``, nm, where it is known.

    A point that one run alone has is drawn with the largest error.
    """
    if spread_nm is None:
        return np.tile(np.array(PLAIN, np.uint8), (len(points), 1))
    known = spread_nm[np.isfinite(spread_nm)]
    limit = spread_limit(known) if len(known) else 1.0
    return by_spread(np.nan_to_num(spread_nm, nan=limit), limit)
