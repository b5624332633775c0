"""Averages: cutting out, alignment, half sets, the Wiener average, the Fourier shell correlation."""

import dataclasses
import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.geometry import random_rotations
from holly_triton.geometry.groups import point_group
from holly_triton.geometry.sampling import rotation_grid
from holly_triton.geometry.volumes import measured, wedge
from holly_triton.tomography.average import alignment, refinement
from holly_triton.tomography.average.extraction import extract, moved, random_positions
from holly_triton.tomography.average.fsc import Fsc, next_to_zeros, noise_deviation, shell_correlation, soft_sphere
from holly_triton.tomography.average.imaging import Imaging
from holly_triton.tomography.average.particles import Particles, Poses, normalised
from holly_triton.tomography.average.reconstruction import add_up, expected_agreement, volume_of
from holly_triton.tomography.average.spectra import grid, half_sphere, padded_spectra, restored, sampled, transformed
from holly_triton.tomography.config.averaging import Averaging
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.simulate.whole import simulate_subtomograms
from holly_triton.tomography.structures import Density, draw_map

SIZE, VOXEL = 20, 12.0
OPTICS = Optics(defocus_um=4.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@cache
def body() -> Density:
    """A lopsided cloud of 180 Å without symmetry."""
    arms = torch.tensor([[70.0, 0, 0], [0, 55, 10], [-20, -10, 60], [-40, 30, -35], [20, -50, -25]])
    points = arms.repeat_interleave(40, 0) + 14 * torch.randn(200, 3, generator=seeded())
    return Density.of("body", points, torch.tensor([3.0, 2, 2.5, 1.5, 1]).repeat_interleave(40))


@cache
def truth() -> Tensor:
    return draw_map(body(), SIZE, VOXEL, 2 * VOXEL)


def particles(count: int, snr: float = 0.3, optics: Optics | None = OPTICS, seed: int = 1) -> tuple[Particles, Poses]:
    """Boxes with a wedge, the CTF and noise, and how they truly lie."""
    rotation = random_rotations(count, seeded(seed))
    shift = 30 * (torch.rand(count, 3, generator=seeded(seed)) - 0.5)
    boxes = simulate_subtomograms(
        body(), rotation, shift, size=SIZE, voxel=VOXEL, optics=optics or Optics(), snr=snr, generator=seeded(seed)
    )
    return Particles(normalised(boxes), Imaging(VOXEL, (-60, 60), optics)), Poses.of(rotation, shift / VOXEL)


def plan(start: Tensor | None, known: bool = False, **settings: Any) -> refinement.Plan:
    return refinement.Plan(Averaging(**settings), soft_sphere(SIZE), start, known, Imaging(VOXEL))


def angles(found: Poses, true: Poses) -> Tensor:
    trace = (found.rotation.transpose(1, 2) @ true.rotation).diagonal(dim1=1, dim2=2).sum(1)
    return torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())


# Boxes


@pytest.mark.parametrize(("size", "binning"), [(8, 1), (9, 1), (8, 2), (9, 2), (7, 3)])
def test_a_box_holds_its_particle_where_its_remainder_says(size: int, binning: int) -> None:
    place = np.array([20.3, 22.8, 19.45])  # x, y, z in voxels
    z, y, x = np.meshgrid(*[np.arange(40.0)] * 3, indexing="ij")
    volume = np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2 + (z - place[2]) ** 2) / (2 * binning**2))
    volume = volume.astype(np.float32)
    found = extract(volume, place[None] * 5.0, size, 5.0, binning=binning)
    assert found.kept.tolist() == [True] and np.abs(found.remainder.numpy()).max() <= 0.5 / binning
    box = found.boxes[0].clamp(min=1e-3) - 1e-3
    at = torch.arange(size).float() - size // 2
    centre = torch.stack([(box.sum(axes) * at).sum() / box.sum() for axes in ((0, 1), (0, 2), (1, 2))])
    assert torch.allclose(centre, found.remainder[0], atol=0.04)


