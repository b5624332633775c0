"""Pictures of clouds: sheets of still views (PNG), movies (MP4, GIF), and a window to turn a cloud by hand.

``scene`` says what is drawn, how large and from where, ``colours`` in which colours; ``stage`` draws it with VTK (through
pyvista), ``page`` sets words and bars beside it with matplotlib. Both libraries are imported when a picture is asked
for: nothing on the training path needs them.
"""

from holly_triton.view.movie import growth, turntable
from holly_triton.view.page import round_length
from holly_triton.view.scene import VIEWS, View
from holly_triton.view.sheet import PANEL_PX, corner, render_cloud, render_halves
from holly_triton.view.window import interactive

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
