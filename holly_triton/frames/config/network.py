"""Which network, and how it goes over a frame."""

from dataclasses import dataclass
from typing import Annotated, Literal

from holly_triton.core.config import Bounds, Settings
from holly_triton.core.errors import HollyError

Preset = Literal["own", "decode-like", "luenn-like"]
Device = Literal["auto", "cpu", "cuda"]

MOST_TILE_PX = 512
"""Largest side of a tile of a large frame, pixels."""


@dataclass(frozen=True)
class Network(Settings):
    """Which network, and how large."""

    preset: Preset = "own"
    width: Annotated[int, Bounds(2, 256)] | None = None
    """Features at the resolution of the camera."""
    frames_at_once: Annotated[int, Bounds(1, 3)] = 1
    """1, or 3: a frame with the one before and the one after."""
    cells: Annotated[int, Bounds(2, 4)] = 4
    """Of a pixel's side, 2 or 4, in the grid of the preset luenn-like."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames_at_once == 2:
            raise HollyError("frames_at_once is 2; it must be 1 or 3")
        if self.cells == 3:
            raise HollyError("cells is 3; it must be 2 or 4")

    @property
    def features(self) -> int:
        """The width, or the preset's own."""
        return self.width or WIDTHS[self.preset]


WIDTHS: dict[Preset, int] = {"own": 24, "decode-like": 48, "luenn-like": 64}
"""As published, for those like others."""
