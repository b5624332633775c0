"""Every default of the family; ``core.config`` checks, reads and writes the settings among them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from holly_triton.core.config import Bounds, Settings
from holly_triton.core.errors import HollyError

PIXEL_NM = 100.0
"""Side of a camera pixel of the SMLM challenge, nm, and the default."""
Z_RANGE_NM = (-700.0, 700.0)
"""Depths that are simulated and searched unless a calibration states its own, nm."""

# Cameras

SATURATION_ADU = 65535.0
"""Largest number of 16 bits, which cameras of this field store."""
CAMERAS: dict[str, dict[str, float | str]] = {
    "photons": {"kind": "photons"},
    "scmos": {
        "kind": "scmos", "quantum_efficiency": 0.9, "offset_adu": 100.0, "electrons_per_adu": 0.5,
        "read_noise_electrons": 1.5,
    },
    "challenge": {
        # The challenge cuts the decimals off: the mean in the dark is half an ADU below its baseline of 100.
        "kind": "emccd", "quantum_efficiency": 0.9, "offset_adu": 99.5, "electrons_per_adu": 45.0,
        "read_noise_electrons": 74.4, "em_gain": 300.0, "clock_induced": 0.002,
    },
}  # fmt: skip
"""Cameras by name: ideal counting of photons; a typical sCMOS; the EM-CCD of the SMLM challenge 2016 (Sage et al. 2019)."""

# PSF

HUANG = {"sigma0_nm": 130.0, "c_nm": 300.0, "d_nm": 400.0}
"""Width in focus, distance of both foci from 0, and depth of field of the default PSF, nm: a typical cylindrical lens."""
REACH = 4.0
"""Standard deviations of the widest Gaussian that a patch holds on each side: 0.01 % of the photons lie beyond."""
LARGEST_PATCH = 63
"""Largest side of a patch of a Gaussian, pixels; a wider Gaussian is cut off."""
LEAST_WIDTH = 0.3
"""A fitted width that falls below this share of that in focus is an artefact of the fit."""


# ---- Network, loss and training ----

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
    "decode-like": Optimiser(rate=6e-4, beta2=0.999, decay=0.1, clip=0.03),
    "luenn-like": Optimiser(rate=8e-4, beta2=0.999),
}
LOSSES: dict[Preset, Loss] = {
    "own": Loss(),
    "decode-like": Loss(cross_entropy=0.0, cross_entropy_late=0.0, crop_power=0.0, count_times_emitters=True, background=2.0),
    "luenn-like": Loss(),
}
"""Each with the settings that its authors published, where they did."""
