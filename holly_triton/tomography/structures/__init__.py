"""Structures of the family: weighted clouds from maps, models, clouds and formulas, and their drawing."""

from .decoys import DECOYS
from .density import Density
from .drawing import draw_map, draw_spectrum, placed
from .reading import from_map, read_density

__all__ = ["DECOYS", "Density", "draw_map", "draw_spectrum", "from_map", "placed", "read_density"]
