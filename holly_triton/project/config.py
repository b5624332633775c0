"""What a project is asked to do, and what its demonstration simulates."""

from dataclasses import dataclass
from typing import Annotated, Literal

from holly_triton.core.config import LARGEST, Bounds, Settings
from holly_triton.core.errors import HollyError
from holly_triton.io.tables.reading import Unit

Positive = Annotated[float, Bounds(0, open_least=True)]


@dataclass(frozen=True)
class Asked(Settings):
    """The options of a project, as its ``project.toml`` holds them. Paths are absolute."""

    data: str = ""
    """The movie, or a table of localisations."""
    beads: str | None = None
    """A stack of beads, for the PSF."""
    step: Annotated[float, Bounds(-LARGEST)] | None = None
    """Distance of its planes, nm; negative if the first plane has the largest z."""
    psf: str | None = None
    """A calibration, in place of beads."""
    camera: str | None = None
    """As ``frames localise`` takes it."""
    pixel_size: Positive | None = None
    """Side of a camera pixel, nm."""
    unit: Unit | None = None
    """Of positions in a table that states none."""
    model: str | None = None
    """A trained localiser, or ``default``; without one it is trained."""
    minutes: Positive = 15.0
    """Time for its training."""
    drift: bool = True
    """Whether drift is corrected where it is significant."""
    diameter: Positive | None = None
    """Approximate size of a particle, nm."""
    points: Annotated[int, Bounds(4, 1_000_000)] | None = None
    """Points of the cloud."""
    tilt: Annotated[float, Bounds(0, 180)] | None = None
    """Maximum tilt of the viewing direction, degrees."""
    quick: bool = False
    """A fraction of the steps of the reconstruction, for smoke tests."""
    seed: Annotated[int, Bounds(0, LARGEST)] = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        """Check each option, then their relations."""
        super().__post_init__()
        if not self.data:
            raise HollyError("a project needs DATA: a movie of camera frames, or a table of localisations")
        if (self.beads is None) != (self.step is None):
            raise HollyError("--beads and --step go together: a stack of beads, and the distance of its planes in nm")
        if self.beads is not None and self.psf is not None:
            raise HollyError("--beads and --psf both give the PSF; give one of them")


FOLDERS = {
    "calibrate": "1-psf",
    "model": "2-localiser",
    "localise": "3-localisations",
    "drift": "4-drift",
    "pick": "5-particles",
    "reconstruct": "6-structure",
}
"""Folder of each step, in their order."""
SIMULATED = "0-simulated"
"""Folder of what the demonstration simulates."""
SETTINGS, LEDGER, REPORT = "project.toml", "project.json", "report.html"
ENDS_BYTES = 2**20
"""Bytes at each end of a file by which a change of it is noticed; a movie may have many GB."""


@dataclass(frozen=True)
class Demo:
    """What ``holly-triton process --demo`` simulates: copies of a structure, each in its own orientation, that blink."""

    structure: str = "cep152"
    width_px: int = 192
    height_px: int = 128
    frames: int = 1500
    quick_frames: int = 250
    quick_side_px: int = 112
    """Of both sides, with fewer copies."""
    density: float = 0.1
    """Nominal emitters per square micrometre."""
    drift_nm: float = 80.0
    beads: int = 9
    step_nm: float = 50.0
    points: int = 112
    """As many as the structure has sites."""
    seed: int = 0


DEMO = Demo()