def test_boxes_that_leave_the_tomogram_are_left_out_and_counted() -> None:
    positions = np.array([[4, 4, 4], [3, 9, 9], [15, 15, 5], [16.6, 9, 5], [np.nan, 9, 5], [9, 9, 5.4]]) * 2.0
    found = extract(np.zeros((10, 20, 20), np.float32), positions, 8, 2.0)
    assert found.kept.tolist() == [True, False, True, False, False, True] and len(found.boxes) == 3
    assert found.centres.tolist() == [[4, 4, 4], [15, 15, 5], [9, 9, 5]]


def test_moved_by_a_fraction_of_a_voxel_and_back() -> None:
    smooth = draw_map(body(), SIZE, VOXEL, 4 * VOXEL)[None]
    there = moved(smooth, torch.tensor([[1.3, -0.4, 0.7]]))
    assert torch.allclose(moved(smooth, torch.tensor([[2.0, 0, -1]]))[0], smooth[0].roll((-1, 2), (0, 2)), atol=1e-5)
    assert float((moved(there, torch.tensor([[-1.3, 0.4, -0.7]])) - smooth).norm() / smooth.norm()) < 0.01


def test_random_positions_keep_away_from_picks_and_edges() -> None:
    picks = np.array([[150.0, 150, 80]])
    places = random_positions((16, 30, 30), 10.0, 60.0, 40, picks, 30.0, seeded())
    assert (
        places.shape == (40, 3)
        and float(torch.pdist(torch.from_numpy(places)).min()) >= 30
        and np.linalg.norm(places - picks, axis=1).min() >= 30
    )
    assert extract(np.zeros((16, 30, 30), np.float32), places, 6, 10.0).kept.all()
    with pytest.raises(HollyError, match="--control"):
        random_positions((16, 30, 30), 10.0, 60.0, 40, picks, 500.0, seeded())
    with pytest.raises(HollyError, match="--box"):
        random_positions((16, 30, 30), 10.0, 200.0, 1, picks, 1.0, seeded())


# Spectra


def test_the_wedge_at_any_frequency_is_that_of_the_grid() -> None:
    at = grid(12)
    for tilt in ((-60.0, 60.0), (-40.0, 52.0)):
        assert torch.equal(measured(at, tilt), wedge((12, 12, 12), tilt))
        inner = at[..., :].abs().amax(-1) < 0.5
        assert torch.equal(measured(-at, tilt)[inner], wedge((12, 12, 12), tilt)[inner])
    assert bool(measured(at, (-90.0, 90.0)).all())


def test_interpolated_spectra_are_those_of_the_turned_density() -> None:
    rotation = random_rotations(2, seeded(3))
    turned = draw_map(body(), SIZE, VOXEL, 2 * VOXEL, rotation=rotation)
    k = half_sphere(SIZE, 0.35)
    found = sampled(padded_spectra(turned, 0.35), SIZE, k @ rotation.transpose(1, 2))
    wanted = sampled(padded_spectra(truth()[None], 0.35), SIZE, k[None])[0]
    assert float((found - wanted).norm() / wanted.norm()) < 0.1  # the body fills three quarters of the box
    assert torch.allclose(restored(transformed(turned), SIZE), turned, atol=1e-4 * float(turned.max()))


# Fourier shell correlation


def test_identical_volumes_correlate_with_1_and_noise_with_about_0() -> None:
    first, second = torch.randn(2, 24, 24, 24, generator=seeded())
    same = shell_correlation(first, first, Imaging(10.0))
    assert torch.allclose(same.correlation, torch.ones(12).double()) and same.resolution() == 20
    apart = shell_correlation(first, second, Imaging(10.0))
    assert float(apart.correlation[3:].abs().mean()) < 0.05
    assert apart.resolution() > 50 or apart.resolution() == math.inf
    assert same.frequency.tolist() == pytest.approx([shell / 240 for shell in range(1, 13)])


DIPPED = torch.tensor([1, 0.943, 0.043, 0.6, 0.243, 0.043, 0, 0.3]).double()


def curve_of(*at_zero: int) -> Fsc:
    """``DIPPED`` in shells of 1/80 per Å, some of them, by their numbers from 1, next to zeros of the CTF."""
    shells = torch.arange(1, 9)
    return Fsc(shells / 80, DIPPED, torch.isin(shells, torch.tensor(at_zero)))


