"""Simulated frames and movies."""

from dataclasses import dataclass
from typing import Annotated, Literal

from holly_triton.core.config import Bounds, Settings

POSITIVE = Bounds(0, open_least=True)
DENSITY = Bounds(0, 100, open_least=True)
"""Of nominal emitters per square micrometre: ten times as many as a network is trained on, and beyond any localisation."""
BLOCK_PIXELS = 2**22
"""Pixels of the frames that are drawn at once while a movie is written."""
NODE_PX = 8
"""Distance of the random numbers between which the background's variation is interpolated, pixels."""
DIMMEST = 0.1
"""Smallest background and smallest photons of an emitter, as a share of the frame's mean."""
LEAD = 5.0
"""Emitters that switched on this many mean on-times before the first frame are drawn as well; the others are dark again."""
POOL_PER_UM2, LARGEST_POOL = 500.0, 2**21
"""Fluorophores of a structure whose emitters are drawn for a whole movie, and their largest number."""
SCENE_COPIES = (0.3, 0.3)
"""Copies of a structure in a movie, as ``COPIES``."""
BEAD_PHOTONS, BEAD_SPREAD, BEAD_ROOM_PX = 30000.0, 0.1, 40
"""Mean photons of a bead, their relative standard deviation, and the side of the square in which each bead is alone."""


@dataclass(frozen=True)
class FrameSettings(Settings):
    """What differs from frame to frame: drawn log-uniformly between least and most, and fixed where these are equal."""

    density_least: Annotated[float, DENSITY] = 0.05
    density_most: Annotated[float, DENSITY] = 10.0
    """Nominal emitters per square micrometre."""
    photons_least: Annotated[float, POSITIVE] = 700.0
    photons_most: Annotated[float, POSITIVE] = 25000.0
    """Mean photons of an emitter in a frame."""
    spread_least: Annotated[float, Bounds(0)] = 0.03
    spread_most: Annotated[float, Bounds(0)] = 0.15
    """Standard deviation of the photons within a frame, as a share of their mean; uniform between the two."""
    background_unit: Literal["photons", "share"] = "share"
    """Whether the background is given in photons a pixel or as a share of the frame's mean photons of an emitter."""
    background_least: Annotated[float, Bounds(0)] = 0.005
    background_most: Annotated[float, Bounds(0)] = 0.02
    background_variation: Annotated[float, Bounds(0)] = 0.2
    """Standard deviation of its smooth variation, as a share of its mean."""
    on_time: Annotated[float, POSITIVE] | None = None
    """Mean on-time in frames: emitters switch on at any moment and are dimmer where they do so within a frame. Without
    one, emitters are on for the whole of their frame."""
    window: Annotated[int, Bounds(1, 99)] = 1
    """Consecutive frames seen together, of which the middle one is asked for; more than one need an on-time."""


@dataclass(frozen=True)
class MovieSettings(Settings):
    """A simulated movie, as its ``settings.toml`` holds it."""

    frames: Annotated[int, Bounds(1)] = 1000
    width_px: Annotated[int, Bounds(1)] = 64
    height_px: Annotated[int, Bounds(1)] = 64
    sampling: Literal["random", "structure", "mixed"] = "random"
    structure: str | None = None
    orientation: Literal["any", "upright"] | None = None
    unit_nm: Annotated[float, POSITIVE] | None = None
    """nm per unit of a cloud that states none."""
    density: Annotated[float, DENSITY] | None = 0.2
    """Nominal emitters per square micrometre; None where their number is given."""
    emitters: Annotated[float, POSITIVE] | None = None
    """Mean emitters of a frame."""
    photons: Annotated[float, POSITIVE] = 5000.0
    spread: Annotated[float, Bounds(0)] = 0.05
    background: Annotated[float, Bounds(0)] = 50.0
    background_variation: Annotated[float, Bounds(0)] = 0.2
    on_time: Annotated[float, POSITIVE] | None = None
    drift: Annotated[float, Bounds(0)] = 0.0
    """Largest lateral distance of the sample from its place in the first frame, nm."""
    seed: Annotated[int, Bounds(0)] = 0
