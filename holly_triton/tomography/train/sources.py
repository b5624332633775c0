"""Where tomograms with truth come from: folders, or a simulation that makes new ones as the training goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .scenes import Scene


@dataclass(frozen=True)
class Kinds:
    """What the tomograms of a training have in common.

    Attributes:
        classes: names, without the background.
        radii: of the classes, Å.
        voxel: side of a voxel, Å.
    """

    classes: tuple[str, ...]
    radii: tuple[float, ...]
    voxel: float


class Source(Protocol):
    """Tomograms for a training and its validation."""

    @property
    def kinds(self) -> Kinds:
        """What they have in common."""

    @property
    def validation(self) -> Sequence[Scene]:
        """Tomograms that are not trained on."""

    def scenes(self, step: int) -> Sequence[Scene]:
        """Those from which the patches of a step are drawn; the same ones whenever the step is asked for."""


@dataclass(frozen=True)
class Fixed:
    """Tomograms that are the same in every step."""

    kinds: Kinds
    training: Sequence[Scene]
    validation: Sequence[Scene]

    def scenes(self, step: int) -> Sequence[Scene]:
        """All of them."""
        return self.training
