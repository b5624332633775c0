"""Drawings of clouds: sheets of still views (PNG), movies (MP4, GIF), and an interactive window.

``scene`` defines what is drawn, at which size and from which direction, ``colours`` the colours; ``stage`` draws with VTK
(through pyvista), ``page`` adds text and scale bars with matplotlib. Both libraries are imported when something is drawn:
nothing on the training path needs them.
"""

from .movie import growth, turntable
from .page import round_length
from .scene import VIEWS, View
from .sheet import PANEL_PX, corner, render_cloud, render_halves
from .window import interactive

__all__ = [
    "PANEL_PX",
    "VIEWS",
    "View",
    "corner",
    "growth",
    "interactive",
    "render_cloud",
    "render_halves",
    "round_length",
    "turntable",
]
