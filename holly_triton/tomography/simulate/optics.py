"""The microscope in Fourier space: contrast transfer, the camera's modulation transfer, and fading with dose."""

import math

import torch
from torch import Tensor

from holly_triton.tomography.config.optics import CRITICAL_DOSE, CRITICAL_DOSE_200_KV, K2_DECAY, Optics


def wavelength(voltage_kv: float) -> float:
    """Relativistic wavelength of the electrons, Å: 0.01969 at 300 kV."""
    volts = 1e3 * voltage_kv
    return 12.2642596 / math.sqrt(volts * (1 + 0.978476e-6 * volts))


def ctf(frequency: Tensor, optics: Optics, defocus: Tensor | float | None = None) -> Tensor:
    """The contrast transfer function, negative at low frequencies so that protein, which is positive, becomes dark.

    ``-(sqrt(1 - A**2) sin(chi) + A cos(chi))`` with ``chi = pi lambda dz k**2 - pi / 2 Cs lambda**3 k**4 + phase shift``.

    Args:
        frequency: 1/Å, any shape.
        optics: Of the microscope.
        defocus: µm, underfocus positive, of a shape that broadcasts with ``frequency``; that of ``optics`` if None.

    Returns:
        Of the shape that the two broadcast to. Its envelope, which needs the camera's Nyquist, is ``envelope``'s.
    """
    length = wavelength(optics.voltage_kv)
    depth = torch.as_tensor(optics.defocus_um if defocus is None else defocus, device=frequency.device) * 1e4
    square = frequency.square()
    phase = math.pi * length * depth * square - math.pi / 2 * optics.cs_mm * 1e7 * length**3 * square.square()
    # One sine of a shifted phase is the sum of the two terms.
    shift = math.asin(optics.amplitude_contrast) + math.radians(optics.phase_shift_deg)
    sign = -1.0 if optics.contrast == "dark" else 1.0
    return sign * torch.sin(phase + shift)


def camera(share: Tensor, optics: Optics) -> Tensor:
    """What envelope and MTF leave of an amplitude at a share of the Nyquist frequency."""
    factor = torch.ones_like(share)
    if optics.envelope is not None:
        factor = torch.exp(-((share / optics.envelope) ** 2))
    if optics.mtf == "sinc":
        factor = factor * torch.sinc(share / 2)
    elif optics.mtf == "k2":
        factor = factor * torch.exp(-K2_DECAY * share**2)
    return factor


def fading(frequency: Tensor, dose: Tensor | float, voltage_kv: float) -> Tensor:
    """What a dose in e/Å2 leaves of an amplitude at a frequency in 1/Å (Grant & Grigorieff 2015); they broadcast."""
    a, b, c = CRITICAL_DOSE
    # At frequency 0 the critical dose is infinite and nothing fades.
    critical = a * frequency.clamp(min=1e-6) ** b + c
    scale = CRITICAL_DOSE_200_KV if voltage_kv < 250 else 1.0
    return torch.exp(-torch.as_tensor(dose, device=frequency.device) / (2 * scale * critical))


def spread(optics: Optics, voxel: float) -> float:
    """How far the CTF carries detail of Nyquist frequency, Å: ``lambda dz k``. Boxes need so much room around a particle."""
    return wavelength(optics.voltage_kv) * abs(optics.defocus_um) * 1e4 / (2 * voxel)
