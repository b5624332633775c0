r"""Particles aligned to a reference: all rotations on a coarse grid with shifts by FFT, then finer about the best.

Both steps score the constrained correlation of ``kernels.fourier_correlation`` with the noise whitened. A particle's spectrum
is ``s c V + noise`` of power N, so with the data ``F / c`` and the weight ``s c^2 / N`` its numerator is the part of the
log-likelihood that depends on the pose.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.geometry.rotations import compose
from holly_triton.geometry.sampling import local_rotations
from holly_triton.kernels import FourierReference, fourier_correlation, fourier_reference
from holly_triton.kernels.volumes.correlation import corner_table, sample_reference
from holly_triton.tomography.config.averaging import CANDIDATES, LEAST_GAIN, PASS_VALUES

from .particles import Particles, Poses
from .spectra import (
    from_shells,
    grid,
    half_sphere,
    padded_spectra,
    sampled,
    shell_means,
    shift_phase,
    transformed,
)  # fmt: skip


class Reference(NamedTuple):
    """What particles are aligned to."""

    spectrum: FourierReference
    highest: float
    """Longest frequency that takes part, cycles per voxel."""


def as_reference(volume: Tensor, mask: Tensor, highest: float) -> Reference:
    """A volume ``[n, n, n]``, protein positive, masked, up to a frequency.

    What an average lacks, behind wedges that its particles share, is 0 in it and adds nothing to the numerator of a score. To
    leave these frequencies out of the particle's power as well (Xu et al. 2012) was measured on simulated ribosomes at 14 Å a
    voxel, as the median error of rotation of four seeds: 16 from all sides at SNR 0.1 have 1.2 degrees either way; 40 within about
    8 degrees of one axis at SNR 0.05 have 1.1 without it and 0.9 with it; behind tilts of 45 degrees, where much is missing, 40
    within 3 degrees at SNR 0.05 have 1.9 and 2.5, and 60 within 20 degrees at SNR 0.03 have 3.3 and 4.0, at 36.5 and 37.7 Å of
    resolution against the truth: the fewer frequencies overlap, the more their noise decides.
    """
    centred = volume - (volume * mask).sum() / mask.sum()
    highest = min(highest, 0.5)
    return Reference(fourier_reference((centred * mask).contiguous(), highest=highest), highest)


def noise_power(particles: Particles) -> Tensor:
    """Mean power of the particles in the shells ``[n // 2 + 1]``, where they were measured; their signal is little of it."""
    at = grid(particles.size, particles.boxes.device)
    seen, _ = particles.imaging.transfer(at)
    total = torch.zeros_like(seen)
    for some in torch.split(particles.boxes, 64):
        total += transformed(some).abs().square().sum(0)
    power = shell_means(total / len(particles), at, particles.size, seen)
    # At a zero of the CTF the noise may vanish with the signal: no shell weighs more than ten times the typical one.
    return power.clamp(min=0.1 * float(power[power > 0].median()) if bool((power > 0).any()) else 1.0)


def weighed(particles: Particles, at: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """``s c^2 / N`` and the factor ``1 / c`` of the data, at frequencies ``[..., 3]``, without division by zero."""
    seen, gain = particles.imaging.transfer(at)
    size = gain.abs().clamp(min=LEAST_GAIN)
    return seen * size.square() / from_shells(noise, at, particles.size), torch.where(gain < 0, -1.0, 1.0) / size


def search(particles: Particles, reference: Reference, rotations: Tensor, reach: float, noise: Tensor) -> list[Poses]:
    """The best of all rotations, with the best shift of each on a coarse grid.

    Args:
        particles: N of them.
        reference: On a grid of the same voxels.
        rotations: ``[R, 3, 3]``.
        reach: Longest shift, voxels.
        noise: ``noise_power``.

    Returns:
        The best ``CANDIDATES`` (or R) poses, each of all N particles, best first; shifts are whole steps of the coarse grid.
    """
    size, device = particles.size, particles.boxes.device
    coarse = min(size, 2 * (int(reference.highest * size) + 1))
    index = torch.cat([torch.arange(coarse - coarse // 2), torch.arange(size - coarse // 2, size)]).to(device)
    at = grid(size, device)[index][:, index][:, :, : coarse // 2 + 1]
    inside = (at.norm(dim=-1) <= reference.highest + 1e-6) & (at.abs().amax(-1) * size < coarse / 2)
    weight, over = weighed(particles, at, noise)
    weight = torch.where(inside, weight, 0)
    twice = torch.where(at[..., 0] > 0, 2.0, 1.0)
    spectra = transformed(particles.boxes)[:, index][:, :, index][..., : coarse // 2 + 1] * over
    own = (twice * weight * spectra.abs().square()).sum((1, 2, 3)).sqrt()
    spectra = spectra * (twice * weight)
    shifts = _Shifts.of(size, coarse, reach, device)
    many = min(CANDIDATES, len(rotations))
    best = torch.full((len(particles), 0), 0.0, device=device)
    which = place = torch.zeros(len(particles), 0, dtype=torch.long, device=device)
    table, used = corner_table(reference.spectrum), inside.flatten().nonzero()[:, 0]
    few = max(1, PASS_VALUES[device.type] // (2 * len(shifts.along) * at[..., 0].numel()))
    turns = max(1, min(64, few))
    for start in range(0, len(rotations), turns):
        some = rotations[start : start + turns]
        turned = at.reshape(-1, 3)[used] @ some / reference.spectrum.step + reference.spectrum.side // 2
        values = sample_reference(table, reference.spectrum.side, turned.view(-1, 3)).view(len(some), -1, 2)
        expected = torch.zeros(at[..., 0].numel(), len(some), dtype=torch.complex64, device=device)
        expected[used] = torch.view_as_complex(values.contiguous()).T.conj()
        norm = ((twice * weight).flatten()[used, None] * expected[used].abs().square()).sum(0).sqrt()
        expected = expected.view(*at.shape[:-1], len(some))
        tops = [_best_shifts(part, expected, shifts) for part in torch.split(spectra, max(1, few // len(some)))]
        scores, places = (torch.cat(parts) for parts in zip(*tops, strict=True))
        found = scores / (own[:, None] * norm).clamp(min=1e-30)
        numbers = torch.arange(start, start + len(some), device=device).expand_as(found)
        best, which, place = (torch.cat(pair, 1) for pair in ((best, found), (which, numbers), (place, places)))
        order = best.topk(min(many, best.shape[1]), 1)
        best, which, place = order.values, which.gather(1, order.indices), place.gather(1, order.indices)
    return [Poses(rotations[which[:, c]], shifts.voxels[place[:, c]], best[:, c]) for c in range(best.shape[1])]


class _Shifts(NamedTuple):
    """The shifts of the coarse grid within reach: few of all, so that sums over frequencies cost less than an FFT does.

    For 100 particles of 40 voxels of 16 Å, 1992 rotations and a reach of 6 voxels the search took 7.7 s of a core, and with FFTs
    17.2 s; with all shifts within reach it would take 1.7 times as long as these.
    """

    along: Tensor
    """``exp(2 pi i k s)`` of the T steps s along an axis and the frequencies k of the grid ``[T, c]``."""
    along_x: Tensor
    """Of those of x, which are not negative ``[T, c // 2 + 1]``."""
    near: Tensor
    """Numbers of the S shifts within reach among all ``T^3``, z first ``[S]``."""
    voxels: Tensor
    """These, x y z ``[S, 3]``."""

    @classmethod
    def of(cls, size: int, coarse: int, reach: float, device: torch.device) -> "_Shifts":
        """Within ``reach`` voxels, on a grid of ``coarse`` steps over ``size`` voxels."""
        step = size / coarse
        most = min(int(reach / step + 1e-6), coarse // 2)
        ticks = torch.arange(-most, most + 1, device=device)
        k = torch.fft.fftfreq(coarse, 1 / coarse, device=device)
        angle = 2 * torch.pi / coarse * ticks[:, None] * k
        along = torch.polar(torch.ones_like(angle), angle)
        voxels = torch.cartesian_prod(ticks, ticks, ticks).flip(1) * step
        near = (voxels.norm(dim=1) <= max(reach, 1e-6) + 1e-6).nonzero()[:, 0]
        # Of an even grid the last frequency of x has the other sign, and takes no part.
        return cls(along, along[:, : coarse // 2 + 1].contiguous(), near, voxels[near])


def _best_shifts(spectra: Tensor, expected: Tensor, shifts: _Shifts) -> tuple[Tensor, Tensor]:
    """The highest of the correlations at all shifts, and the number of its shift, for each pair of particle and rotation.

    Sums over kz, ky and kx follow each other as matrix products, ``sum_k F(k) conj E(k) exp(2 pi i k . s)``.

    Args:
        spectra: Weighted, those that stand for two counted twice ``[P, c, c, c // 2 + 1]``.
        expected: Conjugates of the turned reference's ``[c, c, c // 2 + 1, R]``.
        shifts: T steps along each axis, S within reach.

    Returns:
        ``[P, R]``, and the same int64.
    """
    count, coarse, _, half = spectra.shape
    steps, many = len(shifts.along), expected.shape[-1]
    moved = torch.einsum("pzyx,tz->yxptz", spectra, shifts.along).reshape(coarse * half, count * steps, coarse)
    sums = moved @ expected.view(coarse, coarse * half, many).transpose(0, 1)  # [c * h, P * T, R]
    sums = (shifts.along @ sums.view(coarse, -1)).view(steps, half, -1)
    maps = (shifts.along_x @ sums).real.view(steps, steps, count, steps, many)  # y, x, P, z, R
    top = maps.permute(2, 4, 3, 0, 1).flatten(2)[:, :, shifts.near].max(2)
    return top.values, top.indices


def refined(
    particles: Particles, reference: Reference, poses: Poses, steps: list[float], noise: Tensor, reach: float
) -> Poses:
    """Poses made better: at each step rotations and shifts on a lattice about those so far, scored all together.

    Each particle is turned back by its own pose first, so that the lattice, and with it the samples of the reference, are the
    same for all.

    Args:
        particles: N of them.
        reference: On a grid of the same voxels.
        poses: Where to begin.
        steps: Degrees of the lattice at each step, falling; the shifts' steps keep to the arc at half of the mask's radius.
        noise: ``noise_power``.
        reach: Longest shift, voxels.
    """
    size = particles.size
    k = half_sphere(size, reference.highest, particles.boxes.device)
    batch = max(1, PASS_VALUES[particles.boxes.device.type] // (4 * (2 * size) ** 3))
    parts = []
    for start in range(0, len(particles), batch):
        rows = torch.arange(start, min(start + batch, len(particles)), device=k.device)
        some, now = particles.take(rows), poses.take(rows)
        spectra = padded_spectra(some.boxes, reference.highest)
        for step in steps:
            now = _improved(some, spectra, reference, now, k, step, noise, reach)
        parts.append(now)
    return Poses(*(torch.cat([getattr(part, name) for part in parts]) for name in ("rotation", "shift", "score")))


def _improved(
    particles: Particles, spectra: Tensor, reference: Reference, poses: Poses, k: Tensor, step: float, noise: Tensor,
    reach: float,
) -> Poses:  # fmt: skip
    """One step of ``refined``."""
    device, size = k.device, particles.size
    turns = local_rotations(2 * step, step).to(device)
    ticks = torch.tensor([-1.0, 0.0, 1.0], device=device) * (torch.pi / 180 * step * size / 5)
    moves = torch.cartesian_prod(ticks, ticks, ticks)
    at = k @ poses.rotation.transpose(1, 2)  # [N, K, 3]: R q
    weight, over = weighed(particles, at, noise)
    turned = sampled(spectra, size, at) * over * shift_phase(at, poses.shift)
    scores = fourier_correlation(turned, reference.spectrum, turns, moves, k, weight)  # [N, R, S]
    shifts = poses.shift[:, None] + (poses.rotation @ moves.T).transpose(1, 2)  # [N, S, 3]
    scores = scores.masked_fill((shifts.norm(dim=2) > reach + 1e-3)[:, None], -2.0)
    top = scores.flatten(1).max(1)
    rotation = compose(poses.rotation, turns[top.indices // len(moves)])
    shift = shifts.gather(1, (top.indices % len(moves))[:, None, None].expand(-1, 1, 3))[:, 0]
    return Poses(rotation, shift, top.values)


def best_of(candidates: list[Poses]) -> Poses:
    """Of several poses of the same particles, the one with the highest score for each."""
    scores = torch.stack([one.score for one in candidates])
    chosen, rows = scores.argmax(0), torch.arange(scores.shape[1], device=scores.device)
    return Poses(*(torch.stack([getattr(one, name) for one in candidates])[chosen, rows] for name in ("rotation", "shift", "score")))  # fmt: skip