@pytest.mark.parametrize(
    ("at_zero", "place"),
    [((), 2 + 8 / 9), ((2, 3), 5.5), ((2, 3, 6), 5.5), ((3, 6, 7), 8), ((4,), 2 + 8 / 9)],
    ids=["first crossing", "dip at a zero", "fall that begins at a zero", "dips at two zeros", "zero beside a fall"],
)
def test_the_resolution_is_the_first_crossing_but_for_dips_at_zeros(at_zero: tuple[int, ...], place: float) -> None:
    assert curve_of(*at_zero).resolution() == pytest.approx(80 / place)


def test_a_fall_at_the_end_counts_and_one_from_the_start_is_of_no_resolution() -> None:
    last = curve_of(3, 6, 7, 8)._replace(correlation=torch.where(torch.arange(8) > 4, 0, DIPPED))
    assert last.resolution() == pytest.approx(80 / (5 + 0.1 / 0.243))
    assert last._replace(correlation=torch.zeros(8)).resolution() == math.inf


def test_shells_beside_zeros_of_the_ctf_are_known() -> None:
    """At 5 µm zeros are at 31.4, 22.2 and 18.1 Å: shells 11.7, 16.6 and 20.3 of boxes of 368 Å."""
    frequency = torch.arange(1, 21).double() / 368
    optics = Optics(defocus_um=5.0, cs_mm=2.7, amplitude_contrast=0.0)
    found = next_to_zeros(frequency, Imaging(9.2, optics=optics))
    assert (found.nonzero()[:, 0] + 1).tolist() == [11, 12, 16, 17, 20]
    assert not next_to_zeros(frequency, Imaging(9.2)).any()
    # In a box half as large zeros are 2.5 shells apart, so that no shell is without signal.
    assert not next_to_zeros(torch.arange(1, 11).double() / 184, Imaging(9.2, optics=optics)).any()


@pytest.mark.parametrize("masked", [False, True])
def test_how_much_noise_correlates_in_a_shell(masked: bool) -> None:
    mask = soft_sphere(14) if masked else torch.ones(14, 14, 14)
    pairs = torch.randn(200, 2, 14, 14, 14, generator=torch.Generator().manual_seed(0))
    curves = torch.stack([shell_correlation(*pair, Imaging(10.0), mask).correlation for pair in pairs])
    expected = torch.tensor([noise_deviation(mask, shell + 1) for shell in range(curves.shape[1])])
    # Of 200 pairs the deviation is known to a twentieth.
    assert (curves.std(dim=0) / expected - 1).abs().max() < 0.2


def test_the_mask_is_soft_and_of_its_radius() -> None:
    mask = soft_sphere(32, 10, 4)
    assert float(mask[16, 16, 16 + 10]) == pytest.approx(0.5) and float(mask[16, 16, 16 + 13]) == 0
    assert float(mask.sum()) == pytest.approx(4 / 3 * math.pi * 10**3, rel=0.05)


@pytest.mark.parametrize("reach", [0.0, 3.0, 9.0], ids=["no shift", "some shifts", "all shifts"])
def test_the_best_shift_is_that_of_the_whole_map_by_fft(reach: float) -> None:
    """Boxes of 16 voxels on a grid of 8 steps, without the frequencies at its edge."""
    first, second = torch.randn(2, 3, 8, 8, 8, generator=seeded())
    spectra, expected = torch.fft.rfftn(torch.stack([first, second]), dim=(2, 3, 4))
    for axis in (1, 2, 3):
        spectra, expected = (part.index_fill(axis, torch.tensor([4]), 0) for part in (spectra, expected))
    maps = 8**3 * torch.fft.irfftn(spectra[:, None] * expected.conj(), s=(8, 8, 8), dim=(2, 3, 4))
    step = torch.fft.fftfreq(8, 1 / 8) * 2
    near = step[:, None, None] ** 2 + step[:, None] ** 2 + step**2 <= max(reach, 1e-6) ** 2
    shifts = alignment._Shifts.of(16, 8, reach, torch.device("cpu"))
    twice = torch.where(torch.arange(5) > 0, 2.0, 1.0)
    score, place = alignment._best_shifts(spectra * twice, expected.permute(1, 2, 3, 0).conj().resolve_conj(), shifts)
    assert torch.allclose(score, maps.masked_fill(~near, -1e9).flatten(2).amax(2), rtol=1e-4)
    x, y, z = (shifts.voxels[place] / 2).long().remainder(8).unbind(2)
    p, r = torch.meshgrid(torch.arange(3), torch.arange(3), indexing="ij")
    assert torch.allclose(maps[p, r, z, y, x], score, rtol=1e-4)


