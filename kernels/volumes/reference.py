"""The dense version of every operation on volumes, any float dtype: the specification, and the oracle of the harness.

Arguments are those of the public functions, unchecked. Every particle meets every rotation at every frequency: for small
shapes only.
"""

import itertools
import math

import torch
from torch import Tensor

from .spectrum import FourierReference


def sample(values: Tensor, position: Tensor) -> Tensor:
    """Linear interpolation of samples ``[M, M, M]`` at positions ``[..., 3]``, x y z in samples; 0 outside."""
    side = len(values)
    first = position.floor()
    fraction = position - first
    out = values.new_zeros(position.shape[:-1])
    for corner in itertools.product((0, 1), repeat=3):
        offset = position.new_tensor(corner)
        weight = torch.where(offset == 1, fraction, 1 - fraction).prod(-1)
        at = first + offset
        inside = ((at >= 0) & (at < side)).all(-1)
        i, j, k = at.nan_to_num().clamp(0, side - 1).long().unbind(-1)
        out = out + torch.where(inside, weight, 0) * values[k, j, i]
    return out + (0 * position.sum(-1))  # a NaN shows


def fourier_correlation(
    spectra: Tensor, reference: FourierReference, rotation: Tensor, shift: Tensor, frequencies: Tensor, weight: Tensor
) -> Tensor:
    """Scores ``[P, R, S]`` of spectra ``[P, K]``."""
    turned = torch.einsum("rij,ki->rkj", rotation, frequencies)  # [R, K, 3]: the transposed rotation times k
    position = turned / reference.step + reference.side // 2
    expected = sample(reference.values, position)  # [R, K]
    phase = torch.exp(2j * math.pi * (shift @ frequencies.T))  # [S, K]
    weighted = weight * spectra  # [P, K]
    agreement = torch.einsum("pk,rk,sk->prs", weighted, expected.conj(), phase).real
    known = torch.einsum("pk,rk->pr", weight.expand(len(spectra), -1), expected.abs() ** 2)
    power = (weight * spectra.abs() ** 2).sum(1)[:, None] * known  # [P, R]
    return torch.where(power[:, :, None] == 0, 0, agreement / power.sqrt()[:, :, None])
