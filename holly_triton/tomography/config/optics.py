"""Defaults of the microscope."""

from dataclasses import dataclass
from typing import Annotated, Literal

from holly_triton.core.config import Bounds, Settings

POSITIVE = Bounds(0, open_least=True)

CRITICAL_DOSE = (0.245, -1.665, 2.81)
"""a, b, c of the dose after which a frequency k in 1/Å has faded to 1/e in amplitude squared, ``a k**b + c`` e/Å2 at
300 kV (Grant & Grigorieff 2015, eLife 4, e06980)."""
K2_DECAY = 0.68
"""The MTF of a K2 Summit at 300 kV is ``exp(-K2_DECAY w**2)`` at the share w of Nyquist, within 0.02: fitted to 19 points of the
measured curve that come with PyTom's simulator, over its value at low frequency."""
CRITICAL_DOSE_200_KV = 0.8
"""Factor of the critical doses at 200 kV (Grant & Grigorieff 2015)."""


@dataclass(frozen=True)
class Optics(Settings):
    """How the microscope and the camera change a projection."""

    voltage_kv: Annotated[float, Bounds(10, 3000)] = 300.0
    cs_mm: Annotated[float, Bounds(0)] = 2.7
    """Spherical aberration."""
    amplitude_contrast: Annotated[float, Bounds(0, 1)] = 0.07
    defocus_um: Annotated[float, Bounds(-100, 100)] = 5.0
    """Underfocus is positive."""
    phase_shift_deg: Annotated[float, Bounds(-360, 360)] = 0.0
    """Of a phase plate."""
    envelope: Annotated[float, POSITIVE] | None = None
    """The CTF fades as ``exp(-(k / (envelope k_Nyquist))**2)``: 0.4 in AV3 and AITom."""
    mtf: Literal["none", "sinc", "k2"] = "none"
    """Of the camera; ``sinc`` is that of Xu et al. 2017, ``sin(pi w / 2) / (pi w / 2)`` at the share w of Nyquist; ``k2`` follows a
    measured curve, see ``K2_DECAY``."""
    dose: Annotated[float, Bounds(0)] = 0.0
    """Of a whole tilt series, e/Å2: later pictures have lost more of their fine detail. 0 leaves the damage out."""
    contrast: Literal["dark", "bright"] = "dark"
    """Of protein on its ground; where ``bright``, the sign of the CTF is reversed."""
