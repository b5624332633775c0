"""The mark of each class: a colour and a shape, so that any number of classes can be told apart without colours too."""

from collections.abc import Iterable
from typing import NamedTuple

from holly_triton.view.colours import CATEGORIES

SHAPES = ("o", "s", "D", "^", "v")
"""As matplotlib names them; more shapes than would divide the number of colours, so that pairs repeat after 35 classes."""


class Mark(NamedTuple):
    """How a class is drawn."""

    colour: str
    shape: str


def marks_of(classes: Iterable[str]) -> dict[str, Mark]:
    """A mark for each class, by its place in the sorted list."""
    return {
        name: Mark(CATEGORIES[i % len(CATEGORIES)], SHAPES[i % len(SHAPES)])
        for i, name in enumerate(sorted(set(classes)))
    }