# Averages


def test_wedges_of_many_orientations_average_to_the_truth() -> None:
    clean, true = particles(60, snr=math.inf, optics=Optics(defocus_um=0.0, phase_shift_deg=90.0))
    average = volume_of(add_up(clean, true))
    curve = shell_correlation(average, truth(), Imaging(VOXEL), soft_sphere(SIZE))
    assert float(curve.correlation[:-1].min()) > 0.97
    alone = volume_of(add_up(clean.take(torch.tensor([0])), true.take(torch.tensor([0]))))
    assert float(shell_correlation(alone, truth(), Imaging(VOXEL), soft_sphere(SIZE)).correlation[:6].mean()) < 0.95


def test_the_sign_of_the_ctf_is_restored_beyond_its_first_zero() -> None:
    """At 6 µm and 12 Å the CTF has zeros at 34.4 and 24.3 Å (Nyquist 24 Å)."""
    optics = Optics(defocus_um=6.0)
    noisy, true = particles(60, snr=0.5, optics=optics)
    mask = soft_sphere(SIZE)
    corrected = shell_correlation(volume_of(add_up(noisy, true)), truth(), noisy.imaging, mask)
    plain = dataclasses.replace(noisy, imaging=Imaging(VOXEL))
    reversed_ = shell_correlation(volume_of(add_up(plain, true)), truth(), Imaging(VOXEL), mask)
    beyond = (corrected.frequency > 1 / 31) & (corrected.frequency < 1 / 26)
    assert float(corrected.correlation[beyond].min()) > 0.8 and corrected.resolution(0.5) < 27
    assert float(reversed_.correlation[beyond].max()) < 0 and reversed_.resolution(0.5) > 34
    assert float(reversed_.correlation[2]) > 0.9  # dark protein becomes positive


def test_halves_add_up_and_a_symmetry_counts_every_particle_in_all_orientations() -> None:
    some, true = particles(6)
    parts = [add_up(some.take(rows), true.take(rows)) for rows in (torch.arange(3), torch.arange(3, 6))]
    whole, together = add_up(some, true), parts[0].plus(parts[1])
    assert torch.allclose(whole.numerator, together.numerator, atol=1e-3 * float(whole.numerator.abs().max()))
    group = point_group(Averaging(symmetry="c2").symmetry)
    assert torch.equal(group, point_group("c2")) and Averaging(symmetry="c2").symmetry == "C2"
    volume = volume_of(add_up(some, true, group))
    turned = volume.flip(1).flip(2).roll((1, 1), (1, 2))  # half a turn about z, which keeps index n // 2
    inner = soft_sphere(SIZE)
    assert float(((volume - turned) * inner).norm() / (volume * inner).norm()) < 0.05


def test_the_wiener_factor_of_both_halves_is_that_of_twice_the_signal() -> None:
    assert expected_agreement(torch.tensor([0.5, -0.1]), 2).tolist() == pytest.approx([1, 2 / 3, 0])
    assert expected_agreement(torch.tensor([0.5])).tolist() == [1, 0.5]


# Alignment


def test_known_rotations_are_recovered_within_the_grid_and_then_finely() -> None:
    noisy, true = particles(8, snr=0.5)
    reference = alignment.as_reference(truth(), soft_sphere(SIZE), VOXEL / 40)
    noise = alignment.noise_power(noisy)
    found = alignment.search(noisy, reference, rotation_grid(30.0), 3.0, noise)
    assert len(found) == 3 and bool((found[0].score >= found[1].score).all())
    assert float(angles(found[0], true).max()) < 30
    assert float((found[0].shift - true.shift).norm(dim=1).max()) < 2
    better = alignment.refined(noisy, reference, found[0], [15.0, 8.0, 4.0, 2.0], noise, 3.0)
    assert float(angles(better, true).median()) < 4 and float(angles(better, true).max()) < 12
    assert float((better.shift - true.shift).norm(dim=1).median()) * VOXEL < 5
    assert bool((better.score >= found[0].score - 0.05).all())


