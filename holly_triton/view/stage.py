"""Drawing of scenes in a VTK window, in parallel projection. Near spheres are dark and saturated, far ones pale."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np

from holly_triton.core.optional import require
from holly_triton.core.types import Array

from .colours import by_depth
from .scene import Scene, View


class Stage:
    """A VTK window and the clouds in it, drawn from one direction after another."""

    def __init__(self, scene: Scene, size: int, *, off_screen: bool) -> None:
        pyvista = load_pyvista()
        new_plotter: Callable[..., Any] = pyvista.Plotter
        self.plotter = new_plotter(off_screen=off_screen, window_size=[size, size], lighting="none")
        # A sphere is a square with a shader: multisampling would smooth only the edges of the square, in five times the time.
        self.plotter.render_window.SetMultiSamples(0)
        self.plotter.set_background("white")
        self.plotter.enable_parallel_projection()
        self.clouds = [(cloud, pyvista.PolyData(cloud.points.astype(np.float32))) for cloud in scene.clouds]
        for cloud, mesh in self.clouds:
            self.plotter.add_actor(_sphere_actor(mesh, cloud.radius))

    def move(self, points: Array) -> None:
        """Move the spheres of the first cloud to other points ``[N, 3]``, nm, as many as before."""
        cloud, mesh = self.clouds[0]
        self.clouds[0] = (replace(cloud, points=points), mesh)

    def aim(self, view: View, centre: Array, half: float) -> None:
        """Aim the camera at ``centre [3]`` with a half height of ``half`` nm."""
        self.colour(view.along)
        camera = self.plotter.camera
        camera.focal_point, camera.position, camera.up = centre, centre - 8 * half * view.along, view.up
        camera.parallel_scale = half
        self.plotter.reset_camera_clipping_range()

    def colour(self, along: Array) -> None:
        """Colour by depth along a unit vector ``[3]``, and displace clouds with a lift against it."""
        depths = [cloud.points @ along for cloud, _ in self.clouds]
        near, far = min(d.min() for d in depths), max(d.max() for d in depths)
        for (cloud, mesh), depth in zip(self.clouds, depths, strict=True):
            mesh.points = (cloud.points - cloud.lift * along).astype(np.float32)
            mesh["rgb"] = (
                cloud.colours
                if isinstance(cloud.colours, np.ndarray)
                else by_depth((depth - near) / max(far - near, 1e-9), cloud.colours)
            )

    def draw(self, view: View, centre: Array, half: float) -> Array:
        """The picture ``[size // 2, size // 2, 3]`` uint8: drawn at twice the size and reduced, which smooths edges."""
        from PIL import Image

        self.aim(view, centre, half)
        self.plotter.render()
        return np.asarray(Image.fromarray(self.plotter.screenshot(None, return_img=True)).reduce(2))


@contextmanager
def stage(scene: Scene, side: int) -> Iterator[Stage]:
    """An off-screen stage whose pictures are ``side`` pixels wide and high."""
    with quiet_vtk():
        new = Stage(scene, 2 * side, off_screen=True)
        try:
            yield new
        finally:
            new.plotter.close()


def load_pyvista() -> Any:
    """The package, in an order of loading that VTK survives.

    Raises:
        MissingExtraError: It is not installed.
    """
    # Triton and Mesa's OpenGL each bring an LLVM; the process dies if Triton's is loaded second, by a later training.
    with suppress(ImportError):
        import triton  # noqa: F401
    return require("pyvista", "drawing in 3D")


@contextmanager
def quiet_vtk() -> Iterator[None]:
    """Without VTK's warnings: lacking a display it says that it uses another renderer, which is of no interest to the user.

    Raises:
        MissingExtraError: pyvista is not installed.
    """
    require("pyvista", "drawing in 3D")
    from vtkmodules.vtkCommonCore import vtkLogger

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)
    try:
        yield
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
"""A shaded sphere on a square that faces the viewer, with a darker rim so that spheres at one depth are distinguishable. It
is five times as fast as meshes of spheres where the processor renders."""


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
