"""Loss, optimiser, and training as a whole."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from holly_triton.core.config import Bounds, Settings
from holly_triton.core.errors import HollyError

from .network import Device, Network, Preset
from .simulation import FrameSettings


@dataclass(frozen=True)
class Loss(Settings):
    """Weights of the parts of ``frames.loss``."""

    cross_entropy: Annotated[float, Bounds(0)] = 1.0
    """At the start."""
    cross_entropy_late: Annotated[float, Bounds(0)] = 0.1
    warm_up: Annotated[float, Bounds(0, 1, open_least=True)] = 0.15
    """Share of the training in which the weight of the cross-entropy falls to the late one."""
    background: Annotated[float, Bounds(0)] = 1.0
    crop_power: Annotated[float, Bounds(0, 1)] = 0.5
    """Frames of n emitters weigh (n + 1) to the minus this."""
    count_times_emitters: bool = False
    """DECODE's count weighs by the number of emitters."""
    window: Annotated[int, Bounds(1, 15)] = 5
    """Side of the window of pixels about an emitter whose predictions can be of it; odd."""
    fewest_photons: Annotated[float, Bounds(0)] = 100.0
    """Emitters with fewer photons in a frame are drawn, and not sought."""


@dataclass(frozen=True)
class Optimiser(Settings):
    """AdamW (Loshchilov 2019) with a warm-up, a cosine, clipped gradients and averaged weights."""

    rate: Annotated[float, Bounds(0, open_least=True)] = 5e-3
    """2e-3 was slower, 1e-2 no better (training of minutes, width 16)."""
    beta2: Annotated[float, Bounds(0, 1, open_most=True)] = 0.99
    decay: Annotated[float, Bounds(0)] = 0.01
    clip: Annotated[float, Bounds(0, open_least=True)] = 2.0
    """Largest norm of the gradient; it is 30 to 100, so that every step is scaled."""
    warm_up_steps: Annotated[int, Bounds(1)] = 100
    last_rate: Annotated[float, Bounds(0)] = 1e-5
    average: Annotated[float, Bounds(0, 1, open_most=True)] = 0.999
    """Share of the averaged weights that is kept at each step."""


OPTIMISERS: dict[Preset, Optimiser] = {
    "own": Optimiser(),
    # Rate, decay and clipping of the parameter file in DECODE's repository (commit 4c0f38c, 2023).
    "decode-like": Optimiser(rate=2e-4, beta2=0.999, decay=0.1, clip=0.03),
    "luenn-like": Optimiser(rate=8e-4, beta2=0.999),
}
LOSSES: dict[Preset, Loss] = {
    "own": Loss(),
    "decode-like": Loss(
        cross_entropy=0.0, cross_entropy_late=0.0, crop_power=0.0, count_times_emitters=True, background=2.0
    ),
    "luenn-like": Loss(),
}
"""Each with the settings that its authors published, where they did."""

CROP_PX = 32
"""Side of a frame in training."""
BATCH: dict[str, int] = {"cpu": 16, "cuda": 128}
"""Frames of a step, by the kind of device."""
ON_TIME = 2.0
"""Mean on-time, frames, of emitters that are seen in three frames at once, unless stated."""


SPARSE_PER_UM2 = 0.08
"""Density of isolated emitters, by which the predicted deviations are scaled."""


@dataclass(frozen=True)
class Validation(Settings):
    """The fixed frames on which progress is measured, and on which a finished model's threshold and scales are chosen."""

    times: Annotated[int, Bounds(1)] = 10
    """How often in a training."""
    frames: Annotated[int, Bounds(8)] = 60
    side_px: Annotated[int, Bounds(16)] = 64
    final_frames: Annotated[int, Bounds(8)] = 240
    """Frames, other ones, for the threshold."""
    sparse_frames: Annotated[int, Bounds(8)] = 600
    """Frames of few emitters, for the scales."""


@dataclass(frozen=True)
class Training(Settings):
    """A training, as its ``config.toml`` holds it."""

    sampling: Literal["random", "equal-count", "structure", "mixed"] = "mixed"
    """Random emitters as crowded as those of the structure, or as many (a control); those on the structure; or random and
    structure, half of the frames each."""
    structure: str | None = None
    psf: str | None = None
    """A calibration; None is the default PSF."""
    camera: str = "photons"
    """As ``frames.camera.read_camera`` takes it."""
    steps: Annotated[int, Bounds(1)] | None = None
    minutes: Annotated[float, Bounds(0, open_least=True)] | None = None
    """Time budget; one of the two is given."""
    seed: Annotated[int, Bounds(0)] = 0
    device: Device = "auto"
    batch: Annotated[int, Bounds(1)] | None = None
    """Frames of a step; None is ``BATCH``."""
    crop_px: Annotated[int, Bounds(16)] = CROP_PX
    network: Network = field(default_factory=Network)
    frames: FrameSettings = field(default_factory=FrameSettings)
    loss: Loss = field(default_factory=Loss)
    optimiser: Optimiser = field(default_factory=Optimiser)
    validation: Validation = field(default_factory=Validation)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.steps is None) == (self.minutes is None):
            raise HollyError("a training has a number of steps or a number of minutes; set one of the two")
        if self.crop_px % 8:
            raise HollyError(f"crop_px is {self.crop_px}; it must be a multiple of 8, which every network takes")
