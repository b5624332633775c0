"""A window in which a cloud is rotated with the mouse."""

import os
import sys
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.optional import require
from holly_triton.core.types import Array
from holly_triton.io.channels import PointChannels

from .colours import SPREAD_MAP
from .scene import VIEWS, Scene, frame, scene_of
from .stage import Stage

WINDOW_PX = 1000


def interactive(
    points_nm: Array,
    *,
    truth: Array | None = None,
    spread: Array | None = None,
    channels: PointChannels | None = None,
) -> None:
    """Open a window in which the cloud is rotated with the mouse; return when it is closed.

    Args:
        points_nm: The result ``[N, 3]``, nm, blue.
        truth: ``[M, 3]``, nm, orange, in the same frame.
        spread: Spread of each point ``[N]``, nm, shown by its colour; not together with a truth.
        channels: The channel of each point, shown by its colour where there are neither truth nor spread.

    Raises:
        HollyError: There is no display for a window.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise HollyError("no display for a window: leave out --interactive to write a PNG instead")
    window_of(scene_of(points_nm, truth, spread, channels), off_screen=False).plotter.show(title="holly-triton")


def window_of(scene: Scene, *, off_screen: bool) -> Stage:
    """The window with the front view, before it is shown."""
    stage = Stage(scene, WINDOW_PX, off_screen=off_screen)
    stage.aim(VIEWS[0], *frame(VIEWS[0], scene.clouds))
    if scene.spread_limit_nm is not None:
        _add_colour_bar(stage.plotter, scene.spread_limit_nm)
    if scene.legend:
        stage.plotter.add_legend([[name, colour] for name, colour in scene.legend], bcolor=None, face="circle")
    stage.plotter.iren.add_observer(  # depth changes as the structure is rotated
        "InteractionEvent", lambda *_: stage.colour(np.array(stage.plotter.camera.direction))
    )
    return stage


def _add_colour_bar(plotter: Any, limit_nm: float) -> None:
    pyvista = require("pyvista", "drawing in 3D")
    mapper = pyvista.DataSetMapper()
    mapper.lookup_table = pyvista.LookupTable(SPREAD_MAP, scalar_range=(0, limit_nm))
    place = {"position_x": 0.66, "position_y": 0.02, "width": 0.3, "height": 0.06}
    style = {"color": "black", "fmt": "%.3g", "n_labels": 2, "title_font_size": 16, "label_font_size": 16}
    plotter.add_scalar_bar("spread, nm", mapper=mapper, **place, **style)
