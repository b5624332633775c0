"""Which network labels voxels, and how it goes over a tomogram."""

from dataclasses import dataclass
from typing import Annotated, Literal

from holly_triton.core.config import Bounds, Settings

Preset = Literal["own", "deepfinder"]
Device = Literal["auto", "cpu", "cuda"]

WIDTHS: dict[Preset, int] = {"own": 16, "deepfinder": 32}
"""Features at the finest level; DeepFinder's as published."""
TILE_FLOATS: dict[str, int] = {"cpu": 2**29, "cuda": 2**31}
"""Numbers of 4 bytes that a network may hold at once for a tile of a tomogram, by the kind of device."""


@dataclass(frozen=True)
class Network(Settings):
    """Which network, and how large."""

    preset: Preset = "own"
    width: Annotated[int, Bounds(4, 128)] | None = None
    """Features at the finest level; None is the preset's own."""

    @property
    def features(self) -> int:
        """The width, or the preset's own."""
        return self.width or WIDTHS[self.preset]
