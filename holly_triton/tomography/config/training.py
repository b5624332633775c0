"""Targets, patches, loss, optimiser, and the training of a network as a whole."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from holly_triton.core.config import Bounds, Settings
from holly_triton.core.errors import HollyError

from .network import Device, Network

Target = Literal["heat", "spheres", "shapes"]
Contrast = Literal["dark", "bright"]

CLIP = 6.0
"""Farthest value from the median that a network sees, in robust standard deviations: gold beads reach 50."""
MOST_SAMPLED = 2**21
"""Voxels from which median and deviation of a tomogram are taken."""
BATCH: dict[str, int] = {"cpu": 8, "cuda": 25}
"""Patches of a step, by the kind of device."""
HEAT_SIGMA = 0.35
"""Standard deviation of a heat map's Gaussian over the radius of the class."""
HEAT_REACH = 3.0
"""Standard deviations after which it is 0."""


@dataclass(frozen=True)
class LabelNoise(Settings):
    """Errors that are made in the training labels on purpose, to see what a training bears."""

    shift_a: Annotated[float, Bounds(0)] = 0.0
    """Standard deviation of the error of a position along each axis, Å."""
    swapped: Annotated[float, Bounds(0, 1)] = 0.0
    """Share of the particles whose class is drawn anew."""
    missing: Annotated[float, Bounds(0, 1, open_most=True)] = 0.0
    """Share of the particles that are not labelled."""


@dataclass(frozen=True)
class Patching(Settings):
    """Where training patches lie."""

    side: Annotated[int, Bounds(16)] | None = None
    """Voxels, a multiple of 4; None is about ``SIDE_RADII`` radii of the largest class, or 56 for DeepFinder's network."""
    jitter: Annotated[float, Bounds(0, 0.5)] = 0.25
    """Largest shift of a patch's centre from a particle along an axis, over the side."""
    background: Annotated[float, Bounds(0, 1)] = 0.2
    """Share of the patches that lie anywhere."""
    turned: bool = True
    """Whether patches are turned by 180 degrees about x, y or z, which keeps the missing wedge and the hand."""


SIDE_RADII = 5.0
"""Side of a training patch over the radius of the largest class. With nine classes and voxels of 20 Å, 76 s of one core gave
F1 0.68 with patches of 32 voxels, 5 radii, and 0.58 with those of 40."""
SIDE_MULTIPLE = 4
"""Sides of patches are a multiple of it: networks halve them twice."""
SIDE_DEEPFINDER = 56
"""Voxels, as published."""


@dataclass(frozen=True)
class Renewal(Settings):
    """Tomograms that are simulated as a training goes."""

    first: Annotated[int, Bounds(1)] = 4
    """Simulated before the first step."""
    steps: Annotated[int, Bounds(1)] = 50
    """Between two new ones."""
    kept: Annotated[int, Bounds(1)] = 16
    """From which patches are drawn; when there are more, the oldest goes."""
    validation: Annotated[int, Bounds(1)] = 2
    snr_least: Annotated[float, Bounds(0, open_least=True)] | None = None
    """Where both are given, the SNR of each tomogram lies anywhere between (uniformly in its logarithm), in place of the
    simulation's own;"""
    snr_most: Annotated[float, Bounds(0, open_least=True)] | None = None
    tilt_least: Annotated[float, Bounds(1, 89)] | None = None
    """likewise its largest tilt, degrees."""
    tilt_most: Annotated[float, Bounds(1, 89)] | None = None


@dataclass(frozen=True)
class Loss(Settings):
    """Weights of the parts of ``train.loss``."""

    cross_entropy: Annotated[float, Bounds(0)] = 1.0
    tversky: Annotated[float, Bounds(0)] = 1.0
    foreground: Annotated[float, Bounds(1)] = 20.0
    """Weight of a voxel of a particle in the cross-entropy, where that of a voxel of background is 1."""
    alpha: Annotated[float, Bounds(0)] = 0.5
    """Weight of what is too much, in the Tversky index,"""
    beta: Annotated[float, Bounds(0)] = 0.5
    """and of what is missing."""
    epsilon: Annotated[float, Bounds(0, open_least=True)] = 10.0
    """Voxels that are added to overlap and union, so that a class which a batch lacks has no large gradient."""


@dataclass(frozen=True)
class Optimiser(Settings):
    """AdamW with a warm-up, a cosine, clipped gradients and averaged weights, as ``core.descent`` has it."""

    rate: Annotated[float, Bounds(0, open_least=True)] = 3e-3
    beta2: Annotated[float, Bounds(0, 1, open_most=True)] = 0.99
    decay: Annotated[float, Bounds(0)] = 0.01
    clip: Annotated[float, Bounds(0, open_least=True)] = 1.0
    warm_up_steps: Annotated[int, Bounds(1)] = 50
    last_rate: Annotated[float, Bounds(0)] = 1e-5
    average: Annotated[float, Bounds(0, 1, open_most=True)] = 0.99


@dataclass(frozen=True)
class Training(Settings):
    """A training, as its ``config.toml`` holds it."""

    data: str = ""
    """A folder of tomograms with truth, or the settings of a simulation."""
    validation: str | None = None
    """A folder of other tomograms with truth; None takes the last tomogram of ``data``."""
    targets: Target = "heat"
    radii: str | None = None
    """Radii of the classes in Å, as ``70S=125,FAS=130``; None measures them in the label volumes beside the tomograms."""
    contrast: Contrast = "dark"
    steps: Annotated[int, Bounds(1)] | None = None
    minutes: Annotated[float, Bounds(0, open_least=True)] | None = None
    """Time budget; one of the two is given."""
    seed: Annotated[int, Bounds(0)] = 0
    device: Device = "auto"
    batch: Annotated[int, Bounds(1)] | None = None
    """Patches of a step; None is ``BATCH``."""
    validations: Annotated[int, Bounds(1)] = 8
    """How often progress is measured on the validation tomograms."""
    network: Network = field(default_factory=Network)
    patches: Patching = field(default_factory=Patching)
    renewal: Renewal = field(default_factory=Renewal)
    noise: LabelNoise = field(default_factory=LabelNoise)
    loss: Loss = field(default_factory=Loss)
    optimiser: Optimiser = field(default_factory=Optimiser)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.steps is None) == (self.minutes is None):
            raise HollyError("a training has a number of steps or a number of minutes; set one of the two")
        if (self.patches.side or 0) % SIDE_MULTIPLE:
            raise HollyError(f"patches.side is {self.patches.side}; it must be a multiple of {SIDE_MULTIPLE}")

    def side(self, largest: float) -> int:
        """Side of a training patch, voxels, where the largest class has this radius in voxels."""
        if self.patches.side is not None:
            return self.patches.side
        if self.network.preset == "deepfinder":
            return SIDE_DEEPFINDER
        return max(16, SIDE_MULTIPLE * math.ceil(SIDE_RADII * largest / SIDE_MULTIPLE))
