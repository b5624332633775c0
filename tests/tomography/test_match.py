"""Template matching."""

import math

import numpy as np
import pytest
import torch

from holly_triton.core.errors import HollyError
from holly_triton.geometry.rotations import random_rotations
from holly_triton.geometry.sampling import rotation_grid
from holly_triton.io.particle_lists import ParticleList
from holly_triton.tomography.config.matching import SIGN_MARGIN, Matching
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.config.simulation import TomogramSettings
from holly_triton.tomography.match import search as search_module
from holly_triton.tomography.match.basis import Basis, find_basis
from holly_triton.tomography.match.match import match_tomogram, picked, unexplained
from holly_triton.tomography.match.reading import read_template
from holly_triton.tomography.match.search import Search, plan_blocks
from holly_triton.tomography.match.template import (
    Template,
    Turning,
    distance,
    measured,
    resampled,
    spherical_mask,
    turned,
)
from holly_triton.tomography.match.threshold import best_threshold, expected_threshold, tail_threshold
from holly_triton.tomography.match.volume import centred, filtered
from holly_triton.tomography.simulate.optics import ctf
from holly_triton.tomography.simulate.tomogram import simulate_tomogram

VOXEL = 10.0
OPEN = {"tilt_least_deg": -90.0, "tilt_most_deg": 90.0, "contrast": "bright"}
ARMS = torch.tensor([[5.5, 0, 0], [-3, 4, 0], [-3, -2.5, 3.2], [0, 0, -4.5], [1, 1, 1], [0, -4.5, -1]])
WEIGHTS = torch.tensor([1.0, 0.8, 0.9, 1.2, 1.5, 0.6])


def body(shape, place, rotation=None, *, points=ARMS, sigma=1.6):
    """A chiral body of Gaussians about a place x, y, z in voxels."""
    z, y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in shape), indexing="ij")
    volume = torch.zeros(shape)
    for point, weight in zip(points if rotation is None else points @ rotation.T, WEIGHTS, strict=True):
        squared = (x - place[0] - point[0]) ** 2 + (y - place[1] - point[1]) ** 2 + (z - place[2] - point[2]) ** 2
        volume += weight * (-squared / (2 * sigma**2)).exp()
    return volume


