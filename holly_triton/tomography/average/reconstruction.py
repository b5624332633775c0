r"""The average of particles that each lack a wedge, and whose amplitudes the CTF has changed.

With F_p the spectrum of a particle, s_p 1 where it was measured and c_p the CTF, the average at a frequency q of the reference
is the Wiener estimate::

    A(q) = sum_p  s c F_p(R q) exp(2 pi i R q . t)  /  ( sum_p  s c^2  +  tau ),      s and c at R q

so the sign of the CTF is restored, its zeros count for nothing, and each frequency is divided by as much as was measured of it.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.tomography.config.averaging import PASS_VALUES, WIENER

from .particles import Particles, Poses
from .spectra import from_shells, grid, padded_spectra, restored, sampled, shift_phase


class Sums(NamedTuple):
    """The two sums of an average, in the layout of ``rfftn``; those of parts can be added."""

    numerator: Tensor
    """``[n, n, n // 2 + 1]`` complex64."""
    denominator: Tensor
    """``[n, n, n // 2 + 1]``."""

    def plus(self, other: "Sums") -> "Sums":
        """The sums over both sets of particles."""
        return Sums(self.numerator + other.numerator, self.denominator + other.denominator)


def add_up(particles: Particles, poses: Poses, group: Tensor | None = None) -> Sums:
    """The sums of an average.

    Args:
        particles: N of them.
        poses: Theirs.
        group: Rotations of the reference onto itself ``[G, 3, 3]``: each particle counts in all of these orientations.
    """
    size, device = particles.size, particles.boxes.device
    k = grid(size, device).view(-1, 3)
    inside = (k.norm(dim=1) <= 0.5).nonzero()[:, 0]
    k = k[inside]
    numerator = torch.zeros(size * size * (size // 2 + 1), dtype=torch.complex64, device=device)
    denominator = torch.zeros_like(numerator.real)
    turns = torch.eye(3, device=device)[None] if group is None else group.to(device)
    step = max(1, PASS_VALUES[device.type] // (8 * max(len(k), (2 * size) ** 3)))
    for start in range(0, len(particles), step):
        rows = slice(start, start + step)
        spectra = padded_spectra(particles.boxes[rows], 0.5)
        for turn in turns:
            at = k @ (poses.rotation[rows] @ turn).transpose(1, 2)  # [b, K, 3]: R g q
            seen, gain = particles.imaging.transfer(at)
            weighted = sampled(spectra, size, at) * (seen * gain * shift_phase(at, poses.shift[rows]))
            numerator[inside] += weighted.sum(0)
            denominator[inside] += (seen * gain.square()).sum(0)
    shape = size, size, size // 2 + 1
    return Sums(numerator.view(shape), denominator.view(shape))


def volume_of(sums: Sums, agreement: Tensor | None = None) -> Tensor:
    """The average ``[n, n, n]``, protein positive.

    Args:
        sums: Of its particles.
        agreement: FSC that the average is expected to have with the truth, in the shells ``[n // 2 + 1]``: tau is then such
            that each shell is multiplied by it. Without, tau is ``WIENER`` of the mean of the denominator.
    """
    size = len(sums.numerator)
    tau = WIENER * sums.denominator[sums.denominator > 0].mean().nan_to_num()
    spectrum = sums.numerator / (sums.denominator + tau).clamp(min=1e-30)
    if agreement is not None:
        spectrum = spectrum * from_shells(agreement.to(sums.denominator), grid(size, spectrum.device), size)
    return restored(spectrum, size)


def expected_agreement(correlation: Tensor, halves: int = 1) -> Tensor:
    """What the FSC with the truth's power is expected to be, from the FSC of two halves ``[S]``: ``[S + 1]``, with shell 0.

    One half has the Wiener factor FSC; both together, with twice the signal-to-noise ratio, ``2 FSC / (1 + FSC)``.
    """
    kept = correlation.clamp(0, 1)
    ratio = kept if halves == 1 else 2 * kept / (1 + kept)
    return torch.cat([torch.ones_like(ratio[:1]), ratio])
