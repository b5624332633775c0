"""Template matching: places and rotations at which a tomogram resembles a template."""

from .match import Match, match_tomogram, picked
from .reading import from_density, read_template
from .template import Template
from .threshold import best_threshold, expected_threshold

__all__ = [
    "Match",
    "Template",
    "best_threshold",
    "expected_threshold",
    "from_density",
    "match_tomogram",
    "picked",
    "read_template",
]