def template(size=23, **more):
    return Template.of(more.pop("name", "arms"), body((size,) * 3, (size // 2,) * 3), VOXEL, **more)


def angle_between(first, second):
    trace = torch.trace(torch.as_tensor(first).float().T @ second)
    return math.degrees(math.acos(float(((trace - 1) / 2).clamp(-1, 1))))


def noisy(volume, snr_peak, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return volume + volume.abs().max() / snr_peak * torch.randn(volume.shape, generator=generator)


@pytest.mark.parametrize(
    ("size", "shape", "place"), [(23, (41, 38, 45), (20, 19, 22)), (24, (40, 44, 38), (17, 25, 21))]
)
def test_a_copy_scores_one_where_it_lies(size, shape, place):
    settings = Matching(angle_deg=30, **OPEN)
    volume = body(shape, place)
    (found,) = match_tomogram(volume, VOXEL, [template(size)], settings)
    assert torch.tensor(found.picks.positions[0] / VOXEL - torch.tensor(place).numpy()).abs().max() < 0.3
    turning = Turning(template(size), VOXEL, settings, Optics())
    plain = Search(filtered(centred(volume), settings), _basis(turning, torch.eye(3)[None]), turning.sphere).run()
    assert float(plain.best[place[2], place[1], place[0]]) == pytest.approx(1, abs=2e-4)
    assert int(plain.best.argmax()) == (place[2] * shape[1] + place[1]) * shape[2] + place[0]


def _basis(turning, rotation):
    """The templates themselves."""
    values = turning.normalised(rotation)[0]
    return Basis(values, torch.eye(len(rotation)), 1.0)


def share(mask, inside):
    return float((mask * inside).sum() / mask.sum())


@pytest.mark.parametrize("shaped", [False, True], ids=["sphere", "shape"])
def test_scores_are_those_of_a_plain_loop(shaped):
    generator = torch.Generator().manual_seed(4)
    volume = torch.randn(12, 11, 13, generator=generator)
    small = Template.of("small", torch.rand(5, 5, 5, generator=generator), VOXEL, radius=2 * VOXEL, mask=(torch.rand(5, 5, 5, generator=generator) > 0.3).float() if shaped else None)  # fmt: skip
    turning = Turning(small, VOXEL, Matching(**OPEN), Optics())
    rotation = random_rotations(3, generator)
    values, masks = turning.normalised(rotation)
    basis = Basis(values, torch.eye(3), 1.0)
    of_masks = Basis(masks, torch.eye(3), 1.0) if shaped else None
    sphere = spherical_mask(turning.size, turning.radius) if shaped else turning.sphere
    found = Search(volume, basis, sphere, of_masks).run()
    half = turning.size // 2
    padded, inside = (torch.nn.functional.pad(one, (half,) * 6) for one in (volume, torch.ones_like(volume)))
    checked = 0
    for z, y, x in (found.best > -math.inf).nonzero().tolist():
        part = (slice(z, z + turning.size), slice(y, y + turning.size), slice(x, x + turning.size))
        box, each = padded[part], []
        for row in range(3):
            mask = masks[row if shaped else 0]
            count = (mask if shaped else mask * inside[part]).sum() * (share(sphere, inside[part]) if shaped else 1)
            mean = (mask * box).sum() / count
            deviation = ((mask * box**2).sum() / count - mean**2).sqrt()
            each.append(float((values[row] * box).sum() / (mask.sum() * deviation)))
        assert float(found.best[z, y, x]) == pytest.approx(max(each), abs=1e-3)
        checked += share(sphere, inside[part]) > 0.999
    assert checked >= 8
    assert float(found.best.max()) <= 1


@pytest.mark.parametrize("tilt", [(-60.0, 60.0), (-30.0, 65.0)])
def test_a_turned_particle_in_noise_behind_a_wedge(tilt):
    settings = Matching(angle_deg=24, tilt_least_deg=tilt[0], tilt_most_deg=tilt[1])
    rotation = random_rotations(1, torch.Generator().manual_seed(8))[0]
    place = torch.tensor([24.6, 15.3, 20.8])
    volume = -noisy(body((36, 40, 44), place, rotation), 4.0)
    volume = torch.fft.irfftn(torch.fft.rfftn(volume) * measured(volume.shape, settings, volume.device), s=volume.shape)
    (found,) = match_tomogram(volume, VOXEL, [template()], settings, tomogram="t")
    best = found.accepted
    assert len(best) == 1 and best.tomograms[0] == "t" and best.labels[0] == "arms"
    assert torch.tensor(best.positions[0] / VOXEL - place.numpy()).abs().max() < 0.5
    assert angle_between(best.rotations[0], rotation) < 24
    assert found.opposite < 0


def test_templates_get_the_ctf():
    optics, settings = Optics(defocus_um=8), Matching(angle_deg=30, ctf=True, tilt_least_deg=-90, tilt_most_deg=90)
    rotation, place = random_rotations(1, torch.Generator().manual_seed(9))[0], (20, 21, 19)
    volume = body((40, 40, 40), place, rotation)
    axes = torch.fft.fftfreq(40)[:, None, None], torch.fft.fftfreq(40)[:, None], torch.fft.rfftfreq(40)
    frequency = (axes[0] ** 2 + axes[1] ** 2 + axes[2] ** 2).sqrt() / VOXEL
    volume = noisy(torch.fft.irfftn(torch.fft.rfftn(volume) * ctf(frequency, optics), s=volume.shape), 4.0)
    (found,) = match_tomogram(volume, VOXEL, [template()], settings, optics=optics)
    assert torch.tensor(found.accepted.positions[0] / VOXEL - torch.tensor(place).numpy()).abs().max() < 0.5
    assert angle_between(found.accepted.rotations[0], rotation) < 30
    without = match_tomogram(volume, VOXEL, [template()], Matching(angle_deg=30, tilt_least_deg=-90, tilt_most_deg=90))
    assert found.picks.scores[0] > 1.05 * without[0].picks.scores[0]


def test_noise_gives_about_as_many_false_positives_as_expected():
    settings = Matching(angle_deg=30, false_positives=10, rounds=1, **OPEN)
    volume = torch.randn(48, 48, 48, generator=torch.Generator().manual_seed(3))
    (found,) = match_tomogram(volume, VOXEL, [template()], settings)
    assert 2 <= len(found.accepted) <= 25


def test_membranes_raise_the_threshold():
    settings = TomogramSettings(
        structures="proteasome:3", membranes=2, size_x=64, size_y=64, size_z=40, voxel_size=16.0, path="whole", snr=0.2
    )
    made = simulate_tomogram(settings, torch.Generator().manual_seed(2))
    search = Matching(angle_deg=45, rounds=1, ctf=True)
    (found,) = match_tomogram(made.volume, 16.0, [read_template("proteasome", 16.0)], search, optics=Optics())
    apart = np.linalg.norm(found.picks.positions[:, None] - made.truth.positions, axis=2).min(1)
    false = found.picks.scores[apart > 80]
    assert found.picks.scores[apart < 80].min() > found.threshold > found.noise_threshold
    assert (false > found.noise_threshold).sum() >= 8 and (false > found.threshold).sum() <= 4


def test_a_decoy_has_the_extent_and_the_detail_of_its_template():
    given = template(33)
    decoy = given.decoy(torch.Generator().manual_seed(1))
    noise = torch.fft.fftn(torch.randn(given.values.shape, generator=torch.Generator().manual_seed(1)))
    phases = torch.fft.ifftn(torch.fft.fftn(given.values).abs() * noise / noise.abs()).real
    assert abs(float((decoy.values * given.values).sum() / given.values.square().sum())) < 0.5

    def moments(values):
        """Root mean square distance from the centre, and frequency, both weighted by power."""
        away, power = distance(33), torch.fft.fftshift(torch.fft.fftn(values).abs().square())
        return [float((away.square() * part).sum() / part.sum()) ** 0.5 for part in (values.square(), power)]

    wide, fine = zip(*(moments(one) for one in (given.values, decoy.values, phases)), strict=True)
    assert wide[1] < 2 * wide[0] < wide[2] and fine[1] == pytest.approx(fine[0], rel=0.05)


def test_blocks_change_nothing(monkeypatch):
    volume = noisy(body((30, 36, 41), (22, 17, 14)), 3.0)
    turning = Turning(template(), VOXEL, Matching(**OPEN), Optics())
    basis = find_basis(turning, rotation_grid(60), 0.9, torch.Generator().manual_seed(0))
    whole = Search(volume, basis, turning.sphere).run()
    monkeypatch.setattr(search_module, "BLOCK_BYTES", 2**21)
    search = Search(volume, basis, turning.sphere)
    assert len(search._corners()) > 2
    parts = search.run()
    assert torch.allclose(parts.best, whole.best, atol=1e-5) and parts.voxels == whole.voxels
    assert parts.sigma == pytest.approx(whole.sigma, rel=1e-4)


def test_the_plan_keeps_within_memory():
    plan = plan_blocks((128, 512, 512), 32, 100, 2**30)
    assert plan.bytes <= 2**30 and all(full >= side + 31 for full, side in zip(plan.transform, plan.valid, strict=True))
    assert plan_blocks((40, 40, 40), 32, 100, 2**40).valid == (40, 40, 40)


def test_a_basis_holds_the_share_of_power_that_it_states():
    turning = Turning(template(), 2 * VOXEL, Matching(**OPEN), Optics())
    rotation = rotation_grid(30)
    basis = find_basis(turning, rotation, 0.97, torch.Generator().manual_seed(0))
    values = turning.normalised(rotation)[0]
    apart = values - (basis.coefficients @ basis.functions.flatten(1)).view_as(values)
    held = 1 - float(apart.square().sum() / values.square().sum())
    assert held == pytest.approx(basis.held, abs=1e-4) and held > 0.96
    assert len(basis) < len(rotation) / 4


def test_turning_agrees_with_a_drawing():
    rotation = random_rotations(4, torch.Generator().manual_seed(5))
    source = resampled(body((23,) * 3, (11,) * 3), 1 / 3, 3 * 25)
    for one, turn in zip(turned(source, rotation, 25, 12.0), rotation, strict=True):
        drawn = body((25,) * 3, (12,) * 3, turn)
        assert float((one - drawn).norm() / drawn.norm()) < 0.03


def test_a_template_of_another_voxel_size():
    fine = Template.of("fine", body((45,) * 3, (22,) * 3, points=2 * ARMS, sigma=3.2), VOXEL / 2)
    rotation = random_rotations(1, torch.Generator().manual_seed(8))[0]
    volume = noisy(body((36, 40, 44), (24, 15, 20), rotation), 4.0)
    (found,) = match_tomogram(volume, VOXEL, [fine], Matching(angle_deg=24, **OPEN))
    assert torch.tensor(found.accepted.positions[0] / VOXEL - torch.tensor([24, 15, 20]).numpy()).abs().max() < 0.5


def test_the_hand_and_the_sign_show():
    volume = noisy(body((40, 40, 40), (20, 18, 21), points=ARMS * torch.tensor([1, 1, -1])), 4.0)
    given, mirrored = match_tomogram(volume, VOXEL, [template()], Matching(angle_deg=30, mirror=True, **OPEN))
    assert mirrored.mirrored and mirrored.picks.scores[0] > 1.05 * given.picks.scores[0]
    assert picked([given, mirrored]).scores[0] == mirrored.picks.scores[0]
    (wrong,) = match_tomogram(volume, VOXEL, [template()], Matching(angle_deg=30, **{**OPEN, "contrast": "dark"}))
    assert wrong.opposite > SIGN_MARGIN and given.opposite < 0


def test_templates_compete():
    ball = Template.of("ball", spherical_mask(17, 6.0), VOXEL, symmetry="O")
    volume = body((40, 40, 64), (16, 20, 20)) / 2
    volume[12:29, 12:29, 38:55] += spherical_mask(17, 6.0)
    found = match_tomogram(noisy(volume, 3.0), VOXEL, [template(), ball], Matching(angle_deg=30, **OPEN))
    assert found[1].rotations < found[0].rotations / 20
    both = picked(found)
    assert sorted(both.labels.tolist()) == ["arms", "ball"]
    assert both.positions[both.labels == "ball"][0][0] == pytest.approx(46 * VOXEL, abs=8)


def test_a_thin_tomogram_and_a_mask():
    settings = Matching(angle_deg=30, **OPEN)
    volume = noisy(body((14, 40, 50), (12, 20, 7)) + body((14, 40, 50), (36, 20, 7)), 6.0)
    (found,) = match_tomogram(volume, VOXEL, [template()], settings)  # 23 voxels across
    assert sorted((found.accepted.positions[:, 0] / VOXEL).round().astype(int).tolist()) == [12, 36]
    mask = torch.zeros(volume.shape)
    mask[:, :, 25:] = 1
    (found,) = match_tomogram(volume, VOXEL, [template()], settings, mask=mask)
    assert (found.accepted.positions[:, 0] / VOXEL).round().tolist() == [36]


def test_what_cannot_be_searched_is_said():
    volume, settings = torch.randn(20, 20, 20), Matching(angle_deg=60, **OPEN)
    wide = Template.of("wide", body((45,) * 3, (22,) * 3, points=3 * ARMS), VOXEL)
    cases = [
        (lambda: match_tomogram(volume, VOXEL, [wide], settings), "never fits"),
        (lambda: match_tomogram(volume, VOXEL, [template()], settings, mask=torch.zeros(20, 20, 20)), "none of 8000"),
        (lambda: match_tomogram(volume, VOXEL, [template()], settings, mask=torch.ones(20, 20, 19)), "same shape"),
        (lambda: match_tomogram(volume, VOXEL, [template(), template()], settings), "rename"),
        (lambda: match_tomogram(volume * 0, VOXEL, [template()], settings), "flat"),
        (lambda: match_tomogram(volume, VOXEL, [template(symmetry="K4")], settings), "symmetry"),
        (lambda: Template.of("negative", -torch.rand(8, 8, 8), VOXEL), "positive"),
        (lambda: Template.of("nan", torch.full((8, 8, 8), math.nan), VOXEL), "NaN"),
        (lambda: Template.of("masked", torch.rand(8, 8, 8), VOXEL, mask=torch.zeros(8, 8, 8)), "mask"),
    ]
    for work, message in cases:
        with pytest.raises(HollyError, match=message):
            work()


def test_thresholds():
    assert expected_threshold(1, 2e6 * 1e4) == pytest.approx(6.467, abs=0.001)
    assert expected_threshold(0.5, 1.0) == 0
    tail = 3 + 0.4 * np.random.default_rng(0).exponential(size=1000)
    assert tail_threshold(tail, 10) == pytest.approx(3 + 0.4 * math.log(100), abs=0.15)
    assert tail_threshold(tail, 0.1) == pytest.approx(3 + 0.4 * math.log(1e4), abs=1.0)
    assert tail_threshold(tail[:3], 1) == -math.inf
    decoys = ParticleList.of("a", [[0, 0, 9], [50, 0, 0], [90, 0, 0]], scores=[5, 4, 5])
    picks = ParticleList.of("a", [[0, 0, 0], [52, 0, 0]], scores=[8, 5])
    assert unexplained(decoys, picks, 20.0).tolist() == [False, True, True]
    assert unexplained(decoys, picks, 5.0).all() and unexplained(decoys, picks.take([]), 20.0).all()
    scores, right = torch.tensor([5.0, 1.0, 4.0, 3.0]), torch.tensor([True, False, True, False])
    threshold, f1 = best_threshold(scores, right, 2)
    assert (threshold, f1) == (4.0, 1.0)
    assert best_threshold(torch.zeros(0), torch.zeros(0, dtype=torch.bool), 3) == (math.inf, 0.0)
