# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, no-any-return"
r"""The Triton backend of ``fourier_correlation``: one kernel.

A row is a pair of a particle p and a shift s. A program owns a block of rows and a block of rotations, and walks over the
frequencies. For a block of them it samples the turned reference once, for all its rows, and adds to two tables of rows by
rotations, each a matrix product on tensor cores, and to one number a row, with ``a = w F exp(2 pi i k . t)`` and the notation
of ``correlation``::

    agreement += Re a  (Re V)^T + Im a  (Im V)^T
    energy    += w  (|V|^2)^T
    power     += sum_k w |F|^2

Every sum runs over k in the same order, in float32, and nothing is added to memory.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..launch import aligned, halves, launch, product
from .spectrum import FourierReference, phases

PRECISION = "tf32x3"
CONSTANTS: dict[str, Any] = {"ROWS": 64, "ROTATIONS": 32, "FREQUENCIES": 16, "PRECISION": PRECISION, "warps": 4}

RUNTIME = ["P", "R", "S", "K", "side", "shared"]


@triton.jit
def axis_place(position, side):
    """First of the two samples beside positions along an axis, and the fraction of the way to the second."""
    near = tl.minimum(tl.maximum(position, -2.0), side + 1.0)  # beyond, the samples are 0
    first = tl.floor(tl.where(position == position, near, -2.0))
    fraction = tl.where(position == position, near - first, position)  # a NaN shows
    return first.to(tl.int32), fraction


@triton.jit
def sample_reference(values, x, y, z, side):
    """Real and imaginary part at positions x, y, z, in samples, by linear interpolation."""
    i, along_x = axis_place(x, side)
    j, along_y = axis_place(y, side)
    k, along_z = axis_place(z, side)
    real, imaginary = 0.0 * along_x, 0.0 * along_x
    for corner in range(8):  # not unrolled: 16 loads at once would take more registers than there are
        dx, dy, dz = corner % 2, corner // 2 % 2, corner // 4
        weight_x = tl.where(dx == 1, along_x, 1 - along_x)
        weight_y = tl.where(dy == 1, along_y, 1 - along_y)
        weight_z = tl.where(dz == 1, along_z, 1 - along_z)
        weight = weight_x * weight_y * weight_z
        inside = (i + dx >= 0) & (i + dx < side) & (j + dy >= 0) & (j + dy < side) & (k + dz >= 0) & (k + dz < side)
        entry = ((k + dz) * side + (j + dy)) * side + (i + dx)
        real += weight * tl.load(values + 2 * entry, mask=inside, other=0.0)
        imaginary += weight * tl.load(values + 2 * entry + 1, mask=inside, other=0.0)
    return real, imaginary


@triton.jit
def add_product(total, a, b, PRECISION: tl.constexpr):
    """The total plus a b."""
    return product(halves(a, PRECISION), halves(b, PRECISION), total, PRECISION)


@triton.jit(do_not_specialize=RUNTIME)
def correlate(
    spectra, values, rotation, phase, frequencies, weight, scores, samples, P, R, S, K, side, shared,
    ROWS: tl.constexpr, ROTATIONS: tl.constexpr, FREQUENCIES: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Scores [P, R, S]; program (block of rows, block of rotations)."""
    blocks = tl.cdiv(R, ROTATIONS)
    row = (tl.program_id(0) // blocks).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    r = (tl.program_id(0) % blocks) * ROTATIONS + tl.arange(0, ROTATIONS)
    p, s, valid, turned = row // S, row % S, row < P * S.to(tl.int64), r < R
    spectra += 2 * p[:, None] * K
    phase += 2 * s[:, None] * K
    weight += tl.where(shared != 0, 0, p)[:, None] * K
    matrix = rotation + 9 * r
    xx, xy, xz = tl.load(matrix, turned), tl.load(matrix + 1, turned), tl.load(matrix + 2, turned)
    yx, yy, yz = tl.load(matrix + 3, turned), tl.load(matrix + 4, turned), tl.load(matrix + 5, turned)
    zx, zy, zz = tl.load(matrix + 6, turned), tl.load(matrix + 7, turned), tl.load(matrix + 8, turned)
    agreement = tl.zeros([ROWS, ROTATIONS], tl.float32)
    energy = tl.zeros([ROWS, ROTATIONS], tl.float32)
    power = tl.zeros([ROWS], tl.float32)
    for start in range(0, K, FREQUENCIES):
        f = start + tl.arange(0, FREQUENCIES)
        given = f < K
        # The transposed rotation times k, in samples from the first.
        kx = tl.load(frequencies + 3 * f, given, 0.0)[:, None] * samples
        ky = tl.load(frequencies + 3 * f + 1, given, 0.0)[:, None] * samples
        kz = tl.load(frequencies + 3 * f + 2, given, 0.0)[:, None] * samples
        x = kx * xx[None, :] + ky * yx[None, :] + kz * zx[None, :] + side // 2
        y = kx * xy[None, :] + ky * yy[None, :] + kz * zy[None, :] + side // 2
        z = kx * xz[None, :] + ky * yz[None, :] + kz * zz[None, :] + side // 2
        real, imaginary = sample_reference(values, x, y, z, side)  # [FREQUENCIES, ROTATIONS]
        there = valid[:, None] & given[None, :]
        w = tl.load(weight + f[None, :], there, 0.0)  # [ROWS, FREQUENCIES]
        entry = 2 * f[None, :]
        f_real, f_imaginary = tl.load(spectra + entry, there, 0.0), tl.load(spectra + entry + 1, there, 0.0)
        cosine, sine = tl.load(phase + entry, there, 0.0), tl.load(phase + entry + 1, there, 0.0)
        a_real, a_imaginary = w * (f_real * cosine - f_imaginary * sine), w * (f_real * sine + f_imaginary * cosine)
        # A block's own sums begin at 0: tensor cores cut the last bits of what they add to, in each of thousands of blocks.
        nothing = tl.zeros([ROWS, ROTATIONS], tl.float32)
        agreed = add_product(nothing, a_real, real, PRECISION)
        agreement += add_product(agreed, a_imaginary, imaginary, PRECISION)
        energy += add_product(nothing, w, real * real + imaginary * imaginary, PRECISION)
        power += tl.sum(w * (f_real * f_real + f_imaginary * f_imaginary), 1)
    both = energy * power[:, None]
    score = tl.where(both == 0, 0.0, agreement / tl.sqrt(tl.where(both == 0, 1.0, both)))
    into = scores + (p * R * S + s)[:, None] + (r * S.to(tl.int64))[None, :]
    tl.store(into, score, mask=valid[:, None] & turned[None, :])


def fourier_correlation_triton(
    spectra: Tensor, reference: FourierReference, rotation: Tensor, shift: Tensor, frequencies: Tensor, weight: Tensor
) -> Tensor:
    """``fourier_correlation`` for checked arguments in complex64 and float32, all on one device."""
    (P, K), R, S = spectra.shape, len(rotation), len(shift)
    scores = weight.new_empty(P, R, S)
    values = torch.view_as_real(reference.values.resolve_conj().contiguous())
    phase = torch.view_as_real(phases(shift, frequencies))
    spectrum = torch.view_as_real(spectra.resolve_conj().contiguous())
    inputs = (spectrum, values, rotation, phase, frequencies, weight)
    launch(
        correlate, -(-P * S // CONSTANTS["ROWS"]) * -(-R // CONSTANTS["ROTATIONS"]),
        *(aligned(part.contiguous()) for part in inputs), scores, 1 / reference.step, P, R, S, K, reference.side,
        int(len(weight) == 1), **CONSTANTS,
    )  # fmt: skip
    return scores
