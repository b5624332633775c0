"""A camera as one noise model in both directions, with the same properties at every pixel.

An emitter's photons arrive at the camera; lambda is their expected number at a pixel. The chip turns the share QE of them
into electrons, to which c spurious ones are added (dark current, or clock-induced charge): n ~ Poisson(QE lambda + c).
An EM-CCD multiplies them, n -> Gamma(n, g), which doubles the variance (Hirsch et al. 2013, PLoS ONE 8, e53671); an sCMOS
has g = 1. The read-out adds Normal(0, s), divides by the electrons per ADU, adds the offset, rounds and saturates.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from holly_triton.core.config import Bounds, Settings
from holly_triton.core.errors import HollyError
from holly_triton.frames.config.camera import CAMERAS, SATURATION_ADU

Kind = Literal["photons", "scmos", "emccd"]
PerPixel = float | Tensor
"""A property of all pixels, or of each: ``[H, W]``, or ``[B, H, W]`` where frames show different parts of the chip."""


@dataclass(frozen=True)
class Camera(Settings):
    """A camera whose pixels are alike; what is left out is that of an ideal one.

    Raises:
        HollyError: A value outside its bounds, or one that contradicts the kind.
    """

    kind: Kind
    """An ideal counter of photons, a camera without multiplication (sCMOS, CCD, CMOS), or an EM-CCD."""
    quantum_efficiency: Annotated[float, Bounds(0, 1, open_least=True)] = 1.0
    """Electrons per photon. With 1, photons are those detected."""
    offset_adu: Annotated[float, Bounds(0)] = 0.0
    """Mean ADU of a pixel in the dark, without spurious charge."""
    electrons_per_adu: Annotated[float, Bounds(0, open_least=True)] = 1.0
    """At the read-out, that is after multiplication."""
    read_noise_electrons: Annotated[float, Bounds(0)] = 0.0
    """Standard deviation at the read-out."""
    em_gain: Annotated[float, Bounds(1)] = 1.0
    clock_induced: Annotated[float, Bounds(0)] = 0.0
    """Spurious electrons a pixel and frame, before multiplication."""
    saturation_adu: Annotated[float, Bounds(0, open_least=True)] = SATURATION_ADU
    """Largest number that the camera stores."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == "emccd" and self.em_gain == 1:
            raise HollyError("em_gain of an EM-CCD must be above 1; where its multiplication is off, the kind is scmos")
        if self.kind != "emccd" and self.em_gain != 1:
            raise HollyError(f"em_gain is {self.em_gain:g} for a camera of kind {self.kind}; only an emccd has one")
        if self.kind == "photons" and (self.electrons_per_adu, self.read_noise_electrons, self.offset_adu) != (1, 0, 0):
            raise HollyError("a camera of kind photons has no offset, gain or read noise; one that has them is scmos")
        if self.offset_adu >= self.saturation_adu:
            raise HollyError(f"offset_adu is {self.offset_adu:g}, which reaches saturation_adu {self.saturation_adu:g}")

    @property
    def pixels(self) -> tuple[PerPixel, PerPixel, PerPixel]:
        """Offset in ADU, electrons per ADU and read noise in electrons."""
        return self.offset_adu, self.electrons_per_adu, self.read_noise_electrons

    @property
    def excess(self) -> float:
        """Factor by which multiplication raises the variance of the electrons."""
        return 2.0 if self.kind == "emccd" else 1.0

    def record(self, expected: Tensor, generator: torch.Generator) -> Tensor:
        """What the camera stores where ``expected`` photons ``[B, H, W]`` arrive: whole ADU ``[B, H, W]`` float32."""
        offset, per_adu, read_noise = self.pixels
        electrons = torch.poisson(self._electrons(expected), generator=generator)
        if self.kind == "emccd":
            # The library's gamma of shape 0 is its smallest number; of no electrons there are none.
            electrons = torch._standard_gamma(electrons, generator=generator) * self.em_gain * (electrons > 0)
        if self.kind != "photons":
            noise = torch.randn(electrons.shape, generator=generator, device=electrons.device)
            electrons = (electrons + noise * read_noise) / per_adu + offset
        return electrons.round_().clamp_(0, math.floor(self.saturation_adu))

    def photons(self, adu: Tensor) -> Tensor:
        """Photons that arrived at the camera, as its stored numbers ``[B, H, W]`` give them: the inverse of the mean.

        They are unbiased where nothing saturates, and may be negative.
        """
        offset, per_adu, _ = self.pixels
        electrons = (adu - offset) * per_adu / self.em_gain
        return (electrons - self.clock_induced) / self.quantum_efficiency

    def mean(self, expected: Tensor) -> Tensor:
        """Mean of ``record`` ``[B, H, W]``, ADU, where nothing saturates."""
        offset, per_adu, _ = self.pixels
        return self._electrons(expected) * self.em_gain / per_adu + offset

    def variance(self, expected: Tensor) -> Tensor:
        """Variance of ``photons(record(expected))`` ``[B, H, W]``, photons squared, where nothing saturates.

        Rounding adds 1/12 ADU squared to it except where whole photons are counted.
        """
        _, per_adu, read_noise = self.pixels
        rounding = 0.0 if self.kind == "photons" else per_adu**2 / 12
        after_gain = (read_noise**2 + rounding) / self.em_gain**2
        return (self.excess * self._electrons(expected) + after_gain) / self.quantum_efficiency**2

    def saturated(self, adu: Tensor) -> Tensor:
        """Where the camera stored its largest number ``[B, H, W]`` bool, so that the photons are unknown."""
        return adu >= math.floor(self.saturation_adu)

    def seeing(self, batch: int, shape: tuple[int, int], generator: torch.Generator) -> "Camera":
        """The camera for a batch of frames of this shape: of one whose pixels differ, random parts of its chip."""
        del batch, shape, generator
        return self

    def _electrons(self, expected: Tensor) -> Tensor:
        return expected * self.quantum_efficiency + self.clock_induced


def camera_preset(name: str) -> Camera:
    """A camera of ``CAMERAS`` by its name.

    Raises:
        HollyError: There is no such name.
    """
    if name not in CAMERAS:
        raise HollyError(f"{name}: is not a known camera; those are {', '.join(CAMERAS)}")
    return Camera.of(CAMERAS[name], name)