def test_no_shift_is_longer_than_the_reach() -> None:
    noisy, true = particles(4, snr=0.5)
    reference = alignment.as_reference(truth(), soft_sphere(SIZE), VOXEL / 40)
    noise = alignment.noise_power(noisy)
    found = alignment.search(noisy, reference, rotation_grid(60.0), 0.5, noise)
    better = alignment.refined(noisy, reference, found[0], [10.0, 5.0], noise, 0.5)
    assert float(found[0].shift.norm(dim=1).max()) <= 0.5 and float(better.shift.norm(dim=1).max()) <= 0.501


def test_aligned_to_a_reference_the_average_is_as_fine_as_with_the_true_poses_and_noise_is_worse() -> None:
    noisy, true = particles(24, snr=0.15)
    start = plan(truth(), iterations=2)
    state = refinement.begin(noisy, start, None, torch.zeros(24, 3), seeded())
    for _ in range(start.iterations):
        state = refinement.iterate(noisy, start, state)
    best = refinement.half_correlation(refinement.half_sums(noisy, true, start, state.half), start)
    assert state.history[-1] < 1.1 * best.resolution()
    assert float(angles(state.poses, true).median()) < 6
    nothing = dataclasses.replace(noisy, boxes=normalised(torch.randn(24, SIZE, SIZE, SIZE, generator=seeded(5))))
    empty = refinement.begin(nothing, start, None, torch.zeros(24, 3), seeded())
    for _ in range(start.iterations):
        empty = refinement.iterate(nothing, start, empty)
    assert empty.history[-1] > 1.3 * state.history[-1]


def test_without_a_reference_the_structure_appears_and_both_halves_lie_alike() -> None:
    noisy, _ = particles(16, snr=2.0)
    free = plan(None, start_angstrom=60.0)
    state = refinement.begin(noisy, free, None, torch.zeros(16, 3), seeded(2))
    for _ in range(2):
        state = refinement.iterate(noisy, free, state)
    sums = refinement.half_sums(noisy, state.poses, free, state.half)
    average = volume_of(sums[0].plus(sums[1]))
    lies = refinement.register(average, truth(), free.mask, VOXEL / 40, 30.0)
    aligned = refinement.turned_volume(average, lies)
    assert shell_correlation(aligned, truth(), Imaging(VOXEL), free.mask).resolution(0.5) < 40
    assert state.history[-1] < 40


def test_half_sets_never_mix() -> None:
    """Whatever the second half holds, the first is aligned and averaged to the same bits."""
    noisy, _ = particles(10, snr=0.5)
    start = plan(truth())
    state = refinement.begin(noisy, start, None, torch.zeros(10, 3), seeded())
    assert sorted(state.half.tolist()) == [0] * 5 + [1] * 5
    first = refinement.iterate(noisy, start, state)
    other = noisy.boxes.clone()
    other[state.half == 1] = torch.randn(5, SIZE, SIZE, SIZE, generator=seeded(9))
    changed = dataclasses.replace(noisy, boxes=other)
    second = refinement.iterate(changed, start, state)
    rows = state.half == 0
    assert torch.equal(first.poses.rotation[rows], second.poses.rotation[rows])
    assert not torch.equal(first.poses.rotation[~rows], second.poses.rotation[~rows])
    # And once more, from what the first iteration left, at the same detail.
    second = dataclasses.replace(second, correlation=first.correlation, highest=first.highest)
    third, fourth = refinement.iterate(noisy, start, first), refinement.iterate(changed, start, second)
    assert torch.equal(third.poses.rotation[rows], fourth.poses.rotation[rows])
    half = [
        refinement.half_sums(*pair, start, state.half)[0] for pair in ((noisy, third.poses), (changed, fourth.poses))
    ]
    assert torch.equal(half[0].numerator, half[1].numerator)


def test_a_stop_is_obeyed() -> None:
    noisy, _ = particles(4)
    state = refinement.begin(noisy, plan(truth()), None, torch.zeros(4, 3), seeded())
    with pytest.raises(refinement.StoppedError):
        refinement.iterate(noisy, plan(truth()), state, lambda: True)
