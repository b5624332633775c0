"""Structures of the family: weighted clouds from maps, models, clouds and formulas, and their drawing."""

from .decoys import DECOYS
from .density import Density
from .drawing import blur_left, draw_map, draw_spectrum, fitting, placed
from .reading import from_map, read_density
from .shipped import shipped

__all__ = [
    "DECOYS",
    "Density",
    "blur_left",
    "draw_map",
    "draw_spectrum",
    "fitting",
    "from_map",
    "placed",
    "read_density",
    "shipped",
]
