"""Baselines of the operations on volumes: the naive version, the exact answer, the least work.

Complex numbers come as pairs, and a reference as its samples and its step, which can be moved and cut as all arguments.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from holly_triton import kernels
from holly_triton.kernels import FourierReference
from holly_triton.kernels.volumes import reference as dense
from holly_triton.kernels.volumes.spectrum import phases

from ..operation import Answer, Bare, Inputs, Work

SAMPLE = 64
"""Rotations of which the least work is timed."""
DENSE_TENSORS = 8
"""Tensors of particles x rotations x frequencies in the dense version."""


def with_reference(correlate: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A correlation that takes the parts of the reference, and pairs in place of complex numbers."""

    def correlated(*, spectra: Tensor, values: Tensor, step: float, **rest: Any) -> Tensor:
        reference = FourierReference(torch.view_as_complex(values), step)
        return correlate(spectra=torch.view_as_complex(spectra), reference=reference, **rest)

    return correlated


def naive_correlation(
    spectra: Tensor, reference: FourierReference, rotation: Tensor, shift: Tensor, frequencies: Tensor, weight: Tensor
) -> Tensor:
    """One rotation after the other: PyTorch's ``grid_sample``, then a product for every shift."""
    volume = torch.stack([reference.values.real, reference.values.imag])[None]
    scale = 2 / ((reference.side - 1) * reference.step)
    power, phase = (weight * spectra.abs() ** 2).sum(1, keepdim=True), phases(shift, frequencies)
    scores = power.new_empty(len(spectra), len(rotation), len(shift))
    for r, turn in enumerate(rotation):
        at = (frequencies @ turn * scale)[None, None, None]
        sampled = grid_sample(volume, at, align_corners=True)[0, :, 0, 0]  # [2, K]
        expected = torch.complex(sampled[0], sampled[1])
        both = power[:, 0] * (weight @ expected.abs() ** 2)
        weighted = weight * spectra * expected.conj()
        agreement = (weighted @ phase.T).real
        scores[:, r] = torch.where(both == 0, 0, agreement.T / both.sqrt()).T
    return scores


PUBLIC = with_reference(kernels.fourier_correlation)
DENSE = with_reference(dense.fourier_correlation)
NAIVE = with_reference(naive_correlation)


def oracle(case: Any, inputs: Inputs) -> Answer:
    """The dense answer, one particle at a time so that it fits in memory."""
    out = torch.zeros_like(inputs.cotangent)
    for particle in range(len(out)):
        one = inputs.pictures(slice(particle, particle + 1))
        out[particle] = DENSE(**one.arguments)[0]
    return out, {}


def needed_values(case: Any, images: int) -> dict[str, int]:
    """Floats that the naive and the dense version hold in memory."""
    pairs = images * case.frequencies
    return {"naive": 8 * pairs, "dense": DENSE_TENSORS * 2 * pairs * case.points}


def work(case: Any) -> tuple[Work, Work | None] | None:
    """The two sums over frequencies that depend on the rotation, as matrix products; the samples come from the caches."""
    P, R, S, K = case.images, case.points, case.shifts, case.frequencies
    if not P * R * S * K:
        return None
    return Work(2 * P * R * K * (2 * S + 1), 0, 4 * (P * R * S + 4 * P * K)), None


def bare(case: Any) -> Bare | None:
    """The same products for a sample of the rotations, in buffers."""
    P, R, S, K = case.images, case.points, case.shifts, case.frequencies
    if not P * R * S * K:
        return None
    sample = min(SAMPLE, R)
    rows, turned = torch.rand(P * S, 2 * K), torch.rand(2 * K, sample)
    weight, energies = torch.rand(P, K), torch.rand(K, sample)
    agreement, power = torch.empty(P * S, sample), torch.empty(P, sample)

    def products() -> None:
        torch.mm(rows, turned, out=agreement)
        torch.mm(weight, energies, out=power)

    return Bare((products,), (), R / sample)
