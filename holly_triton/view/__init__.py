"""Pictures of clouds: sheets of still views (PNG), movies (MP4, GIF), and a window to turn a cloud by hand.

``scene`` says what is drawn, how large and from where, ``colours`` in which colours; ``stage`` draws it with VTK (through
pyvista), ``page`` sets words and bars beside it with matplotlib. Both libraries are imported when a picture is asked
for: nothing on the training path needs them.
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
