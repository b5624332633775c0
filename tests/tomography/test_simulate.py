"""Packing, tilt series, reconstructions, and tomograms by both paths."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.geometry import random_rotations
from holly_triton.geometry.volumes import centre, wedge
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.config.simulation import TomogramSettings
from holly_triton.tomography.config.structures import SIGMA_PER_RESOLUTION
from holly_triton.tomography.simulate.packing import Body, pack
from holly_triton.tomography.simulate.reconstruction import back_project, fourier_invert
from holly_triton.tomography.simulate.scene import Group
from holly_triton.tomography.simulate.series import Series, Tilts
from holly_triton.tomography.simulate.tomogram import read_classes, simulate_tomogram
from holly_triton.tomography.simulate.volume import WholeVolume
from holly_triton.tomography.structures import Density, draw_map, read_density

VOXEL = 12.0


def generated(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blob(seed: int, reach: float = 70.0) -> Density:
    return Density.of("blob", reach * (2 * torch.rand(60, 3, generator=generated(seed)) - 1))


def correlation(one: Tensor, two: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1])


def within(volume: Tensor, tilt: float = 58.0) -> Tensor:
    """The part of a volume inside a wedge, without the corners of its transform and without its mean."""
    spectrum = torch.fft.rfftn(volume)
    k = sum(torch.meshgrid(*(torch.fft.fftfreq(n) ** 2 for n in volume.shape), indexing="ij")).sqrt()
    keep = wedge(volume.shape, (-tilt, tilt)) * (k[..., : volume.shape[2] // 2 + 1] < 0.4)
    keep[0, 0, 0] = 0
    return torch.fft.irfftn(spectrum * keep, s=volume.shape)


@pytest.fixture(scope="module")
def classes() -> list[tuple[Density, int]]:
    return [(read_density("sphere"), 12), (read_density("disc"), 8), (read_density("gold"), 6)]


class TestPacking:
    def test_no_two_share_a_voxel_or_touch(self, classes: list[tuple[Density, int]], seed: int) -> None:
        packed = pack(classes, (50, 70, 80), VOXEL, 24.0, generated(seed), membranes=1)
        assert packed.label == sorted(packed.label, key=lambda one: [2, 1, 3].index(one))  # the largest first
        assert not packed.left_out.get("sphere") and len(packed.label) == 26
        assert np.array_equal(np.unique(packed.instances), np.arange(28))
        for axis in range(3):
            one, two = (np.moveaxis(packed.instances, axis, 0)[part] for part in (slice(1, None), slice(None, -1)))
            assert not ((one != two) & (one > 0) & (two > 0)).any()
        assert np.array_equal(packed.labels > 0, packed.instances > 0)
        assert (packed.labels[packed.instances == 27] == 4).all()  # the membrane
        for row, (position, label) in enumerate(zip(packed.position, packed.label, strict=True), start=1):
            z, y, x = np.nonzero(packed.instances == row)
            assert np.allclose(np.array([x.mean(), y.mean(), z.mean()]) * VOXEL, position, atol=VOXEL / 2)
            density = classes[label - 1][0]
            matter = 10 if density.name == "gold" else 1
            assert len(z) * VOXEL**3 == pytest.approx(density.mass / 0.81 / matter, rel=0.15)

    def test_what_finds_no_room_is_counted(self, seed: int) -> None:
        packed = pack([(read_density("sphere"), 40)], (20, 20, 20), VOXEL, 24.0, generated(seed))
        assert 1 <= len(packed.label) <= 5
        assert packed.left_out == {"sphere": 40 - len(packed.label)}
        assert packed.instances.max() == len(packed.label)

    def test_a_body_turns_with_its_particle(self, seed: int) -> None:
        arm = Density.of("arm", torch.stack([torch.linspace(0, 200, 80), torch.zeros(80), torch.zeros(80)], dim=1))
        packed = pack([(arm, 6)], (40, 40, 40), VOXEL, 24.0, generated(seed))
        for row, rotation in enumerate(packed.rotation, start=1):
            points = np.argwhere(packed.instances == row)[:, ::-1].astype(float)
            direction = np.linalg.svd(points - points.mean(0))[2][0]
            assert abs(direction @ rotation[:, 0]) > 0.98

    def test_bodies_have_no_holes(self, seed: int) -> None:
        body = Body.of(read_density("sphere"), VOXEL, 24.0)
        for rotation in random_rotations(3, generated(seed)).numpy():
            filled = np.zeros((20, 20, 20), dtype=bool)
            filled[tuple((np.rint(body.points @ rotation.T).astype(int) + 10).T)] = True
            z, y, x = np.indices(filled.shape) - 10
            assert filled[np.sqrt(x**2 + y**2 + z**2) < 5.0].all()

    def test_membranes_have_two_leaflets(self, seed: int) -> None:
        packed = pack([], (60, 60, 60), 8.0, 16.0, generated(seed), membranes=2)
        for membrane in packed.membranes:
            assert (membrane.points >= 0).all() and (membrane.points <= 59 * 8.0).all()
        thick = np.argwhere(packed.instances == 1)
        assert len(thick) > 100


@pytest.fixture(scope="module")
def tilts() -> Tilts:
    return Tilts.symmetric(60, 2)


def test_tilts_have_both_ends_and_the_smallest_come_first() -> None:
    tilts = Tilts.symmetric(60, 7, dose=100)
    assert tilts.angles[0] == -60 and tilts.angles[-1] == 60 and len(tilts.angles) == 18
    assert float(tilts.dose.max()) == pytest.approx(100 * 17.5 / 18)
    assert tilts.angles[tilts.dose.argsort()].abs().diff().min() > -1e-3


@pytest.mark.parametrize("size", [48, 49])
def test_pictures_are_central_planes_of_the_transform(size: int, seed: int) -> None:
    """Projection-slice, with the correction of the drawn width, and with the sign of the tilt that ``wedge`` states."""
    density, plate = blob(seed), Optics(phase_shift_deg=90.0, amplitude_contrast=0.0, defocus_um=0.0, cs_mm=0.0)
    tilts = Tilts(torch.tensor([-40.0, 0.0, 25.0]), torch.zeros(3))
    series = Series((size, size), VOXEL, 60.0, plate, tilts)
    rotation, position = random_rotations(1, generated(seed)), torch.tensor([[40.0, -25.0, 60.0]])
    series.add(density, rotation, position)
    u, v = torch.fft.rfftfreq(size, dtype=torch.float64), torch.fft.fftfreq(size, dtype=torch.float64)[:, None]
    points = (density.points.double() @ rotation[0].double().T + position) / VOXEL
    blur = -2 * math.pi**2 * (SIGMA_PER_RESOLUTION * 60.0 / VOXEL) ** 2 * (u**2 + v**2)
    for picture, angle in zip(series.pictures(), torch.deg2rad(tilts.angles.double()), strict=True):
        k = torch.stack([(u * angle.cos()).expand(size, -1), v.expand(-1, len(u)), (u * angle.sin()).expand(size, -1)])
        plane = -(
            density.weights * torch.exp(blur[..., None] - 2j * math.pi * torch.einsum("cvu,nc->vun", k, points))
        ).sum(-1)
        seen = torch.fft.rfft2(torch.fft.ifftshift(picture.double()))
        low = (u**2 + v**2).sqrt() < 0.35  # what a Gaussian of 1.3 pixels, sampled, aliases is below 1e-4 there
        assert float((seen - plane)[low].abs().max() / plane.abs().max()) < 1e-4


@pytest.mark.parametrize("size", [40, 41])
@pytest.mark.parametrize("reconstruct", [back_project, fourier_invert])
def test_a_particle_is_reconstructed_where_it_is(size: int, reconstruct: object, tilts: Tilts, seed: int) -> None:
    """In odd and even boxes; against the whole-volume path inside the wedge."""
    density = blob(seed)
    series = Series((size, size), VOXEL, 24.0, Optics(defocus_um=3.0), tilts)
    position = torch.tensor([[31.0, -14.0, 20.0]])
    rotation = random_rotations(1, generated(seed))
    series.add(density, rotation, position)
    volume = reconstruct(series.pictures(), tilts.angles, size)  # type: ignore[operator]
    drawn = WholeVolume((size,) * 3, VOXEL, 24.0, Optics(defocus_um=3.0), (-60, 60))
    drawn.add(density, rotation, position)
    whole = drawn.signal()
    best = max(
        ((z, y, x) for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)),
        key=lambda by: correlation(within(volume), within(whole).roll(by, (0, 1, 2))),
    )
    assert best == (0, 0, 0)
    assert correlation(within(volume), within(whole)) > (0.99 if reconstruct is back_project else 0.9)


@pytest.mark.parametrize("reconstruct", [back_project, fourier_invert])
def test_reconstructions_are_linear_and_project_to_their_pictures(reconstruct: object, tilts: Tilts, seed: int) -> None:
    size = 40
    series = Series((size, size), VOXEL, 30.0, Optics(defocus_um=2.0), tilts)
    series.add(blob(seed), random_rotations(1, generated(seed)), torch.zeros(1, 3))
    pictures = series.pictures()
    volume = reconstruct(pictures, tilts.angles, size)  # type: ignore[operator]
    noise = torch.randn(pictures.shape, generator=generated(seed))
    both = reconstruct(pictures + 0.1 * noise, tilts.angles, size)  # type: ignore[operator]
    apart = volume + 0.1 * reconstruct(noise, tilts.angles, size)  # type: ignore[operator]
    assert torch.allclose(both, apart, atol=1e-3 * float(both.abs().max()))
    u, place = torch.fft.rfftfreq(size), torch.arange(size) - centre(size)
    for tilt in (5, 30, 44):
        angle = math.radians(float(tilts.angles[tilt]))
        wave = torch.exp(
            -2j * math.pi * u[:, None, None] * (place * math.cos(angle) + place[:, None] * math.sin(angle))
        )
        line = torch.einsum("zyx,uzx->yu", volume.to(torch.complex64), wave)
        again = torch.fft.irfft(line * torch.exp(-2j * math.pi * u * centre(size)), n=size)
        centred = (one - one.mean() for one in (again, pictures[tilt]))
        assert correlation(*centred) > 0.95


def test_defocus_follows_the_height_of_each_particle(seed: int) -> None:
    """A particle 10000 Å deeper is 1 um further underfocused."""
    tilts = Tilts(torch.zeros(1), torch.zeros(1))
    optics = Optics(defocus_um=2.0)
    pictures = []
    for depth, defocus in ((1e4, 2.0), (0.0, 3.0), (0.0, 2.0)):
        series = Series((48, 48), VOXEL, 24.0, dataclasses.replace(optics, defocus_um=defocus), tilts)
        series.add(blob(seed), torch.eye(3)[None], torch.tensor([[0.0, 0.0, depth]]))
        pictures.append(series.pictures()[0])
    deep, same, other = pictures
    assert float((deep - same).abs().max()) < 0.01 * float(same.abs().max())
    assert float((deep - other).abs().max()) > 0.05 * float(other.abs().max())


SMALL = TomogramSettings(
    structures="sphere:4,disc:3", membranes=1, gold=1, size_x=64, size_y=56, size_z=40, voxel_size=VOXEL, step=4.0
)


@pytest.mark.parametrize("path", ["series", "whole"])
def test_a_tomogram_has_the_stated_snr_and_its_truth(path: str) -> None:
    settings = dataclasses.replace(SMALL, path=path)  # type: ignore[arg-type]
    tomogram = simulate_tomogram(settings, generated(3), name="tomogram_1")
    assert tomogram.volume.shape == (40, 56, 64) and tomogram.volume.dtype == torch.float32
    assert tomogram.snr == pytest.approx(0.1, rel=0.02)
    assert tomogram.classes == ["sphere", "disc", "gold", "membrane"]
    truth = tomogram.truth
    assert truth.classes == ["disc", "gold", "sphere"] and set(truth.tomograms) == {"tomogram_1"}
    assert not tomogram.left_out
    for row, label in enumerate(truth.labels, start=1):
        own = tomogram.instances == row
        assert (tomogram.labels[own] == tomogram.classes.index(label) + 1).all()
        # Dark: what lies inside a particle is below what lies outside.
        assert tomogram.clean[own].mean() < tomogram.clean[tomogram.labels == 0].mean()
    again = simulate_tomogram(settings, generated(3), name="tomogram_1")
    assert torch.equal(again.volume, tomogram.volume) and np.array_equal(again.truth.rotations, truth.rotations)


def test_series_and_whole_volume_agree() -> None:
    """Inside the wedge and without noise, particle by particle."""
    settings = dataclasses.replace(
        SMALL,
        structures="sphere:4,ellipsoid:4",
        gold=0,
        membranes=0,
        snr=None,
        step=2.0,
        size_z=32,
        optics=Optics(dose=60),
    )
    one, two = (
        simulate_tomogram(dataclasses.replace(settings, path=path), generated(4)) for path in ("series", "whole")
    )
    assert np.array_equal(one.truth.positions, two.truth.positions)
    series, whole = within(one.clean), within(two.clean)
    agreement = []
    for x, y, z in np.rint(one.truth.positions / VOXEL).astype(int):
        box = tuple(slice(max(0, c - 10), c + 11) for c in (z, y, x))
        agreement.append(correlation(series[box], whole[box]))
    assert min(agreement) > 0.995


@pytest.mark.parametrize("after", [0.0, 0.5, 1.0])
def test_noise_of_both_kinds_has_its_share(after: float) -> None:
    settings = dataclasses.replace(SMALL, noise_after=after, membranes=0, gold=0, snr=0.01)
    tomogram = simulate_tomogram(settings, generated(5))
    assert tomogram.snr == pytest.approx(0.01, rel=0.02)
    power = torch.fft.rfftn(tomogram.volume)[0].abs().square()
    k = (torch.fft.fftfreq(56)[:, None] ** 2 + torch.fft.rfftfreq(64) ** 2).sqrt() / VOXEL
    zero, peak = ((k > 1 / low) & (k < 1 / high) for low, high in ((31.8, 30.9), (45.0, 41.0)))
    ratio = float(power[zero].mean() / power[peak].mean())
    assert ratio < 0.15 if after == 0 else ratio > 0.3


def test_bright_contrast_is_the_negative(seed: int) -> None:
    dark, bright = (
        simulate_tomogram(
            dataclasses.replace(SMALL, path="whole", membranes=0, snr=None, optics=Optics(contrast=contrast)),
            generated(seed),
        )
        for contrast in ("dark", "bright")
    )
    assert torch.allclose(dark.volume, -bright.volume)


@pytest.mark.parametrize(
    ("structures", "words"),
    [("", "none is named"), ("sphere,sphere:3", "named twice"), ("spher", "did you mean sphere")],
)
def test_bad_lists_of_structures(structures: str, words: str) -> None:
    with pytest.raises(HollyError, match=words):
        read_classes(dataclasses.replace(SMALL, structures=structures))


@pytest.mark.parametrize("size", [32, 33])
def test_a_whole_volume_holds_its_density_where_it_is(size: int, seed: int) -> None:
    density, rotation = blob(seed, 40.0), random_rotations(2, generated(seed))
    position = torch.tensor([[31.0, -44.0, 20.0], [-70.0, 52.0, -61.0]])
    whole = WholeVolume((size,) * 3, VOXEL, 30.0, Optics(), (-60, 60))
    whole.add(density, rotation, position)
    drawn = draw_map(density, size, VOXEL, 30.0, rotation=rotation, shift=position).sum(0) * VOXEL**3
    assert correlation(within(whole.density(), 89.0), within(drawn, 89.0)) > 0.9999


def test_progress_is_shared_by_the_number_of_particles(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[list[int]] = []

    def following(items: list[Group], works: list[int]) -> list[Group]:
        shares.append(works)
        return items

    monkeypatch.setattr("holly_triton.tomography.simulate.tomogram.following", following)
    settings = TomogramSettings(structures="sphere:3,apoferritin:2", membranes=0, size_x=48, size_y=48, size_z=32)
    made = simulate_tomogram(settings, torch.Generator().manual_seed(0))
    assert sorted(shares[0]) == [2, 3] and sum(shares[0]) == len(made.truth)
